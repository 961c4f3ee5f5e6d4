#!/bin/sh
# Remove every login after a backup: each number has to be linked again. `--dry-run` only shows it.
cd "$(dirname "$0")/.." || exit 1
exec .venv/bin/flask wa reset "$@"
