#!/bin/sh
# Remove what belongs to nobody, and logins that are no use any more. `--dry-run` only shows it.
# Both run, whatever becomes of the first; exit code 1 when one of them failed.
cd "$(dirname "$0")/.." || exit 1
failed=0
.venv/bin/flask wa clean orphans "$@" || failed=1
.venv/bin/flask wa clean stale "$@" || failed=1
exit $failed
