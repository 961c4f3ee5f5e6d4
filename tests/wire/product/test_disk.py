"""A disk that is full, or cannot be written to: nothing is thrown away, and all comes back alone.

The product runs on a small disk of its own, made with `unshare -m`, which only root may.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.product.conftest import QUICK
from tests.product.server import GUNICORN, Server
from tests.product.visitor import Number
from tests.whatsapp_server import Contact, Phone, WhatsAppServer, environment

SIZE = 64_000_000
TOO_LITTLE = 4_000_000
"""Less than a session process wants to see free."""

ANSWER = "Abrimos a las nueve."

SMALL_DISK = 'mount -t tmpfs -o size=$0 none "$1" && cp -a "$2/." "$1" && shift 2 && exec "$@"'


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"RECONNECT_BASE_DELAY": "0.3", "HEARTBEAT": "0.4", "MONITOR_INTERVAL": "1"}


@pytest.fixture(scope="module")
def server(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    whatsapp: WhatsAppServer,
    settings: dict[str, str],
) -> Iterator[Server]:
    """On a small disk, which only its processes see."""
    allowed = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True)
    if allowed.returncode:
        pytest.fail(f"a small disk of its own needs root, and `unshare -m`: {allowed.stderr}")
    data_dir = tmp_path_factory.mktemp("small") / "data"
    data_dir.mkdir()
    command = ["unshare", "-m", "sh", "-c", SMALL_DISK, str(SIZE), str(data_dir), str(template)]
    server = Server(data_dir, {**QUICK, **environment(whatsapp), **settings})
    try:
        yield server.start([*command, *GUNICORN])
        server.end()
        server.wait_until_nothing_runs()
    finally:
        server.clean_up()
        server.give_up_port()


class Disk:
    """As the product sees it."""

    def __init__(self, server: Server) -> None:
        self._master, self._path = server.master.pid, server.data_dir

    @property
    def path(self) -> Path:
        return Path(f"/proc/{self._master}/root{self._path}")

    @contextmanager
    def full(self, free: int) -> Iterator[None]:
        filler = self.path / "filler"
        disk = os.statvfs(self.path)
        try:
            # The product may be faster with the last of it.
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                file.write(bytes(disk.f_bavail * disk.f_frsize - free))
            yield
        finally:
            filler.unlink()

    def make_room(self, size: int) -> None:
        filler = self.path / "filler"
        os.truncate(filler, filler.stat().st_size - size)

    @contextmanager
    def read_only(self, part: str) -> Iterator[None]:
        """This file or folder."""
        place = str(self._path / part)
        self._run("mount", "--bind", place, place)
        self._run("mount", "-o", "remount,bind,ro", place)
        try:
            yield
        finally:
            self._run("umount", place)

    def _run(self, *command: str) -> None:
        subprocess.run(["nsenter", "-t", str(self._master), "-m", *command], check=True)


@pytest.fixture(scope="module")
def disk(server: Server) -> Disk:
    return Disk(server)


@pytest.fixture
def answering(number: Number, phone: Phone) -> Number:
    number.answer_with(ANSWER)
    number.pair(phone)
    return number


def wait_until_it_waits_for_the_disk(number: Number) -> None:
    seen = number.wait_for(lambda seen: seen["attempt"] >= 2)
    assert seen["lastDisconnect"]["reason"] == "folder_unusable"
    assert (seen["status"], seen["hold"], seen["hasQR"]) == ("CONNECTING", None, False)


def test_on_a_nearly_full_disk_it_leaves_in_time_and_comes_back_when_there_is_room(
    disk: Disk, answering: Number, phone: Phone, luis: Contact
) -> None:
    device = phone.device
    with disk.full(TOO_LITTLE):
        device.wait_for_logout()
        luis.send(phone, "¿Y mañana?")
        wait_until_it_waits_for_the_disk(answering)
    luis.wait_for_text(ANSWER)
    assert answering.wait_for("CONNECTED")["hasQR"] is False
    assert (len(luis.inbox), device.logins, device.most_sockets) == (1, 2, 1)


def test_a_disk_full_to_the_last_byte_loses_nothing_either(
    disk: Disk, answering: Number, phone: Phone, luis: Contact
) -> None:
    """Not even the database can be written then. (What arrives before the session process looks
    at the disk again, within a second, the library refuses, and WhatsApp does not repeat it.)"""
    device = phone.device
    with disk.full(0):
        device.wait_for_logout()
        luis.send(phone, "¿Y mañana?")
        answering.wait_for(lambda seen: not seen["connected"])
        assert luis.inbox == []
    luis.wait_for_text(ANSWER)
    assert answering.wait_for("CONNECTED")["hasQR"] is False
    assert (len(luis.inbox), device.most_sockets) == (1, 1)


@pytest.mark.parametrize("part", ["", "session.db"])
def test_what_cannot_be_written_is_left_alone_until_it_can(
    disk: Disk, number: Number, phone: Phone, part: str
) -> None:
    device = number.pair(phone)
    number.disconnect()
    device.wait_for_logout()
    kept = (disk.path / "sessions" / number.id / "session.db").read_bytes()
    with disk.read_only(f"sessions/{number.id}/{part}"):
        number.reconnect()
        wait_until_it_waits_for_the_disk(number)
        assert (disk.path / "sessions" / number.id / "session.db").read_bytes() == kept
    number.wait_for("CONNECTED")
    assert device.logins == 2


@pytest.mark.parametrize("free", [TOO_LITTLE, 0])
def test_a_disk_that_is_full_for_long_holds_the_number_until_the_next_look_after_it(
    disk: Disk, answering: Number, phone: Phone, free: int
) -> None:
    """However often it was in vain before: nobody has to wait out a pause, or to click."""
    with disk.full(free):
        answering.wait_for("RETRIES_EXHAUSTED" if free else lambda seen: not seen["connected"])
        if not free:
            disk.make_room(TOO_LITTLE)  # so that the row can be written
            answering.wait_for("RETRIES_EXHAUSTED")
    assert answering.wait_for("CONNECTED", timeout=20)["hasQR"] is False
    held = [event for event in answering.events() if event["hold"]]
    assert [event["hold"] for event in held] == ["RETRIES_EXHAUSTED"]  # not lifted in between
    assert phone.device.most_sockets == 1
