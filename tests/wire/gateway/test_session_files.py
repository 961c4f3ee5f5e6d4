"""Files that are missing, spoilt, not ours, or held by somebody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.socket_messages import Closed, Incoming, Opened, Qr
from wa_app.gateways.whatsapp.files.folder import Folder
from wa_app.gateways.whatsapp.worker import supervisor

from .desk import DEFAULT_TIMEOUT, Desk, Socket

HOLDER = """
import sys
from pathlib import Path
from wa_app.gateways.whatsapp.files.folder import Folder
folder = Folder(Path(sys.argv[1]))
folder.prepare()
folder.hold(1)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def stranger(desk: Desk, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the folder, as one that a dead worker left behind would."""
    command = [sys.executable, "-c", HOLDER, str(desk.sessions / name)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


CORRUPT = Close(None, Reason.FILE_CORRUPT)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def emptied_beside_its_log(file: Path) -> None:
    emptied(file)
    file.with_name("session.db-wal").write_bytes(b"what is left of it")


def removed(file: Path) -> None:
    file.unlink()


def removed_with_its_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


@pytest.mark.parametrize(
    "harm", [emptied, emptied_beside_its_log, removed, removed_with_its_folder]
)
def test_a_login_whose_file_is_lost_is_damaged_and_no_new_number(
    desk: Desk, socket: Socket, name: str, harm: Callable[[Path], None]
) -> None:
    """Where nothing was linked yet it is as it should be, and a QR is shown."""
    socket.close()
    harm(socket.folder / "session.db")
    left = sorted(path.name for path in socket.folder.glob("session.db*"))
    assert desk.gateway.has_credentials(name) is None
    assert desk.open(name, linked=True).wait_for_close() == CORRUPT
    kept = [path.name for place in quarantined(desk, name) for path in place.iterdir()]
    assert sorted(kept) == left
    desk.open(name).wait_for(Qr)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (emptied, Reason.FILE_CORRUPT),
        (removed, Reason.FILE_CORRUPT),
        (removed_with_its_folder, Reason.FOLDER_UNUSABLE),
    ],
)
def test_a_login_that_is_lost_while_it_is_used_was_not_unlinked(
    server: WhatsAppServer,
    ana: Phone,
    socket: Socket,
    harm: Callable[[Path], None],
    reason: Reason,
) -> None:
    harm(socket.folder / "session.db")
    server.fault("reset", ana.device)
    assert socket.wait_for_close() == Close(None, reason)


def quarantined(desk: Desk, name: str) -> list[Path]:
    return list(desk.quarantine.glob(f"{name}-*"))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def overwrite(file: Path) -> None:
    file.write_bytes(b"not a database " * 1000)


@pytest.mark.parametrize("spoil", [truncate, overwrite])
def test_a_spoilt_file_goes_to_quarantine_and_the_next_dial_shows_a_qr(
    desk: Desk, socket: Socket, name: str, ana: Phone, luis: Contact, spoil: object
) -> None:
    luis.send(ana, "Hola")
    arrived = socket.wait_for(Incoming)
    socket.close()
    again = desk.open(name)  # folds the write-ahead log into the file
    again.wait_for(Opened)
    again.close()
    file = socket.folder / "session.db"
    file.with_name("session.db-wal").unlink()
    spoil(file)  # type: ignore[operator]
    spoilt = file.read_bytes()
    assert desk.gateway.has_credentials(name)
    assert desk.open(name).wait_for_close() == CORRUPT
    [place] = quarantined(desk, name)
    assert (place / "session.db").read_bytes() == spoilt
    assert list(desk.gateway.spooled(name)) == [arrived]
    desk.open(name).wait_for(Qr)


def test_the_folder_may_have_any_name(
    desk: Desk, server: WhatsAppServer, ana: Phone, tmp_path: Path
) -> None:
    with Desk(tmp_path / "50% off? #1 'ñ'&x=1", server.proxy_url) as other:
        socket = other.open("ana")
        ana.scan(socket.wait_for(Qr).payload)
        socket.wait_for(Opened)
        assert other.gateway.has_credentials("ana")
        assert other.gateway.export("ana")


def test_a_missing_file_is_a_new_session(desk: Desk, socket: Socket, name: str) -> None:
    socket.close()
    assert desk.gateway.remove(name)
    assert not desk.gateway.remove(name)
    desk.open(name).wait_for(Qr)


def test_a_folder_that_cannot_be_made_is_not_the_sessions_fault(desk: Desk, name: str) -> None:
    desk.sessions.mkdir(exist_ok=True)
    (desk.sessions / name).write_text("in the way")
    close = desk.open(name).wait_for_close()
    assert (close.code, close.reason) == (None, Reason.FOLDER_UNUSABLE)


def test_a_folder_in_quarantine_keeps_its_spool_for_draining(
    desk: Desk, socket: Socket, name: str, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "Hola")
    arrived = socket.wait_for(Incoming)
    socket.close()
    desk.gateway.quarantine(name)
    assert not desk.gateway.has_credentials(name)
    assert name in desk.gateway.spool_waiting()
    assert list(desk.gateway.spooled(name)) == [arrived]
    desk.gateway.clear_spool(name)
    assert name not in desk.gateway.spool_waiting()


def test_whoever_holds_the_folder_is_killed_and_nobody_notices(
    desk: Desk, name: str, stranger: subprocess.Popen[bytes]
) -> None:
    socket = desk.open(name)
    socket.wait_for(Qr)
    assert stranger.wait(DEFAULT_TIMEOUT) == -9
    assert socket.of(Closed) == []


def test_a_holder_that_cannot_be_killed_is_told_at_last(
    desk: Desk, name: str, stranger: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MAX_TRIES", 1)
    (desk.sessions / name / "lock").write_text("in another container")
    close = desk.open(name).wait_for_close()
    assert (close.code, close.reason) == (None, Reason.FOLDER_UNUSABLE)
    assert stranger.poll() is None


def test_closing_while_the_folder_is_held_spares_the_holder(
    desk: Desk, name: str, stranger: subprocess.Popen[bytes]
) -> None:
    socket = desk.open(name)
    assert socket.close().reason is Reason.REQUESTED
    assert stranger.poll() is None


def test_strays_are_killed(desk: Desk, name: str, stranger: subprocess.Popen[bytes]) -> None:
    assert desk.gateway.kill_strays(name) == 1
    assert stranger.wait(DEFAULT_TIMEOUT) == -9
    assert desk.gateway.kill_strays(name) == 0


def test_our_own_session_is_no_stray(desk: Desk, socket: Socket, name: str) -> None:
    assert desk.gateway.kill_strays(name) == 0
    assert psutil.pid_exists(socket.process.pid)


def test_the_worker_itself_is_no_stray(desk: Desk, name: str) -> None:
    """It holds a folder while it seals the session file in it."""
    folder = Folder(desk.sessions / name)
    folder.prepare()
    lock = folder.hold(0)
    assert name not in desk.gateway.strays()
    assert desk.gateway.kill_strays(name) == 0
    os.close(lock)


def test_a_process_that_only_has_the_pid_of_a_stray_is_spared(
    desk: Desk, name: str, stranger: subprocess.Popen[bytes]
) -> None:
    lock = desk.sessions / name / "lock"
    lock.write_text(f"{stranger.pid} 1")  # another start time: the pid was given out again
    assert desk.gateway.kill_strays(name) == 0
    assert stranger.poll() is None
