#!/usr/bin/env bash
# Builds the documents as a site with search into site/. Served over HTTP it asks no other server.
# Needs Python.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d); trap 'rm -rf "$work" build-docs' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check mkdocs-material==9.8.2
rm -rf build-docs && mkdir build-docs
cp README.md build-docs/index.md
cp RULES.md DESIGN.md CONTRIBUTING.md CHANGELOG.md SECURITY.md LICENSE alert-engine.example.yml build-docs/
cp -r docs examples build-docs/
rm -f build-docs/docs/*_test.go
for file in build-docs/examples/*/*.go; do mv "$file" "$file.txt"; done
sed -i 's#(examples/\([a-z]*\)/main.go)#(examples/\1/main.go.txt)#g' build-docs/*.md
grep -rlF 'README.md)' build-docs --include='*.md' | xargs sed -i 's#\((\(\.\./\)*\)README\.md)#\1index.md)#g'
NO_MKDOCS_2_WARNING=1 "$work/venv/bin/mkdocs" build --strict --quiet
echo "site/index.html: $(find site -name '*.html' | wc -l) pages"
