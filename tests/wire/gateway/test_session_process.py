"""The session process drives the real neonize against the test server: pairing, texts, endings."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer
from tests.whatsapp_server.binary_xml import Jid, Node
from wa_app.domain.messages import ONLY_ON_PHONE
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.socket_messages import (
    Alive,
    AskedAgain,
    Closed,
    Incoming,
    Named,
    Opened,
    Paired,
    PairingCode,
    Qr,
    Receipt,
    ReceiptKind,
    SendFailed,
    SendFailure,
    SendText,
    Sent,
    ShowTyping,
    Stored,
)

from .desk import Desk, Socket


def lost(**known: object) -> Close:
    return Close(None, Reason.CONNECTION_LOST, **known)  # type: ignore[arg-type]


def now() -> datetime:
    """In whole seconds, as WhatsApp counts."""
    return datetime.now(UTC).replace(microsecond=0)


# --- pairing -----------------------------------------------------------------


def test_the_phone_scans_the_qr(desk: Desk, ana: Phone, name: str) -> None:
    before = datetime.now(UTC)
    socket = desk.open(name)
    qr = socket.wait_for(Qr)
    assert (qr.number, qr.total) == (1, 6)
    minute = timedelta(minutes=1)
    assert before + minute <= qr.expires_at <= datetime.now(UTC) + minute
    assert not desk.gateway.has_credentials(name)
    ana.scan(qr.payload)
    assert socket.wait_for(Paired).phone == f"+{ana.number}"
    assert socket.wait_for(Opened).phone == f"+{ana.number}"
    assert desk.gateway.has_credentials(name)


def test_a_paired_session_opens_again_without_a_qr(desk: Desk, socket: Socket, name: str) -> None:
    assert socket.close() == Close(None, Reason.REQUESTED, has_credentials=True)
    again = desk.open(name)
    again.wait_for(Opened)
    assert again.of(Qr) == []


def test_the_name_is_told_after_the_linking_and_whenever_it_changes(
    desk: Desk, socket: Socket, ana: Phone, luis: Contact, name: str
) -> None:
    """The library knows no event for it. A name goes over the wire as people write them."""
    assert socket.wait_for(Opened).push_name == ""
    names = ["Panadería Ana", "Ana 🥖 & Cía.", "Ana"]
    for count, one in enumerate(names, start=1):
        ana.rename(one)
        assert socket.wait_for(Named, count=count).push_name == one
    luis.send(ana, "Hola")
    socket.wait_for(Incoming)
    socket.wait_for(Alive, count=len(socket.of(Alive)) + 2)
    assert [news.push_name for news in socket.of(Named)] == names  # told once each
    socket.close()
    assert desk.open(name).wait_for(Opened).push_name == "Ana"


def test_the_phone_types_the_code(desk: Desk, ana: Phone, name: str) -> None:
    socket = desk.open(name, pair_phone=f"+{ana.number}")
    ana.type_code(socket.wait_for(PairingCode).code)
    socket.wait_for(Opened)
    assert socket.of(Qr) == []


def test_a_pairing_that_nobody_finishes_ends_after_its_window(
    desk: Desk, server: WhatsAppServer, tmp_path: Path
) -> None:
    with Desk(tmp_path, server.proxy_url, pairing_window=timedelta(seconds=1)) as impatient:
        close = impatient.open("nobody").wait_for_close()
    assert close == Close(None, Reason.PAIRING_TIMEOUT, has_credentials=False)


@pytest.mark.parametrize(
    ("code", "text"), [(429, "rate-overlimit"), (400, "bad-request"), (403, "forbidden")]
)
def test_a_code_that_whatsapp_refuses_is_a_refusal(
    desk: Desk, server: WhatsAppServer, ana: Phone, name: str, code: int, text: str
) -> None:
    with server.faulty("code_refused", name, code=code, text=text):
        socket = desk.open(name, proxy=server.proxy_url_for(name), pair_phone=f"+{ana.number}")
        close = socket.wait_for_close()
    assert close == Close(code, Reason.PAIRING_REFUSED, has_credentials=False)


def test_a_code_that_a_server_in_trouble_does_not_give_is_none(
    desk: Desk, server: WhatsAppServer, ana: Phone, name: str
) -> None:
    with server.faulty("code_refused", name, code=503, text="service-unavailable"):
        socket = desk.open(name, proxy=server.proxy_url_for(name), pair_phone=f"+{ana.number}")
        assert socket.wait_for_close() == lost(has_credentials=False)


@pytest.mark.parametrize("request_", ['{"challenge": "AA"}', "no JSON at all"])
@pytest.mark.parametrize("by_code", [False, True])
def test_an_account_that_asks_for_a_passkey_says_so(
    desk: Desk, server: WhatsAppServer, ana: Phone, name: str, by_code: bool, request_: str
) -> None:
    phone = f"+{ana.number}" if by_code else None
    socket = desk.open(name, proxy=server.proxy_url_for(name), pair_phone=phone)
    socket.wait_for(PairingCode if by_code else Qr)
    server.fault("passkey", name, request=request_)
    assert socket.wait_for_close() == Close(None, Reason.PASSKEY, has_credentials=False)


def test_a_connection_lost_while_the_qr_is_shown_is_no_pairing_timeout(
    desk: Desk, server: WhatsAppServer, name: str
) -> None:
    socket = desk.open(name, proxy=server.proxy_url_for(name))
    socket.wait_for(Qr)
    server.fault("reset", name)
    assert socket.wait_for_close() == lost(has_credentials=False)


def test_a_half_paired_file_is_begun_anew(desk: Desk, ana: Phone, name: str) -> None:
    first = desk.open(name)
    first.wait_for(Qr)
    first.close()
    file = first.folder / "session.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE left_over (x)")
    second = desk.open(name)
    second.wait_for(Qr)
    with closing(sqlite3.connect(file)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert "whatsmeow_device" in tables
    assert "left_over" not in tables


def test_qr_and_keys_are_in_no_log(
    desk: Desk, ana: Phone, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    socket = desk.open(name)
    qr = socket.wait_for(Qr).payload
    ana.scan(qr)
    socket.wait_for(Opened)
    socket.close()
    written = caplog.text + (socket.folder / "crash.txt").read_text()
    assert not any(secret in written for secret in qr.partition("#")[2].split(",")[:4])


# --- texts -------------------------------------------------------------------


def test_a_text_comes_in(socket: Socket, ana: Phone, luis: Contact) -> None:
    before = now()
    id = luis.send(ana, "¿Abren hoy? 🌮")
    message = socket.wait_for(Incoming)
    assert (message.wa_id, message.kind, message.text) == (id, "text", "¿Abren hoy? 🌮")
    assert message.chat == message.sender == f"{luis.number}@s.whatsapp.net"
    assert (message.sender_name, message.is_group, message.from_me) == ("Luis", False, False)
    assert before <= message.at <= now()


def test_a_hidden_number_is_shown_as_the_number_it_belongs_to(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "Hola", by_lid=True)
    message = socket.wait_for(Incoming)
    assert message.chat == message.sender == f"{luis.number}@s.whatsapp.net"


def test_a_text_in_a_group_names_group_and_sender(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    luis.send_to_group(ana, "Hola a todos")
    message = socket.wait_for(Incoming)
    assert message.is_group
    assert message.chat.endswith("@g.us")
    assert message.sender == f"{luis.number}@s.whatsapp.net"


def test_what_the_owner_writes_on_the_phone_is_reported_in_its_chat(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    ana.send(luis, "Ya le atiendo")
    message = socket.wait_for(Incoming)
    assert message.from_me
    assert message.chat == f"{luis.number}@s.whatsapp.net"
    assert message.sender == f"{ana.number}@s.whatsapp.net"


def test_a_text_goes_out_and_its_receipts_come_after(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    before = now()
    socket.tell(SendText(7, f"{luis.number}@s.whatsapp.net", "Sí, hasta las 8 @34600000001"))
    sent = socket.wait_for(Sent)
    assert sent.message_id == 7
    assert before <= sent.at <= now()
    received = luis.wait_for_text("Sí, hasta las 8 @34600000001")
    assert received.id == sent.wa_id
    delivered = socket.wait_for(Receipt)
    known = (f"{luis.number}@s.whatsapp.net", str(luis.lid))
    own = f"+{ana.number}"
    assert delivered == Receipt((sent.wa_id,), ReceiptKind.DELIVERED, known, known, own)
    news = [entry for _, entry in socket.desk.news]
    assert news.index(sent) < news.index(delivered)
    luis.read()
    read = Receipt((sent.wa_id,), ReceiptKind.READ, known, known, own)
    assert socket.wait_for(Receipt, count=2) == read


def test_typing_is_shown(socket: Socket, server: WhatsAppServer, luis: Contact) -> None:
    chat = f"{luis.number}@s.whatsapp.net"
    socket.tell(ShowTyping(chat))
    server.wait_until(lambda: "composing" in luis.chat_states)


def test_a_number_that_is_not_on_whatsapp_is_refused(socket: Socket) -> None:
    socket.tell(SendText(1, "999@s.whatsapp.net", "Hola"))
    assert socket.wait_for(SendFailed).failure is SendFailure.REFUSED


def test_error_463_is_a_restriction(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact
) -> None:
    server.fault("ack_463", ana.device)
    socket.tell(SendText(1, f"{luis.number}@s.whatsapp.net", "Hola"))
    assert socket.wait_for(SendFailed).failure is SendFailure.RESTRICTED


def text_to(luis: Contact, id: int = 1) -> SendText:
    return SendText(id, f"{luis.number}@s.whatsapp.net", f"text {id}")


LOOK_UPS = [
    (namespace, code)
    for namespace in ("usync", "encrypt")
    for code in (400, 401, 404, 429, 463, 500, 503)
]


@pytest.mark.parametrize(("namespace", "code"), LOOK_UPS)
def test_a_look_up_that_is_refused_leaves_the_text_for_later(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact, namespace: str, code: int
) -> None:
    """Of the keys it is told in the log alone: to the library that is a success."""
    server.fault("refuse_iqs", ana.device, xmlns=namespace, code=code)
    socket.tell(text_to(luis))
    failed = socket.wait_for(SendFailed)
    assert (failed.message_id, failed.failure) == (1, SendFailure.LATER)
    server.clear()
    socket.tell(text_to(luis, 2))
    assert socket.wait_for(Sent).wa_id == luis.wait_for_text("text 2").id
    assert [message.text for message in luis.inbox] == ["text 2"]


def test_a_number_without_any_device_gets_nothing_and_that_is_not_sent(
    socket: Socket, server: WhatsAppServer, luis: Contact
) -> None:
    luis.devices_told = ()
    socket.tell(text_to(luis))
    assert socket.wait_for(SendFailed).failure is SendFailure.LATER
    assert socket.of(Sent) == []


def test_one_of_the_recipients_devices_is_enough(
    socket: Socket, server: WhatsAppServer, luis: Contact
) -> None:
    luis.devices_told = (0, 7)  # of the second one the server has no keys
    socket.tell(text_to(luis))
    assert socket.wait_for(Sent).wa_id == luis.wait_for_text("text 1").id


def test_the_own_phone_without_keys_makes_no_text_wait(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact
) -> None:
    """Luis has a session with us; only Ana's own phone would have to be asked for its keys."""
    luis.send(ana, "Hola")
    socket.wait_for(Incoming)
    server.fault("refuse_iqs", ana.device, xmlns="encrypt")
    socket.tell(text_to(luis))
    assert socket.wait_for(Sent).wa_id == luis.wait_for_text("text 1").id


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (429, SendFailure.LATER),
        (500, SendFailure.LATER),
        (503, SendFailure.LATER),
        (599, SendFailure.LATER),
        (400, SendFailure.REFUSED),
        (404, SendFailure.REFUSED),
        (420, SendFailure.REFUSED),
        (479, SendFailure.REFUSED),
    ],
)
def test_what_an_acknowledgement_with_an_error_means(
    socket: Socket,
    server: WhatsAppServer,
    ana: Phone,
    luis: Contact,
    code: int,
    failure: SendFailure,
) -> None:
    server.fault("ack_463", ana.device, code=code)
    socket.tell(text_to(luis))
    assert socket.wait_for(SendFailed).failure is failure


