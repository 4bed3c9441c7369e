#!/bin/sh
# Prints, for each part that hostile text goes through, how many shapes of text its law tries, and
# the largest ratio of the time at four times the size to the time at the size. Linear work has 4;
# the laws refuse more than 6. It takes some minutes, and fewer on an idle machine.
#
#	scripts/linear.sh [packages]
set -eu
cd "$(dirname "$0")/.."
LINEAR=all LINEAR_REPORT=1 go test -count=1 -p 1 -timeout 1h -run Linear -v "${@:-./internal/...}" |
	sed -n 's/^ *[a-z_]*\.go:[0-9]*: ratio //p; /^ *--- FAIL/p' | sort -rn
