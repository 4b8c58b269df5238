#!/usr/bin/env bash
# The alerts of deploy/monitoring: promtool takes them, each is tested to fire and to be quiet, and has a
# page that says what to do. That there are the metrics they speak of, tests/e2e/dashboard_test.cc knows.
#   alerts.sh ROOT
# 77: skipped, since promtool is missing; RUNNER_REQUIRE_PEERS=1 makes that a failure.
set -euo pipefail
cd "$1"
failed=0
complain() {
  echo "$1"
  failed=1
}

rules=deploy/monitoring/alerts.yaml tests=deploy/monitoring/alerts_test.yaml
for alert in $(sed -n 's/^ *- alert: //p' $rules); do
  for kind in fires "is quiet"; do
    grep -qx "  - name: $alert $kind" $tests || complain "no test that $alert $kind"
  done
  [ -f "docs/runbooks/$alert.md" ] || complain "no page docs/runbooks/$alert.md"
  grep -q "runbook: docs/runbooks/$alert.md$" $rules || complain "$alert does not name its page"
done
for page in docs/runbooks/*.md; do
  grep -q -- "- alert: $(basename "$page" .md)$" $rules || complain "$page is of no alert"
done

if ! command -v promtool >/dev/null; then
  echo "promtool is missing; run scripts/setup --test"
  [ -n "${RUNNER_REQUIRE_PEERS:-}" ] && exit 1
  [ $failed -eq 0 ] && exit 77
else
  promtool check config deploy/monitoring/prometheus.yaml || failed=1
  promtool test rules $tests || failed=1
fi
exit $failed
