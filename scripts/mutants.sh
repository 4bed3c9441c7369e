#!/usr/bin/env bash
# Mutates the code of a package, and says which mutants its tests do not notice.
#
#	scripts/mutants.sh PACKAGE [N [FIRST]]
#
# Of the lines of code every Nth one is mutated, from the FIRST on; all without N. It is done to a
# copy of the last commit. SKIP is an expression for tests to leave out, and the mutants that then
# live have to be tried again without it. ALSO are packages whose tests count, too.
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
cat >"$copy/bin/go" <<END
#!/bin/sh
[ "\$1" = test ] && set -- "\$@"$(printf ' %s' ${ALSO:-})
exec $(command -v go) "\$@"
END
chmod +x "$copy/bin/git" "$copy/bin/go"
export PATH="$copy/bin:$PATH"

export GOFLAGS="${GOFLAGS:-} -short -failfast -vet=off${SKIP:+ -skip=$SKIP}"
go run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0 unleash "./$package" \
	--coverpkg "./$package" --diff HEAD~1 --workers 1 --timeout-coefficient 10 --output-statuses lct
