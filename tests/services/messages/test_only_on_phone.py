"""What only the phone shows is a row that says so, and a person has to look."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.services.world import World
from wa_app.domain.messages import ONLY_ON_PHONE, SENT_ANEW, Author
from wa_app.domain.sessions.socket_messages import Incoming
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message
from wa_app.services.bot import settings
from wa_app.services.connections import requests
from wa_app.services.messages import inbox

LUIS, LUIS_HIDDEN = "34600111222@s.whatsapp.net", "200000000000002@lid"
EVA = "34600111333@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
META_AI, ANNOUNCEMENTS = "13135550002@s.whatsapp.net", "0@s.whatsapp.net"


@pytest.fixture(params=[True, False], ids=["bot on", "bot off"])
def shop(world: World, request: pytest.FixtureRequest) -> World:
    world.link()
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        actor = requests.Actor("ana@example.org")
        settings.set_bot(actor, connection, enabled=request.param, fallback_text="Hola.")
    return world


def unreadable(world: World, sender: str = LUIS, **facts: object) -> Incoming:
    message = Incoming(
        "3EB0", sender, sender, "", ONLY_ON_PHONE, "", world.now, False, False, 0,
        arrived_at=world.now,
    )  # fmt: skip
    return replace(message, **facts)  # type: ignore[arg-type]


def store(world: World, *messages: Incoming) -> int:
    with world.app.app_context():
        new = inbox.store(world.connection_id, messages)
    world.settle()
    return new


def waiting(world: World) -> list[str]:
    with world.app.app_context():
        return [chat.jid for chat in db.session.query(Chat) if chat.waiting_since is not None]


def rows(world: World) -> list[tuple[str, str]]:
    return [(row.kind, row.text) for row in world.messages() if row.author is not Author.BOT]


def test_the_chat_waits_for_a_person_and_the_log_says_why(shop: World) -> None:
    assert store(shop, unreadable(shop)) == 1
    assert (rows(shop), waiting(shop)) == ([(ONLY_ON_PHONE, "")], [])
    with capture_logs() as log:
        shop.advance(SENT_ANEW.total_seconds())
    assert waiting(shop) == [LUIS]
    [line] = [line for line in log if "only the phone" in line["event"]]
    assert (line["connection"], line["message"]) == (shop.connection_id, shop.messages()[0].id)
    assert len(shop.messages()) == 1  # nobody has answered


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=60), timedelta(hours=2)])
def test_what_is_sent_anew_takes_its_place(shop: World, late: timedelta) -> None:
    store(shop, unreadable(shop), unreadable(shop, EVA))
    if late:
        shop.advance(late.total_seconds())
    text = unreadable(shop, kind="text", text="¿Abren hoy?")
    assert store(shop, text) == 1
    shop.advance(5)
    assert rows(shop) == [("text", "¿Abren hoy?"), (ONLY_ON_PHONE, "")]
    on = shop.connection.bot_enabled
    answers = [row.text for row in shop.messages() if row.author is Author.BOT]
    assert answers == (["Hola."] if on and late < timedelta(minutes=5) else [])
    assert waiting(shop) == ([LUIS, EVA] if late else [])
    # Neither a copy of it nor another failed try changes anything any more.
    assert store(shop, text, unreadable(shop)) == 0
    assert rows(shop)[0] == ("text", "¿Abren hoy?")


def test_read_in_the_same_moment_it_never_was_unreadable(shop: World) -> None:
    failed = unreadable(shop)
    assert store(shop, failed, failed, replace(failed, kind="image", text="mi perro")) == 2
    assert rows(shop) == [("image", "mi perro")]
    shop.advance(60)
    assert waiting(shop) == []


def test_it_is_known_again_when_its_senders_number_has_become_known(shop: World) -> None:
    store(shop, unreadable(shop, LUIS_HIDDEN))
    text = unreadable(shop, kind="text", text="¿Abren hoy?", sender_alt=LUIS_HIDDEN)
    assert store(shop, text) == 1
    assert rows(shop) == [("text", "¿Abren hoy?")]
    with shop.app.app_context():
        assert db.session.query(Message).filter_by(kind="text").first().chat.jid == LUIS  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "facts",
    [
        {"sender": EVA, "chat": EVA},
        {"sender": LUIS, "chat": GROUP, "is_group": True},
        {"from_me": True},
    ],
    ids=["another person", "in a group", "the owner"],
)
def test_nobody_elses_message_takes_its_place(shop: World, facts: dict[str, object]) -> None:
    store(shop, unreadable(shop))
    store(shop, replace(unreadable(shop, **facts), kind="text", text="Hola"))  # type: ignore[arg-type]
    assert rows(shop)[0] == (ONLY_ON_PHONE, "")
    assert len(rows(shop)) == 2


@pytest.mark.parametrize(
    "facts",
    [
        {"from_me": True},
        {"chat": GROUP, "is_group": True},
        {"sender": META_AI, "chat": META_AI},
        {"sender": ANNOUNCEMENTS, "chat": ANNOUNCEMENTS},
    ],
    ids=["the owner's own", "a group's", "Meta AI's", "WhatsApp's"],
)
def test_nobody_waits_where_no_customer_is(shop: World, facts: dict[str, object]) -> None:
    assert store(shop, unreadable(shop, **facts)) == 1  # type: ignore[arg-type]
    shop.advance(60)
    assert (len(shop.messages()), waiting(shop)) == (1, [])


def test_a_flood_of_them_keeps_no_customer_waiting(shop: World) -> None:
    store(shop, *(unreadable(shop, wa_id=f"X{number}") for number in range(250)))
    shop.customer_writes("¿Abren hoy?", "Eva")
    assert shop.answers("Eva") == (["Hola."] if shop.connection.bot_enabled else [])
