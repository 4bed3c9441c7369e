#!/usr/bin/env bash
# Writes man pages and shell completion for packages and archives into dist-extra/.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf dist-extra && mkdir -p dist-extra/completion dist-extra/man
go build -o dist-extra/alert-engine ./cmd/alert-engine
dist-extra/alert-engine man dist-extra/man
dist-extra/alert-engine completion bash >dist-extra/completion/alert-engine.bash
dist-extra/alert-engine completion zsh >dist-extra/completion/_alert-engine
dist-extra/alert-engine completion fish >dist-extra/completion/alert-engine.fish
rm dist-extra/alert-engine
