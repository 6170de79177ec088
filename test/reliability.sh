#!/usr/bin/env bash
# The full numbers of the properties and rigs, each fuzz target for FUZZTIME, and what the hostile files cost. `make test` runs a twentieth.
# Seeds are printed; ENGINE_SEED, PLAN_AGREE_SEED, PLAN_ETCD_SEED and PLAN_RIG_SEED repeat a run. ONLY=WORD runs the steps whose title has
# the word. Each step's lines in docs/reliability.md are replaced as it ends, so that the whole may be run in parts; others stay, with their commit.
set -euo pipefail
cd "$(dirname "$0")/.."

FUZZTIME=${FUZZTIME:-60s}
export ENGINE_DAGS=${ENGINE_DAGS:-100000} ENGINE_RESUMES=${ENGINE_RESUMES:-5000} PLAN_AGREE=${PLAN_AGREE:-100000}
export PLAN_RETENTION_CASES=${PLAN_RETENTION_CASES:-1000000} PLAN_ETCD_MUTATIONS=${PLAN_ETCD_MUTATIONS:-10000} PLAN_LOCK_ROUNDS=${PLAN_LOCK_ROUNDS:-1000}
export PLAN_RIG_POINTS=${PLAN_RIG_POINTS:-all} PLAN_RIG_ERRORS=${PLAN_RIG_ERRORS:-all} PLAN_RIG_KILLS=${PLAN_RIG_KILLS:-10000}
export PLAN_RIG_SIGNALS=${PLAN_RIG_SIGNALS:-1000} PLAN_RIG_CANARIES=${PLAN_RIG_CANARIES:-200}
export CGO_ENABLED=0
ONLY=${ONLY:-}
failed=()
version="$(date -u +%Y-%m-%d), $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- . ':!docs/reliability.md' || echo ' and changes')"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# step WHAT COMMAND... runs a command, prints it, and goes on after a failure.
step() {
	local what=$1 begin=$SECONDS result=passed
	shift
	if [[ $what != *"$ONLY"* ]]; then
		return
	fi
	printf '\n== %s\n$ %s\n' "$what" "$*"
	if "$@" >"$work/log" 2>&1; then
		grep -E '^rig |SEED|seed|plans,|^ok|execs|files,|MiB|passed' "$work/log" | grep -vE 'baseline|\(0/sec\)' | tail -n "${LINES_SHOWN:-4}" || true
		printf '%s: passed in %d s\n' "$what" $((SECONDS - begin))
	else
		tail -n 60 "$work/log"
		printf '%s: FAILED\n' "$what"
		failed+=("$what")
		result='**FAILED**'
	fi
	rows "$what" "$result" $((SECONDS - begin)) "$*"
}

