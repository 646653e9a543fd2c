#!/usr/bin/env bash
# Builds the OpenBao server that the tests of the vault provider talk to, from the modules its go.mod and go.sum pin,
# into a cache outside the tree. About five minutes on two cores the first time; does nothing when it is there.
set -euo pipefail
cache=${KEYWATCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keywatch}
if command -v bao >/dev/null || command -v vault >/dev/null || [ -x "$cache/bao" ]; then
  echo "OpenBao or Vault is there: $(command -v bao || command -v vault || echo "$cache/bao")"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "Error: no Go compiler found" >&2
  echo "  hint: install Go 1.24 or newer, or put a bao or vault binary on PATH" >&2
  exit 2
fi
mkdir -p "$cache"
cd "$(dirname "$0")/openbao"
# built beside its place and moved, so that an interrupted build leaves nothing that looks like a server
go build -mod=readonly -o "$cache/bao.part" github.com/openbao/openbao
mv "$cache/bao.part" "$cache/bao"
"$cache/bao" version
