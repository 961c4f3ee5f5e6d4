"""Which library is installed, found out without loading it: a Go runtime in this process would
not survive a fork."""

import mmap
import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path

NATIVE = {".so", ".dylib", ".dll"}

MODULE = re.compile(rb"\tgo\.mau\.fi/whatsmeow\t(v[0-9][\w.+-]{1,60})[\t\n]")
"""A line of what the Go compiler writes into everything it builds."""


def version_installed() -> str | None:
    try:
        return version("neonize")
    except PackageNotFoundError:
        return None


def whatsmeow_version() -> str | None:
    """Of the protocol library inside neonize; None when it cannot be told."""
    try:
        native = [file for file in files("neonize") or [] if file.suffix in NATIVE]
    except PackageNotFoundError:
        return None
    return _built_from(Path(str(native[0].locate()))) if native else None


@lru_cache
def _built_from(native: Path) -> str | None:
    try:
        with native.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as all:
            found = MODULE.search(all)
            return found[1].decode() if found else None
    except (OSError, ValueError):
        return None
