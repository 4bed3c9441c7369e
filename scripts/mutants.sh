#!/usr/bin/env bash
# Mutates the code of a package, and says which mutants its tests do not notice.
#
#	scripts/mutants.sh PACKAGE [N [FIRST]]
#
# Of the lines of code every Nth one is mutated, from the FIRST on; all without N. It is done to a
# copy of the last commit. SLOW is an expression for tests that run only where the others notice
# nothing, and ALSO are packages whose tests then run, too. LIMIT bounds each of these runs; a
# mutant that exceeds it counts as killed, and they are counted at the end.
set -euo pipefail
package=${1:?of a package, such as internal/window} n=${2:-1} first=${3:-1}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git clone -q "$(git rev-parse --show-toplevel)" "$copy/code"
cd "$copy/code"

# What gremlins takes for changed are the lines that differ from this.
seen=0
for file in "$package"/*.go; do
	case $file in *_test.go) continue ;; esac
	awk -v n="$n" -v first="$first" -v seen="$seen" '
		!/^[[:space:]]*(\/\/.*)?$/ { if ((++seen - first) % n == 0) $0 = $0 " //" }
		{ print }
		END { print seen > "/dev/stderr" }' "$file" >marked.go 2>marked.n
	seen=$(cat marked.n)
	mv marked.go "$file"
done
rm -f marked.n
export GIT_AUTHOR_NAME=mutants GIT_AUTHOR_EMAIL=mutants@localhost
export GIT_COMMITTER_NAME=mutants GIT_COMMITTER_EMAIL=mutants@localhost
git commit -qam marked
git revert --no-edit HEAD >/dev/null

# Of files, gremlins knows the name within the package, and git that within the repository.
mkdir "$copy/bin"
cat >"$copy/bin/git" <<END
#!/bin/sh
[ "\$1" = diff ] && set -- "\$@" --relative=$package
exec $(command -v git) "\$@"
END

# The conditions of cases count as covered: in no block of a coverage profile they are.
for file in "$package"/*.go; do
	case $file in *_test.go) continue ;; esac
	awk -v file="$(go list -m)/$file" '
		/^[[:space:]]*case / { open = 1 }
		open { print file ":" FNR ".1," FNR ".999 1 1" }
		/:[[:space:]]*(\/\/.*)?$/ { open = 0 }' "$file"
done >"$copy/cases"

# Exit code 2 says that a mutant does not build, and one that takes all memory is stopped.
cat >"$copy/bin/go" <<END
#!/bin/bash
go=$(command -v go) slow='${SLOW:-}' also='${ALSO:-}' limit=${LIMIT:-60s}
case "\$*" in
test*-coverprofile*)
	\$go "\$@" \$also || exit
	while [ "\$1" != -coverprofile ]; do shift; done
	cat $copy/cases >>"\$2"
	exit
	;;
test*) ;;
*) exec \$go "\$@" ;;
esac
tested=("\${@:2:\$#-2}" -timeout "\$limit")
ulimit -v 6000000
try() {
	out=\$(\$go test "\${tested[@]}" "\$@" 2>&1) && return
	case \$out in
	*'[build failed]'*) exit 2 ;;
	*'test timed out'*|*'Test killed'*) echo >>$copy/exceeded ;;
	esac
	exit 1
}
try \${slow:+-skip "\$slow"} "\${@: -1}"
[ -z "\$slow" ] || try -run "\$slow" "\${@: -1}"
for p in \$also; do try "\$p"; done
END
chmod +x "$copy/bin/git" "$copy/bin/go"
# It is installed, since what go run runs finds the real go first.
GOBIN=$copy/bin go install github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
export PATH="$copy/bin:$PATH"
touch "$copy/exceeded"

export GOFLAGS="${GOFLAGS:-} -short -vet=off -ldflags=-s"
gremlins unleash "./$package" \
	--coverpkg "./$package" --diff HEAD~1 --workers "${WORKERS:-1}" --timeout-coefficient 4 --output-statuses lctvk
echo "Of the killed, $(wc -l <"$copy/exceeded") exceeded the limit of time."
