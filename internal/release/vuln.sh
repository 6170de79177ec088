#!/usr/bin/env bash
# Known vulnerabilities in what the program and its lab are made of, by govulncheck. It asks a database: GOVULNDB, else https://vuln.go.dev
# (file:///path for a copy). Exits 0 only when every module was checked and nothing was found; 3 for a vulnerability that is reached; 1 when a
# module could not be checked, which never reads as "nothing was found".
set -uo pipefail
cd "$(dirname "$0")/../.."

tools=$PWD/internal/release/tools/go.mod
database=${GOVULNDB:-https://vuln.go.dev}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
found=() unchecked=()
for module in . test/lab; do
	printf '== %s\n' "$module"
	(cd "$module" && CGO_ENABLED=0 go tool -modfile="$tools" govulncheck -db "$database" -test ./... 2>&1) | tee "$log"
	code=${PIPESTATUS[0]}
	if [ "$code" -eq 0 ] && grep -q '^No vulnerabilities found' "$log"; then
		continue
	fi
	if grep -qE '^Vulnerability #[0-9]+' "$log"; then
		found+=("$module")
	else
		unchecked+=("$module")
	fi
done

if [ ${#unchecked[@]} -gt 0 ]; then
	echo "vuln: NOT CHECKED: ${unchecked[*]}. The reason is above; the database was $database, and GOVULNDB names another one (https or file URL)" >&2
fi
if [ ${#found[@]} -gt 0 ]; then
	echo "vuln: there are vulnerabilities in ${found[*]}" >&2
	exit 3
fi
[ ${#unchecked[@]} -eq 0 ] || exit 1
echo "vuln: no known vulnerability is reached"
