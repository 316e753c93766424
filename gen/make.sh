#!/usr/bin/env bash
# Regenerates api/ from the models of the pinned botocore (BOTOCORE names its data
# folder, else pip brings it into .cache), docs/parity.md and docs/condition-keys.md
# from what the binary registers.
set -euo pipefail
cd "$(dirname "$0")/.."
go run ./gen
if go list ./cmd/penstock >/dev/null 2>&1; then
	go test ./cmd/penstock -run '^(TestParityPageIsCurrent|TestConditionKeysPageIsCurrent)$' -update
fi
