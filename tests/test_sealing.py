"""What is sealed can be opened with its key, about its connection, whole; and not otherwise."""

import stat
from pathlib import Path

import pytest

from wa_app import disk, sealing
from wa_app.sealing import HEADER, MAGIC, Damaged, ForeignFile, Sealer, Unreadable, WrongKey

CONTENT = b"SQLite format 3\0 and what follows"
OURS, OTHER = Sealer("the key of these tests"), Sealer("another key than that")


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return OURS.seal(CONTENT, "ana")


def test_it_opens_again_with_the_same_words_in_another_process(sealed: bytes) -> None:
    sealing._key.cache_clear()
    assert Sealer("the key of these tests").unseal(sealed, "ana") == CONTENT


def test_nothing_of_the_content_or_the_key_can_be_read(sealed: bytes) -> None:
    assert sealed.startswith(MAGIC)
    assert b"SQLite" not in sealed
    assert sealing._key(OURS.secret)[0] not in sealed


def test_the_same_content_never_looks_the_same(sealed: bytes) -> None:
    again = OURS.seal(CONTENT, "ana")
    assert again[HEADER.size - 12 :] != sealed[HEADER.size - 12 :]


def test_another_key_is_told_from_damage(sealed: bytes) -> None:
    with pytest.raises(WrongKey):
        OTHER.unseal(sealed, "ana")


@pytest.mark.parametrize("foreign", [b"", b"VIGIA", b"SQLite format 3\0" + bytes(100)])
def test_a_foreign_file_is_called_that(foreign: bytes) -> None:
    with pytest.raises(ForeignFile):
        OURS.unseal(foreign, "ana")


def test_a_file_cut_anywhere_is_damaged(sealed: bytes) -> None:
    for length in range(len(MAGIC), len(sealed)):
        with pytest.raises(Damaged):
            OURS.unseal(sealed[:length], "ana")
    with pytest.raises(Damaged):
        OURS.unseal(sealed + b"x", "ana")


def test_one_changed_bit_anywhere_is_noticed(sealed: bytes) -> None:
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Unreadable):
            OURS.unseal(bytes(changed), "ana")


def test_it_does_not_pass_for_another_connections(sealed: bytes) -> None:
    with pytest.raises(Damaged):
        OURS.unseal(sealed, "bruno")


def test_writing_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.sealed"
    disk.write(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def power_cut(*_: object) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="power cut"):
        patch.setattr(Path, "rename", power_cut)
        disk.write(path, b"new")
    assert path.read_bytes() == b"old"
    disk.write(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"new"
