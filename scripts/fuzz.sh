#!/usr/bin/env bash
# Runs every fuzz target of the project, one after the other, on one processor.
#
#   scripts/fuzz.sh          three minutes each, about an hour together
#   scripts/fuzz.sh 30s      another time each
#   scripts/fuzz.sh 10m internal/decode
#                            only those of a directory
#
# Prints what the last line of each says: how long it ran, how many inputs it tried, and how many
# of them were new. An input that fails a target is kept below testdata/fuzz of its package, and
# becomes a case of its test.
set -uo pipefail
cd "$(dirname "$0")/.."

time=${1:-3m}
bad=0
while IFS=: read -r file _ line; do
  target=${line#func }; target=${target%%(*}
  package=./$(dirname "$file")
  out=$(go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -parallel 1 2>&1) ||
    { printf '%s\n' "$out"; bad=1; }
  printf '%-24s %-26s %s\n' "$package" "$target" "$(grep '^fuzz: elapsed' <<<"$out" | tail -1)"
done < <(grep -rn --include='*_test.go' '^func Fuzz' "${2:-internal}" | sort)
exit $bad
