"""What a session starts from: a QR, a code, or its file; and what becomes of it without."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.product.server import Server
from tests.product.visitor import Visitor
from tests.whatsapp_server import Contact, Phone, WhatsAppServer

from .link import Link, NewLink

others = itertools.count(34_600_700_000)


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"RECONNECT_BASE_DELAY": "0.05", "RECONNECT_JITTER": "0", "STABLE_AFTER": "10min"}


def test_a_line_lost_while_the_qr_is_shown_brings_a_new_qr(new_link: NewLink) -> None:
    link = new_link()
    old = link.number.connect()["qr"]
    link.whatsapp.fault("reset", link.line)
    seen = link.number.wait_for(lambda seen: seen["qr"] not in (None, old))
    assert (seen["attempt"], seen["lastDisconnect"]["reason"]) == (1, "connection_lost")
    link.phone.scan(seen["qr"])
    link.number.wait_for("CONNECTED")
    link.number.disconnect()


@pytest.mark.parametrize(
    ("fault", "cause"), [("refuse", "restart_required"), ("failure_503", "server_error")]
)
def test_a_restart_after_the_scan_that_fails_needs_no_second_scan(
    new_link: NewLink, fault: str, cause: str
) -> None:
    link = new_link()
    shown = link.number.connect()
    link.whatsapp.fault(fault, link.line, times=1)
    link.phone.scan(shown["qr"])
    link.number.wait_for("CONNECTED")
    seen = link.number.status()
    assert (seen["lastDisconnect"]["reason"], seen["attempt"]) == (cause, 1)
    assert len(link.whatsapp.journal.of("registered", link.line)) == 1
    link.number.disconnect()


def test_a_logout_that_whatsapp_does_not_answer_is_one_all_the_same(
    link: Link, server: Server
) -> None:
    link.whatsapp.fault("drop_iqs", link.device)
    said = link.number.logout()["message"]
    assert "Unlinked" in said
    link.number.wait_for(lambda seen: seen["explanation"]["title"].startswith("No number"))
    assert link.process() is None
    assert not link.folder.exists()


# --- another number ----------------------------------------------------------


@pytest.fixture
def bruno(whatsapp: WhatsAppServer) -> Phone:
    """The phone of the next shop."""
    return whatsapp.phone(str(next(others)), "Bruno")


@pytest.fixture
def relinked(link: Link, luis: Contact, bruno: Phone) -> Link:
    """The first phone unlinks the device while a text waits; another phone scans the next code."""
    link.number.disconnect()
    link.device.wait_for_logout()
    link.number.send(f"+{luis.number}", "Su pedido está listo.")
    link.number.logout()
    bruno.scan(link.number.connect()["qr"])
    seen = link.number.wait_for("OTHER_NUMBER")
    assert (seen["phone"], seen["linkedPhone"]) == (f"+{bruno.number}", f"+{link.phone.number}")
    return link


def test_another_number_sends_nothing_of_the_first(
    relinked: Link, luis: Contact, bruno: Phone
) -> None:
    bruno.device.wait_for_logout()
    relinked.number.choose_number(keep=True)
    relinked.number.wait_for("CONNECTED")
    bruno.device.wait_for_login()
    mine = relinked.number.send(f"+{luis.number}", "Somos la tienda nueva.")
    relinked.number.wait_for_message(mine["id"], "DELIVERED")
    assert [received.text for received in luis.inbox] == ["Somos la tienda nueva."]
    assert bruno.device.most_sockets == 1


def test_another_number_is_unlinked_and_the_first_comes_back(
    relinked: Link, luis: Contact, bruno: Phone, whatsapp: WhatsAppServer
) -> None:
    device = bruno.device
    again = relinked.number.choose_number(keep=False)
    whatsapp.wait_until(lambda: device.removed, 20, "the other device unlinked")
    assert again["linkedPhone"] == f"+{relinked.phone.number}"
    relinked.phone.scan(relinked.number.wait_for("QR_PENDING")["qr"])
    relinked.number.wait_for("CONNECTED")
    assert luis.wait_for_text().text == "Su pedido está listo."
    assert device.most_sockets == 1


# --- files -------------------------------------------------------------------


def fold(folder: Path) -> Path:
    """The session file with all of it inside, as nobody uses it."""
    file = folder / "session.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


def overwrite(file: Path) -> None:
    file.write_bytes(b"no database " * 4096)


def overwrite_the_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 2] = b"?" * (len(content) // 2 - len(content) // 4)
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("spoil", [overwrite, overwrite_the_middle, truncate])
def test_a_spoilt_file_is_set_aside_and_the_number_is_linked_anew(
    link: Link, server: Server, spoil: Callable[[Path], None]
) -> None:
    old = link.device
    link.number.disconnect()
    old.wait_for_logout()
    file = fold(link.folder)
    spoil(file)
    spoilt = file.read_bytes()
    link.number.reconnect()
    seen = link.wait_for_the_end_of_it("CREDENTIALS_CORRUPT")
    assert seen["lastDisconnect"]["reason"] == "file_corrupt"
    assert (seen["attempt"], seen["explanation"]["action"]) == (0, "PAIR")
    assert old.logins == 1, "no dial with a broken file"
    [aside] = (server.data_dir / "quarantine").glob(f"{link.number.id}-*/session.db")
    assert aside.read_bytes() == spoilt
    link.pair()
    assert link.number.status()["hold"] is None


def test_a_file_spoilt_in_use_is_found_at_the_next_dial(link: Link) -> None:
    overwrite(fold(link.folder))
    link.whatsapp.fault("reset", link.device)
    seen = link.wait_for_the_end_of_it("CREDENTIALS_CORRUPT")
    assert seen["lastDisconnect"]["reason"] == "file_corrupt"


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_without_its_file_a_number_is_linked_anew_once_it_has_been_said(
    link: Link, left: str
) -> None:
    link.number.disconnect()
    link.device.wait_for_logout()
    shutil.rmtree(link.folder)
    if left == "an empty file":
        link.folder.mkdir()
        (link.folder / "session.db").touch()
    link.number.reconnect()
    assert link.wait_for_the_end_of_it("CREDENTIALS_CORRUPT")["hasQR"] is False
    link.number.connect()
    link.phone.scan(link.number.wait_for("QR_PENDING")["qr"])
    link.number.wait_for("CONNECTED")


def test_a_restart_of_the_session_process_needs_no_qr(link: Link, whatsapp: WhatsAppServer) -> None:
    process = link.process()
    assert process is not None
    process.kill()
    link.device.wait_for_login(count=2)
    seen = link.number.wait_for(link.has_come_back)
    assert (seen["lastDisconnect"]["reason"], seen["attempt"]) == ("process_died", 1)
    assert len(whatsapp.journal.of("registered", link.line)) == 1
    assert link.device.most_sockets == 1


def test_the_name_that_others_see_is_shown_as_it_is_now(link: Link) -> None:
    for name in ("Panadería Ana", "Panadería Ana e Hijas"):
        link.phone.rename(name)
        link.number.wait_for(lambda seen, name=name: seen["pushName"] == name)


# --- one number at two connections -------------------------------------------


@pytest.fixture
def second(link: Link, ana: Visitor) -> Iterator[Link]:
    """Another connection of Ana's, for the phone that is linked already."""
    second = Link(link.server, ana.new_number(), link.phone)
    yield second
    second.number.disconnect()


