"""How long until there is something to see: a QR, a session process, a connection."""

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as counting
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from bench.figures import Line, alone, alternating, compared
from bench.raw import environment_for, raw
from bench.stage import folder, moment, new_phone, product, wait_until_gone, whatsapp
from tests.product.visitor import Number, Visitor
from tests.whatsapp_server import WhatsAppServer
from wa_app.domain.sessions.socket_messages import Dial, SendFailed, SendText
from wa_app.gateways.whatsapp.launch import Settings, Start
from wa_app.gateways.whatsapp.worker.launcher import LIBRARY_SETTINGS, Launcher

# ---- from the click to the QR


def qr(count: int) -> list[Line]:
    with whatsapp() as server, product(server) as ana, folder() as sessions:
        names = counting()
        [practice] = alternating(count, lambda: click_to_qr(ana, "practice"))
        linked, bare = alternating(
            count,
            lambda: click_to_qr(ana, "whatsapp"),
            lambda: raw_start_to_qr(server, sessions / f"{next(names)}.db"),
        )
    return [
        alone("Click to QR, practice phone", practice, below=0.3),
        compared("Click to QR, WhatsApp, its process started", linked, bare, at_most=0.4),
    ]


def click_to_qr(ana: Visitor, channel: str) -> float:
    """The server's time for the first click, which makes the connection too."""
    started = time.perf_counter()
    answer = ana.ask("POST", "/api/whatsapp/connect", {"channel": channel}, wait="15")
    seconds = time.perf_counter() - started
    if not answer["hasQR"]:
        raise AssertionError(f"no QR within 15 s: {answer}")
    ana.ask("DELETE", f"/api/whatsapp/connections/{answer['connectionId']}")
    wait_until_gone(Number(ana, answer["connectionId"]))
    return seconds


def raw_start_to_qr(server: WhatsAppServer, session: Path) -> float:
    with raw(server, session) as client:
        return client.wait_for("qr")[0] - client.started_at


# ---- until a session process is ready


def ready(count: int) -> list[Line]:
    with folder() as sessions, forkserver() as launcher:
        tickets = counting(1)
        forked, imported = alternating(
            count, lambda: fork_to_ready(launcher, sessions, next(tickets)), import_neonize
        )
    what = "Session process ready, against `python -c 'import neonize'`"
    return [compared(what, forked, imported, at_most=1 / 3)]


@contextmanager
def forkserver() -> Iterator[Launcher]:
    launcher = Launcher(environment_for(None) | LIBRARY_SETTINGS)
    try:
        yield launcher
    finally:
        launcher.end(5)


def fork_to_ready(launcher: Launcher, sessions: Path, ticket: int) -> float:
    """Ready is when a text to send reaches the library's client, which is not connected: nobody
    listens where it dials."""
    ours, theirs = Pipe()
    dial = Dial(f"session-{ticket}", ticket, proxy="http://127.0.0.1:9")
    started = time.perf_counter()
    with ours, theirs:
        settings = Settings(str(sessions), 1, False, 160.0)
        launcher.start(Start(ticket, dial, settings), theirs.fileno())
        theirs.close()
        while not has_client(ours):
            if time.perf_counter() - started > 30:
                raise AssertionError("no session process became ready")
            time.sleep(0.002)
        seconds = time.perf_counter() - started
        launcher.kill(ticket)
        wait_for_reports(launcher, 2)
    return seconds


def has_client(pipe: Connection) -> bool:
    """What it says without a client is different."""
    pipe.send(SendText(1, "34600000000@s.whatsapp.net", ""))
    answer = pipe.recv()
    return isinstance(answer, SendFailed) and "client" in answer.detail


def wait_for_reports(launcher: Launcher, count: int) -> None:
    for _ in range(count):
        if not select.select([launcher.socket], [], [], 10)[0]:
            raise AssertionError("the forkserver says nothing")
        launcher.report()


def import_neonize() -> float:
    started = time.perf_counter()
    program = "import neonize, os; os.write(1, b'.')"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment_for(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        return time.perf_counter() - started


# ---- from the scan to connected


def pairing(count: int) -> list[Line]:
    with whatsapp() as server, product(server) as ana, folder() as sessions:
        names = counting()
        ours, theirs = alternating(
            count,
            lambda: scan_to_connected(ana, server),
            lambda: raw_scan_to_connected(server, sessions / f"{next(names)}.db"),
        )
    return [compared("Scan to connected, 812 keys", ours, theirs, at_most=0.4)]


def scan_to_connected(ana: Visitor, server: WhatsAppServer) -> float:
    number = ana.new_number()
    code = number.connect()["qr"]
    scanned_at = time.time()
    new_phone(server).scan(code)
    seconds = moment(number, "CONNECTED", scanned_at) - scanned_at
    number.disconnect()
    moment(number, "DISCONNECTED", scanned_at)
    return seconds


def raw_scan_to_connected(server: WhatsAppServer, session: Path) -> float:
    with raw(server, session) as client:
        code = client.wait_for("qr")[1]
        scanned_at = time.time()
        new_phone(server).scan(code)
        return client.wait_for("connected")[0] - scanned_at


# ---- from a stored login to connected

PER_NUMBER = 8
"""Clicks on one number in a minute; 10 are allowed."""


def login(count: int) -> list[Line]:
    with whatsapp() as server, product(server) as ana, folder() as sessions:
        session = sessions / "session.db"
        with raw(server, session) as client:
            client.pair(new_phone(server))
        linked = linked_numbers(ana, server, 1 + count // PER_NUMBER)
        turns = counting()
        ours, theirs = alternating(
            count,
            lambda: reconnect(linked[next(turns) % len(linked)]),
            lambda: raw_login(server, session),
        )
    return [compared("Stored login to connected, process started", ours, theirs)]


def linked_numbers(ana: Visitor, server: WhatsAppServer, count: int) -> list[Number]:
    """Paired, and then disconnected."""
    numbers = []
    for _ in range(count):
        number = ana.new_number()
        number.pair(new_phone(server))
        disconnect(number)
        numbers.append(number)
    return numbers


def disconnect(number: Number) -> None:
    asked_at = time.time()
    number.disconnect()
    moment(number, "DISCONNECTED", asked_at)


def reconnect(number: Number) -> float:
    """From the worker's decision to dial to its writing down that the number is connected."""
    asked_at = time.time()
    number.reconnect()
    began = moment(number, "CONNECTING", asked_at)
    seconds = moment(number, "CONNECTED", asked_at) - began
    disconnect(number)
    return seconds


def raw_login(server: WhatsAppServer, session: Path) -> float:
    with raw(server, session) as client:
        return client.wait_for("connected")[0] - client.started_at
