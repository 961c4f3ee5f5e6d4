"""A phone asks for a text that it could not read, and that an earlier process has sent."""

from datetime import timedelta

import pytest

from tests.services.world import World
from wa_app.domain.messages import Author, FailCause, MessageState, was_sent_again
from wa_app.domain.sessions.socket_messages import AskedAgain
from wa_app.extensions import db
from wa_app.models import Connection, Message
from wa_app.services.messages import outbox

LUIS = "34600111222@s.whatsapp.net"


def message(world: World, message_id: int) -> Message:
    with world.app.app_context():
        return db.session.get_one(Message, message_id)


def unread(world: World, author: Author = Author.PERSON) -> int:
    """A text to Luis that was sent, and of which no phone has said that it has it."""
    world.link()
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        message_id = outbox.accept(connection, LUIS, "uno").id
    world.advance(1)
    with world.app.app_context():
        row = db.session.get_one(Message, message_id)
        row.author, row.created_at, row.state = author, world.now, MessageState.SENT
        db.session.commit()
    return message_id


def ask_again(world: World, message_id: int, *chat: str, wa_id: str = "") -> None:
    """The socket tells that a phone asks."""
    asked = AskedAgain(wa_id or message(world, message_id).wa_id or "", chat or (LUIS,))
    socket = next(iter(world.phone.sockets))
    world.manager.post(world.connection_id, socket, asked)
    world.settle()


@pytest.mark.parametrize("author", [Author.PERSON, Author.BOT])
def test_a_text_that_could_not_be_read_is_sent_anew_once(world: World, author: Author) -> None:
    message_id = unread(world, author)
    before = message(world, message_id).wa_id
    for _ in range(3):  # phones ask several times
        ask_again(world, message_id, "200000000000001@lid", LUIS)
    world.advance(20)
    seen = message(world, message_id)
    assert world.answers("+34600111222") == ["uno", "uno"]
    assert seen.state is MessageState.DELIVERED
    assert was_sent_again(seen.asked_again_at, seen.sending_since)
    assert seen.unknown_ends == 0
    world.advance(60)
    ask_again(world, message_id, wa_id=before or "")
    world.advance(60)
    assert world.answers("+34600111222") == ["uno", "uno"]


def test_what_cannot_be_read_the_second_time_either_has_failed(world: World) -> None:
    message_id = unread(world)
    ask_again(world, message_id)
    world.advance(20)
    with world.app.app_context():
        row = db.session.get_one(Message, message_id)
        # The practice phone confirms at once, and its ids are of the row.
        row.state, row.wa_id = MessageState.SENT, "the second"
        db.session.commit()
    ask_again(world, message_id)
    world.advance(60)
    seen = message(world, message_id)
    assert (seen.state, seen.cause) == (MessageState.FAILED, FailCause.UNREADABLE)
    assert world.answers("+34600111222") == ["uno", "uno"]


@pytest.mark.parametrize("state", [MessageState.DELIVERED, MessageState.READ])
@pytest.mark.parametrize("before", [True, False])
def test_what_another_device_has_is_not_sent_again(
    world: World, state: MessageState, before: bool
) -> None:
    message_id = unread(world)

    def has_it() -> None:
        with world.app.app_context():
            db.session.get_one(Message, message_id).state = state
            db.session.commit()

    if before:
        has_it()
    ask_again(world, message_id)
    if not before:
        has_it()
    world.advance(60)
    assert message(world, message_id).state is state
    assert world.answers("+34600111222") == ["uno"]


def test_who_asks_from_another_chat_gets_nothing(world: World) -> None:
    message_id = unread(world)
    for chat in ("34600111333@s.whatsapp.net", "120363000000000001@g.us", "200000000000001@lid"):
        ask_again(world, message_id, chat)
    ask_again(world, message_id, wa_id="an id that nobody has")
    world.advance(60)
    assert message(world, message_id).state is MessageState.SENT
    assert world.answers("+34600111222") == ["uno"]


@pytest.mark.parametrize(
    ("author", "late"),
    [(Author.BOT, timedelta(minutes=31)), (Author.PERSON, timedelta(hours=25))],
)
def test_what_is_asked_for_too_late_could_not_be_read(
    world: World, author: Author, late: timedelta
) -> None:
    message_id = unread(world, author)
    with world.app.app_context():
        row = db.session.get_one(Message, message_id)
        row.created_at = row.at = world.now - late
        db.session.commit()
    ask_again(world, message_id)
    world.advance(60)
    seen = message(world, message_id)
    assert (seen.state, seen.cause) == (MessageState.FAILED, FailCause.UNREADABLE)
    assert world.answers("+34600111222") == ["uno"]


def test_a_text_asked_for_at_the_end_of_a_process_is_sent_anew_by_the_next(world: World) -> None:
    message_id = unread(world)
    ask_again(world, message_id)
    world.crash()
    world.advance(60)
    assert message(world, message_id).state is MessageState.DELIVERED
    assert world.answers("+34600111222") == ["uno", "uno"]
