"""The lines as a table, on the terminal and in docs/performance.md."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.figures import Line

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PACKAGES = ("neonize", "Flask", "SQLAlchemy", "gunicorn", "protobuf")
HEADINGS = ("Measured", "Vigía", "Compared with", "Ratio", "Target", "Met")


def cells(line: Line) -> tuple[str, ...]:
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    met = {True: "yes", False: "**no**", None: ""}[line.met]
    return line.what, line.ours, line.theirs, ratio, line.target, met


def as_text(lines: Sequence[Line]) -> str:
    table = [HEADINGS, *map(cells, lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    spaced = (zip(row, widths, strict=True) for row in table)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in row).rstrip() for row in spaced)


def as_markdown(lines: Sequence[Line]) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    memory = psutil.virtual_memory().total / 1e9
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores ({processor()}), {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {packages}"
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> str:
    return " ".join(f"{average:.1f}" for average in os.getloadavg())


def write(lines: Sequence[Line], began: datetime, load_before: str) -> None:
    """Between the two marks; what people have written around them stays."""
    took = (datetime.now(UTC) - began).total_seconds() / 60
    measured = (
        f"{began:%Y-%m-%d %H:%M} UTC, in {took:.0f} minutes, on {machine()}.\n"
        f"Load averages (1, 5, 15 minutes) before: {load_before}; after: {load()}, "
        "the benchmark's own work included."
    )
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    parts = [before + BEGIN, measured, as_markdown(lines), END + after]
    DOCUMENT.write_text("\n\n".join(parts))
