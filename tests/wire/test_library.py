"""What the installed neonize does against the test server: the facts the product rests on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.whatsapp_server import Contact, Device, PairingRefused, Phone, WhatsAppServer

from .conftest import stored_devices
from .driver import LibraryError, RawClient

Start = Callable[..., RawClient]


def text_of(message: dict[str, Any]) -> str:
    return message["fields"]["Message"]["conversation"]


# --- pairing -----------------------------------------------------------------


def test_a_phone_links_a_client_by_its_qr_code(start: Start, ana: Phone) -> None:
    client = start()
    device = ana.scan(client.wait_for_qr())
    assert client.wait_for("PairStatus")["fields"]["ID"]["User"] == ana.number
    client.wait_for("Connected")
    assert client.call("me")["jid"] == str(device.jid)


def test_a_phone_links_a_client_by_the_code_it_shows(start: Start, ana: Phone) -> None:
    client = start()
    client.wait_for_qr()
    device = ana.type_code(client.call("pair_phone", ana.number))
    client.wait_for("Connected")
    assert client.call("me")["lid"] == str(device.lid)


def test_a_mistyped_code_links_nothing(start: Start, ana: Phone) -> None:
    client = start()
    client.wait_for_qr()
    code = client.call("pair_phone", ana.number)
    with pytest.raises(PairingRefused):
        ana.type_code("1111-1111" if code != "1111-1111" else "2222-2222")
    assert not ana.linked


def test_a_code_is_worthless_once_its_client_has_gone(
    start: Start, ana: Phone, server: WhatsAppServer
) -> None:
    client = start()
    code = client.wait_for_qr()
    client.kill()
    server.wait_for("closed")
    with pytest.raises(PairingRefused):
        ana.scan(code)


def test_the_server_may_end_a_pairing(start: Start, server: WhatsAppServer) -> None:
    client = start()
    client.wait_for_qr()
    server.fault("end")
    server.wait_until(lambda: client.call("is_connected") is False)
    assert set(client.names()) == {"QR code", "reply"}, "the library gives no other sign"


@pytest.mark.parametrize(("told", "uploaded"), [(1, 50), (0, 812)])
def test_the_key_count_decides_how_many_keys_a_new_device_uploads(
    server: WhatsAppServer, start: Start, ana: Phone, told: int, uploaded: int
) -> None:
    server.initial_key_count = told
    ana.scan(start().wait_for_qr())
    server.wait_for("keys", count=1, timeout=60)
    assert [entry.detail["count"] for entry in server.journal.of("keys")] == [uploaded]


def test_a_linked_client_logs_in_again_without_a_code(
    client: RawClient, start: Start, device: Device
) -> None:
    client.kill()
    device.wait_for_logout()
    again = start()
    again.wait_for("Connected")
    device.wait_for_login(count=2)
    assert not again.of("QR code")
    assert device.most_sockets == 1


# --- texts -------------------------------------------------------------------


@pytest.mark.parametrize("by_lid", [False, True])
def test_a_contact_writes(client: RawClient, ana: Phone, luis: Contact, by_lid: bool) -> None:
    ids = [luis.send(ana, text, by_lid=by_lid) for text in ("hola", "¿abren hoy?")]
    assert text_of(client.wait_for("Message", count=2)) == "¿abren hoy?"
    sender = client.of("Message")[0]["fields"]["Info"]["MessageSource"]
    known_as = {sender["Sender"]["User"], sender["SenderAlt"]["User"]}
    assert known_as == {luis.number, luis.lid.user}
    for id in ids:
        luis.wait_for_receipt(id, "inactive")


def test_a_text_with_a_link_comes_in_its_extended_form(
    client: RawClient, ana: Phone, luis: Contact
) -> None:
    luis.send(ana, "mire https://example.org", extended=True)
    message = client.wait_for("Message")["fields"]["Message"]
    assert message["extendedTextMessage"]["text"] == "mire https://example.org"


def test_a_text_reaches_the_contact_and_the_own_phone(
    client: RawClient, ana: Phone, luis: Contact
) -> None:
    id = client.call("send", luis.number, "sí, hasta las ocho")
    assert luis.wait_for_text("sí, hasta las ocho").id == id
    assert ana.wait_for_text("sí, hasta las ocho").chat == luis.lid


def test_a_conversation_goes_back_and_forth(client: RawClient, ana: Phone, luis: Contact) -> None:
    for turn in range(1, 6):
        luis.send(ana, f"pregunta {turn}")
        assert text_of(client.wait_for("Message", count=turn)) == f"pregunta {turn}"
        client.call("send", luis.number, f"respuesta {turn}")
        luis.wait_for_text(f"respuesta {turn}")


def test_receipts_tell_delivered_and_read(client: RawClient, luis: Contact) -> None:
    luis.online = False
    id = client.call("send", luis.number, "su pedido está listo")
    luis.wait_for_text()
    assert not client.of("Receipt"), "one tick only while the contact is offline"
    luis.go_online()
    assert client.wait_for("Receipt")["fields"]["Type"] == "DELIVERED"
    luis.read(id)
    assert client.wait_for("Receipt", count=2)["fields"]["Type"] == "READ"


def test_the_client_marks_a_message_as_read(client: RawClient, ana: Phone, luis: Contact) -> None:
    id = luis.send(ana, "hola")
    client.wait_for("Message")
    client.call("mark_read", str(luis.jid), id)
    luis.wait_for_receipt(id, "read")


def test_the_contact_sees_the_client_typing(
    client: RawClient, server: WhatsAppServer, luis: Contact
) -> None:
    client.call("typing", luis.number)
    server.wait_until(lambda: luis.chat_states == ["composing"])


def test_presence_needs_the_name_that_only_a_real_phone_hands_over(client: RawClient) -> None:
    with pytest.raises(LibraryError, match="without PushName set"):
        client.call("available")


def test_what_the_owner_writes_on_the_phone_is_from_me(
    client: RawClient, ana: Phone, luis: Contact
) -> None:
    ana.send(luis, "le atiendo yo")
    message = client.wait_for("Message")
    source = message["fields"]["Info"]["MessageSource"]
    assert text_of(message) == "le atiendo yo"
    assert source["IsFromMe"] is True
    assert source["Chat"]["User"] == luis.number
    assert source["RecipientAlt"]["User"] == luis.lid.user


def test_a_group_message_names_group_and_sender(
    client: RawClient, ana: Phone, luis: Contact
) -> None:
    luis.send_to_group(ana, "hola a todos")
    source = client.wait_for("Message")["fields"]["Info"]["MessageSource"]
    assert source["IsGroup"] is True
    assert (source["Chat"]["Server"], source["Sender"]["User"]) == ("g.us", luis.lid.user)


def test_texts_wait_for_an_absent_client(
    client: RawClient, start: Start, device: Device, ana: Phone, luis: Contact
) -> None:
    client.kill()
    device.wait_for_logout()
    id = luis.send(ana, "¿hay alguien?")
    again = start()
    assert text_of(again.wait_for("Message")) == "¿hay alguien?"
    luis.wait_for_receipt(id)
    assert not device.pending


def test_a_number_that_is_not_on_whatsapp_gets_nothing(client: RawClient) -> None:
    with pytest.raises(LibraryError, match="no LID found"):
        client.call("send", "34699999999", "hola")


def test_the_client_sends_again_what_the_contact_could_not_read(
    client: RawClient, luis: Contact, ana: Phone, server: WhatsAppServer
) -> None:
    client.call("send", luis.number, "uno")
    luis.send(ana, "recibido")
    client.wait_for("Message")
    luis.forget_sessions()
    id = client.call("send", luis.number, "dos")
    assert luis.wait_for_text("dos").id == id
    server.wait_for("unreadable", id=id)


def test_the_contact_sends_again_what_the_client_could_not_read(
    client: RawClient, luis: Contact, ana: Phone
) -> None:
    luis.send(ana, "uno")
    client.wait_for("Message")
    luis.spoil_sessions()
    id = luis.send(ana, "dos")
    luis.wait_for_receipt(id, "retry")
    assert text_of(client.wait_for("Message", count=2)) == "dos"


# --- the end of a session ----------------------------------------------------


def test_a_replaced_client_stays_away_and_keeps_its_device(
    client: RawClient, server: WhatsAppServer, device: Device, session: Path
) -> None:
    server.fault("replaced", device)
    client.wait_for("StreamReplaced")
    device.wait_for_logout()
    assert device.logins == 1
    assert stored_devices(session) == [str(device.jid)]


def test_two_clients_on_one_session_throw_each_other_out(
    client: RawClient, start: Start, device: Device
) -> None:
    second = start()
    second.wait_for("Connected")
    client.wait_for("StreamReplaced")
    assert device.most_sockets == 2


def test_a_removed_device_forgets_itself(
    client: RawClient, server: WhatsAppServer, device: Device, session: Path
) -> None:
    server.fault("device_removed", device)
    assert client.wait_for("LoggedOut")["fields"] == {"OnConnect": False, "Reason": "LOGGED_OUT"}
    server.wait_until(lambda: stored_devices(session) == [])


def test_a_device_removed_while_away_is_refused(
    client: RawClient, server: WhatsAppServer, start: Start, device: Device, session: Path
) -> None:
    client.kill()
    device.wait_for_logout()
    device.remove()
    again = start()
    assert again.wait_for("LoggedOut")["fields"]["OnConnect"] is True
    server.wait_until(lambda: stored_devices(session) == [])


def test_a_logout_by_the_client_removes_the_device(
    client: RawClient, device: Device, session: Path
) -> None:
    client.call("logout")
    assert device.removed
    assert stored_devices(session) == []


REFUSALS = [
    ("failure_400", "ConnectFailure", {"Reason": "GENERIC"}, True),
    ("failure_401", "LoggedOut", {"OnConnect": True, "Reason": "LOGGED_OUT"}, False),
    ("failure_402", "TemporaryBan", {"Code": "SEND_TO_TOO_MANY_PEOPLE", "Expire": "3600"}, True),
    ("failure_403", "LoggedOut", {"OnConnect": True, "Reason": "MAIN_DEVICE_GONE"}, False),
    ("failure_405", "ClientOutdated", {}, True),
    ("failure_406", "LoggedOut", {"OnConnect": True, "Reason": "UNKNOWN_LOGOUT"}, False),
    ("failure_409", "ConnectFailure", {}, True),
]


@pytest.mark.parametrize(("failure", "event", "fields", "kept"), REFUSALS)
def test_a_refused_login_tells_why(
    client: RawClient,
    start: Start,
    server: WhatsAppServer,
    device: Device,
    session: Path,
    failure: str,
    event: str,
    fields: dict[str, Any],
    kept: bool,
) -> None:
    client.kill()
    device.wait_for_logout()
    server.fault(failure, device)
    told = start().wait_for(event)["fields"]
    assert {name: told.get(name) for name in fields} == fields
    # The event comes a moment before the row goes.
    server.wait_until(lambda: bool(stored_devices(session)) is kept)


@pytest.mark.parametrize(
    ("stanza", "line"),
    [
        ({"reason": 402, "code": 107}, "Temporary ban connect failure: <failure code="),
        ({"reason": 402}, "Temporary ban connect failure: <failure location="),
        ({"reason": 428}, "Unknown connect failure: <failure location="),
        ({"reason": 429, "retry": 30}, "Unknown connect failure: <failure location="),
    ],
    ids=str,
)
def test_a_refusal_it_does_not_know_ends_it_and_is_in_its_log(
    client: RawClient,
    start: Start,
    server: WhatsAppServer,
    device: Device,
    session: Path,
    stanza: dict[str, int],
    line: str,
) -> None:
    client.kill()
    device.wait_for_logout()
    server.fault("failure", device, **stanza)
    again = start()
    assert "required field neonize." in again.wait_for("connect() raised")["text"]
    server.wait_until(lambda: line in again.log())
    assert stored_devices(session) == [str(device.jid)]


@pytest.mark.parametrize("failure", ["failure_500", "failure_503"])
def test_a_server_in_trouble_is_tried_again(
    client: RawClient, start: Start, server: WhatsAppServer, device: Device, failure: str
) -> None:
    client.kill()
    device.wait_for_logout()
    server.fault(failure, device, times=1)
    again = start()
    again.wait_for("Disconnected")
    again.wait_for("Connected")


# --- interruptions -----------------------------------------------------------

DROPS = ["reset", "close", "end", "stream_end", "stream_error_503", "stream_error_500"]


@pytest.mark.parametrize("drop", DROPS)
def test_the_library_comes_back_by_itself_after_a_drop(
    client: RawClient, server: WhatsAppServer, device: Device, drop: str
) -> None:
    server.fault(drop, device)
    client.wait_for("Disconnected")
    client.wait_for("Connected", count=2)
    assert device.logins == 2


def test_disconnecting_when_told_of_the_drop_comes_too_late(
    client: RawClient, start: Start, server: WhatsAppServer, device: Device
) -> None:
    client.kill()
    device.wait_for_logout()
    again = start("disconnect-first")
    device.wait_for_login(count=2)
    server.fault("reset", device)
    again.wait_for("disconnect() returned")
    server.wait_for("login", device, count=3)


@pytest.mark.parametrize("drop", ["reset", "end", "stream_error_503", "stream_error_500"])
def test_a_proxy_that_is_not_there_keeps_the_library_from_coming_back(
    client: RawClient, start: Start, server: WhatsAppServer, device: Device, drop: str
) -> None:
    client.kill()
    device.wait_for_logout()
    again = start("no-redial")
    again.wait_for("set_proxy_address() returned")
    server.fault(drop, device)
    again.wait_for("Disconnected")
    server.wait_until(lambda: "Error reconnecting" in again.log())
    assert device.logins == 2
    again.call("stop")
    again.wait_for("connect() returned")


def test_a_restart_asked_for_by_the_server_is_silent(
    client: RawClient, server: WhatsAppServer, device: Device
) -> None:
    server.fault("stream_error_515", device)
    client.wait_for("Connected", count=2)
    assert not client.of("Disconnected")


def test_a_refused_client_tries_again(
    client: RawClient, server: WhatsAppServer, device: Device
) -> None:
    server.fault("refuse", times=2)
    server.fault("reset", device)
    client.wait_for("Connected", count=2)
    assert len(server.journal.of("connection")) == 5, "pairing, login, two refused, one accepted"


def test_what_a_stalled_network_holds_back_comes_later(
    client: RawClient, server: WhatsAppServer, device: Device, ana: Phone, luis: Contact
) -> None:
    with server.faulty("stall", device):
        luis.send(ana, "despacio")
        answer = client.order("send", luis.number, "ya voy")
        assert client.call("is_connected") is True
        assert not client.of("Message") and not luis.inbox
    assert text_of(client.wait_for("Message")) == "despacio"
    luis.wait_for_text("ya voy")
    client.wait_for_reply(answer)


SILENCES = ["silent_connect", "silent_tls", "silent_upgrade", "silent_hello"]


@pytest.mark.parametrize("silence", SILENCES)
def test_a_silent_server_holds_the_client_up(
    start: Start, server: WhatsAppServer, session: Path, silence: str
) -> None:
    """For as long as somebody else, who begins after that, needs to get all the way to a code."""
    server.fault(silence, "mute")
    mute = start(line="mute")
    server.wait_for("fault", name=silence)
    with RawClient(server, session.with_name("other.db")) as other:
        other.wait_for_qr()
        other.kill()
    assert mute.names() == []
    mute.kill()
    server.wait_for("closed")


def test_a_login_without_an_answer_is_not_connected(
    client: RawClient, start: Start, server: WhatsAppServer, device: Device
) -> None:
    client.kill()
    device.wait_for_logout()
    server.fault("silent_login", device)
    again = start()
    server.wait_for("fault", name="silent_login")
    assert again.call("is_connected") is True
    assert not again.of("Connected")


def test_unanswered_requests_keep_a_login_from_being_connected(
    client: RawClient, start: Start, server: WhatsAppServer, device: Device
) -> None:
    client.kill()
    device.wait_for_logout()
    server.fault("drop_iqs", device)
    again = start()
    server.wait_for("login", device, count=2)
    server.wait_for("fault", name="drop_iqs")
    assert not again.of("Connected")


def test_a_slow_handshake_is_waited_for(start: Start, server: WhatsAppServer) -> None:
    server.fault("slow_handshake", delay=0.5)
    client = start()
    client.wait_for_qr()
    struck = server.journal.of("fault")[0].at
    assert server.journal.of("registered")[0].at >= struck + 0.5


# --- trouble with sending ----------------------------------------------------


def test_a_refused_text_fails(client: RawClient, server: WhatsAppServer, luis: Contact) -> None:
    with server.faulty("ack_463"), pytest.raises(LibraryError, match="463"):
        client.call("send", luis.number, "hola")
    assert not luis.inbox


def test_a_text_whose_ack_is_lost_arrives_twice_under_one_id(
    client: RawClient, server: WhatsAppServer, device: Device, luis: Contact
) -> None:
    server.fault("drop_acks", device, times=1)
    order = client.order("send", luis.number, "hola")
    luis.wait_for_text("hola")
    server.fault("reset", device)
    second = luis.wait_for_text("hola", count=2)
    assert second.duplicate and second.id == luis.inbox[0].id
    assert client.wait_for_reply(order) == second.id


def test_a_text_that_is_dropped_does_not_arrive(
    client: RawClient, server: WhatsAppServer, device: Device, luis: Contact
) -> None:
    server.fault("drop_messages", device, times=1)
    client.order("send", luis.number, "hola")
    server.wait_for("fault", name="drop_messages")
    assert not luis.inbox
