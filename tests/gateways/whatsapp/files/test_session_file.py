"""What a session file is: new, half paired, paired, corrupt, or not to be used."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import pytest

from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.files.session_file import FileState, export, has_device, inspect

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "50% off? #1 'ñ'.db"


def make(path: Path, *, devices: int = 1, journal: str = "WAL") -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA journal_mode={journal}")
    database.execute("CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY, keys BLOB)")
    for number in range(devices):
        row = (f"34600111222:{number}@s.whatsapp.net", bytes(20_000))
        database.execute("INSERT INTO whatsmeow_device VALUES (?, ?)", row)
    return database


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    path.write_bytes(content)


def test_a_missing_file_is_new(path: Path) -> None:
    assert inspect(path) is FileState.NEW
    assert not has_device(path)
    assert export(path) is None


def test_an_empty_file_is_new(path: Path) -> None:
    path.touch()
    assert inspect(path) is FileState.NEW
    assert not has_device(path)


def test_a_file_without_tables_or_devices_is_half_paired(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE something (x)")
    assert inspect(path) is FileState.HALF_PAIRED
    path.unlink()
    make(path, devices=0).close()
    assert inspect(path) is FileState.HALF_PAIRED
    assert not has_device(path)
    assert export(path) is None


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_file_with_a_device_is_paired(path: Path, journal: str) -> None:
    make(path, journal=journal).close()
    assert inspect(path) is FileState.PAIRED
    assert has_device(path)


def test_a_device_that_is_only_in_the_log_counts(path: Path) -> None:
    with closing(make(path)):
        assert path.with_name(path.name + "-wal").stat().st_size > 0
        assert has_device(path)


def test_looking_leaves_nothing_behind(path: Path) -> None:
    make(path).close()
    has_device(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_rubbish_is_corrupt_and_counts_as_credentials(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 100)
    assert inspect(path) is FileState.CORRUPT
    assert has_device(path)
    with pytest.raises(OSError, match="cannot be read"):
        export(path)


def test_a_truncated_file_is_corrupt(path: Path) -> None:
    make(path, journal="DELETE").close()
    path.write_bytes(path.read_bytes()[:5000])
    assert inspect(path) is FileState.CORRUPT


def test_a_file_overwritten_in_the_middle_is_corrupt(path: Path) -> None:
    make(path, devices=4, journal="DELETE").close()
    spoil(path)
    assert inspect(path) is FileState.CORRUPT


def test_a_folder_in_its_place_is_corrupt(path: Path) -> None:
    path.mkdir()
    assert inspect(path) is FileState.CORRUPT


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """One that another user may enter: pytest's own may not be."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_file_that_may_only_be_read_is_unusable(public_folder: Path) -> None:
    path = public_folder / "session.db"
    make(path, journal="DELETE").close()
    path.chmod(0o444)
    code = f"""
import os
from pathlib import Path
from wa_app.gateways.whatsapp.files.session_file import FileState, inspect
if os.getuid() == 0:  # who may write to anything
    os.setuid({NOBODY})
assert inspect(Path({str(path)!r})) is FileState.UNUSABLE
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_file_that_somebody_else_is_writing_to_is_unusable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_file, "BUSY_TIMEOUT", 0.01)
    with closing(make(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert inspect(path) is FileState.UNUSABLE


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_the_export_is_one_whole_file_though_it_is_in_use(path: Path, journal: str) -> None:
    with closing(make(path, devices=3, journal=journal)) as in_use:
        in_use.execute("BEGIN IMMEDIATE")
        image = export(path)
    assert image is not None
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.deserialize(image)
        assert copy.execute("SELECT count(*) FROM whatsmeow_device").fetchone() == (3,)


def test_the_name_for_the_library_survives_every_character(path: Path) -> None:
    name, settings = session_file.library_name(path).split("?", 1)
    assert unquote(name) == str(path)
    assert "#" not in name
    assert settings.startswith("_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&")
