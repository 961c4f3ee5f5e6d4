"""A session file is sealed, open, or both when something crashed; never neither, never lost."""

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from wa_app.gateways.whatsapp.files import sealed_file, session_file
from wa_app.gateways.whatsapp.files.folder import Folder, FolderInUseError
from wa_app.gateways.whatsapp.files.folders import Folders
from wa_app.gateways.whatsapp.files.session_file import FileState
from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
from wa_app.sealing import Sealer, Unreadable, WrongKey

SEALER = Sealer("the key of these tests")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "sessions", tmp_path / "quarantine", SEALER)


@pytest.fixture
def folder(folders: Folders) -> Folder:
    folder = folders.of("ana")
    folder.prepare()
    return folder


def image(*jids: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY)")
        database.executemany("INSERT INTO whatsmeow_device VALUES (?)", [(jid,) for jid in jids])
        database.commit()
        return database.serialize()


def pair(folder: Folder, *jids: str) -> None:
    """As a killed session process leaves it: with the newest only in the write-ahead log."""
    database = sqlite3.connect(folder.session_file, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY)")
    for jid in jids:
        database.execute("INSERT INTO whatsmeow_device VALUES (?)", (jid,))
    left = {file: file.read_bytes() for file in folder.session_files[:2]}
    database.close()
    for file, content in left.items():
        file.write_bytes(content)


def devices(folder: Folder) -> list[str]:
    with closing(sqlite3.connect(folder.session_file)) as database:
        return [jid for (jid,) in database.execute("SELECT jid FROM whatsmeow_device")]


def names(folder: Folder) -> set[str]:
    return {path.name for path in folder.path.iterdir()} - {"lock"}


def test_sealed_and_opened_again_it_is_the_same_session(folders: Folders, folder: Folder) -> None:
    pair(folder, "ana:1")
    folders.seal("ana")
    assert names(folder) == {"session.sealed"}
    assert b"SQLite" not in folder.sealed_file.read_bytes()
    assert folders.has_credentials("ana")
    folders.seal("ana")
    folders.unseal("ana")
    assert names(folder) == {"session.db"}
    assert session_file.inspect(folder.session_file) is FileState.PAIRED
    assert devices(folder) == ["ana:1"]


def test_what_holds_no_device_is_not_sealed(folders: Folders, folder: Folder) -> None:
    folders.seal("ana")
    assert names(folder) == set()
    pair(folder)
    folders.seal("ana")
    assert "session.sealed" not in names(folder)
    assert not folders.has_credentials("ana")


def test_what_cannot_be_read_stays_as_it_is(folders: Folders, folder: Folder) -> None:
    folder.session_file.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(OSError, match="cannot be read"):
        folders.seal("ana")
    assert names(folder) == {"session.db"}


def test_a_folder_in_use_is_left_alone(folders: Folders, folder: Folder) -> None:
    pair(folder, "ana:1")
    before = names(folder)
    lock = folder.hold(0)
    for attempt in (folders.seal, folders.unseal, lambda id: folders.restore(id, image("x"))):
        with pytest.raises(FolderInUseError):
            attempt("ana")
    os.close(lock)
    assert names(folder) == before


# ---- a crash at every step

Change = Callable[[Folder], None]


def seal(folder: Folder) -> None:
    sealed_file.seal(folder, SEALER, "ana")


def unseal(folder: Folder) -> None:
    sealed_file.unseal(folder, SEALER, "ana")


def put_another(folder: Folder) -> None:
    sealed_file.put(folder, SEALER.seal(image("ana:2"), "ana"))


class Crash(Exception):
    pass


