#!/usr/bin/env bash
# The container images: built with buildah upon a Debian that debootstrap makes, and run under runc as a
# restricted pod of Kubernetes runs them: one network and one /run/runner for all containers, a process
# namespace each, root read-only, uid 65532, no capabilities, the seccomp profile of container runtimes.
#   tests/containers.sh
# All of it is in build/containers, and stays there for the next time: minutes the first time.
# 77: skipped, since it needs root or a program is missing, which RUNNER_REQUIRE_PEERS=1 makes a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "$1"
  [ -z "${RUNNER_REQUIRE_PEERS:-}" ] || exit 1
  exit 77
}
[ "$(id -u)" -eq 0 ] || { echo "building and running containers needs root here"; exit 77; }
PATH=$PATH:$(go env GOPATH 2>/dev/null || echo "${HOME:-/root}/go")/bin
for program in buildah runc debootstrap python3 curl ip unshare; do
  command -v $program >/dev/null ||
    skip "$program is missing: apt-get install buildah runc debootstrap python3 curl iproute2"
done
command -v grpcurl >/dev/null || skip "grpcurl is missing: scripts/setup --test"
[ -r /usr/share/containers/seccomp.json ] ||
  skip "the seccomp profile is missing: apt-get install golang-github-containers-common"
unshare --mount --pid --fork --mount-proc --net true 2>/dev/null ||
  { echo "namespaces are not permitted here"; exit 77; }

home=$PWD/build/containers
export TMPDIR=$home/tmp
store=(buildah --root "$home/storage" --runroot "$home/run")
buildah() { command "${store[@]}" "$@"; }
images=(ingest executor faultsim)
version=$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
image_of() { echo "localhost/kubernetes-mcp-runner-$1:$version"; }

# --- building, with the network of the machine ------------------------------------------------
base=localhost/debian:12
make_base() {
  local container
  rm -rf "$home/debian"
  debootstrap --variant=minbase bookworm "$home/debian" >"$home/debootstrap.log" 2>&1 ||
    { tail "$home/debootstrap.log"; return 1; }
  # As in the slim image of Debian.
  rm -rf "$home/debian"/{usr/share/{man,locale,info},var/cache/apt/*.bin,var/cache/apt/archives/*.deb,var/lib/apt/lists/*}
  find "$home/debian/usr/share/doc" ! -type d ! -name copyright -delete
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$home/debian" / >/dev/null
  buildah commit --quiet --rm "$container" "$base" >/dev/null
  rm -rf "$home/debian"
}

build() {
  # Layers of earlier builds are quick to have again.
  if [ "$(du -sm "$home/storage" | cut -f1)" -gt 10000 ]; then rm -rf "$home/storage" "$home/run"; fi
  if ! buildah inspect --type image "$base" >/dev/null 2>&1; then make_base; fi
  # What the compiler made here it need not make again there, nor the other way round.
  mkdir -p ~/.cache/ccache ~/.config/ccache
  scripts/build-images "${store[@]}" build --quiet --layers --isolation chroot --pull-never \
    --build-arg DEBIAN=$base --volume ~/.cache/ccache:/root/.cache/ccache \
    --volume ~/.config/ccache:/root/.config/ccache:ro
}

# What a run that was killed has left goes before the next.
clean() {
  local name
  for name in $(buildah containers --quiet); do buildah rm "$name" >/dev/null || true; done
  find /sys/fs/cgroup -depth -type d -path '*/runner-containers-test*' -exec rmdir {} + 2>/dev/null || true
  rm -rf "$TMPDIR"
}
# With namespaces of its own: what is mounted or started is gone when this has ended, however it ends.
case ${RUNNER_CONTAINERS_IN:-} in
  '') RUNNER_CONTAINERS_IN=mounts exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" ;;
  mounts)
    clean
    mkdir -p "$TMPDIR"
    build
    RUNNER_CONTAINERS_IN=pod exec unshare --net bash "$0"
    ;;
esac

# --- the pod ------------------------------------------------------------------------------------
ip link set lo up
work=$(mktemp -d "$TMPDIR/pod.XXXXXX")
declare -A root pids
failed=0

