#!/bin/sh
# Remove what belongs to nobody, and logins that are no use any more. `--dry-run` only shows it.
cd "$(dirname "$0")/.." || exit 1
.venv/bin/flask wa clean orphans "$@" && .venv/bin/flask wa clean stale "$@"
