"""A text that the recipient's phone cannot read, though WhatsApp has confirmed it."""

from __future__ import annotations

from tests.product.server import wait_until
from tests.whatsapp_server import Contact

from .link import Link


def test_a_text_that_could_not_be_read_arrives_from_the_next_process_once_and_marked(
    link: Link, luis: Contact
) -> None:
    luis.send(link.phone, "Hola")
    luis.forget_sessions()
    luis.asks_again = False
    sent = link.number.send(f"+{luis.number}", "Su pedido está listo.")
    link.whatsapp.wait_for("unreadable", at=luis.number)
    link.number.wait_for_message(sent["id"], "SENT")
    [unreadable] = link.whatsapp.journal.of("unreadable", link.device)
    process = link.process()
    assert process is not None
    process.kill()
    luis.asks_again = True
    for _ in range(3):
        luis.ask_for(link.device, unreadable.detail["id"])
    luis.wait_for_text("Su pedido está listo.")
    seen = link.number.wait_for_message(sent["id"], "DELIVERED")
    assert (seen["sentAgain"], seen["perhapsTwice"]) == (True, False)
    luis.ask_for(link.device, unreadable.detail["id"])
    after = link.number.send(f"+{luis.number}", "Hasta mañana.")
    link.number.wait_for_message(after["id"], "DELIVERED")
    assert [message.text for message in luis.inbox] == ["Su pedido está listo.", "Hasta mañana."]
    wait_until(lambda: link.number.status()["connected"], "the number is up")