def crash_before_change(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that changes names in the folder, let this one and what follows not happen."""
    left = [number]

    def counting(real: Callable[..., object]) -> Callable[..., object]:
        def change(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return real(*args, **kwargs)

        return change

    for name in ("rename", "unlink"):
        monkeypatch.setattr(Path, name, counting(getattr(Path, name)))


@pytest.mark.parametrize("was_sealed", [False, True])
@pytest.mark.parametrize(
    ("change", "after"), [(seal, {"ana:1"}), (unseal, {"ana:1"}), (put_another, {"ana:1", "ana:2"})]
)
def test_a_crash_anywhere_leaves_one_whole_session(
    folders: Folders,
    folder: Folder,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    after: set[str],
    was_sealed: bool,
) -> None:
    crashes = 0
    while True:
        for path in folder.path.iterdir():
            path.unlink()
        pair(folder, "ana:1")
        if was_sealed:
            seal(folder)
        with monkeypatch.context() as patch:
            crash_before_change(crashes, patch)
            try:
                change(folder)
                break
            except Crash:
                crashes += 1
        assert folders.has_credentials("ana")
        exported = folders.export("ana")
        folders.unseal("ana")
        assert session_file.export(folder.session_file) == exported
        assert "session.sealed" not in names(folder)
        [survivor] = devices(folder)
        assert survivor in after
    assert crashes > 0


def test_what_a_crash_left_open_is_sealed_and_tidied_up(folders: Folders, folder: Folder) -> None:
    pair(folder, "ana:1")
    seal(folder)
    for name in ("session.part", "session.db-wal", "session.db-shm"):
        (folder.path / name).write_bytes(b"SQLite format 3\0 of before")
    folders.seal("ana")
    assert names(folder) == {"session.sealed"}


def test_a_log_of_another_file_is_not_taken_for_its_own(folders: Folders, folder: Folder) -> None:
    pair(folder, "ana:1")
    log = folder.session_files[1].read_bytes()
    folders.restore("ana", image("ana:2"))
    folder.session_files[1].write_bytes(log)
    folders.unseal("ana")
    assert devices(folder) == ["ana:2"]


# ---- an open file beside the sealed one


def empty(folder: Folder) -> None:
    folder.session_file.touch()


def without_device(folder: Folder) -> None:
    pair(folder)


def of_another(folder: Folder) -> None:
    pair(folder, "ana:2")


BESIDE = [(empty, "ana:1"), (without_device, "ana:1"), (of_another, "ana:2")]


@pytest.mark.parametrize("change", [seal, unseal])
@pytest.mark.parametrize(("lay", "counts"), BESIDE)
def test_an_open_file_counts_beside_the_sealed_one_only_with_a_device(
    folders: Folders, folder: Folder, lay: Callable[[Folder], None], counts: str, change: Change
) -> None:
    pair(folder, "ana:1")
    seal(folder)
    lay(folder)
    assert folders.has_credentials("ana")
    exported = folders.export("ana")
    change(folder)
    assert len({"session.sealed", "session.db"} & names(folder)) == 1
    assert folders.export("ana") == exported
    folders.unseal("ana")
    assert devices(folder) == [counts]


ROUNDS = 50


def test_looking_while_it_is_sealed_and_opened_misses_and_makes_nothing(
    folders: Folders, folder: Folder
) -> None:
    pair(folder, "ana:1")
    over = Event()

    def look(looks: list[None]) -> None:
        while not over.is_set():
            exported = folders.export("ana")
            assert exported is not None
            assert session_file.device_in(exported)
            assert folders.has_credentials("ana")
            looks.append(None)

    with ThreadPoolExecutor(2) as pool:
        seen: list[list[None]] = [[], []]
        lookers = [pool.submit(look, looks) for looks in seen]
        rounds = 0
        try:
            while rounds < ROUNDS or min(map(len, seen)) < ROUNDS:
                folders.seal("ana")
                assert not folder.session_file.exists()
                folders.unseal("ana")
                rounds += 1
                if any(looker.done() for looker in lookers):
                    break  # it has seen something wrong
        finally:
            over.set()
        for looker in lookers:
            looker.result()
    assert devices(folder) == ["ana:1"]


def test_a_file_that_has_just_been_sealed_is_not_made_anew(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.session_file.write_bytes(image("ana:1"))
    real = sqlite3.connect

    def connect_too_late(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        folder.session_file.unlink(missing_ok=True)
        return real(*args, **kwargs)

    monkeypatch.setattr(sqlite3, "connect", connect_too_late)
    session_file.has_device(folder.session_file)
    assert not folder.session_file.exists()


# ---- what cannot be opened


@pytest.fixture
def sealed(folders: Folders, folder: Folder) -> Folder:
    pair(folder, "ana:1")
    folders.seal("ana")
    return folder


def test_another_key_changes_nothing_and_exports_nothing(sealed: Folder, folders: Folders) -> None:
    before = sealed.sealed_file.read_bytes()
    stranger = Folders(folders.sessions_dir, folders.quarantine_dir, Sealer("another key than it"))
    with pytest.raises(WrongKey):
        stranger.unseal("ana")
    with pytest.raises(OSError, match="wrong_key"):
        stranger.export("ana")
    assert stranger.has_credentials("ana")
    assert names(sealed) == {"session.sealed"}
    assert sealed.sealed_file.read_bytes() == before


def test_a_cut_file_can_go_to_quarantine(sealed: Folder, folders: Folders) -> None:
    cut = sealed.sealed_file.read_bytes()[:-1]
    sealed.sealed_file.write_bytes(cut)
    with pytest.raises(Unreadable):
        folders.unseal("ana")
    folders.quarantine_credentials("ana")
    assert not folders.has_credentials("ana")
    [place] = folders.quarantine_dir.iterdir()
    assert (place / "session.sealed").read_bytes() == cut


def test_removing_counts_a_sealed_file(sealed: Folder, folders: Folders) -> None:
    assert folders.remove("ana")
    assert not sealed.path.exists()


# ---- restoring


def test_a_restored_session_replaces_what_was_there(folders: Folders, folder: Folder) -> None:
    pair(folder, "ana:1")
    folders.restore("ana", image("ana:2"))
    assert folders.export("ana") == image("ana:2")
    folders.unseal("ana")
    assert devices(folder) == ["ana:2"]


def test_it_can_be_restored_where_nothing_is_left(folders: Folders) -> None:
    folders.restore("ana", image("ana:2"))
    assert folders.has_credentials("ana")


def test_only_a_whole_session_with_a_device_is_one() -> None:
    whole = image("ana:1")
    assert session_file.device_in(whole)
    for other in (image(), b"", b"no database " * 500, whole[:4096], whole[:-4096]):
        assert not session_file.device_in(other)


@pytest.mark.parametrize("seal_sessions", [False, True])
def test_a_start_outlives_sessions_that_cannot_be_listed(
    tmp_path: Path, seal_sessions: bool
) -> None:
    sessions = tmp_path / "sessions"
    sessions.write_text("a file where the folder belongs")
    gateway = WhatsAppGateway(
        sessions, tmp_path / "quarantine", SEALER, seal_sessions=seal_sessions
    )
    gateway.start(lambda news: None)
    gateway.stop(1)