def test_of_two_bots_on_one_number_the_second_is_unlinked(
    link: Link, second: Link, luis: Contact
) -> None:
    first = link.device
    for each in (link, second):
        each.number.answer_with("Abrimos a las nueve.")
    link.phone.scan(second.number.connect()["qr"])
    second.number.wait_for(
        lambda seen: seen["hold"] == "ALREADY_LINKED" and seen["explanation"]["action"] == "PAIR"
    )
    second.whatsapp.wait_until(lambda: link.phone.devices[-1].removed, what="it to be unlinked")
    luis.send(link.phone, "¿A qué hora abren?")
    luis.wait_for_text("Abrimos a las nueve.")
    assert [one.text for one in luis.inbox] == ["Abrimos a las nueve."]
    assert (first.logins, first.removed) == (1, False)


def test_a_bot_that_is_off_lets_the_number_be_linked_twice(link: Link, second: Link) -> None:
    link.number.answer_with("Abrimos a las nueve.")
    device = second.pair()
    assert (device.logins, link.device.removed) == (1, False)
    asked = {"enabled": True, "fallbackText": "Hola."}
    refused = second.number.owner.http.patch(
        "/api/whatsapp/bot", params={"connection": second.number.id}, json=asked
    )
    assert (refused.status_code, refused.json()["error"]) == (409, "answered_elsewhere")
