"""What was written for one number never leaves through another. The practice phone's number is
the second shop's here; the first one's stands in the row."""

import pytest

from tests.services.world import World
from wa_app.domain.errors import NoOtherNumber
from wa_app.domain.messages import FailCause, MessageState
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Audit, Chat, Connection, Message
from wa_app.services.connections import requests
from wa_app.services.messages import inbox, outbox

FIRST = "+34600999888"
CUSTOMER = "34600111222@s.whatsapp.net"


@pytest.fixture
def relinked(world: World) -> World:
    """The first shop's number was unlinked with a text on its way; another phone scans."""
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        connection.linked_phone = FIRST
        connection.bot_enabled, connection.bot_fallback_text = True, "Gracias."
        db.session.commit()
        outbox.accept(connection, CUSTOMER, "Su pedido está listo.")
    world.ask(requests.connect)
    world.scan()
    world.advance(5)
    return world


def waiting(world: World) -> Message:
    with world.app.app_context():
        return db.session.query(Message).filter_by(text="Su pedido está listo.").one()


def test_it_is_held_and_sends_nothing(relinked: World) -> None:
    seen = relinked.connection
    assert (seen.hold, seen.linked_phone) == (Hold.OTHER_NUMBER, FIRST)
    assert seen.phone not in (None, FIRST)
    assert waiting(relinked).state is MessageState.PENDING
    relinked.advance(120)
    relinked.tick()
    assert relinked.connection.hold is Hold.OTHER_NUMBER
    assert relinked.answers("+34600111222") == []


def test_a_crash_and_a_mere_reconnect_change_nothing(relinked: World) -> None:
    relinked.crash()
    relinked.ask(requests.reconnect)
    relinked.advance(5)
    assert relinked.connection.hold is Hold.OTHER_NUMBER
    assert waiting(relinked).state is MessageState.PENDING


def test_accepted_the_new_number_has_chats_of_its_own(relinked: World) -> None:
    relinked.ask(requests.choose_number, keep=True)
    relinked.advance(20)
    seen = relinked.connection
    assert (seen.status, seen.linked_phone) == (Status.CONNECTED, seen.phone)
    late = waiting(relinked)
    assert (late.state, late.cause) == (MessageState.FAILED, FailCause.OTHER_NUMBER)
    with relinked.app.app_context():
        mine = db.session.get_one(Connection, relinked.connection_id)
        outbox.accept(mine, CUSTOMER, "Somos la tienda nueva.")
    relinked.customer_writes("Hola", "Luis")
    assert relinked.answers("Luis") == ["Gracias."]
    with relinked.app.app_context():
        chats = db.session.query(Chat).filter_by(jid=CUSTOMER).all()
        assert {chat.phone for chat in chats} == {FIRST, seen.phone}
        texts = {row.chat.phone: row.text for row in db.session.query(Message) if row.chat in chats}
        done = db.session.query(Audit).filter_by(action="connection.accept_number").count()
    assert texts == {FIRST: "Su pedido está listo.", seen.phone: "Somos la tienda nueva."}
    assert done == 1


def test_a_text_accepted_while_the_number_changed_does_not_leave_through_the_new_one(
    relinked: World,
) -> None:
    """Whoever wrote it had read the connection a moment before."""
    relinked.ask(requests.choose_number, keep=True)
    with relinked.app.app_context():
        late = db.session.query(Message).filter_by(text="Su pedido está listo.").one()
        late.state, late.cause = MessageState.PENDING, None
        db.session.commit()
    relinked.customer_writes("Hola", "Luis")  # the new number has a chat of its own
    relinked.settle()
    assert relinked.connection.status is Status.CONNECTED
    assert waiting(relinked).state is MessageState.PENDING
    relinked.advance(20)
    assert waiting(relinked).cause is FailCause.OTHER_NUMBER
    assert relinked.answers("+34600111222") == []


def test_what_was_written_before_the_first_linking_is_never_called_another_numbers(
    world: World,
) -> None:
    """Not even where the same customer has written to the number already."""
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        outbox.accept(connection, CUSTOMER, "Su pedido está listo.")
        inbox.chat_of(connection.id, FIRST, CUSTOMER)
        connection.linked_phone = FIRST
        inbox.number_known(connection.id, FIRST)
        db.session.commit()
    world.advance(20)
    assert waiting(world).state is MessageState.PENDING


def test_unlinked_a_new_code_follows_and_the_number_stays_the_first(relinked: World) -> None:
    relinked.ask(requests.choose_number, keep=False)
    relinked.advance(5)
    seen = relinked.connection
    assert (seen.status, seen.linked_phone, seen.phone) == (Status.QR_PENDING, FIRST, None)
    assert waiting(relinked).state is MessageState.PENDING  # for when the first comes back
    relinked.scan()
    relinked.advance(5)
    assert relinked.connection.hold is Hold.OTHER_NUMBER


def test_there_is_nothing_to_choose_otherwise(world: World) -> None:
    world.link()
    with pytest.raises(NoOtherNumber):
        world.ask(requests.choose_number, keep=True)
    assert world.connection.status is Status.CONNECTED


def test_what_was_written_before_the_first_linking_goes_out_after_it(world: World) -> None:
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        outbox.accept(connection, CUSTOMER, "Su pedido está listo.")
    world.link()
    assert waiting(world).state is MessageState.DELIVERED
    with world.app.app_context():
        assert {chat.phone for chat in db.session.query(Chat)} == {world.connection.linked_phone}