# rows WHAT RESULT SECONDS COMMAND puts what the last step came to into the table: each figure of a rig, or the step as a whole.
rows() {
	local what=$1 result=$2 seconds=$3 command=${4//"$work"/"\$TMP"} seed line
	seed=$(grep -oE '(SEED=|seed )[0-9]+' "$work/log" | grep -oE '[0-9]+' | head -n 1 || true)
	: >"$work/rows"
	if ! grep -qE '^rig [a-z ]+: [0-9]+ .*, [0-9]+ s' "$work/log"; then
		printf '| %s | %s | %s | `%s` | %s | %s |\n' "$what" "$result" "$seed" "$command" "$seconds" "$version" >>"$work/rows"
	fi
	while IFS= read -r line; do
		seconds=$(sed -E 's/.*, ([0-9]+) s(;.*)?$/\1/' <<<"$line")
		seed=$(grep -oE 'seed [0-9]+' <<<"$line" | grep -oE '[0-9]+' || true)
		line=$(sed -E 's/^rig //; s/, seed [0-9]+//; s/, [0-9]+ s(;.*)?$//' <<<"$line")
		printf '| %s | %s | %s | `%s` | %s | %s |\n' "$line" "$result" "$seed" "$command" "$seconds" "$version" >>"$work/rows"
	done < <(grep -E '^rig [a-z ]+: [0-9]+ .*, [0-9]+ s' "$work/log")
	grep '^| ' docs/reliability.md 2>/dev/null | tail -n +2 | grep -vF "| \`$command\` |" >"$work/kept" || true
	cat "$work/kept" "$work/rows" | document >"$work/document"
	cp "$work/document" docs/reliability.md
}

# document puts the head before the rows it reads.
document() {
	local cpu memory
	cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
	memory=$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo 2>/dev/null || true)
	cat <<-END
		# Reliability

		What \`make reliability\` ran: $(nproc 2>/dev/null || echo '?') processors (${cpu:-unknown}), ${memory:-memory unknown}, $(uname -sr), $(go env GOVERSION). This file is written by
		\`test/reliability.sh\`. [Promises](promises.md) says what is promised; a seed repeats a run.

		| rig, number | result | seed | command | seconds | at |
		|---|---|---|---|---|---|
	END
	cat
}

# long WHAT VARIABLE PACKAGE TEST runs a test with the number that the variable has.
long() { step "$1" env "$2=${!2}" go test -count=1 -timeout 180m -v -run "^$4\$" "$3"; }

long "$ENGINE_DAGS random plans against the reference" ENGINE_DAGS ./engine TestRandomPlansEndAsTheReferenceSays
long "$ENGINE_RESUMES random plans, stopped after each append and resumed" ENGINE_RESUMES ./engine TestResumedAnywhereARunEndsAsIfItHadNotBeenStopped
long "$PLAN_AGREE plans, schema and binary" PLAN_AGREE ./steps/all TestSchemaAndBinaryAgree
long "$PLAN_RETENTION_CASES histories of retention" PLAN_RETENTION_CASES ./internal/retention TestRetentionOverRandomHistories
long "$PLAN_LOCK_ROUNDS rounds of contenders for a Lease" PLAN_LOCK_ROUNDS ./internal/lock TestTwoNeverWorkAtOnce
long "$PLAN_ETCD_MUTATIONS mutations of a snapshot" PLAN_ETCD_MUTATIONS ./internal/etcdsnapshot TestMutationsAreFoundByTheDepthThatShould
long "$PLAN_ETCD_MUTATIONS mutations of a snapshot under a right trailer" PLAN_ETCD_MUTATIONS ./internal/etcdsnapshot TestMutationsUnderARightTrailerNeverEndTheProgram

export PLAN_LOG_LINES=${PLAN_LOG_LINES:-1000000} PLAN_BUNDLES=${PLAN_BUNDLES:-10000}
long "$PLAN_LOG_LINES lines of a log over a hundred cuts" PLAN_LOG_LINES ./internal/podlogs TestALongLogComesOnceOverAHundredCuts
long "$PLAN_BUNDLES bundles of generated plans" PLAN_BUNDLES ./cmd/plan TestGeneratedBundles

long 'rig points' PLAN_RIG_POINTS ./test/rigs TestKilledBeforeAnySystemCallRunsAreCarriedOn
long 'rig kills' PLAN_RIG_KILLS ./test/rigs TestKilledAtRandomTimesRunsAreCarriedOn
long 'rig errors' PLAN_RIG_ERRORS ./test/rigs TestADiskThatFailsNeverMakesASuccess
long 'rig signals' PLAN_RIG_SIGNALS ./test/rigs TestSignalsEndARunAsPromised
long 'rig canaries' PLAN_RIG_CANARIES ./test/rigs TestCanariesTurnUpNowhere
# servers WHAT VARIABLE NUMBER TEST [FOLDER] runs a rig against the lab.
servers() { step "$1" env -C test/lab PLAN_TEST_LAB=1 "$2=$3" go test -count=1 -timeout 180m -v -run "^$4\$" "./${5:-rigs}"; }

servers 'rig holes' PLAN_RIG_HOLES all TestNoServerKeepsACommandForever
servers 'rig control plane' PLAN_RIG_RESTARTS "${PLAN_RIG_RESTARTS:-100}" TestTheControlPlanesOwnFaults
servers 'rig faults' PLAN_RIG_FAULTS "${PLAN_RIG_FAULTS:-2000}" TestFaultsAreNeverTakenForSuccess
servers 'rig races' PLAN_RIG_RACES "${PLAN_RIG_RACES:-1000}" TestOneOfManyWorks
servers 'rig rights' PLAN_RIG_RIGHTS all TestKindsNeedTheRightsThatTheyName
servers 'rig restarts' PLAN_RIG_RESTARTS "${PLAN_RIG_RESTARTS:-100}" TestServersThatAreKilledComeBack
servers 'rig jobs' PLAN_RIG_JOBS "${PLAN_RIG_JOBS:-200}" TestTheVerdictIsTheJobControllers
servers 'rig bundles' PLAN_RIG_BUNDLES "${PLAN_RIG_BUNDLES:-10000}" TestGeneratedPlansAreAdmitted
servers 'random clusters, backed up and restored' PLAN_RESTORE_CLUSTERS "${PLAN_RESTORE_CLUSTERS:-100}" TestWhatWasBackedUpComesBack e2e
step 'the program for arm64, emulated' env -C test/lab go test -count=1 -timeout 30m -v -tags emulation -run '^TestTheProgramForARM64Runs$' ./e2e

targets=0
while IFS=: read -r file target; do
	targets=$((targets + 1))
	step "$target for $FUZZTIME" go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "./$(dirname "$file")"
done < <(grep -rE --include='*_test.go' -o '^func Fuzz[A-Za-z0-9]+' ./* | sed -E 's/^\.\///; s/func //' | sort)

mkdir "$work/hostile"
step 'hostile files are refused' env HOSTILE_DIR="$work/hostile" go test -count=1 -run '^TestHostileFiles$' ./cmd/plan
if [[ -z $ONLY ]]; then
	go build -o "$work/plan" ./cmd/plan
	go build -o "$work/measure" ./test/hostile
	LINES_SHOWN=400 step 'what hostile files cost' "$work/measure" "$work/plan" "$work/hostile"
fi

printf '\n%d fuzz targets, FUZZTIME=%s, ENGINE_DAGS=%s, ENGINE_RESUMES=%s, PLAN_AGREE=%s, PLAN_RETENTION_CASES=%s\n' "$targets" "$FUZZTIME" "$ENGINE_DAGS" "$ENGINE_RESUMES" "$PLAN_AGREE" "$PLAN_RETENTION_CASES"
if ((${#failed[@]})); then
	printf 'make reliability: FAILED: %s\n' "${failed[@]}"
	exit 1
fi
echo 'make reliability: all passed'
