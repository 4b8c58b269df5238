#!/usr/bin/env bash
# The list of skipped tests with which scripts/test closes, on what ctest really prints.
#   skipped.sh ROOT
set -euo pipefail
root=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >CTestTestfile.cmake <<'END'
add_test(passed "/bin/sh" "-c" "echo 'x.cc:1: Skipped'; echo not this")
add_test(failed "/bin/sh" "-c" "echo 'go is missing'; exit 1")
add_test(of.a.script "/bin/sh" "-c" "echo first; echo; echo 'go is missing; install it' >&2; echo; exit 77")
add_test(of.gtest "/bin/sh" "-c" "printf 'x.cc:12: Skipped\nneeds a mount point\nmore\n\n[  SKIPPED ] A.B\n'")
add_test(silent "/bin/sh" "-c" "exit 77")
set_tests_properties(of.a.script silent PROPERTIES SKIP_RETURN_CODE 77)
set_tests_properties(of.gtest PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
END
ctest --output-on-failure --output-log ctest.log >/dev/null 2>&1 || true
diff - <(awk -f "$root/tests/skipped.awk" ctest.log Testing/Temporary/LastTest.log) <<'END'
skipped: of.a.script: go is missing; install it
skipped: of.gtest: needs a mount point
skipped: silent: it prints no reason
END
