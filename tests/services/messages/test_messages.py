"""A customer writes, the bot answers, and no reply is lost."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from tests.services.world import World
from wa_app.domain.messages import Author, FailCause, MessageState
from wa_app.domain.sessions.socket_messages import (
    Incoming,
    SendFailed,
    SendFailure,
)
from wa_app.domain.sessions.states import Status
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message, PracticeMessage
from wa_app.services.bot import settings
from wa_app.services.connections import requests
from wa_app.services.messages import inbox, outbox


@pytest.fixture
def shop(world: World) -> World:
    """Ana's number is linked and her bot is on."""
    world.link()
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        settings.set_bot(
            requests.Actor("ana@example.org"), connection, enabled=True, fallback_text="Hola."
        )
    return world


def send(world: World, text: str, key: str | None = None, to: str = "+34600111222") -> int:
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        return outbox.accept(connection, to, text, idempotency_key=key).id


def message(world: World, message_id: int) -> Message:
    with world.app.app_context():
        return db.session.get_one(Message, message_id)


def test_the_bot_answers(shop: World) -> None:
    shop.customer_writes("¿abren hoy?")
    assert shop.answers() == ["Hola."]
    assert [row.author for row in shop.messages()] == [Author.CUSTOMER, Author.BOT]
    assert shop.messages()[1].state is MessageState.DELIVERED


def test_a_bot_that_is_off_is_silent(world: World) -> None:
    world.link()
    world.customer_writes("¿abren hoy?")
    assert world.answers() == []


def test_a_text_written_while_offline_is_answered_after_the_reconnect(shop: World) -> None:
    shop.fault("network_loss")
    shop.customer_writes("¿abren hoy?")
    assert shop.answers() == []
    shop.fault("network_loss", on=False)
    shop.advance(3)
    assert shop.answers() == ["Hola."]


def test_an_answer_given_at_the_moment_of_the_drop_is_sent_after_it(shop: World) -> None:
    shop.fault("send_failure")
    shop.customer_writes("¿abren hoy?")
    shop.fault("drop_once")
    assert shop.answers() == []
    shop.fault("send_failure", on=False)
    shop.advance(5)
    assert shop.answers() == ["Hola."]


def test_the_bot_leaves_yesterdays_messages_to_a_person(shop: World) -> None:
    shop.fault("network_loss")
    shop.customer_writes("¿abren hoy?")
    shop.now += timedelta(minutes=6)
    shop.fault("network_loss", on=False)
    shop.tick()
    shop.advance(60)
    assert shop.answers() == []
    with shop.app.app_context():
        assert db.session.query(Chat).one().waiting_since is not None


def test_two_bots_do_not_talk_for_ever(shop: World) -> None:
    for turn in range(14):
        shop.customer_writes(f"soy un robot {turn}")
        shop.advance(5)
    assert len(shop.answers()) == 10
    with shop.app.app_context():
        assert db.session.query(Chat).one().muted_until is not None


def test_an_echo_of_our_answer_is_a_loop(shop: World) -> None:
    shop.customer_writes("¿abren hoy?")
    shop.customer_writes("Hola.")
    assert len(shop.answers()) == 2
    shop.customer_writes("Hola.", "Lucía")
    assert len(shop.answers()) == 2


def test_a_message_waits_for_the_connection(world: World) -> None:
    world.link()
    world.ask(requests.disconnect)
    message_id = send(world, "Su pedido está listo.")
    world.advance(7200)
    assert message(world, message_id).state is MessageState.PENDING
    world.ask(requests.connect)
    world.advance(1)
    assert message(world, message_id).state is MessageState.DELIVERED
    assert world.answers("+34600111222") == ["Su pedido está listo."]


def test_a_bots_answer_hours_late_is_dropped(shop: World) -> None:
    shop.fault("send_failure")
    shop.customer_writes("¿abren hoy?")
    shop.now += timedelta(minutes=31)
    with shop.app.app_context():
        outbox.drop_late_answers(shop.now, shop.settings.messages)
    shop.fault("send_failure", on=False)
    shop.advance(5)
    assert shop.answers() == []
    assert shop.messages()[1].cause is FailCause.TOO_LATE


