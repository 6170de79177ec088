#!/usr/bin/env bash
# Formatting, go vet and staticcheck over all modules. A finding that stays needs a //lint:ignore line with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

unformatted=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
if [ -n "$unformatted" ]; then
	echo "not formatted (gofmt -w):" $unformatted >&2
	exit 1
fi
for module in . test/lab internal/bitwarden/sdk; do
	(cd "$module" && go vet ./... && CGO_ENABLED=0 go run "$staticcheck" ./...)
done
