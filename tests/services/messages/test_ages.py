"""How old a message is: since it came, by our clock; by WhatsApp's only where it waited there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.services.world import World
from wa_app.domain.alerts import AlertKind
from wa_app.domain.messages import Author, asked_at
from wa_app.domain.sessions.socket_messages import Incoming
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.gateways.base import Reach, Stage
from wa_app.models import Alert, Chat, Connection, Message
from wa_app.services.bot import settings
from wa_app.services.connections import requests
from wa_app.services.messages import inbox

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LUIS = "34600111222@s.whatsapp.net"


@pytest.mark.parametrize(
    ("at", "arrived_at", "backlog", "since"),
    [
        (NOW, NOW, False, NOW),
        (NOW - HOUR, NOW, False, NOW),  # our clock is an hour ahead
        (NOW + HOUR, NOW, False, NOW),  # or behind
        (NOW - HOUR, NOW, True, NOW - HOUR),
        (NOW + HOUR, NOW, True, NOW),  # nothing waits since a time to come
        (NOW - HOUR, None, False, NOW - HOUR),  # spooled by an earlier version
    ],
)
def test_since_when_a_message_waits(
    at: datetime, arrived_at: datetime | None, backlog: bool, since: datetime
) -> None:
    message = Incoming("3EB0", LUIS, LUIS, "", "text", "Hola", at, False, False, 0)
    assert asked_at(replace(message, arrived_at=arrived_at, backlog=backlog)) == since


@pytest.fixture
def shop(world: World) -> World:
    world.link()
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        actor = requests.Actor("ana@example.org")
        settings.set_bot(actor, connection, enabled=True, fallback_text="Hola.")
    return world


def arrives(world: World, at: datetime, *, backlog: bool) -> None:
    """A text that is, by WhatsApp's clock, of this time."""
    text = Incoming(
        f"{at}", LUIS, LUIS, "", "text", "¿abren?", at, False, False, 0,
        arrived_at=world.now, backlog=backlog,
    )  # fmt: skip
    with world.app.app_context():
        assert inbox.store(world.connection_id, [text]) == 1
    world.settle()


def verdicts(world: World) -> tuple[int, bool]:
    """How often the bot answered, and whether a person has to look."""
    with world.app.app_context():
        answers = db.session.query(Message).filter_by(author=Author.BOT).count()
        return answers, db.session.query(Chat).one().waiting_since is not None


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, timedelta(days=400), 6 * MINUTE])
def test_the_bot_answers_whoever_writes_now_whatever_the_clock_says(
    shop: World, wrong: timedelta
) -> None:
    arrives(shop, shop.now - wrong, backlog=False)
    assert verdicts(shop) == (1, False)


def test_it_waits_here_by_our_own_clock(shop: World) -> None:
    """An answer that nobody got to, because the service was down."""
    text = Incoming(
        "3EB0", LUIS, LUIS, "", "text", "¿abren?", shop.now + HOUR, False, False, 0,
        arrived_at=shop.now - 6 * MINUTE,
    )  # fmt: skip
    with shop.app.app_context():
        inbox.store(shop.connection_id, [text])
    shop.settle()
    assert verdicts(shop) == (0, True)


@pytest.mark.parametrize(
    ("age", "seen"), [(4 * MINUTE, (1, False)), (6 * MINUTE, (0, True)), (HOUR, (0, True))]
)
def test_what_waited_at_whatsapp_is_as_old_as_whatsapp_says(
    shop: World, age: timedelta, seen: tuple[int, bool]
) -> None:
    arrives(shop, shop.now - age, backlog=True)
    assert verdicts(shop) == seen


def test_the_practice_phone_has_a_backlog_too(shop: World) -> None:
    shop.fault("network_loss")
    shop.customer_writes("¿abren?")
    shop.now += 6 * MINUTE
    shop.fault("network_loss", on=False)
    shop.advance(30)
    assert verdicts(shop) == (0, True)


# ---- the clock of the server


@pytest.fixture
def real(world: World) -> World:
    """A world with a number on WhatsApp, that is wanted up."""
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        connection.channel, connection.enabled = Channel.WHATSAPP, True
        connection.proxy = "http://proxy.example:3128"
        db.session.commit()
    return world


def compare(world: World, reach: Reach) -> list[Alert]:
    """The alerts after one comparison with this answer."""
    asked: list[str | None] = []
    world.phone.reach = lambda route: asked.append(route) or reach  # type: ignore[method-assign, func-returns-value]
    world.run_job("check-clock")
    world.run_job("alerts")
    assert asked == ["http://proxy.example:3128"]
    with world.app.app_context():
        return list(db.session.query(Alert))


@pytest.mark.parametrize("off", [HOUR, -HOUR, timedelta(seconds=31)])
def test_a_wrong_clock_is_told_and_when_it_is_right_again(real: World, off: timedelta) -> None:
    assert compare(real, Reach(None, real.now - timedelta(seconds=5))) == []
    for _ in range(2):
        [alert] = compare(real, Reach(None, real.now - off))
        seconds = abs(off).total_seconds()
        assert (alert.kind, alert.about) == (AlertKind.CLOCK_WRONG, f"{seconds:.0f} s")
        assert alert.raised_at is not None
    [alert] = compare(real, Reach(Stage.TCP))  # nobody told a time: nothing is known
    assert alert.ended_at is None
    [alert] = compare(real, Reach(None, real.now))
    assert (alert.ended_at, alert.recovered) == (real.now, True)


def test_whatsapp_is_not_asked_where_no_number_is(world: World) -> None:
    def nobody(_: str | None) -> Reach:
        raise AssertionError("asked")

    world.phone.reach = nobody  # type: ignore[method-assign]
    world.run_job("check-clock")