def test_the_same_key_gives_the_first_message(world: World) -> None:
    first = send(world, "uno", key="order-7")
    assert send(world, "dos", key="order-7") == first
    assert send(world, "tres", key="order-8") != first


def taken(world: World) -> int:
    """A message that is on its way when something happens."""
    world.link()
    message_id = send(world, "uno")
    with world.app.app_context():
        assert outbox.take(world.connection_id, world.now, world.settings.messages)
    return message_id


def test_a_crash_while_sending_is_sent_once_more_and_then_shown(world: World) -> None:
    message_id = taken(world)
    world.crash()
    world.advance(2)
    sent = message(world, message_id)
    assert sent.state is MessageState.DELIVERED
    assert sent.unknown_ends == 1


def test_what_whatsapp_puts_off_waits_and_is_sent_without_a_mark(world: World) -> None:
    message_id = taken(world)
    second = send(world, "dos")
    other = send(world, "tres", to="+34600111333")
    for pause in (10, 20, 40):
        with world.app.app_context():
            later = SendFailed(message_id, SendFailure.LATER, "server returned error 429")
            outbox.failed(world.connection_id, later, world.now)
            policy = world.settings.messages
            at = world.now + timedelta(seconds=pause)
            before = outbox.take(world.connection_id, at - timedelta(seconds=1), policy)
            assert before is None or before.message_id == other, "nothing overtakes it in its chat"
            if before is not None:
                outbox.not_sent(world.connection_id, other, world.now + timedelta(days=1))
            assert message(world, message_id).cause is FailCause.LATER
            taken_again = outbox.take(world.connection_id, at, policy)
            assert taken_again is not None and taken_again.message_id == message_id
    with world.app.app_context():
        outbox.not_sent(world.connection_id, message_id, world.now)
    world.advance(5)
    seen = message(world, message_id)
    assert (seen.state, seen.cause, seen.unknown_ends) == (MessageState.DELIVERED, None, 0)
    assert message(world, second).state is MessageState.DELIVERED


def test_a_bots_answer_that_whatsapp_puts_off_for_too_long_is_dropped(world: World) -> None:
    message_id = taken(world)
    with world.app.app_context():
        row = db.session.get_one(Message, message_id)
        row.author, row.created_at = Author.BOT, world.now
        db.session.commit()
        later = SendFailed(message_id, SendFailure.LATER, "server returned error 503")
        outbox.failed(world.connection_id, later, world.now + timedelta(hours=1))
    world.advance(31 * 60)
    seen = message(world, message_id)
    assert (seen.state, seen.cause) == (MessageState.FAILED, FailCause.TOO_LATE)


def test_a_send_may_wait_for_four_answers_before_nobody_has_answered(world: World) -> None:
    message_id = taken(world)
    with world.app.app_context():
        policy = world.settings.messages
        begun = world.now
        outbox.nobody_answered(begun + timedelta(seconds=4 * 75), policy)
        assert message(world, message_id).state is MessageState.SENDING
        outbox.nobody_answered(begun + timedelta(seconds=4 * 75 + 6), policy)
    seen = message(world, message_id)
    assert (seen.state, seen.unknown_ends) == (MessageState.PENDING, 1)


def test_a_second_unknown_end_is_perhaps_sent(world: World) -> None:
    message_id = taken(world)
    with world.app.app_context():
        outbox.socket_ended(world.connection_id, world.now)
        assert outbox.take(world.connection_id, world.now, world.settings.messages)
        outbox.socket_ended(world.connection_id, world.now)
    seen = message(world, message_id)
    assert (seen.state, seen.cause) == (MessageState.FAILED, FailCause.PERHAPS_SENT)


def test_a_restriction_lets_people_try_once_an_hour(world: World) -> None:
    message_id = taken(world)
    with world.app.app_context():
        failed = SendFailed(message_id, SendFailure.RESTRICTED, "463")
        outbox.failed(world.connection_id, failed, world.now)
    second = send(world, "dos", to="+34600111333")
    world.advance(1800)
    assert message(world, second).state is MessageState.PENDING
    assert world.connection.restricted_until is not None
    world.advance(1900)
    world.advance(5)
    assert message(world, message_id).state is MessageState.DELIVERED
    assert message(world, second).state is MessageState.DELIVERED
    assert world.connection.restricted_until is None


