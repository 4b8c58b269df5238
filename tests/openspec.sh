#!/usr/bin/env bash
# The specifications of openspec/: well formed, and every scenario names tests that exist. So does
# every row of tests/faults.md.
#   openspec.sh ROOT BUILD
# 77: skipped, if the validator or Node.js is missing; RUNNER_REQUIRE_PEERS=1 makes that a failure.
set -euo pipefail
root=$1 build=$2
cd "$root"
failed=0

tests=$(ctest --test-dir "$build" -N | sed -n 's/^ *Test *#[0-9]*: //p')
scenarios=$(grep -rc '^#### Scenario' openspec/specs | awk -F: '{n += $2} END {print n}')
named=$(grep -rhoP '(?<=^- \*\*PROVED BY\*\* `)[^`]+' openspec/specs)
if [ "$(wc -l <<<"$named")" -ne "$scenarios" ]; then
  echo "$scenarios scenarios, and not as many lines that say what proves them"
  failed=1
fi
while IFS= read -r name; do
  # A parametrized test is named without its instantiation and parameter.
  pattern=${name//./\\.}
  pattern=${pattern/\\./\\.(.*/)?}
  if ! grep -qxE -- "${pattern//\*/.*}(/.*)?" <<<"$tests"; then
    echo "there is no test $name"
    failed=1
  fi
done < <(printf '%s\n' "$named" && grep -oP '(?<=`)(unit|integration|e2e|sim|fuzz)\.[^` ]+(?=`)' tests/faults.md)

openspec=tests/peers/node_modules/.bin/openspec
if [ ! -e $openspec ] || ! tests/peers/node --version >/dev/null; then
  echo "openspec or Node.js 20 is missing; run scripts/setup --test"
  [ -n "${RUNNER_REQUIRE_PEERS:-}" ] && exit 1
  [ $failed -eq 0 ] && exit 77
else
  OPENSPEC_TELEMETRY=0 tests/peers/node $openspec validate --all --strict || failed=1
fi
exit $failed
