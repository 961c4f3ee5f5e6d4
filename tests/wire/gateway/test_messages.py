"""What the real library tells of messages and receipts, and what becomes of it."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer
from tests.whatsapp_server.binary_xml import Jid
from wa_app.domain.messages import ONLY_ON_PHONE
from wa_app.domain.phone_numbers import is_machine
from wa_app.domain.sessions.socket_messages import (
    Closed,
    Incoming,
    Receipt,
    ReceiptKind,
    SendText,
    Sent,
)

from .desk import Desk, Socket

numbers = itertools.count(34_600_300_000)
groups = itertools.count(120_363_000_000_001_000)
HOUR = timedelta(hours=1)


@pytest.fixture
def eva(server: WhatsAppServer) -> Contact:
    return server.contact(str(next(numbers)), "Eva")


def address(person: Contact | Phone) -> str:
    return f"{person.number}@s.whatsapp.net"


def last(socket: Socket, id: str) -> Incoming:
    """What was told of this message last."""

    def found() -> list[Incoming]:
        return [message for message in socket.of(Incoming) if message.wa_id == id][-1:]

    return socket.desk.wait_until(found, f"message {id}")[0]


def all_told(socket: Socket, ana: Phone, luis: Contact) -> list[Incoming]:
    """Everything, once a text that was sent after it has come."""
    end = luis.send(ana, "the end")
    last(socket, end)
    return [message for message in socket.of(Incoming) if message.wa_id != end]


# --- whose message it is -----------------------------------------------------


def test_an_id_is_its_senders(socket: Socket, ana: Phone, luis: Contact, eva: Contact) -> None:
    luis.send(ana, "Hola", id="3EB0SAME")
    eva.send(ana, "Buenas", id="3EB0SAME", by_lid=True)
    socket.wait_for(Incoming, count=2)
    told = {(one.wa_id, one.sender, one.sender_alt, one.text) for one in socket.of(Incoming)}
    assert told == {
        ("3EB0SAME", address(luis), str(luis.lid), "Hola"),
        ("3EB0SAME", address(eva), str(eva.lid), "Buenas"),
    }


@pytest.mark.parametrize("by_lid", [False, True])
def test_a_text_to_a_broadcast_list_is_one_from_its_sender(
    socket: Socket, ana: Phone, luis: Contact, by_lid: bool
) -> None:
    message = last(socket, luis.send_to_list(ana, "Rebajas", by_lid=by_lid))
    assert (message.chat, message.sender) == (address(luis), address(luis))
    assert (message.is_group, message.sender_name, message.text) == (False, "Luis", "Rebajas")
    socket.tell(SendText(1, message.chat, "No, gracias"))
    assert luis.wait_for_text("No, gracias").id == socket.wait_for(Sent).wa_id


def raw(data: bytes) -> str:
    """As the test server writes what is no UTF-8."""
    return data.decode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("id", "kept"),
    [
        (raw(b"3EB0\xff\xfe"), "3EB0\\xff\\xfe"),
        (raw(b"\xc3"), "\\xc3"),
        ("3EB0\0null", "3EB0\ufffdnull"),
        ("ñandú 🌮", "ñandú 🌮"),
        ("X" * 5000, "X" * 5000),
    ],
)
def test_no_id_loses_its_message(
    socket: Socket, ana: Phone, luis: Contact, id: str, kept: str
) -> None:
    luis.send(ana, "Hola", id=id)
    assert last(socket, kept).text == "Hola"
    assert all_told(socket, ana, luis)[0].wa_id == kept
    assert socket.of(Closed) == []


def test_an_id_that_is_no_text_is_known_again_when_it_is_sent_anew(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    """The library writes it into its log, too."""
    luis.send(ana, "Hola")
    luis.spoil_sessions()
    luis.send(ana, "¿Abren hoy?", id=raw(b"3EB0\xff"))
    socket.desk.wait_until(lambda: last(socket, "3EB0\\xff").kind == "text", "a second try")
    kinds = [one.kind for one in socket.of(Incoming) if one.wa_id == "3EB0\\xff"]
    assert set(kinds) == {ONLY_ON_PHONE, "text"}
    assert socket.of(Closed) == []


def test_no_name_and_no_text_loses_its_message(
    socket: Socket, ana: Phone, server: WhatsAppServer
) -> None:
    strange = server.contact(str(next(numbers)), raw(b"Lu\xffis\0"))
    message = last(socket, strange.send(ana, raw(b"\xf0\x9f Hola\0")))
    assert message.sender_name == "Lu\\xffis\ufffd"
    assert message.text == "\\xf0\\x9f Hola\ufffd"


# --- what only the phone shows -----------------------------------------------


@pytest.mark.parametrize("kind", ["view_once", "hosted", "something new", ""])
def test_what_linked_devices_do_not_get_is_told(
    socket: Socket, ana: Phone, luis: Contact, kind: str
) -> None:
    message = last(socket, luis.send_unavailable(ana, kind))
    assert (message.kind, message.text) == (ONLY_ON_PHONE, "")
    assert (message.chat, message.sender) == (address(luis), address(luis))


@pytest.mark.parametrize(
    ("sender", "chat", "told"),
    [
        (Jid("867051314767696", "bot"), "867051314767696@bot", "867051314767696@bot"),
        (Jid("13135550002"), "13135550002@s.whatsapp.net", "13135550002@s.whatsapp.net"),
        (Jid("0"), "0@s.whatsapp.net", "0@s.whatsapp.net"),
        (Jid("34600000099", "hosted", 99), "34600000099@s.whatsapp.net", "34600000099@hosted"),
        (Jid("34600000099", device=99), "34600000099@s.whatsapp.net", "34600000099@hosted"),
        (Jid("200000000000099", "hosted.lid", 99), "200000000000099@lid",
         "200000000000099@hosted.lid"),
    ],
)  # fmt: skip
def test_machines_are_known_by_their_addresses(
    socket: Socket, ana: Phone, luis: Contact, sender: Jid, chat: str, told: str
) -> None:
    message = last(socket, luis.send_unavailable(ana, sender=sender))
    assert (message.chat, message.sender) == (chat, told)
    assert is_machine(message.sender)


PLACEHOLDER, ALBUM, NOBODY_KNOWS = 80, 83, 3000
"""Fields of Message (waE2E)."""


@pytest.mark.parametrize(("field", "kind"), [(PLACEHOLDER, ONLY_ON_PHONE), (NOBODY_KNOWS, "other")])
def test_what_has_no_content_that_is_known_is_told(
    socket: Socket, ana: Phone, luis: Contact, field: int, kind: str
) -> None:
    message = last(socket, luis.send_kind(ana, field))
    assert (message.kind, message.text) == (kind, "")
    silent = luis.send_kind(ana, ALBUM)
    assert silent not in {one.wa_id for one in all_told(socket, ana, luis)}


def test_what_cannot_be_read_is_told_and_then_what_is_sent_anew(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "Hola")
    luis.sends_again = False
    luis.spoil_sessions()
    id = luis.send(ana, "¿Abren hoy?")
    first = last(socket, id)
    assert (first.kind, first.text, first.chat) == (ONLY_ON_PHONE, "", address(luis))
    luis.wait_for_receipt(id, "retry")
    luis.send_what_was_asked_for()
    socket.desk.wait_until(lambda: last(socket, id).kind == "text", "a try that can be read")
    second = last(socket, id)
    assert (second.text, second.chat, second.sender) == ("¿Abren hoy?", first.chat, first.sender)


def test_what_its_sender_wants_nothing_shown_for_is_not_told(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "Hola")
    luis.sends_again = False
    luis.spoil_sessions()
    hidden = luis.send(ana, "👍", fail="hide")
    shown = luis.send(ana, "¿Abren hoy?", fail="something new")
    luis.wait_for_receipt(hidden, "retry")
    luis.wait_for_receipt(shown, "retry")
    luis.forget_sessions()
    told = {one.wa_id for one in all_told(socket, ana, luis)}
    assert shown in told
    assert hidden not in told


def test_a_copy_that_cannot_be_read_of_what_was_read_is_the_same_message(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "Hola", id="3EB0TWICE")
    last(socket, "3EB0TWICE")
    luis.sends_again = False
    luis.spoil_sessions()
    luis.send(ana, "Hola", id="3EB0TWICE")
    luis.wait_for_receipt("3EB0TWICE", "retry")
    luis.forget_sessions()
    told = [one for one in all_told(socket, ana, luis) if one.wa_id == "3EB0TWICE"]
    assert {(one.chat, one.sender) for one in told} == {(address(luis), address(luis))}


# --- when it came ------------------------------------------------------------


def test_what_comes_now_came_now_whatever_whatsapps_clock_says(
    socket: Socket, ana: Phone, luis: Contact, server: WhatsAppServer
) -> None:
    server.behind = HOUR.total_seconds()
    try:
        before = datetime.now(UTC)
        message = last(socket, luis.send(ana, "Hola"))
    finally:
        server.behind = 0.0
    assert message.arrived_at is not None
    assert before <= message.arrived_at <= datetime.now(UTC)
    assert message.at < before - HOUR + timedelta(minutes=1)
    assert not message.backlog


@pytest.mark.parametrize("stamp", [0, 1, -(10**9), 10**11, 10**14, 9 * 10**15])
def test_a_time_that_can_be_none_loses_no_message_and_no_text(
    socket: Socket, ana: Phone, luis: Contact, server: WhatsAppServer, stamp: int
) -> None:
    """The library spells a time that is missing as one before there was anything."""
    before = datetime.now(UTC)
    server.behind = time.time() - stamp
    try:
        message = last(socket, luis.send(ana, "Hola"))
        for message_id in (1, 2):
            socket.tell(SendText(message_id, address(luis), "Buenas"))
        sent = socket.wait_for(Sent, count=2)
    finally:
        server.behind = 0.0
    for at in (message.at, sent.at):
        assert before - timedelta(seconds=1) <= at <= datetime.now(UTC)


def test_what_waited_at_whatsapp_is_a_backlog_and_what_follows_is_none(
    desk: Desk, socket: Socket, ana: Phone, luis: Contact
) -> None:
    socket.close()
    waited = [luis.send(ana, f"text {number}") for number in range(3)]
    unseen = luis.send_unavailable(ana)
    again = desk.open(socket.name)
    told = [last(again, id) for id in (*waited, unseen)]
    assert [one.backlog for one in told] == [True] * 4
    ana.device.wait_for_login(count=2)
    assert not last(again, luis.send(ana, "¿Hay alguien?")).backlog


# --- receipts ----------------------------------------------------------------


def send(socket: Socket, to: str) -> Sent:
    socket.tell(SendText(1, to, "Su pedido está listo."))
    return socket.wait_for(Sent)


def receipts(socket: Socket, id: str, count: int) -> list[Receipt]:
    """The receipts for it, once there are so many."""

    def found() -> list[Receipt]:
        of_it = [receipt for receipt in socket.of(Receipt) if id in receipt.wa_ids]
        return of_it if len(of_it) >= count else []

    return socket.desk.wait_until(found, f"{count} receipts for {id}")


@pytest.mark.parametrize("by_lid", [True, False])
def test_a_receipt_names_its_chat_by_number_and_by_lid(
    socket: Socket, ana: Phone, luis: Contact, eva: Contact, by_lid: bool
) -> None:
    eva.send(ana, "Hola")
    sent = send(socket, address(luis))
    luis.wait_for_text()
    assert sent.members is None
    eva.confirm(ana, sent.wa_id, by_lid=by_lid)
    luis.confirm(ana, sent.wa_id, by_lid=by_lid)
    delivered, of_eva, of_luis = receipts(socket, sent.wa_id, 3)
    assert delivered.kind is ReceiptKind.DELIVERED
    for receipt, person in ((of_eva, eva), (of_luis, luis)):
        assert receipt.kind is ReceiptKind.READ
        assert receipt.chat == receipt.reader
        assert set(receipt.chat) == {address(person), str(person.lid)}
        assert receipt.own_phone == f"+{ana.number}"


def test_played_is_read_and_our_own_devices_say_nothing(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    sent = send(socket, address(luis))
    for kind in ("", "sender", "read", "read-self", "played-self"):
        ana.confirm(luis, sent.wa_id, kind)
    luis.confirm(ana, sent.wa_id, "played")
    told = receipts(socket, sent.wa_id, 2)
    assert [one.kind for one in told] == [ReceiptKind.DELIVERED, ReceiptKind.READ]


def test_a_text_to_a_group_names_those_who_are_in_it(
    socket: Socket, ana: Phone, luis: Contact, eva: Contact, server: WhatsAppServer
) -> None:
    number = str(next(groups))
    server.groups[number] = [ana, luis, eva]
    sent = send(socket, f"{number}@g.us")
    assert sent.members is not None
    assert set(sent.members) == {address(luis), address(eva)}
    luis.confirm(ana, sent.wa_id, group=number)
    eva.confirm(ana, sent.wa_id, "inactive", group=number, by_lid=False)
    read, delivered = receipts(socket, sent.wa_id, 2)
    assert (read.kind, delivered.kind) == (ReceiptKind.READ, ReceiptKind.DELIVERED)
    assert read.chat == delivered.chat == (f"{number}@g.us",)
    assert address(luis) in read.reader
    assert address(eva) in delivered.reader


def test_a_group_of_which_nobody_tells_the_members_gets_its_text(
    socket: Socket, ana: Phone, server: WhatsAppServer, luis: Contact
) -> None:
    number = str(next(groups))
    server.groups[number] = [ana, luis]
    send(socket, f"{number}@g.us")  # from now on the library knows who is in it
    server.fault("drop_iqs", ana.device)
    socket.tell(SendText(2, f"{number}@g.us", "¿Recibido?"))
    assert socket.wait_for(Sent, count=2).members is None
