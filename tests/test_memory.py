"""What is free is what the narrower of machine and container leaves."""

from pathlib import Path

import pytest

from wa_app import memory

MACHINE = "MemTotal:       24684312 kB\nMemAvailable:    2000000 kB\nHugePages_Total:       0\n"
STAT = "anon 400000000\ninactive_file 100000000\nactive_file 5\n"


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("max", "900000000", 2_048_000_000),
        ("1000000000", "700000000", 400_000_000),  # cached files give way
        ("1000000000", "1100000000", 0),
        ("8000000000", "700000000", 2_048_000_000),
        (None, None, 2_048_000_000),
        ("", "", 2_048_000_000),
    ],
)
def test_the_narrower_one_counts(
    tmp_path: Path, limit: str | None, used: str | None, expected: int
) -> None:
    (tmp_path / "meminfo").write_text(MACHINE)
    if limit is not None and used is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(STAT)
    assert memory.available(tmp_path / "meminfo", tmp_path) == expected


def test_what_cannot_be_found_out_limits_nothing(tmp_path: Path) -> None:
    assert memory.available(tmp_path / "none", tmp_path) >= 1 << 60


def test_here_there_is_some() -> None:
    assert 0 < memory.available() < 1 << 50