ENDS = ["reset", "stream_error_503", "replaced", "device_removed"]


@pytest.mark.parametrize("end", [*ENDS, "asked to end"])
def test_a_line_that_ends_while_devices_are_looked_up_is_no_end_in_the_middle(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact, end: str
) -> None:
    server.fault("drop_iqs", ana.device, xmlns="usync")
    for id in (1, 2):
        socket.tell(text_to(luis, id))
    server.wait_for("fault", ana.device, name="drop_iqs")
    if end in ENDS:
        server.fault(end, ana.device)
        socket.wait_for_close()
    else:
        socket.close()
    told = [(failed.message_id, failed.failure) for failed in socket.of(SendFailed)]
    assert sorted(told) == [(1, SendFailure.NOT_SENT), (2, SendFailure.NOT_SENT)]
    assert luis.inbox == []


# --- what could not be read there ----------------------------------------------


def sent_and_unreadable(socket: Socket, ana: Phone, luis: Contact) -> str:
    """The id of a text that Luis's phone cannot read, and does not ask for yet."""
    luis.send(ana, "Hola")
    socket.wait_for(Incoming)
    luis.forget_sessions()
    luis.asks_again = False
    socket.tell(text_to(luis))
    id = socket.wait_for(Sent).wa_id
    luis.server.wait_for("unreadable", id=id)
    luis.asks_again = True
    return id


