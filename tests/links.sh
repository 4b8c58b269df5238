#!/usr/bin/env bash
# What the documents point to is there: links, their #anchors, and in `code`
# paths of the repository and names_of_this_kind, which the sources know. A kubernetes-mcp-server that a
# page starts listens on loopback.
#   links.sh ROOT
# Links into the web are checked for their form alone: tests use no network.
set -euo pipefail
cd "$1"
failed=0 links=0 anchors=0 paths=0 names=0 urls=0 servers=0
complain() {
  echo "$1"
  failed=1
}

files=$(find . \( -name .git -o -name node_modules -o -path ./build \) -prune -o -type f -print | sed 's|^\./||' | sort)
folders=$(grep -o '^[^/]*/' <<<"$files" | sort -u)
prose() { awk -v want=prose -f tests/markdown.awk "$1"; }

# anchors_of PAGE: of its headings, as GitHub makes them.
anchors_of() {
  prose "$1" | sed -n 's/^##* //p' | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g' |
    awk '{ print $0 (seen[$0]++ ? "-" seen[$0] - 1 : "") }'
}

# pointers PAGE: `link TARGET` and `code TEXT`, one a line.
pointers() {
  prose "$1" | tr '\n' ' ' | awk '{
    while (match($0, /`[^`]+`/)) {
      print "code " substr($0, RSTART + 1, RLENGTH - 2)
      $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
    }
    while (match($0, /\]\([^()]*\)/)) {
      print "link " substr($0, RSTART + 2, RLENGTH - 3)
      $0 = substr($0, RSTART + RLENGTH)
    }
  }'
}

# exists PATH: a path of the repository, perhaps with globs.
exists() { compgen -G "${1%/}" >/dev/null; }

check_link() {
  local page=$1 target=$2 path anchor
  if [[ $target =~ ^[a-z]+: ]]; then
    urls=$((urls + 1))
    [[ $target =~ ^https?://[A-Za-z0-9.-]+\.[a-z]+(:[0-9]+)?(/[^\ \"\<\>]*)?$ ]] || complain "$page: no URL: $target"
    return
  fi
  links=$((links + 1))
  path=${target%%#*} anchor=${target#"$path"}
  if [ -z "$path" ]; then
    path=$page
  else
    path=$(realpath -m --relative-to=. "$(dirname "$page")/$path")
  fi
  [ -e "$path" ] || { complain "$page: nothing is at $target"; return; }
  [ -n "$anchor" ] || return 0
  anchors=$((anchors + 1))
  grep -qxF -- "${anchor#\#}" <<<"$(anchors_of "$path")" || complain "$page: no heading for $target"
}

check_code() {
  local page=$1 text=$2
  [ "$text" != tools/call ] || return 0  # a method of MCP
  if [[ $page =~ ^(README|docs/.*)\.md$ && $text =~ ^[a-z]+(_[a-z]+)+$ ]]; then
    names=$((names + 1))
    text=${text#kubernetes_mcp_runner_}
    grep -rqwE --include='*.cc' --include='*.h' --include='*.proto' --include='*.mjs' \
      --exclude-dir=node_modules -- "${text//_/[-_]}" common executor ingest proto tools tests/e2e tests/peers ||
      complain "$page: nothing is called $2"
  fi
  if [[ $text =~ ^[A-Za-z0-9_-]+/[A-Za-z0-9_.*/-]*$ ]] && grep -qxF "${text%%/*}/" <<<"$folders"; then
    paths=$((paths + 1))
    exists "$text" || exists "$(dirname "$page")/$text" || complain "$page: there is no $text"
  elif [[ $text =~ ^[A-Za-z0-9_-]+\.(md|h|cc|sh|mjs|awk)$ ]]; then
    paths=$((paths + 1))
    grep -qE "(^|/)${text//./\\.}$" <<<"$files" || complain "$page: there is no file $text"
  fi
}

# A kubernetes-mcp-server listens on all interfaces unless it is given an address.
check_servers() {
  local page=$1 command
  while IFS= read -r command; do
    [[ $command == *kubernetes-mcp-server*' --port '* ]] || continue
    servers=$((servers + 1))
    [[ $command == *' --bind-address 127.0.0.1'* ]] || complain "$page: add --bind-address 127.0.0.1 to: $command"
  done < <(pointers "$page" | sed -n 's/^code //p'; awk -v want=commands -f tests/markdown.awk "$page")
}

while IFS= read -r page; do
  check_servers "$page"
  while read -r kind text; do "check_$kind" "$page" "$text"; done < <(pointers "$page")
done < <(grep '\.md$' <<<"$files")

echo "$links links and $anchors anchors in this repository, $paths paths, $names names, $urls links into the web, $servers servers"
[ $links -gt 0 ] && [ $anchors -gt 0 ] && [ $paths -gt 0 ] && [ $servers -gt 0 ] || complain "nothing was found to check"
exit $failed
