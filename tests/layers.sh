#!/usr/bin/env bash
# Checks the #include lines against the layers of the house.
#   layers.sh ROOT
set -euo pipefail
cd "$1"
failed=0

# forbid WHY PATTERN FOLDER...: no file below the folders includes what matches the pattern.
forbid() {
  local why=$1 pattern=$2 hits
  shift 2
  if hits=$(grep -rnE --include='*.h' --include='*.cc' "^#include [<\"]($pattern)" "$@"); then
    printf '%s:\n%s\n' "$why" "$hits"
    failed=1
  fi
}

io='grpc|curl/|microhttpd|sqlite3|prometheus/'
forbid "common knows nothing of the rest" 'ingest/|executor/|tools/|tests/' common
forbid "ingest never includes executor" 'executor/|tools/|tests/' ingest
forbid "executor never includes ingest" 'ingest/|tools/|tests/' executor
forbid "the core does no I/O" "$io|runner/v1/|sys/|unistd\\.h|thread|mutex" ingest/core executor/core
forbid "the shim is made of system calls" "$io|runner/v1/|nlohmann/|iostream|thread" executor/shim
forbid "the MCP protocol is apart from HTTP and gRPC" "$io|runner/v1/" \
  ingest/mcp/{sse_parser,json,fault_decoder,cluster_event,tool_result,mcp_session,event_source}*
forbid "no header of the loops pulls gRPC into what does not speak it" 'grpc|runner/v1/' \
  ingest/loop/ingest_loop.h ingest/loop/metrics.h executor/supervisor executor/workspace

[ $failed -eq 0 ] && echo "the layers hold"
exit $failed
