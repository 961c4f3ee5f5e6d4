"""A file is whole or not there, and nothing is left of one that could not be written."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wa_app import disk


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Writing more than so many bytes fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 4096])
def test_what_finds_no_room_leaves_what_was_there_and_no_part(tmp_path: Path, room: int) -> None:
    path = tmp_path / "copy.session"
    path.write_bytes(b"the old one")
    with room_for(room), pytest.raises(OSError, match="File too large"):
        disk.write(path, bytes(5000))
    assert [one.name for one in tmp_path.iterdir()] == ["copy.session"]
    assert path.read_bytes() == b"the old one"


def test_what_cannot_take_its_place_leaves_no_part_either(tmp_path: Path) -> None:
    path = tmp_path / "copy.session"
    (path / "full").mkdir(parents=True)
    with pytest.raises(OSError):
        disk.write(path, b"the new one")
    assert [one.name for one in tmp_path.iterdir()] == ["copy.session"]
