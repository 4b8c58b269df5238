#!/usr/bin/env bash
# The commands of the documents do what these say: each is run as it is written, in a network of its own
# and so at the ports that are documented, or stands in why_not() with the reason why it is not.
#   docs.sh ROOT BIN
# The system that is asked is the one that the README starts. Its server on the network is the fault
# simulator, as an HTTP proxy, and its claude a script.
# 77: skipped, since a program is missing, which RUNNER_REQUIRE_PEERS=1 makes a failure, or the right to a
# network.
set -euo pipefail

. "$(dirname "$0")/own_network.sh"
own_network grpcurl curl openssl python3 ip unshare -- "$@"

root=$(realpath "$1") bin=$(realpath "$2")
cd "$root"
pages=(README.md docs/*.md docs/runbooks/*.md deploy/container/README.md examples/agents/README.md
  tools/faultsim/README.md)
failed=0 runs=0 left_out=0
complain() {
  echo "$@"
  failed=1
}

# Why a command is not run.
why_not() {
  case $1 in
    scripts/demo) echo "it builds; tests/demo.sh runs it" ;;
    'scripts/setup && cmake '*) echo "it installs and builds, as scripts/test does before this" ;;
    *scripts/build-images\ *) echo "it builds the images, as tests/containers.sh does" ;;
    buildah\ push\ *) echo "it needs a registry" ;;
    kubectl\ *) echo "it takes a cluster" ;;
    *) return 1 ;;
  esac
}

# parts WHAT: of all pages, without the marks that markdown.awk has for ends of lines.
parts() {
  for page in "${pages[@]}"; do awk -v want="$1" -f tests/markdown.awk "$page"; done
}
mapfile -t commands < <(parts commands)
mapfile -t blocks < <(parts blocks)
lines() { printf '%s' "${1//$'\001'/$'\n'}"; }
place_of() { echo "${1%%$'\t'*}"; }
command_of() { lines "${1#*$'\t'}"; }

# Where a reader would be: in the repository, after a build.
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
mkdir -p "$work"/{build/release,programs,files}
for entry in *; do [ "$entry" = build ] || ln -s "$root/$entry" "$work/$entry"; done
ln -s "$bin" "$work/build/release/bin"
printf '#!/bin/sh\necho "Description of $*"\nhead -c 200 /dev/zero | tr "\\0" .\n' >"$work/programs/kubectl"
cat >"$work/programs/claude" <<'END'
#!/bin/sh
case $RUNNER_RESOURCE_NAME in endless-*) exec sleep 60 ;; esac
kubectl >"$RUNNER_REPORT_FILE"
END
chmod +x "$work"/programs/*
export PATH=$work/programs:$bin:$PATH ANTHROPIC_API_KEY=none
unset {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY
cd "$work"

# await WHAT COMMAND...: until the command succeeds, for 20 s at the most.
await() {
  local what=$1 deadline=$((SECONDS + 20))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { complain "no $what in time"; return 1; }
    sleep 0.05
  done
}

# serve PLACE COMMAND: starts what runs until it is stopped, with the simulator for every host of the network.
# Leaves its pid in `server`, its output in `log`.
serve() {
  log=$work/log.${1//\//_}
  runs=$((runs + 1))
  HTTP_PROXY=http://127.0.0.1:8090 bash -c "exec $2" >"$log" 2>&1 &
  server=$!
  started() { ! kill -0 $server || grep -qi '"msg":"listening"\|^listening on' "$log"; }
  await "start of $1: $2" started || true
  kill -0 $server 2>/dev/null || complain "$1: it has ended: $2"$'\n'"$(cat "$log")"
}
# stop PID WHAT: it ends on SIGTERM, with 0.
stop() {
  local status=0
  kill -TERM "$1" 2>/dev/null || true
  wait "$1" || status=$?
  [ $status -eq 0 ] || complain "$2 ends with $status"
}

ask() { grpcurl -plaintext -d "$1" 127.0.0.1:50051 "runner.v1.IngestAdmin/$2"; }
# incident_is ID WORD: its state or status.
incident_is() { ask "{\"incident_id\": \"$1\"}" GetIncident | grep -q "\"\(state\|status\)\": \"$2\""; }
# submit NAME: an incident of its own. Leaves its id in `incident`.
submit() {
  incident=$(ask "{\"cluster\": \"prod\", \"fault_type\": \"CrashLoop\", \"severity\": \"critical\",
    \"resource\": {\"kind\": \"Pod\", \"namespace\": \"shop\", \"name\": \"$1\"}}" SubmitEvent |
    sed -n 's/.*"incident_id": "\([^"]*\)".*/\1/p')
}

