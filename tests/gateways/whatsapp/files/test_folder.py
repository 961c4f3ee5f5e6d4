"""One folder, one process; and what of it may be in quarantine."""

import os
import stat
from pathlib import Path

import pytest

from wa_app.gateways.whatsapp.files import folder as folder_module
from wa_app.gateways.whatsapp.files.folder import Folder, FolderInUseError
from wa_app.gateways.whatsapp.files.folders import Folders
from wa_app.gateways.whatsapp.process_id import ProcessId
from wa_app.sealing import Sealer


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "sessions" / "ana")
    folder.prepare()
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "sessions", tmp_path / "quarantine", Sealer("a key of the tests"))


def test_the_folder_is_private(folder: Folder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_only_one_holds_it_and_signs(folder: Folder) -> None:
    held = folder.hold(0)
    assert folder.holder() == ProcessId.of(os.getpid())
    with pytest.raises(FolderInUseError) as refused:
        folder.hold(0)
    assert refused.value.holder == ProcessId.of(os.getpid())
    os.close(held)


def test_whoever_ends_holds_it_no_longer(folder: Folder) -> None:
    os.close(folder.hold(0))
    assert folder.holder() is None
    os.close(folder.hold(0))


def test_a_folder_that_can_be_written_is_left_as_it_was(folder: Folder) -> None:
    folder.session_file.write_bytes(b"")
    assert folder.can_be_written()
    assert [file.name for file in folder.path.iterdir()] == ["session.db"]


def test_a_session_file_that_is_gone_cannot_be_written(folder: Folder) -> None:
    assert not folder.can_be_written()
    folder.path.rmdir()
    assert not folder.can_be_written()


def test_waiting_for_it_may_succeed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    held = folder.hold(0)
    monkeypatch.setattr(folder_module.time, "sleep", lambda _: os.close(held))
    os.close(folder.hold(10))


def test_a_lock_in_a_folder_that_was_removed_is_none(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the lock before the removal must not share the new folder."""
    real = folder_module.fcntl.flock

    def remove_and_lock(descriptor: int, how: int) -> None:
        monkeypatch.setattr(folder_module.fcntl, "flock", real)
        folder.lock.unlink()
        folder.lock.touch()
        real(descriptor, how)

    monkeypatch.setattr(folder_module.fcntl, "flock", remove_and_lock)
    monkeypatch.setattr(folder_module, "LOCK_RETRY", 0)
    held = folder.hold(10)
    assert os.fstat(held).st_ino == folder.lock.stat().st_ino
    os.close(held)


def test_a_folder_never_used_is_held_by_nobody(tmp_path: Path) -> None:
    assert Folder(tmp_path / "nothing").holder() is None


def test_a_nearly_full_disk_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = os.statvfs(folder.path)
    monkeypatch.setattr(folder_module, "ROOM_TO_OPEN", 2 * disk.f_blocks * disk.f_frsize)
    with pytest.raises(OSError, match="nearly full"):
        folder.prepare()


def test_a_process_is_known_by_its_start_too() -> None:
    own = ProcessId.of(os.getpid())
    assert own is not None
    assert ProcessId.parse(str(own)) == own
    assert not ProcessId(own.pid, own.started + 1).kill(0)


@pytest.mark.parametrize("text", ["", "12", "12 x", "1 2 3", "-1 5"])
def test_an_illegible_signature_names_nobody(text: str) -> None:
    assert ProcessId.parse(text) is None


def test_removing_says_whether_there_was_a_session(folder: Folder, folders: Folders) -> None:
    assert not folders.remove("ana")
    folder.prepare()
    folder.session_file.touch()
    assert folders.remove("ana")
    assert not folder.path.exists()


def test_quarantine_moves_everything_and_its_spool_is_still_known(
    folder: Folder, folders: Folders
) -> None:
    folder.session_file.touch()
    folder.spool.write_text("{}\n")
    folders.quarantine("ana")
    assert not folder.path.exists()
    assert folders.with_spool() == {"ana"}
    [spool] = folders.spools("ana")
    assert spool.parent.parent == folders.quarantine_dir
    folders.quarantine("ana")  # nothing is left to move


def test_spools_in_quarantine_come_first_and_oldest_first(folder: Folder, folders: Folders) -> None:
    for text in ("old", "newer"):
        folder.prepare()
        folder.spool.write_text(text)
        folders.quarantine("ana")
    folder.prepare()
    folder.spool.write_text("newest")
    assert [path.read_text() for path in folders.spools("ana")] == ["old", "newer", "newest"]


def test_credentials_alone_can_go_to_quarantine(folder: Folder, folders: Folders) -> None:
    folder.session_file.write_text("spoilt")
    folder.spool.write_text("{}\n")
    folders.quarantine_credentials("ana")
    assert not folder.session_file.exists()
    assert folder.spool.exists()
    [place] = folders.quarantine_dir.iterdir()
    assert (place / "session.db").read_text() == "spoilt"


def test_a_connection_id_is_no_path(folders: Folders) -> None:
    for id in ("", ".", "..", "../ana", "a/b", "/"):
        with pytest.raises(ValueError, match="not a connection id"):
            folders.of(id)
