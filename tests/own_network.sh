# Sourced by tests that use the documented ports: `own_network PROGRAM... -- "$@"` runs the test again in a network
# of its own, where these ports are free. Ends with 77 (skipped), after the reason, if a program is missing, which
# RUNNER_REQUIRE_PEERS=1 makes a failure, or if a network is not permitted.

skip() {
  echo "$1"
  [ -z "${RUNNER_REQUIRE_PEERS:-}" ] || exit 1
  exit 77
}

own_network() {
  local program how
  while [ "$1" != -- ]; do
    program=$1
    shift
    command -v "$program" >/dev/null && continue
    [ "$program" != grpcurl ] || skip "grpcurl is missing; scripts/setup --test installs it where Go is on PATH"
    skip "$program is missing; run scripts/setup --test"
  done
  shift
  if [ -z "${RUNNER_OWN_NETWORK:-}" ]; then
    for how in -rn -n; do
      unshare $how ip link set lo up 2>/dev/null || continue
      RUNNER_OWN_NETWORK=1 exec unshare $how bash "$0" "$@"
    done
    echo "a network namespace is not permitted here, and the documented ports may be taken"
    exit 77
  fi
  ip link set lo up
}
