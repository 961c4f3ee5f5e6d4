"""No process outlives the worker, whatever happens to it, and none is what it should not be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer, environment
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.socket_messages import (
    Closed,
    Incoming,
    Opened,
    Qr,
    SendFailed,
    SendFailure,
    SendText,
)

from .desk import GRACE, Desk, Socket, our_processes, session_processes

HANG = 60.0  # seconds; protection only

WORKER = """
import os, sys
from pathlib import Path
with open(sys.argv[2], "a") as file:
    file.write(f"{os.getpid()}\\n")  # who imports the main script
if __name__ == "__main__":
    from wa_app.domain.sessions.socket_messages import Dial
    from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
    from wa_app.sealing import Sealer
    folder, sealer = Path(sys.argv[1]), Sealer("a key of the tests")
    gateway = WhatsAppGateway(folder / "sessions", folder / "quarantine", sealer)
    gateway.start(lambda _, id, news: print(type(news).__name__, id, flush=True))
    for number in range(3):
        gateway.open(Dial(f"c{number}", number, proxy=os.environ["WHATSAPP_PROXY"]))
    sys.stdin.read()
"""


@pytest.fixture
def worker(server: WhatsAppServer, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process like gunicorn's worker, with three sessions that show a QR."""
    script = tmp_path / "bin" / "gunicorn"
    script.parent.mkdir()
    script.write_text(WORKER)
    variables = {"PYTHONPATH": f"{Path.cwd()}:{environment(server)['PYTHONPATH']}"}
    with subprocess.Popen(
        [sys.executable, script, tmp_path, tmp_path / "importers"],
        env=os.environ | environment(server) | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for_news(process, "Qr", of_each=1)
        yield process
        process.kill()


def wait_for_news(worker: subprocess.Popen[str], kind: str, *, of_each: int) -> None:
    """Read what the worker tells until each of its three sessions has said this so often."""
    assert worker.stdout is not None
    heard: Counter[str] = Counter()
    while [heard[f"{kind} {id}\n"] for id in range(3)] != [of_each] * 3:
        line = worker.stdout.readline()
        assert line and not line.startswith("Closed"), (line, heard)
        heard[line] = min(heard[line] + 1, of_each)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_the_worker(worker: subprocess.Popen[str], number: signal.Signals) -> None:
    processes = psutil.Process(worker.pid).children(recursive=True)
    assert len(processes) == 4
    worker.send_signal(number)
    _, left = psutil.wait_procs(processes, HANG)
    assert [process for process in left if not is_zombie(process)] == []


def is_zombie(process: psutil.Process) -> bool:
    """Ended; whoever has adopted it takes time to reap it."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def test_a_signal_to_the_whole_group_leaves_the_ending_to_the_worker(
    worker: subprocess.Popen[str],
) -> None:
    processes = psutil.Process(worker.pid).children(recursive=True)
    for process in processes:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            process.send_signal(number)
    wait_for_news(worker, "Alive", of_each=2)  # the first may have been on its way before
    assert all(process.is_running() and not is_zombie(process) for process in processes)


def test_only_the_worker_runs_the_workers_script(
    worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert (tmp_path / "importers").read_text() == f"{worker.pid}\n"
    for process in psutil.Process(worker.pid).children(recursive=True):
        assert "gunicorn" not in " ".join(process.cmdline())


def test_the_worker_never_loads_the_library(socket: Socket) -> None:
    assert "neonize._binder" not in sys.modules
    maps = Path("/proc/self/maps").read_text()
    assert "neonize" not in maps
    assert "neonize" not in Path(f"/proc/{socket.process.ppid()}/maps").read_text()
    assert "neonize" in Path(f"/proc/{socket.process.pid}/maps").read_text()


def test_a_dead_forkserver_takes_its_sessions_along_and_a_new_one_starts(
    desk: Desk, socket: Socket
) -> None:
    socket.process.parent().kill()
    assert socket.wait_for_close() == Close(408, Reason.PROCESS_DIED, has_credentials=True)
    assert session_processes() == []
    desk.open(socket.name).wait_for(Opened)


def test_a_dead_forkserver_leaves_its_sessions_time_for_what_they_have_in_hand(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact
) -> None:
    """Texts that have not been tried are given back, WhatsApp is left politely, and whatever it
    was told is in the spool."""
    server.fault("drop_messages", ana.device)
    for id in range(1, 5):
        socket.tell(SendText(id, f"{luis.number}@s.whatsapp.net", f"text {id}"))
    server.wait_for("fault", ana.device, name="drop_messages")
    socket.process.parent().kill()
    assert socket.wait_for_close() == Close(408, Reason.PROCESS_DIED, has_credentials=True)
    given_back = {failed.message_id: failed.failure for failed in socket.of(SendFailed)}
    assert {2, 3, 4} <= given_back.keys()
    assert {given_back[id] for id in (2, 3, 4)} == {SendFailure.NOT_SENT}
    assert "the client closed the websocket" in str(server.journal.of("closed", ana.device)[-1])
    assert not socket.tell(SendText(5, f"{luis.number}@s.whatsapp.net", "text 5"))


def test_no_text_is_lost_when_the_forkserver_dies_in_the_middle_of_them(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    sent = [luis.send(ana, f"text {number}") for number in range(100)]
    socket.wait_for(Incoming, count=5)
    socket.process.parent().kill()
    socket.wait_for_close()
    again = socket.desk.open(socket.name)

    def found() -> bool:
        return {one.wa_id for part in (socket, again) for one in part.of(Incoming)} >= set(sent)

    socket.desk.wait_until(found, "all of the texts")
    assert ana.device.most_sockets == 1


def test_an_orphan_that_hangs_is_killed_after_its_second(socket: Socket) -> None:
    process = socket.process
    forkserver = process.parent()
    process.suspend()
    forkserver.kill()
    assert socket.wait_for_close() == Close(408, Reason.PROCESS_DIED, has_credentials=True)
    assert is_zombie(process)
    socket.desk.open(socket.name).wait_for(Opened)


def test_a_session_process_that_hangs_is_killed(socket: Socket) -> None:
    process = socket.process
    process.suspend()
    begun = time.monotonic()
    assert socket.close() == Close(None, Reason.REQUESTED, has_credentials=True)
    assert time.monotonic() - begun >= GRACE
    assert not process.is_running()


def test_telling_a_session_process_that_hangs_does_not_hang(socket: Socket) -> None:
    socket.process.suspend()
    text = SendText(1, "34600000001@s.whatsapp.net", "x" * 60_000)
    assert not all(socket.tell(text) for _ in range(1000)), "no pipe of a kernel holds so much"
    socket.process.kill()
    assert socket.wait_for_close().reason is Reason.PROCESS_DIED


def test_stopping_ends_everything_at_once(
    server: WhatsAppServer, desk: Desk, tmp_path: Path
) -> None:
    with Desk(tmp_path, server.proxy_url) as other:
        sockets = [other.open(f"c{number}") for number in range(4)]
        for socket in sockets:
            socket.wait_for(Qr)
        hanging = sockets[0].process
        hanging.suspend()
        other.gateway.stop(3)
    expected = Close(None, Reason.SERVICE_STOPPED, has_credentials=False)
    assert [socket.of(Closed) for socket in sockets] == [[Closed(expected)]] * 4
    assert len(our_processes()) <= 1  # the forkserver of the other desk


def test_a_gateway_that_has_stopped_opens_nothing(
    server: WhatsAppServer, desk: Desk, tmp_path: Path
) -> None:
    with Desk(tmp_path, server.proxy_url) as other:
        other.gateway.stop(3)
        close = other.open("late").wait_for_close()
    assert close.reason is Reason.SERVICE_STOPPED