# run PLACE COMMAND: it is to succeed, with an incident for ID and a cluster for NAME.
run() {
  local place=$1 command=$2 cancels=false output status=0
  runs=$((runs + 1))
  incident=$investigated
  if [[ $command =~ /Cancel(Run|Incident) ]]; then
    cancels=true
    submit "endless-$runs"
    await "agent to cancel" incident_is "$incident" running || true
  fi
  command=${command//'"ID"'/"\"$incident\""}
  command=${command//'"NAME"'/'"prod"'}
  command=${command//\/run\/runner\//$work/}
  output=$(timeout 20 bash -o pipefail -c "$command" 2>&1) || status=$?
  [ $status -eq 0 ] || complain "$place: ends with $status: $command"$'\n'"$output"
  if $cancels; then
    # When it has failed: the cluster is to have its turn again.
    [ $status -eq 0 ] || grpcurl -plaintext -d "{\"incident_id\": \"$incident\"}" 127.0.0.1:50052 \
      runner.v1.ExecutorAdmin/CancelRun >/dev/null || true
    await "end of what was cancelled" incident_is "$incident" cancelled || true
  fi
}

# --- programs and files that the pages show --------------------------------------------------
# An agent of the pages that is in examples/agents is there word by word; any is run below.
programs=()
for block in "${blocks[@]}"; do
  IFS=$'\t' read -r place tag text <<<"$block"
  if [[ $text == '#!'* ]]; then
    program=$work/program.${place//\//_}
    programs+=("$program")
    lines "$text" >"$program"
    chmod +x "$program"
    if [ "$tag" = python ]; then
      name=$(grep -ohE '\(examples/agents/[a-z-]+-agent\)' "${place%%:*}" | tr -d '()')
      cmp "$program" "$name" || complain "$place is not $name"
    fi
  elif [ "$tag" = yaml ] && [[ $text == *clusters:* ]]; then
    # The files that it names are to be there.
    lines "$text" | sed "s|: /[a-z/-]*/\([a-z.-]*\)|: $work/files/\1|" >shown.yaml
    for file in $(grep -o "$work/files/[a-z.-]*" shown.yaml); do
      case $file in
        *.pem) echo '-----BEGIN CERTIFICATE-----' ;;
        *.key) echo '-----BEGIN PRIVATE KEY-----' ;;
        *) echo secret ;;
      esac >"$file"
    done
    runs=$((runs + 1))
    output=$(runner-ingest --check-config --config shown.yaml 2>&1) || complain "$place: $output"
    [ -e runner.yaml ] || mv shown.yaml runner.yaml
  elif [[ ! $tag =~ ^(-|sh|text|json|yaml|promql)$ ]]; then
    complain "$place: if these are commands, the tag is sh and not $tag"
  fi
done
[ ${#programs[@]} -gt 0 ] || complain "the pages show no agent"
[ ${#commands[@]} -gt 0 ] || complain "the pages have no commands"
inline=$(cd "$root" && for page in "${pages[@]}"; do
  awk -v want=prose -f tests/markdown.awk "$page" | tr '\n' ' ' | grep -oE '`(grpcurl|curl) [^`]*`' || true
done)
[ -z "$inline" ] || complain "in a block of its own it would be run: $inline"

# --- commands: sorted, then run ---------------------------------------------------------------
quick=() later=() system=() alone=() certified=()
for entry in "${commands[@]}"; do
  command=$(command_of "$entry")
  if why=$(why_not "$command"); then
    echo "not run: $command: $why"
    left_out=$((left_out + 1))
    continue
  fi
  case $command in
    grpcurl\ -cacert\ * | *\ -unix\ *) certified+=("$entry") ;;
    openssl\ * | *' --check-config'* | *' --print-config'* | *' --help' | *' --version' | grpcurl\ * | curl\ * | cat\ *)
      quick+=("$entry") ;;
    runner-faultsim\ *--listen*) system=("$entry" "${system[@]}") ;;
    runner-faultsim\ *) alone+=("$entry") ;;
    *runner-executor\ --executor-id*) later+=("$entry") ;;
    *runner-ingest\ * | *runner-executor\ *) system+=("$entry") ;;
    *) complain "$(place_of "$entry"): neither run nor listed in why_not(): $command" ;;
  esac
done

pids=()
for entry in "${system[@]}"; do
  serve "$(place_of "$entry")" "$(command_of "$entry")"
  pids+=("$server")
done
await "readiness of ingest" curl -sf http://localhost:8080/readyz || true
await "readiness of the executor" curl -sf http://localhost:8081/readyz || true
submit first
investigated=$incident
await "report" incident_is "$investigated" success || true
[ -s "incidents/$investigated/output/investigation.md" ] || complain "no report is where the README says"

for entry in "${quick[@]}"; do run "$(place_of "$entry")" "$(command_of "$entry")"; done

for program in "${programs[@]}"; do
  runs=$((runs + 1))
  (
    cd "incidents/$investigated"
    export RUNNER_REPORT_FILE=output/$runs.md RUNNER_RESOURCE_NAMESPACE=shop RUNNER_RESOURCE_KIND=Pod
    RUNNER_RESOURCE_NAME=first "$program" <incident.json
    grep -qx 'Description of describe --namespace=shop -- Pod first' "$RUNNER_REPORT_FILE"
  ) || complain "$program leaves no report"
done

for entry in "${later[@]}"; do
  serve "$(place_of "$entry")" "$(command_of "$entry")"
  await "attachment: $entry" grep -q '"msg":"Attached to ingest"' "$log" || true
  stop "$server" "$entry"
done
for i in "${!pids[@]}"; do stop "${pids[$i]}" "${system[$i]}"; done

# With the certificates that the pages have made, and on a socket.
with() { echo "env GRPC_TLS_CERT=$1.crt GRPC_TLS_KEY=$1.key GRPC_TLS_CA=ca.crt runner-$1"; }
serve ingest "$(with ingest) --mcp-endpoint http://mcp/mcp --grpc-listen 0.0.0.0:50051"
pids=("$server")
serve executor "$(with executor) --ingest-address localhost:50051 --sidecar=false -- true"
pids+=("$server")
await "attachment with certificates" curl -sf http://localhost:8081/readyz || true
serve socket "runner-ingest --mcp-endpoint http://mcp/mcp --grpc-listen unix:$work/ingest.sock \
  --metrics-port 9190 --health-port 8180"
pids+=("$server")
for entry in "${certified[@]}"; do run "$(place_of "$entry")" "$(command_of "$entry")"; done
for pid in "${pids[@]}"; do stop "$pid" "what has certificates or a socket"; done

for entry in "${alone[@]}"; do
  serve "$(place_of "$entry")" "$(command_of "$entry")"
  stop "$server" "$entry"
done

echo "$runs commands, agents and configurations were run, $left_out commands were not"
exit $failed