runtime() { runc --root "$work/runc" "$@"; }
# No other on this machine may have it: control groups are named so.
id_of() { echo "${work##*/}-$1"; }
finish() {
  local name status=$?
  trap - EXIT INT TERM
  for name in "${!pids[@]}"; do remove "$name"; done
  umount "$work"/volumes/* 2>/dev/null || true
  if [ $failed -ne 0 ] || [ $status -ne 0 ]; then
    tail -n 30 "$work"/*.log 2>/dev/null || true
    status=1
  fi
  clean
  exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM

# check WHAT COMMAND...
check() {
  local what=$1
  shift
  if "$@"; then
    echo "ok: $what"
  else
    echo "FAILED: $what"
    failed=1
  fi
}
# await SECONDS COMMAND...: until it succeeds.
await() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { echo "not in time: $*"; return 1; }
    sleep 0.05
  done
}

# start NAME [SOURCE:DESTINATION[:ro]]... -- ARGUMENT...: a container of the image NAME.
start() {
  local name=$1
  shift
  mkdir -p "$work/$name"
  buildah inspect --type image "$(image_of "$name")" |
    tests/containers/bundle.py "$work/$name" "$(id_of "$name")" "${root[$name]}" \
      "$work/resolv.conf:/etc/resolv.conf:ro" "$@"
  runtime run --bundle "$work/$name" --pid-file "$work/$name.pid" "$(id_of "$name")" \
    </dev/null >>"$work/$name.log" 2>&1 &
  pids[$name]=$!
}
signal() { runtime kill "$(id_of "$1")" "$2"; }
ended() { ! kill -0 "${pids[$1]}"; }
# exits NAME WITHIN STATUS: it ends by itself in time.
exits() {
  local status=0
  await "$2" ended "$1" || return
  wait "${pids[$1]}" || status=$?
  unset "pids[$1]"
  [ $status -eq "$3" ] || { echo "$1 ended with $status"; return 1; }
}
remove() {
  runtime delete --force "$(id_of "$1")" 2>/dev/null || true
  wait "${pids[$1]}" 2>/dev/null || true
  unset "pids[$1]"
}

start_ingest() {
  start ingest "$work/volumes/run:/run/runner" "$work/runner.yaml:/etc/runner/runner.yaml:ro" \
    -- --config /etc/runner/runner.yaml
}
start_executor() {
  start executor "$work/volumes/run:/run/runner" "$work/runner.yaml:/etc/runner/runner.yaml:ro" \
    "$work/volumes/state:/var/lib/runner" "$work/volumes/tmp:/tmp" \
    "$PWD/tests/containers/agent:/etc/runner/agent:ro" \
    -- --config /etc/runner/runner.yaml
}
answers() { curl --silent --fail --max-time 2 "http://localhost:$1" >/dev/null; }
attached() { answers 8080/readyz && answers 8081/readyz && ask GetStatus | grep -q '"executor_id": '; }
# The order of a native sidecar: what is a main container starts when the sidecar has.
start_pod() {
  start_executor
  await 20 answers 8081/healthz
  start_ingest
  await 20 attached
}

# --- incidents ------------------------------------------------------------------------------------
ask() {
  grpcurl -plaintext -max-time 5 -d "${2:-{\}}" -unix "$work/volumes/run/ingest.sock" "runner.v1.IngestAdmin/$1"
}
# submit NAME: leaves the id in `incident`.
submit() {
  incident=$(ask SubmitEvent "{\"cluster\": \"test\", \"fault_type\": \"CrashLoop\", \"severity\": \"critical\",
    \"resource\": {\"kind\": \"Pod\", \"namespace\": \"shop\", \"name\": \"$1\"}}" |
    sed -n 's/.*"incident_id": "\([^"]*\)".*/\1/p')
  [ -n "$incident" ] || { echo "an event about $1 is not taken"; return 1; }
}
incident_is() { ask GetIncident "{\"incident_id\": \"$incident\"}" | grep -q "\"\(state\|status\)\": \"$1\""; }
workspace() { echo "$work/volumes/state/incidents/$incident"; }
has_report() { [ "$(wc -c <"$(workspace)/output/investigation.md")" -gt 100 ]; }
# ended_as STATUS: what the executor has written down.
ended_as() { grep -q "\"status\": *\"$1\"" "$(workspace)/result.json"; }
becomes_report() { await 30 incident_is success && has_report; }
found_by_server() {
  incident=$(ask ListIncidents | sed -n 's/.*"incident_id": "\([^"]*\)".*/\1/p' | head -n 1)
  [ -n "$incident" ]
}

