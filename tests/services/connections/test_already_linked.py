"""One number at two connections: two bots never answer it. Both hang on the practice phone here,
under the channel of the real one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.services.world import ANA, PASSWORD, World
from wa_app.domain.errors import AnsweredElsewhere
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import Audit, Connection, User
from wa_app.services.bot import settings
from wa_app.services.connections import registry, requests
from wa_app.services.users import accounts

MEXICO, MEXICO_WITH_1 = "+525512345678", "+5215512345678"


class Shops:
    """Ana's and Bruno's connections; each is linked as whatever number is named."""

    def __init__(self, world: World) -> None:
        self.world = world
        with world.app.app_context():
            ana = db.session.get_one(User, world.ana_id)
            ana.max_connections = 5
            bruno = accounts.create(ANA, "bruno@example.org", PASSWORD)
            self.ids = [registry.create(ANA, user, Channel.WHATSAPP).id for user in (ana, bruno)]

    @contextmanager
    def at(self, place: int) -> Iterator[Connection]:
        self.world.connection_id = self.ids[place]
        with self.world.app.app_context():
            yield db.session.get_one(Connection, self.ids[place])

    def bot(self, place: int, on: bool) -> None:
        with self.at(place) as connection:
            settings.set_bot(ANA, connection, enabled=on, fallback_text="Hola.")

    def link(self, place: int, phone: str = "+34600111222") -> Connection:
        with self.at(place):
            pass
        self.world.ask(requests.connect, phone=phone)
        self.world.scan()
        self.world.advance(5)
        return self.world.connection

    def seen(self, place: int) -> Connection:
        with self.at(place) as connection:
            return connection


@pytest.fixture
def shops(world: World) -> Shops:
    return Shops(world)


@pytest.mark.parametrize(
    ("first", "second"), [("+34600111222",) * 2, (MEXICO, MEXICO_WITH_1), (MEXICO_WITH_1, MEXICO)]
)
def test_the_second_device_of_a_number_with_two_bots_is_unlinked(
    shops: Shops, first: str, second: str
) -> None:
    shops.bot(0, True)
    shops.bot(1, True)
    assert shops.link(0, first).status is Status.CONNECTED
    late = shops.link(1, second)
    assert (late.status, late.hold) == (Status.DISCONNECTED, Hold.ALREADY_LINKED)
    assert (late.has_credentials, late.linked_phone) == (False, None)
    assert shops.seen(0).status is Status.CONNECTED
    shops.world.advance(120)
    shops.world.tick()
    assert shops.seen(1).hold is Hold.ALREADY_LINKED


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (False, False)])
def test_with_one_bot_off_both_are_up(shops: Shops, first: bool, second: bool) -> None:
    shops.bot(0, first)
    shops.bot(1, second)
    shops.link(0)
    assert shops.link(1).status is Status.CONNECTED
    assert shops.seen(0).status is Status.CONNECTED


def test_another_number_is_no_matter(shops: Shops) -> None:
    shops.bot(0, True)
    shops.bot(1, True)
    shops.link(0, "+34600111222")
    assert shops.link(1, "+33600111222").status is Status.CONNECTED  # the last digits are alike


@pytest.mark.parametrize("place", [0, 1])
def test_the_second_bot_is_not_switched_on(shops: Shops, place: int) -> None:
    shops.bot(1 - place, True)
    shops.link(0)
    shops.link(1)
    with pytest.raises(AnsweredElsewhere):
        shops.bot(place, True)
    assert not shops.seen(place).bot_enabled
    with shops.world.app.app_context():
        assert db.session.query(Audit).filter_by(action="bot.change").count() == 1
    shops.bot(1 - place, False)
    shops.bot(place, True)


def test_a_bot_that_rests_stops_no_other(shops: Shops) -> None:
    shops.bot(0, True)
    shops.link(0)
    shops.world.ask(requests.disconnect)
    shops.bot(1, True)
    assert shops.link(1).status is Status.CONNECTED
    with shops.at(0):
        pass
    shops.world.ask(requests.reconnect)
    shops.world.advance(5)
    back = shops.seen(0)
    assert (back.hold, back.has_credentials) == (Hold.ALREADY_LINKED, True)
    shops.bot(1, False)
    with shops.at(0):
        pass
    shops.world.ask(requests.reconnect)
    shops.world.advance(5)
    assert shops.seen(0).status is Status.CONNECTED


def test_after_a_restart_one_of_two_from_an_earlier_version_answers(shops: Shops) -> None:
    shops.link(0)
    shops.world.advance(30)
    shops.link(1)
    shops.world.advance(40)
    with shops.world.app.app_context():
        for id in shops.ids:
            row = db.session.get_one(Connection, id)
            row.bot_enabled, row.bot_fallback_text = True, "Hola."
        db.session.commit()
    shops.world.crash()
    shops.world.advance(60)
    assert [shops.seen(place).hold for place in (0, 1)] == [None, Hold.ALREADY_LINKED]
    assert shops.seen(0).status is Status.CONNECTED
    assert shops.seen(1).has_credentials  # it was linked long ago: a person decides


def test_of_two_that_come_up_in_one_instant_only_one_is_stopped(shops: Shops) -> None:
    """When they were linked is not known: an earlier version did not note it."""
    for place in (0, 1):
        shops.link(place)
    with shops.world.app.app_context():
        rows = [db.session.get_one(Connection, id) for id in shops.ids]
        for row in rows:
            row.bot_enabled, row.paired_at, row.status = True, None, Status.CONNECTING
        db.session.commit()
        stopped = [registry.answered_elsewhere(row, "+34600111222") for row in rows]
        assert sorted(stopped) == [False, True]