def test_order_is_kept_within_a_chat(world: World) -> None:
    world.link()
    first, second = send(world, "uno"), send(world, "dos")
    with world.app.app_context():
        policy = world.settings.messages
        assert outbox.take(world.connection_id, world.now, policy).message_id == first  # type: ignore[union-attr]
        outbox.not_sent(world.connection_id, first, world.now)
        # The first has to wait a moment; the second must not overtake it.
        assert outbox.take(world.connection_id, world.now, policy) is None
    world.advance(3)
    assert world.answers("+34600111222") == ["uno", "dos"]
    assert message(world, second).state is MessageState.DELIVERED


def test_the_pace_is_kept(world: World) -> None:
    world.link()
    for number in range(25):
        send(world, f"{number}")
    world.advance(50)
    assert len(world.answers("+34600111222")) == 20
    world.advance(60)
    assert len(world.answers("+34600111222")) == 25


def test_nothing_is_sent_under_a_hold(world: World) -> None:
    world.link()
    world.fault("conflict")
    message_id = send(world, "uno")
    world.advance(600)
    assert message(world, message_id).state is MessageState.PENDING


def test_a_flood_of_messages_holds_up_no_request(world: World) -> None:
    world.link()
    texts = (incoming(f"text {number}", world) for number in range(300))

    def another_arrives() -> None:
        if world.connection.status is not Status.DISCONNECTED:
            world.manager.post(world.connection_id, 1, next(texts))

    world.phone.on_stored = another_arrives
    another_arrives()
    world.ask(requests.disconnect)
    assert len(world.messages()) < 200


def incoming(text: str, world: World) -> Incoming:
    customer = "34600111222@s.whatsapp.net"
    return Incoming(text, customer, customer, "Luis", "text", text, world.now, False, False, 0)


def test_no_message_is_dropped_or_acknowledged_while_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.link()

    def away(*_: object) -> int:
        raise OperationalError("INSERT", {}, Exception("disk I/O error"))

    monkeypatch.setattr(inbox, "store", away)
    for number in range(40):
        world.customer_writes(f"text {number}")
    assert world.messages() == []
    monkeypatch.undo()
    world.advance(5)
    assert sorted(row.text for row in world.messages()) == sorted(
        f"text {number}" for number in range(40)
    )
    with world.app.app_context():
        assert db.session.query(PracticeMessage).filter_by(stored=False).count() == 0


def test_a_paused_answer_of_the_bot_holds_up_nobodys_message(world: World) -> None:
    world.link()
    with world.app.app_context():
        chat = inbox.chat_of(
            world.connection_id, world.connection.linked_phone or "", "34600111222@s.whatsapp.net"
        )
        bots = Message(
            connection_id=world.connection_id,
            chat_id=chat.id,
            direction="out",
            author=Author.BOT,
            text="Hola.",
            state=MessageState.PENDING,
            created_at=world.now,
        )
        db.session.add(bots)
        connection = db.session.get_one(Connection, world.connection_id)
        connection.restricted_until = world.now + timedelta(hours=20)
        db.session.commit()
    mine = send(world, "Le llamo ahora.")
    world.advance(5)
    assert message(world, mine).state is MessageState.DELIVERED


HOSTED, META_AI = "34600111222@hosted", "13135550002@s.whatsapp.net"


@pytest.mark.parametrize(
    ("chat", "sender", "answers"),
    [
        ("34600111222@s.whatsapp.net", "34600111222@s.whatsapp.net", 1),
        ("34600111222@s.whatsapp.net", HOSTED, 0),  # a program, in the chat of a person
        ("34600111222@s.whatsapp.net", "867051314767696@bot", 0),
        (META_AI, META_AI, 0),
        ("0@s.whatsapp.net", "0@s.whatsapp.net", 0),
    ],
)
def test_the_bot_answers_no_machine(shop: World, chat: str, sender: str, answers: int) -> None:
    text = Incoming(
        "3EB0", chat, sender, "", "text", "¿En qué puedo ayudarle?", shop.now, False, False, 0
    )
    with shop.app.app_context():
        assert inbox.store(shop.connection_id, [text]) == 1
    shop.settle()
    assert [row.author for row in shop.messages()][1:] == [Author.BOT] * answers
    with shop.app.app_context():
        assert db.session.query(Chat).one().waiting_since is None
