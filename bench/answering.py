"""From a customer's text to the answer on the customer's phone."""

import time
from itertools import count as counting

from bench.figures import Line, alternating, compared
from bench.raw import raw
from bench.stage import folder, new_phone, numbers, product, whatsapp
from tests.whatsapp_server import Contact, Phone, WhatsAppServer

ANSWER = "Abrimos a las nueve."


def answer(count: int) -> list[Line]:
    """The product stores the text and the answer, on disk, before and after."""
    settings = {"LOOP_ANSWERS": "1000000"}
    with whatsapp() as server, product(server, **settings) as ana, folder() as sessions:
        ours, theirs = new_phone(server), new_phone(server)
        number = ana.new_number()
        number.pair(ours)
        number.answer_with(ANSWER)
        with raw(server, sessions / "session.db", ANSWER) as client:
            client.pair(theirs)
            luis, marta = new_contact(server), new_contact(server)
            bot, echo = alternating(
                3 * count, lambda: text_to_answer(luis, ours), lambda: text_to_answer(marta, theirs)
            )
    what = "Customer's text to the answer received, every message durable"
    return [compared(what, bot, echo, at_most=2.5)]


def new_contact(server: WhatsAppServer) -> Contact:
    return server.contact(str(next(numbers)))


_texts = counting(1)


def text_to_answer(customer: Contact, phone: Phone) -> float:
    known = len(customer.inbox)
    sent_at = time.time()
    customer.send(phone, f"¿A qué hora abren? ({next(_texts)})")
    return customer.wait_for_text(count=known + 1).at - sent_at
