#!/usr/bin/env bash
# Checks the #include lines against the rooms of the house: a room includes headers of its own, of
# the rooms that its USES line names, and of those that they use.
#   layers.sh ROOT BUILD
# BUILD/rooms.txt has a line `room: used...` for each USES line.
set -euo pipefail
cd "$1"
rooms=$2/rooms.txt
failed=0

includes=$(git ls-files -co --exclude-standard 'common/*.h' 'common/*.cc' 'ingest/*.h' 'ingest/*.cc' \
  'executor/*.h' 'executor/*.cc' 'tools/*.h' 'tools/*.cc' |
  while read -r file; do [ ! -e "$file" ] || echo "$file"; done |
  xargs grep -HoE '^#include "[a-z0-9_/]+/')
[ "$(wc -l <<<"$includes")" -gt 100 ] || { echo "no #include lines found below $PWD"; exit 1; }
awk '
  NR == FNR {
    room = substr($1, 1, length($1) - 1)
    known[room]
    for (i = 2; i <= NF; i++) uses[room, $i]
    next
  }
  # Follows USES lines from `at`; remembers in may[from, ...] what was reached.
  function reach(from, at,    room) {
    if ((from, at) in may) return
    may[from, at]
    for (room in known) if ((at, room) in uses) reach(from, room)
  }
  {
    split($0, part, ":#include \"")
    room = part[1]
    sub("/[^/]*$", "", room)
    target = part[2]
    sub("/$", "", target)
    if (!(target in known)) next  # generated code, which a library brings
    reach(room, room)
    if (!((room, target) in may)) {
      print part[1] " includes " target "; the USES line of " room " does not lead there"
      bad = 1
    }
  }
  END { exit bad }' "$rooms" <(printf '%s\n' "$includes") || failed=1

# forbid WHY PATTERN FOLDER...: no file of the folders includes what matches the pattern.
forbid() {
  local why=$1 pattern=$2 hits
  shift 2
  if hits=$(grep -rnE --include='*.h' --include='*.cc' "^#include [<\"]($pattern)" "$@"); then
    printf '%s:\n%s\n' "$why" "$hits"
    failed=1
  fi
}

io='grpc|curl/|microhttpd|sqlite3|prometheus/'
forbid "the core does no I/O" "$io|runner/v1/|sys/|unistd\\.h|thread|mutex" ingest/core executor/core
forbid "the shim is made of system calls" "$io|runner/v1/|nlohmann/|iostream|thread" executor/shim
forbid "the MCP protocol is apart from HTTP and gRPC" "$io|runner/v1/" ingest/mcp/protocol
forbid "only the rpc rooms and the channel to ingest speak gRPC" 'grpc|runner/v1/' \
  common/{base,config,domain,loop,net,observability,security} ingest/{config,core,loop,mcp,reload} \
  executor/{config,core,loop,runs,workspace}
forbid "no product includes a test" 'tests/' common executor ingest tools

[ $failed -eq 0 ] && echo "the layers hold"
exit $failed
