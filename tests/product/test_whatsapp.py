"""A real WhatsApp number through the whole product: the real neonize, real TLS, real encryption."""

from __future__ import annotations

from tests.whatsapp_server import Contact, Phone, WhatsAppServer

from .server import Server, wait_until
from .visitor import Number, Visitor


def test_the_phone_scans_the_qr(number: Number, phone: Phone) -> None:
    shown = number.connect()
    assert (shown["status"], shown["hasQR"]) == ("QR_PENDING", True)
    phone.scan(shown["qr"])
    up = number.wait_for("CONNECTED")
    assert (up["phone"], up["qr"], up["attempt"]) == (f"+{phone.number}", None, 0)


def test_the_phone_types_the_code(number: Number, phone: Phone) -> None:
    shown = number.connect(phone=f"+{phone.number}")
    assert shown["qr"] is None
    phone.type_code(shown["pairingCode"])
    number.wait_for("CONNECTED")


def test_a_customer_is_answered_by_the_bot(number: Number, phone: Phone, luis: Contact) -> None:
    number.answer_with("Abrimos a las nueve.")
    number.pair(phone)
    id = luis.send(phone, "¿A qué hora abren?")
    luis.wait_for_receipt(id)
    luis.wait_for_text("Abrimos a las nueve.")
    assert len(luis.inbox) == 1


def test_a_message_is_sent_then_delivered_then_read(
    number: Number, phone: Phone, luis: Contact
) -> None:
    luis.online = False
    number.pair(phone)
    accepted = number.send(f"+{luis.number}", "Su pedido está listo.")
    number.wait_for_message(accepted["id"], "SENT")
    luis.wait_for_text("Su pedido está listo.")
    luis.go_online()
    number.wait_for_message(accepted["id"], "DELIVERED")
    luis.read()
    number.wait_for_message(accepted["id"], "READ")


def test_a_message_accepted_while_disconnected_goes_out_after_the_reconnect(
    number: Number, phone: Phone, luis: Contact
) -> None:
    number.pair(phone)
    number.disconnect()
    number.wait_for("DISCONNECTED")
    accepted = number.send(f"+{luis.number}", "Hasta luego.")
    assert accepted["state"] == "PENDING"
    number.reconnect()
    luis.wait_for_text("Hasta luego.")
    number.wait_for_message(accepted["id"], "DELIVERED")


def test_whoever_is_replaced_stays_out(
    number: Number, phone: Phone, whatsapp: WhatsAppServer
) -> None:
    device = number.pair(phone)
    whatsapp.fault("replaced", device)
    held = number.wait_for("CONFLICT")
    assert (held["status"], held["lastDisconnect"]["code"]) == ("DISCONNECTED", 440)
    assert held["nextAttemptAt"] is None
    assert "Another device took over" in held["explanation"]["title"]
    assert held["explanation"]["action"] == "RECONNECT"
    device.wait_for_logout()
    assert device.logins == 1
    number.reconnect()
    number.wait_for("CONNECTED")
    assert device.most_sockets == 1


def test_a_device_removed_on_the_phone_is_logged_out(
    number: Number, phone: Phone, whatsapp: WhatsAppServer
) -> None:
    device = number.pair(phone)
    whatsapp.fault("device_removed", device)
    held = number.wait_for("LOGGED_OUT")
    assert (held["status"], held["lastDisconnect"]["code"]) == ("DISCONNECTED", 401)
    assert held["explanation"]["action"] == "PAIR"
    assert number.connect()["hasQR"]


def test_a_device_removed_while_away_is_logged_out_when_it_comes_back(
    number: Number, phone: Phone
) -> None:
    device = number.pair(phone)
    number.disconnect()
    device.wait_for_logout()
    device.remove()
    number.reconnect()
    number.wait_for("LOGGED_OUT")


def test_a_lost_line_comes_back_by_itself(
    number: Number, phone: Phone, whatsapp: WhatsAppServer
) -> None:
    device = number.pair(phone)
    whatsapp.fault("reset", device)
    device.wait_for_login(count=2)
    up = number.wait_for(lambda seen: seen["status"] == "CONNECTED" and seen["lastDisconnect"])
    assert up["lastDisconnect"]["reason"] == "connection_lost"
    assert device.most_sockets == 1


def test_disconnecting_keeps_the_number_linked(number: Number, phone: Phone) -> None:
    device = number.pair(phone)
    number.disconnect()
    off = number.wait_for("DISCONNECTED")
    assert off["hold"] is None
    assert "switched this connection off" in off["explanation"]["title"]
    device.wait_for_logout()
    assert not device.removed
    number.reconnect()
    back = number.wait_for("CONNECTED")
    assert back["hasQR"] is False
    assert device.logins == 2


def test_reconnecting_opens_a_new_socket_and_never_two(number: Number, phone: Phone) -> None:
    device = number.pair(phone)
    number.reconnect()
    device.wait_for_login(count=2)
    number.wait_for("CONNECTED")
    assert device.most_sockets == 1


def test_reconnecting_without_a_login_asks_to_pair_first(number: Number) -> None:
    answer = number.owner.http.post(
        "/api/whatsapp/reconnect", params={"connection": number.id}, json={}
    )
    assert (answer.status_code, answer.json()["error"]) == (409, "pair_first")


def test_logging_out_unlinks_the_device_on_the_phone(
    number: Number, phone: Phone, whatsapp: WhatsAppServer
) -> None:
    device = number.pair(phone)
    number.logout()
    whatsapp.wait_for("logout", device)
    off = number.wait_for(lambda seen: "No number is linked" in seen["explanation"]["title"])
    assert (off["status"], off["hold"], off["phone"]) == ("DISCONNECTED", None, None)
    assert phone.linked == []


def test_a_fresh_connect_forgets_the_old_login(number: Number, phone: Phone) -> None:
    old = number.pair(phone)
    shown = number.connect(fresh=True)
    assert shown["hasQR"]
    new = phone.scan(shown["qr"])
    number.wait_for("CONNECTED")
    assert (old.removed, new.removed) == (True, False)


def test_neither_secrets_nor_texts_are_in_the_log(
    number: Number, phone: Phone, luis: Contact, server: Server
) -> None:
    number.answer_with("La respuesta del bot")
    number.pair(phone)
    luis.send(phone, "Un texto de un cliente")
    luis.wait_for_text("La respuesta del bot")
    number.send(f"+{luis.number}", "Un texto de una persona")
    luis.wait_for_text("Un texto de una persona")
    number.disconnect()
    secrets = {
        "Un texto de un cliente",
        (server.data_dir / "secret_key").read_text().strip(),
        *server.secrets,  # passwords, QRs, pairing codes, texts
    }
    assert [secret for secret in secrets if secret in server.log()] == []


def test_a_removed_number_is_unlinked_and_leaves_nothing_behind(
    ana: Visitor, phone: Phone, server: Server
) -> None:
    number = ana.new_number()
    device = number.pair(phone)
    ana.ask("DELETE", f"/api/whatsapp/connections/{number.id}")
    wait_until(lambda: device.removed, "the device unlinked")
    wait_until(lambda: not server.session_files(number.id), f"no files of {number.id}")
    assert server.backups(number.id) == []  # of a login that is worth nothing any more
    known = ana.ask("GET", "/api/whatsapp/connections")["connections"]
    assert number.id not in {document["connectionId"] for document in known}
