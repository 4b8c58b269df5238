#!/usr/bin/env bash
# scripts/demo, with the programs of this build: the commands of README.md work beside it, it prints every port, shows
# summaries, finds other ports when these are taken, and ends with 0.
#   demo.sh ROOT BIN
# The commands are run by buf, which npm installs everywhere, in the place of grpcurl.
# 77: skipped, since a program is missing or a network namespace is not permitted.
set -euo pipefail
. "$(dirname "$0")/own_network.sh"
own_network ip unshare ss -- "$@"

root=$(realpath "$1") bin=$(realpath "$2")
buf=$root/tests/peers/node_modules/.bin/buf
[ -e "$buf" ] || skip "buf is missing; run scripts/setup --test"
failed=0
complain() {
  echo "$@"
  failed=1
}

# A checkout that is built, where nothing is left to install.
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
mkdir -p "$work"/{scripts,build/release,programs,tmp}
ln -s "$root"/scripts/{demo,lib.sh} "$work/scripts"
ln -s "$root/examples" "$work/examples"
ln -s "$bin" "$work/build/release/bin"
ln -s "$(type -P true)" "$work/scripts/setup"
ln -s "$(type -P true)" "$work/programs/cmake"
cat >"$work/programs/grpcurl" <<END
#!/usr/bin/env bash
# grpcurl -plaintext [-d DATA] ADDRESS METHOD
[ "\$1" = -plaintext ] || exit 2
shift
data='{}'
if [ "\$1" = -d ]; then
  data=\$2
  shift 2
fi
exec "$root/tests/peers/node" "$buf" curl --protocol grpc --http2-prior-knowledge --data "\$data" "http://\$1/\$2"
END
chmod +x "$work/programs/grpcurl"
export PATH=$work/programs:$PATH TMPDIR=$work/tmp
unset {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY
cd "$work"

# await WHAT COMMAND...: until the command succeeds, for 30 s at most.
await() {
  local what=$1 deadline=$((SECONDS + 30))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { complain "no $what in time"; cat demo.out; exit 1; }
    sleep 0.05
  done
}
# printed FILE: the addresses that the demo names.
printed() { grep -o '127\.0\.0\.1:[0-9]*' "$1" | sort -u; }

scripts/demo >demo.out 2>&1 &
demo=$!
await "start of the demo" grep -q 'Ctrl-C' demo.out
listening=$(ss -ltnH | awk '{ sub(/\[::ffff:127.0.0.1\]/, "127.0.0.1", $4); print $4 }' | sort -u)
[ "$(printed demo.out)" = "$listening" ] ||
  complain "it prints"$'\n'"$(printed demo.out)"$'\n'"and listens on"$'\n'"$listening"
for port in 9090 8080 50051 9091 8081 50052; do
  grep -qx "127.0.0.1:$port" <<<"$listening" || complain "it does not use the documented port $port"
done

mapfile -t commands < <(awk -v want=commands -f "$root/tests/markdown.awk" "$root/README.md" |
  cut -f 2- | grep '^grpcurl -plaintext')
incident='' runs=0
for command in "${commands[@]}"; do
  command=${command//$'\001'/$'\n'}
  command=${command//'"ID"'/"\"$incident\""}
  runs=$((runs + 1))
  output=$(timeout 20 bash -c "$command" 2>&1) || complain "README.md: ends with $?: $command"$'\n'"$output"
  if [[ $command == *SubmitEvent* ]]; then
    incident=$(sed -nE 's/.*"incident_?[iI]d": *"([^"]*)".*/\1/p' <<<"$output")
    [ -n "$incident" ] || complain "README.md: no incident: $command"$'\n'"$output"
  fi
done
[ $runs -ge 5 ] || complain "README.md has $runs commands for grpcurl only"
await "report on the fault of README.md" grep -q "^==> Incident [0-9]*, success: .*$incident" demo.out
await "summary of it" grep -q '^  `Pod shop/cart-0` in cluster `prod` has the fault `CrashLoop`' demo.out
if grep -n '^ *|' demo.out; then complain "it shows a table"; fi

# Beside it, so at other ports.
status=0
timeout 60 scripts/demo --once >once.out 2>&1 || status=$?
[ $status -eq 0 ] || complain "--once ends with $status"$'\n'"$(cat once.out)"
[ "$(grep -c '^==> Incident' once.out)" -eq 3 ] || complain "--once: not three reports"$'\n'"$(cat once.out)"
[ "$(grep -c '^  `.*has the fault' once.out)" -eq 3 ] || complain "--once: not three summaries"$'\n'"$(cat once.out)"
[ "$(printed once.out | wc -l)" -eq 7 ] || complain "--once: not seven addresses"$'\n'"$(printed once.out)"
shared=$(comm -12 <(printed demo.out) <(printed once.out))
[ -z "$shared" ] || complain "both demos print $shared"

status=0
kill -TERM $demo
wait $demo || status=$?
[ $status -eq 0 ] || complain "it ends with $status on SIGTERM"$'\n'"$(cat demo.out)"
[ -z "$(ss -ltnH)" ] || complain "it leaves listeners behind: $(ss -ltnHp)"
echo "$runs commands of README.md were run beside the demo"
exit $failed
