#!/usr/bin/env bash
# The alerts of deploy/monitoring: promtool takes them, each is tested to fire and to be quiet, has a
# page that says what to do, and speaks of metrics that there are.
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
# A histogram has series of other names.
for metric in $(grep -rhoE 'kubernetes_mcp_runner_[a-z_]+' $rules docs/runbooks README.md docs/operations.md | sort -u); do
  name=${metric#kubernetes_mcp_runner_}
  [ -z "$name" ] || grep -qE "^\| \`(${name}|${name%_bucket})\`" docs/metrics.md ||
    complain "$metric is not in docs/metrics.md"
done

if ! command -v promtool >/dev/null; then
  echo "promtool is missing: scripts/setup --test"
  [ -n "${RUNNER_REQUIRE_PEERS:-}" ] && exit 1
  [ $failed -eq 0 ] && exit 77
else
  promtool check config deploy/monitoring/prometheus.yaml || failed=1
  promtool test rules $tests || failed=1
fi
exit $failed
