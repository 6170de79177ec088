#!/usr/bin/env bash
# The full numbers of the properties, each fuzz target for FUZZTIME, and what the hostile files cost. `make test` runs a twentieth.
# Seeds are printed; ENGINE_SEED and PLAN_AGREE_SEED repeat a run.
set -euo pipefail
cd "$(dirname "$0")/.."

FUZZTIME=${FUZZTIME:-60s}
export ENGINE_DAGS=${ENGINE_DAGS:-100000} PLAN_AGREE=${PLAN_AGREE:-100000} PLAN_RETENTION_CASES=${PLAN_RETENTION_CASES:-1000000}
export CGO_ENABLED=0
failed=()
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# step WHAT COMMAND... runs a command, prints it, and goes on after a failure.
step() {
	local what=$1 begin=$SECONDS
	shift
	printf '\n== %s\n$ %s\n' "$what" "$*"
	if "$@" >"$work/log" 2>&1; then
		grep -E 'SEED|seed|plans,|^ok|execs|files,|MiB|passed' "$work/log" | grep -vE 'baseline|\(0/sec\)' | tail -n "${LINES_SHOWN:-4}" || true
		printf '%s: passed in %d s\n' "$what" $((SECONDS - begin))
	else
		tail -n 60 "$work/log"
		printf '%s: FAILED\n' "$what"
		failed+=("$what")
	fi
}

step "$ENGINE_DAGS random plans against the reference" go test -count=1 -timeout 60m -v -run '^TestRandomPlansEndAsTheReferenceSays$' ./engine
step "$PLAN_AGREE plans, schema and binary" go test -count=1 -timeout 60m -v -run '^TestSchemaAndBinaryAgree$' ./steps/all
step "$PLAN_RETENTION_CASES histories of retention" go test -count=1 -timeout 60m -v -run '^TestRetentionOverRandomHistories$' ./internal/retention

targets=0
while IFS=: read -r file target; do
	targets=$((targets + 1))
	step "$target for $FUZZTIME" go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "./$(dirname "$file")"
done < <(grep -rE --include='*_test.go' -o '^func Fuzz[A-Za-z0-9]+' ./* | sed -E 's/^\.\///; s/func //' | sort)

mkdir "$work/hostile"
step 'hostile files are refused' env HOSTILE_DIR="$work/hostile" go test -count=1 -run '^TestHostileFiles$' ./cmd/plan
go build -o "$work/plan" ./cmd/plan
go build -o "$work/measure" ./test/hostile
LINES_SHOWN=400 step 'what hostile files cost' "$work/measure" "$work/plan" "$work/hostile"

printf '\n%d fuzz targets, FUZZTIME=%s, ENGINE_DAGS=%s, PLAN_AGREE=%s, PLAN_RETENTION_CASES=%s\n' "$targets" "$FUZZTIME" "$ENGINE_DAGS" "$PLAN_AGREE" "$PLAN_RETENTION_CASES"
if ((${#failed[@]})); then
	printf 'make reliability: FAILED: %s\n' "${failed[@]}"
	exit 1
fi
echo 'make reliability: all passed'
