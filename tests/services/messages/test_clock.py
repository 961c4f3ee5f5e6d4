"""A clock that was ahead, and is set right: no text and no answer waits for the wrong time."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.services.messages.test_messages import message, send
from tests.services.world import World
from wa_app.domain.bot import Bot, Question, Verdict, bot_verdict
from wa_app.domain.messages import MessagePolicy, MessageState
from wa_app.domain.sessions.socket_messages import AskedAgain, SendFailed, SendFailure
from wa_app.extensions import db
from wa_app.models import Message
from wa_app.services.messages import outbox, receipts

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = timedelta(days=400)


def set_back(world: World, by: timedelta = DAYS) -> None:
    """No job goes off any more; the watchdog replaces the worker."""
    world.now -= by
    world.crash()
    world.advance(3)


def test_the_pace_counts_nothing_that_is_still_to_come(world: World) -> None:
    world.link()
    for number in range(world.settings.messages.send_rate):
        send(world, f"text {number}")
        world.settle()
    waiting = send(world, "one more")
    world.settle()
    assert message(world, waiting).state is MessageState.PENDING
    set_back(world)
    world.settle()
    assert message(world, waiting).state is not MessageState.PENDING


@pytest.mark.parametrize("failure", [SendFailure.LATER, SendFailure.RESTRICTED])
def test_a_text_that_waits_waits_no_longer(world: World, failure: SendFailure) -> None:
    world.link()
    text = send(world, "your order is ready")
    with world.app.app_context():
        row = db.session.get_one(Message, text)
        row.state, row.sending_since = MessageState.SENDING, world.now
        db.session.commit()
        outbox.failed(world.connection_id, SendFailed(text, failure, ""), world.now)
    world.settle()
    assert message(world, text).state is MessageState.PENDING
    set_back(world)
    world.settle()
    assert message(world, text).state is MessageState.DELIVERED


def test_a_text_on_its_way_is_no_stopper_for_ever(world: World) -> None:
    world.link()
    text = send(world, "your order is ready")
    with world.app.app_context():
        row = db.session.get_one(Message, text)
        row.state, row.sending_since = MessageState.SENDING, world.now
        db.session.commit()
        outbox.nobody_answered(world.now - timedelta(seconds=30), world.settings.messages)
        assert db.session.get_one(Message, text).state is MessageState.SENDING
        outbox.nobody_answered(world.now - DAYS, world.settings.messages)
        assert db.session.get_one(Message, text).state is MessageState.PENDING


def test_a_text_that_was_not_sent_anew_is_not_failed_for_it(world: World) -> None:
    world.link()
    text = send(world, "your order is ready")
    world.settle()
    with world.app.app_context():
        row = db.session.get_one(Message, text)
        row.state, wa_id = MessageState.SENT, row.wa_id or ""
        db.session.commit()
        asked = AskedAgain(wa_id, (row.chat.jid,))
        earlier = world.now - timedelta(hours=1)
        receipts.asked_again(world.connection_id, asked, earlier)
        receipts.asked_again(world.connection_id, asked, earlier + timedelta(seconds=1))
        assert db.session.get_one(Message, text).state is MessageState.SENT
        receipts.send_again(earlier + timedelta(seconds=5), world.settings.messages)
        row = db.session.get_one(Message, text, populate_existing=True)
        assert (row.state, row.cause) == (MessageState.PENDING, None)


def question(muted_until: datetime | None, *answers: datetime) -> Question:
    return Question(
        kind="text",
        text="¿abren hoy?",
        at=NOW,
        chat="34600111222@s.whatsapp.net",
        sender="34600111222@s.whatsapp.net",
        muted_until=muted_until,
        recent_answers=answers,
        last_answer="Hola.",
        recent_texts=["¿abren hoy?", "hola"],
    )


@pytest.mark.parametrize(
    "asked",
    [
        question(NOW + DAYS),
        question(None, *[NOW + DAYS] * 20),
    ],
)
def test_the_bot_is_not_silent_until_the_wrong_time_comes_again(asked: Question) -> None:
    bot = Bot(enabled=True, fallback_text="Hola.")
    assert bot_verdict(bot, asked, NOW, MessagePolicy()) is Verdict.ANSWER
