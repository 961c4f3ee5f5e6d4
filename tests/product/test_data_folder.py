"""A data folder that is emptied, moved away or exchanged while the service runs: every socket
ends, it is said, nobody counts as unlinked, and all is back with the folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer

from .conftest import CARLA, Start
from .server import Server, wait_until
from .visitor import Document, Number, Visitor

ANSWER = "Abrimos a las nueve."

SignIn = Callable[..., Visitor]

Harm = Callable[[Path, Path], Callable[[], None]]
"""Does something to the first folder with the help of the second; what it returns undoes it."""


def moved_away(data: Path, aside: Path) -> Callable[[], None]:
    data.rename(aside)
    return lambda: shutil.move(aside, data)


def emptied(data: Path, aside: Path) -> Callable[[], None]:
    """The folder stays, with nothing in it."""
    aside.mkdir()
    moved = [path.rename(aside / path.name) for path in list(data.iterdir())]

    def undo() -> None:
        for path in moved:
            path.rename(data / path.name)

    return undo


def a_new_one_in_its_place(data: Path, aside: Path) -> Callable[[], None]:
    data.rename(aside)
    data.mkdir()

    def undo() -> None:
        data.rmdir()  # nothing was made in it
        aside.rename(data)

    return undo


def database_moved_away(data: Path, aside: Path) -> Callable[[], None]:
    aside.mkdir()
    moved = [path.rename(aside / path.name) for path in list(data.glob("vigia.db*"))]

    def undo() -> None:
        for path in moved:
            path.rename(data / path.name)

    return undo


def anothers_in_its_place(data: Path, aside: Path) -> Callable[[], None]:
    data.rename(aside)
    shutil.copytree(aside, data)
    (data / "installation_id").write_text("of another installation")

    def undo() -> None:
        shutil.rmtree(data)
        aside.rename(data)

    return undo


@pytest.mark.parametrize(
    "harm",
    [moved_away, emptied, a_new_one_in_its_place, database_moved_away, anothers_in_its_place],
)
def test_on_another_folder_everything_rests_until_ours_is_back(
    start: Start,
    sign_in: SignIn,
    whatsapp: WhatsAppServer,
    phone: Phone,
    luis: Contact,
    tmp_path: Path,
    harm: Harm,
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    number.answer_with(ANSWER)
    device = number.pair(phone)
    undo = harm(server.data_dir, tmp_path / "aside")
    device.wait_for_logout()
    server.wait_for_log("the data folder is another one")
    wait_until(lambda: not server.sessions(), "the end of the session processes")
    assert_it_says_so(server)
    luis.send(phone, "¿Abren mañana?")
    undo()
    assert_it_is_back(server, number, phone)
    luis.wait_for_text(ANSWER)
    [alert] = alerts(sign_in(server, CARLA))
    assert alert["kind"] == "folder_away"


@pytest.mark.parametrize("part", ["", "vigia.db", "owner.lock"])
def test_a_copy_in_its_place_is_taken_up_without_a_hand(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone, tmp_path: Path, part: str
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    number.pair(phone)
    first, place, copy = server.worker, server.data_dir / part, tmp_path / "copy"
    (shutil.copytree if place.is_dir() else shutil.copy2)(place, copy)  # type: ignore[operator]
    place.rename(tmp_path / "aside")
    copy.rename(place)
    first.wait(60)
    assert_it_is_back(server, number, phone)


@pytest.mark.parametrize("part", ["", "session.db"])
def test_a_lost_session_is_no_logout(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone, part: str
) -> None:
    """The folder of one number, or the file in it: its login is lost, and that is said."""
    server = start(whatsapp, RECONNECT_BASE_DELAY="0.1")
    number = sign_in(server).new_number()
    device = number.pair(phone)
    place = server.data_dir / "sessions" / number.id / part
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    [session] = server.sessions()
    session.kill() if part else None
    seen = number.wait_for("CREDENTIALS_CORRUPT")
    assert (seen["hasQR"], seen["lastDisconnect"]["reason"]) == (False, "file_corrupt")
    assert "logged_out" not in [event["reason"] for event in number.events()]
    assert device.most_sockets == 1


def test_a_worker_that_died_meanwhile_finds_the_folder_too(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone, tmp_path: Path
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    number.pair(phone)
    undo = emptied(server.data_dir, tmp_path / "aside")
    server.wait_for_log("the data folder is another one")
    killed = server.worker
    killed.kill()
    wait_until(lambda: not killed.is_running() and server.readiness(), "another worker")
    for path in list(server.data_dir.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    undo()
    assert_it_is_back(server, number, phone)


def assert_it_says_so(server: Server) -> None:
    ready = httpx.get(f"{server.address}/readyz")
    assert ready.status_code == 503
    assert set(ready.json()["checks"].values()) == {"failed"}
    assert "data folder" in ready.json()["message"]
    assert httpx.get(f"{server.address}/healthz").status_code == 200
    page = httpx.get(server.address)
    assert (page.status_code, "data folder" in page.text) == (503, True)
    program = httpx.get(f"{server.address}/api/whatsapp/status")
    assert (program.status_code, program.json()["error"]) == (503, "folder_away")


def assert_it_is_back(server: Server, number: Number, phone: Phone) -> None:
    server.wait_for_role("owner")
    assert number.wait_for("CONNECTED")["hasQR"] is False
    assert {event["hold"] for event in number.events()} == {None}
    assert phone.device.most_sockets == 1


def alerts(carla: Visitor) -> list[Document]:
    def look() -> list[Document]:
        return list(carla.ask("GET", "/api/admin/alerts")["alerts"])

    return wait_until(look, "an alert")