# --- what an image is -------------------------------------------------------------------------
config_of() { buildah inspect --type image --format "{{$2}}" "$(image_of "$1")"; }
label() { config_of "$1" "index .OCIv1.Config.Labels \"org.opencontainers.image.$2\""; }
# none OF: nothing is found.
none() {
  local found
  found=$("$@")
  [ -z "$found" ] || { head -n 5 <<<"$found"; return 1; }
}
set_id_files() { find "${root[$1]}" -xdev -type f -perm /6000; }
build_tools() {
  local names='gcc|g\+\+|c\+\+|cpp|cc|ld|as|ar|make|cmake|ninja|ccache|protoc|git|cc1plus'
  find "${root[$1]}" -xdev ! -type d -regextype egrep \
    -regex ".*/(bin|lib|libexec)/(.*/)?(.*-)?($names)(-[0-9.]+)?"
}
# Programs of ours that are no position-independent code, or whose relocations stay writable.
unhardened() {
  local program
  for program in "${root[$1]}"/usr/local/bin/runner-*; do
    readelf --file-header "$program" | grep -q 'Type: *DYN' &&
      readelf --program-headers "$program" | grep -q GNU_RELRO &&
      readelf --dynamic "$program" | grep -qE 'BIND_NOW|Flags:.* NOW' || echo "$program"
  done
}
leftovers() { find "${root[$1]}"/var/{lib/apt/lists,cache/apt,log} "${root[$1]}"/{tmp,src} -type f 2>/dev/null; }
shells() { find "${root[$1]}" \( -name sh -o -name bash -o -name busybox -o -name 'apt*' -o -name dpkg \) ! -type d; }
stamped() { "$@" | grep -qF "$(git rev-parse HEAD)"; }
metric_is_label() {
  curl --silent --fail "http://localhost:$2/metrics" | grep build_info |
    grep -qF -e "\"$(label "$1" revision)\"" && [ -n "$(label "$1" revision)" ]
}

# --- processes ----------------------------------------------------------------------------------
# The container's own /proc, which has zombies too.
processes() { ls "/proc/$(<"$work/$1.pid")/root/proc" | grep '^[0-9]' | tr '\n' ' '; }
alone() { [ "$(processes "$1")" = "1 " ]; }
cannot_write() { ! touch "/proc/$(<"$work/$1.pid")/root/$2" 2>/dev/null; }

echo "=== images"
for name in "${images[@]}"; do
  root[$name]=$(buildah mount "$(buildah from --pull-never "$(image_of "$name")")")
done
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep kubernetes-mcp-runner
for name in "${images[@]}"; do
  check "$name: user 65532" [ "$(config_of "$name" .OCIv1.Config.User)" = 65532:65532 ]
  check "$name: label version $version" [ "$(label "$name" version)" = "$version" ]
  check "$name: label revision is the commit" stamped label "$name" revision
  for label in title description created licenses; do
    check "$name: label $label" [ -n "$(label "$name" $label)" ]
  done
  check "$name: no file that changes the user" none set_id_files "$name"
  check "$name: no build tools" none build_tools "$name"
  check "$name: programs are hardened" none unhardened "$name"
  check "$name: no package lists, caches, logs or sources" none leftovers "$name"
done
check "ingest: no shell, no package manager" none shells ingest
check "executor: its agents" cmp -s examples/agents/sample-agent \
  "${root[executor]}/usr/local/share/kubernetes-mcp-runner/agents/sample-agent"

echo "=== a fault becomes a report"
mkdir -p "$work"/volumes/{run,state,tmp}
# As kubelet makes an emptyDir for fsGroup 65532.
for volume in run state tmp; do
  mount -t tmpfs -o mode=2777,gid=65532,nosuid,nodev "$volume" "$work/volumes/$volume"