def test_a_text_asked_for_in_the_same_process_arrives_once(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    id = sent_and_unreadable(socket, ana, luis)
    luis.ask_for(ana.device, id)
    assert luis.wait_for_text("text 1").id == id
    luis.read()
    socket.wait_for(Receipt, count=2)
    assert socket.of(AskedAgain) == []
    assert len(luis.inbox) == 1


def test_texts_that_cross_the_customers_arrive_once(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    """The library decrypts one and encrypts the other at the same time, and one of the two
    forgets what the other has stored: in some of these rounds Luis's phone has to ask again, or
    ours, which tells first of a text that cannot be read."""
    rounds = range(1, 61)

    def read() -> list[str]:
        return [one.text for one in socket.of(Incoming) if one.kind != ONLY_ON_PHONE]

    for number in rounds:
        socket.tell(text_to(luis, number))
        luis.send(ana, f"cross {number}")
        socket.wait_for(Sent, count=number)
        socket.desk.wait_until(lambda n=number: f"cross {n}" in read(), f"cross {number}")
    for number in rounds:
        luis.wait_for_text(f"text {number}")
    assert Counter(m.text for m in luis.inbox) == {f"text {number}": 1 for number in rounds}
    assert Counter(read()) == {f"cross {number}": 1 for number in rounds}
    assert socket.of(AskedAgain) == []


def test_the_next_process_tells_what_it_cannot_send_again(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    id = sent_and_unreadable(socket, ana, luis)
    socket.close()
    luis.ask_for(ana.device, id)
    again = socket.desk.open(socket.name)
    asked = again.wait_for(AskedAgain)
    assert asked.wa_id == id
    assert set(asked.chat) == {str(luis.jid), str(luis.lid)}
    again.wait_for(Opened)
    again.tell(text_to(luis, 2))  # as the outbox does; the session with that phone heals
    assert again.wait_for(Sent).wa_id == luis.wait_for_text("text 2").id


def test_a_second_device_of_the_recipient_asks_for_the_recipient(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    id = sent_and_unreadable(socket, ana, luis)
    socket.close()
    luis.ask_for(ana.device, id, **{"from": luis.lid.of_device(7)})
    asked = socket.desk.open(socket.name).wait_for(AskedAgain)
    assert (asked.wa_id, str(luis.jid) in asked.chat) == (id, True)


def test_who_is_nobodys_chat_asks_for_nothing(
    socket: Socket, ana: Phone, luis: Contact, server: WhatsAppServer
) -> None:
    """The own phone, somebody in a group, and ids that read like the library's own words."""
    id = sent_and_unreadable(socket, ana, luis)
    socket.close()
    device, group = ana.device, Jid("120363000000000001", "g.us")
    luis.ask_for(device, id, **{"from": ana.lid, "recipient": luis.lid})
    luis.ask_for(device, f"{id} ", **{"from": group, "participant": luis.lid})
    luis.ask_for(device, f"{id} from {luis.lid}: couldn't find message {id}")
    luis.ask_for(device, f"x\nFailed to handle retry receipt for {luis.lid}/{id} from {luis.lid}")
    luis.ask_for(device, f"{id}x")  # the last: nothing of the others can come after this
    again = socket.desk.open(socket.name)
    assert again.wait_for(AskedAgain).wa_id == f"{id}x"
    assert len(again.of(AskedAgain)) == 1


def test_a_text_before_the_session_is_open_did_not_leave(
    desk: Desk, server: WhatsAppServer, name: str
) -> None:
    server.fault("silent_hello", name)
    socket = desk.open(name, proxy=server.proxy_url_for(name))
    server.wait_for("fault", name="silent_hello")
    socket.tell(SendText(1, "34600000001@s.whatsapp.net", "Hola"))
    assert socket.wait_for(SendFailed).failure is SendFailure.NOT_SENT


def test_a_text_behind_one_that_hangs_comes_back_when_the_session_ends(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact
) -> None:
    server.fault("drop_messages", ana.device)
    for id in (1, 2):
        socket.tell(SendText(id, f"{luis.number}@s.whatsapp.net", f"text {id}"))
    server.wait_for("fault", name="drop_messages")
    socket.close()
    failed = socket.wait_for(SendFailed)
    assert (failed.message_id, failed.failure) == (2, SendFailure.NOT_SENT)


# --- the spool ---------------------------------------------------------------


STRANGE_IDS = (
    "disk is full",
    "readonly database",
    "X: database or disk is full",
    "disk I/O error: input/output error",
    "Got 503/x connect failure",
    "Got 500/internal connect failure, assuming automatic reconnect will handle it",
    "Failed to reconnect after 515",
    "3EB0\nFailed to reconnect after 515 code: no",
)


def test_no_id_that_a_stranger_chooses_ends_the_session(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    """The library writes the id into its log with every text that it cannot read."""
    luis.send(ana, "Hola")
    socket.wait_for(Incoming)
    for id in STRANGE_IDS:
        luis.spoil_sessions()
        luis.send(ana, "¿Abren hoy?", id=id)
        found = f"text {id!r}, whose second try can be read"
        socket.desk.wait_until(
            lambda id=id: id in [m.wa_id for m in socket.of(Incoming) if m.kind == "text"], found
        )
    socket.wait_for(Alive, count=len(socket.of(Alive)) + 2)  # it has looked at the disk since
    assert socket.of(Closed) == []
    assert socket.close() == Close(None, Reason.REQUESTED, has_credentials=True)


def test_what_is_stored_leaves_the_spool(socket: Socket, ana: Phone, luis: Contact) -> None:
    gateway = socket.desk.gateway
    luis.send(ana, "Hola")
    socket.tell(Stored(socket.wait_for(Incoming).spool_offset))
    socket.close()
    assert list(gateway.spooled(socket.name)) == []
    assert socket.name not in gateway.spool_waiting()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_message_survives_the_death_of_its_process(
    socket: Socket, ana: Phone, luis: Contact, number: signal.Signals
) -> None:
    gateway = socket.desk.gateway
    luis.send(ana, "Hola")
    arrived = socket.wait_for(Incoming)
    socket.process.send_signal(number)
    assert socket.wait_for_close() == Close(408, Reason.PROCESS_DIED, has_credentials=True)
    assert list(gateway.spooled(socket.name)) == [arrived]
    assert socket.name in gateway.spool_waiting()
    gateway.clear_spool(socket.name)
    assert list(gateway.spooled(socket.name)) == []


def test_what_nobody_drained_is_told_again_by_the_next_process(
    desk: Desk, socket: Socket, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "Hola")
    arrived = socket.wait_for(Incoming)
    socket.close()
    again = desk.open(socket.name)
    assert again.wait_for(Incoming) == arrived
    again.tell(Stored(arrived.spool_offset))
    again.wait_for(Opened)
    again.close()
    assert list(desk.gateway.spooled(socket.name)) == []


def test_a_message_that_waited_on_the_server_comes_after_the_restart(
    desk: Desk, socket: Socket, ana: Phone, luis: Contact
) -> None:
    socket.close()
    luis.send(ana, "¿Hay alguien?")
    assert desk.open(socket.name).wait_for(Incoming).text == "¿Hay alguien?"


# --- endings -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "close"),
    [
        ("reset", lost(has_credentials=True)),
        ("end", lost(has_credentials=True)),
        ("close", lost(has_credentials=True)),
        ("stream_end", lost(has_credentials=True)),
        ("conflict_unknown", Close(440, Reason.STREAM_REPLACED, has_credentials=True)),
        ("stream_error_440", Close(440, Reason.STREAM_REPLACED, has_credentials=True)),
        ("stream_error_503", lost(has_credentials=True)),
        ("stream_error_500", Close(500, Reason.SERVER_ERROR, has_credentials=True)),
        ("stream_error_401", Close(401, Reason.CONNECTION_LOST, has_credentials=True)),
        ("stream_error_515", Close(515, Reason.RESTART_REQUIRED, has_credentials=True)),
        ("replaced", Close(440, Reason.STREAM_REPLACED, has_credentials=True)),
        ("device_removed", Close(401, Reason.LOGGED_OUT, has_credentials=False)),
    ],
)
def test_a_fault_of_an_open_session_ends_it_with_its_close(
    socket: Socket, server: WhatsAppServer, ana: Phone, fault: str, close: Close
) -> None:
    server.fault(fault, ana.device)
    assert socket.wait_for_close() == close


@pytest.mark.parametrize(
    ("failure", "close"),
    [
        ("failure_400", Close(400, Reason.REFUSED, has_credentials=True)),
        ("failure_401", Close(401, Reason.LOGGED_OUT, has_credentials=False)),
        ("failure_403", Close(403, Reason.LOGGED_OUT, has_credentials=False)),
        ("failure_405", Close(405, Reason.CLIENT_OUTDATED, has_credentials=True)),
        ("failure_406", Close(406, Reason.LOGGED_OUT, has_credentials=False)),
        ("failure_409", Close(409, Reason.REFUSED, has_credentials=True)),
        ("failure_500", Close(500, Reason.SERVER_ERROR, has_credentials=True)),
        ("failure_503", Close(503, Reason.SERVER_ERROR, has_credentials=True)),
    ],
)
def test_a_refused_login_ends_with_its_close(
    desk: Desk, socket: Socket, server: WhatsAppServer, ana: Phone, failure: str, close: Close
) -> None:
    socket.close()
    device = ana.device
    server.fault(failure, device)
    assert desk.open(socket.name).wait_for_close() == close
    assert len(server.journal.of("fault", device)) == 1, "the library has tried again by itself"


@pytest.mark.parametrize(
    ("stanza", "code", "reason"),
    [
        ({"reason": 402, "code": 107, "expire": 86400}, 402, Reason.BANNED),
        ({"reason": 402}, 402, Reason.BANNED),
        ({"reason": 402, "code": 101}, 402, Reason.BANNED),
        ({"reason": 404}, 404, Reason.REFUSED),
        ({"reason": 415, "message": 'a "quoted" <text>'}, 415, Reason.REFUSED),
        ({"reason": 429, "message": "too many", "retry": 30}, 429, Reason.REFUSED),
        ({"reason": 451}, 451, Reason.REFUSED),
        # The library dies of these two.
        ({"reason": 413}, None, Reason.REFUSED),
        ({"reason": 414, "message": "expired"}, None, Reason.REFUSED),
        ({"reason": 502}, 502, Reason.SERVER_ERROR),
    ],
    ids=str,
)
def test_a_refusal_that_the_library_cannot_hand_on_is_known_all_the_same(
    desk: Desk,
    socket: Socket,
    server: WhatsAppServer,
    ana: Phone,
    stanza: dict[str, object],
    code: int | None,
    reason: Reason,
) -> None:
    socket.close()
    server.fault("failure", ana.device, **stanza)
    close = desk.open(socket.name).wait_for_close()
    assert (close.code, close.reason, close.has_credentials) == (code, reason, True)
    assert (close.until is not None) == ("expire" in stanza)
    assert len(server.journal.of("fault", ana.device)) == 1


def test_a_logout_that_leaves_the_login_in_the_file_is_one_all_the_same(
    desk: Desk, socket: Socket, server: WhatsAppServer, ana: Phone
) -> None:
    """428: the library does not know it, and keeps what nobody gets in with any more."""
    socket.close()
    server.fault("failure", ana.device, reason=428)
    close = desk.open(socket.name).wait_for_close()
    assert close == Close(428, Reason.LOGGED_OUT, has_credentials=None)  # the file is aside
    [aside] = desk.quarantine.glob(f"{socket.name}-*")
    assert (aside / "session.db").exists()
    desk.open(socket.name).wait_for(Qr)


def test_a_ban_tells_its_end(
    desk: Desk, socket: Socket, server: WhatsAppServer, ana: Phone
) -> None:
    socket.close()
    server.fault("failure_402", ana.device, expire=3600)
    before = now()
    close = desk.open(socket.name).wait_for_close()
    assert (close.code, close.reason, close.has_credentials) == (402, Reason.BANNED, True)
    assert close.until is not None
    assert before <= close.until - timedelta(hours=1) <= datetime.now(UTC)


ODD_RECEIPTS = ["server-error", "view", "enc_rekey_retry", "something-new"]


@pytest.mark.parametrize("kind", ODD_RECEIPTS)
def test_a_session_that_hands_on_nothing_more_ends(
    desk: Desk, socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact, kind: str
) -> None:
    """The library cannot encode such a receipt. It stays connected and confirms messages."""
    server.in_loop(lambda: luis.send_receipt(ana.device, "3EB0", kind))
    assert socket.wait_for_close() == Close(None, Reason.DEAF, has_credentials=True)
    again = desk.open(socket.name)
    again.wait_for(Opened)
    luis.send(ana, "¿Me oye?")
    assert again.wait_for(Incoming).text == "¿Me oye?"


def test_what_nobody_asked_for_need_not_be_encoded(
    socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact
) -> None:
    """Each of these would end the library if we listened for it."""
    connection = ana.device.connection
    assert connection is not None
    odd = (
        Node("chatstate", {"from": luis.lid}, [Node("dancing")]),
        Node("chatstate", {"from": luis.lid}, [Node("composing", {"media": "hologram"})]),
        Node("presence", {"from": luis.lid, "type": "elsewhere"}),
    )
    for node in odd:
        server.in_loop(lambda node=node: connection.send(node))
    luis.send(ana, "¿Me oye?")
    socket.wait_for(Incoming)
    socket.wait_for(Alive, count=len(socket.of(Alive)) + 1)
    assert socket.of(Closed) == []


def test_a_logout_whose_word_was_lost_is_told_by_the_file(
    desk: Desk, socket: Socket, ana: Phone
) -> None:
    with closing(sqlite3.connect(socket.folder / "session.db", timeout=5)) as database, database:
        database.execute("DELETE FROM whatsmeow_device")
    ana.server.fault("reset", ana.device)
    close = socket.wait_for_close()
    assert close == Close(401, Reason.LOGGED_OUT, has_credentials=False)


DROPS = ["reset", "end", "close", "stream_end", "stream_error_503", "stream_error_515"]


@pytest.mark.parametrize("drop", DROPS)
def test_the_library_does_not_come_back_by_itself(
    socket: Socket, server: WhatsAppServer, ana: Phone, drop: str
) -> None:
    device = ana.device
    server.fault(drop, device)
    socket.wait_for(Closed)  # its process has ended: nothing comes after that
    assert device.logins == 1
    socket.desk.open(socket.name).wait_for(Opened)
    device.wait_for_login(count=2)
    assert device.most_sockets == 1


def test_what_the_library_has_confirmed_is_lost_at_no_end(
    desk: Desk, socket: Socket, server: WhatsAppServer, ana: Phone, luis: Contact
) -> None:
    """The library has confirmed them before it hands them over, so they come no second time."""
    device, sockets, sent = ana.device, [socket], set()
    for end in ["asked to end", *DROPS[:4]] * 3:
        before = len(server.journal.of("receipt", device))
        sent |= {luis.send(ana, f"text {number}") for number in range(40)}
        confirmed = before + 5
        server.wait_until(lambda n=confirmed: len(server.journal.of("receipt", device)) >= n)
        if end in DROPS:
            server.fault(end, device)
            sockets[-1].wait_for_close()
        else:
            sockets[-1].close()
        sockets.append(desk.open(socket.name))
        sockets[-1].wait_for(Opened)

    def arrived() -> bool:
        return {one.wa_id for part in sockets for one in part.of(Incoming)} >= sent

    desk.wait_until(arrived, "all of the texts")


def test_unlinking_removes_the_device(socket: Socket, server: WhatsAppServer, ana: Phone) -> None:
    assert socket.close(unlink=True) == Close(None, Reason.REQUESTED, has_credentials=False)
    assert not socket.desk.gateway.has_credentials(socket.name)


def test_closing_leaves_whatsapp_politely(socket: Socket, ana: Phone) -> None:
    socket.close()
    last = ana.server.journal.of("closed", ana.device)[-1]
    assert "the client closed the websocket" in str(last)


def test_the_session_process_ignores_the_signals_meant_for_the_service(
    socket: Socket, ana: Phone, luis: Contact
) -> None:
    process = socket.process
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
        process.parent().send_signal(number)
    luis.send(ana, "Hola")
    socket.wait_for(Incoming)


def test_no_secret_of_ours_is_in_its_environment(socket: Socket) -> None:
    process = socket.process
    for seen in (process, process.parent()):
        assert "SECRET_KEY" not in seen.environ()
    assert os.environ["SECRET_KEY"]


def test_nobody_else_can_read_what_it_writes(socket: Socket, ana: Phone, luis: Contact) -> None:
    luis.send(ana, "Hola")
    socket.wait_for(Incoming)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in socket.folder.iterdir()}
    assert oct(socket.folder.stat().st_mode & 0o777) == "0o700"
    assert set(modes.values()) == {"0o600"}, modes


def test_the_export_is_a_session_that_opens(
    desk: Desk, socket: Socket, ana: Phone, luis: Contact
) -> None:
    copy = desk.gateway.export(socket.name)
    assert copy is not None
    socket.close()
    (desk.sessions / "restored").mkdir()
    (desk.sessions / "restored" / "session.db").write_bytes(copy)
    restored = desk.open("restored")
    assert restored.wait_for(Opened).phone == f"+{ana.number}"
    luis.send(ana, "Hola")
    restored.wait_for(Incoming)
