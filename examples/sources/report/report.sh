# Adds up the share of this pod: the file that has its number. What it found goes to $PLAN_OUTPUT as one JSON object.
set -eu
share=data/$JOB_COMPLETION_INDEX.csv
rows=0
total=0
while IFS=, read -r item amount; do
  [ "$item" = item ] && continue
  rows=$((rows + 1))
  total=$((total + amount))
  echo "$item: $amount"
done <"$share"
printf '{"rows": %d, "total": %d}\n' "$rows" "$total" >"$PLAN_OUTPUT"