done
# Services have names.
tests/containers/dns.py &
echo "nameserver 127.0.0.1" >"$work/resolv.conf"
cat >"$work/runner.yaml" <<'END'
shutdown_timeout: 8s
log_format: json
ingest:
  cluster_name: test
  mcp_endpoint: http://kubernetes-mcp-server.mcp:8090/mcp
  grpc_listen: unix:/run/runner/ingest.sock
executor:
  ingest_address: unix:/run/runner/ingest.sock
  grpc_listen: unix:/run/runner/executor.sock
  workspace_root: /var/lib/runner/incidents
  agent_command: /etc/runner/agent
  report_file: output/investigation.md
END
start faultsim -- --listen 127.0.0.1:8090 --rate 10 --count 1
start_pod
await 20 found_by_server
check "of a simulated fault" becomes_report
check "asked on the socket of ingest: success" incident_is success
executor_says() {
  grpcurl -plaintext -max-time 5 -unix "$work/volumes/run/executor.sock" runner.v1.ExecutorAdmin/GetStatus |
    grep -q "$1"
}
check "asked on the socket of the executor: success" executor_says '"success": "1"'
said=$(cat "$(workspace)/agent.stdout.log")
has_said() { grep -qx "$1" <<<"$said"; }
check "agents run as 65532" has_said "uid 65532 gid 65532"
check "agents have a home on the volume" has_said "home /var/lib/runner"
check "agents have no capabilities" has_said "CapEff:	0000000000000000"
check "agents can get none" has_said "CapBnd:	0000000000000000"
check "agents gain no privileges" has_said "NoNewPrivs:	1"
check "agents have the seccomp profile" has_said "Seccomp:	2"
refused() { [ "$(grep -c 'Read-only file system' "$(workspace)/agent.stderr.log")" -eq 3 ]; }
check "agents cannot write outside the volumes" refused
for name in "${images[@]}"; do
  check "$name: root is read-only" cannot_write "$name" etc/written
done
check "ingest: build_info has the revision of its label" metric_is_label ingest 9090
check "executor: build_info has the revision of its label" metric_is_label executor 9091

echo "=== PID 1 reaps"
for kind in daemons orphans; do
  submit $kind-1
  check "$kind: the run ends" await 30 incident_is finished
  check "$kind: processes were left" grep -q '"orphansKilled": *[1-9]' "$(workspace)/result.json"
  check "$kind: none is there any more, nor a zombie" await 10 alone executor
done

runtime exec "$(id_of executor)" sh -c 'sleep 0.2 & sleep 0.2 & exit 0'
check "what an operator's shell has left: none, no zombie" await 10 alone executor

echo "=== ingest is killed, and started again alone"
signal ingest KILL
check "ingest was killed" exits ingest 10 137
start_ingest
check "the executor attaches again" await 30 attached
submit again
check "a new fault becomes a report" becomes_report

echo "=== SIGTERM"
# stop_native: ingest first; the executor when that has ended, with what is left of the grace.
stop_native() {
  local began=$SECONDS
  signal ingest TERM
  check "$1: ingest exits with 0" exits ingest 60 0
  signal executor TERM
  check "$1: executor exits with 0, all within 60 s" exits executor $((60 - SECONDS + began)) 0
}
stop_plain() {
  signal ingest TERM &
  signal executor TERM
  check "$1: ingest exits with 0" exits ingest 60 0
  check "$1: executor exits with 0" exits executor 60 0
}
# What the pod had is kept, as where a container is started again.
for round in native:slow:success native:endless:interrupted plain:slow:success plain:endless:interrupted; do
  IFS=: read -r order kind status <<<"$round"
  [ -n "${pids[ingest]:-}" ] || start_pod
  submit "$kind-$order"
  await 20 incident_is running
  stop_$order "$order order, agent $kind"
  check "$order order, agent $kind: $status" ended_as $status
done
signal faultsim TERM
check "faultsim exits with 0" exits faultsim 10 0

[ $failed -eq 0 ] && echo "=== all is well"
exit $failed
