"""From the wire to the row and back: whose message it is, how old, and who is answered."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from tests.product.server import wait_until
from tests.whatsapp_server import Contact, WhatsAppServer

from .link import Link

numbers = itertools.count(34_600_800_000)
groups = itertools.count(120_363_000_000_002_000)
ANSWER = "Gracias, le contestamos enseguida."


@pytest.fixture
def eva(whatsapp: WhatsAppServer) -> Contact:
    return whatsapp.contact(str(next(numbers)), "Eva")


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"BOT_MAX_AGE": "5min"}


@pytest.fixture
def shop(link: Link) -> Link:
    """Its bot answers everybody."""
    link.number.answer_with(ANSWER)
    return link


def chats(shop: Link) -> dict[str, bool]:
    """Chat → whether it waits for a person."""
    query = "SELECT jid, waiting_since IS NOT NULL FROM chat WHERE connection_id = ?"
    with closing(sqlite3.connect(shop.server.data_dir / "vigia.db", timeout=10)) as database:
        return {jid: bool(waits) for jid, waits in database.execute(query, [shop.number.id])}


def address(person: Contact) -> str:
    return f"{person.number}@s.whatsapp.net"


def test_two_customers_who_use_one_id_are_both_answered(
    shop: Link, luis: Contact, eva: Contact
) -> None:
    luis.send(shop.phone, "¿Abren hoy?", id="3EB0SAME")
    luis.wait_for_text(ANSWER)
    eva.send(shop.phone, "¿Abren hoy?", id="3EB0SAME")
    eva.wait_for_text(ANSWER)


def test_a_text_to_a_broadcast_list_is_answered(shop: Link, luis: Contact) -> None:
    luis.send_to_list(shop.phone, "¿Quién abre hoy?")
    luis.wait_for_text(ANSWER)
    assert chats(shop) == {address(luis): False}


@pytest.mark.parametrize("wrong", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_customer_is_answered_whatever_the_clock_says(
    shop: Link, luis: Contact, wrong: timedelta
) -> None:
    shop.whatsapp.behind = wrong.total_seconds()
    try:
        luis.send(shop.phone, "¿Abren hoy?")
        luis.wait_for_text(ANSWER)
    finally:
        shop.whatsapp.behind = 0.0


def test_an_id_that_is_no_text_loses_nobody_their_answer(shop: Link, luis: Contact) -> None:
    luis.send(shop.phone, "¿Abren hoy?", id=b"3EB0\xff".decode(errors="surrogateescape"))
    luis.wait_for_text(ANSWER)


def test_what_never_can_be_read_waits_for_a_person_until_it_can(
    shop: Link, luis: Contact, eva: Contact
) -> None:
    luis.send(shop.phone, "Hola")
    luis.wait_for_text(ANSWER)
    luis.sends_again = False
    luis.spoil_sessions()
    luis.send(shop.phone, "¿Abren hoy?")
    eva.send_unavailable(shop.phone)
    both = {address(luis): True, address(eva): True}
    wait_until(lambda: chats(shop) == both, "two chats that wait")
    assert "message that only the phone shows" in shop.server.log()
    assert len([one for one in luis.inbox if one.text == ANSWER]) == 1
    luis.send_what_was_asked_for()
    luis.wait_for_text(ANSWER, count=2)
    assert eva.inbox == []


def test_only_those_whom_a_message_went_to_can_have_read_it(
    shop: Link, luis: Contact, eva: Contact
) -> None:
    sent = shop.number.send(f"+{luis.number}", "Su pedido está listo.")["id"]
    id = luis.wait_for_text("Su pedido está listo.").id
    shop.number.wait_for_message(sent, "DELIVERED")
    eva.confirm(shop.phone, id)
    eva.send(shop.phone, "Buenas")  # comes after the receipt
    eva.wait_for_text(ANSWER)
    assert shop.number.wait_for_message(sent, "DELIVERED", "READ")["state"] == "DELIVERED"
    luis.confirm(shop.phone, id)
    shop.number.wait_for_message(sent, "READ")


def test_read_in_a_group_means_by_all(shop: Link, luis: Contact, eva: Contact) -> None:
    group = str(next(groups))
    shop.whatsapp.groups[group] = [shop.phone, luis, eva]
    sent = shop.number.send(f"{group}@g.us", "Mañana cerramos.")["id"]
    shop.number.wait_for_message(sent, "SENT")
    id = luis.wait_for_text("").id  # its key came; the text is for all at once
    for person, kind, state in (
        (luis, "", "SENT"),
        (luis, "read", "SENT"),
        (eva, "inactive", "DELIVERED"),
        (eva, "read", "READ"),
    ):
        person.confirm(shop.phone, id, kind, group=group)
        person.send(shop.phone, f"after {person.name} {kind}")
        shop.number.wait_for_message(sent, state)
