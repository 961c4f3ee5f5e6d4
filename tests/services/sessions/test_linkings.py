"""Linkings bring histories: as many at a time as there is memory for, the others wait."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import make_app
from tests.services.world import ANA, World
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection, User
from wa_app.services.connections import practice, registry, requests
from wa_app.wording.connections import WAITS_TO_LINK, explain

MB = 1_000_000


class Shops(World):
    """Several numbers of WhatsApp's, played by practice phones."""

    def add(self, channel: Channel = Channel.WHATSAPP) -> str:
        with self.app.app_context():
            user = db.session.get_one(User, self.ana_id)
            return registry.create(ANA, user, channel).id

    def add_and_connect(self, count: int) -> list[str]:
        numbers = [self.add() for _ in range(count)]
        for number in numbers:
            self.of(number, lambda row: requests.connect(ANA, row))
        return numbers

    def of(self, number: str, act: Callable[[Connection], object]) -> None:
        with self.app.app_context():
            act(db.session.get_one(Connection, number))
        self.settle()

    def row(self, number: str) -> Connection:
        with self.app.app_context():
            return db.session.get_one(Connection, number)

    def waits(self, number: str) -> bool:
        with self.app.app_context():
            row = db.session.get_one(Connection, number)
            said = explain(row, alive=True, now=self.now) is WAITS_TO_LINK
            assert (row.status is Status.QR_PENDING) != said, row.observed
            return said


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[Shops]:
    app = make_app(tmp_path / "data", SETTLE_DELAY="0", MAX_CONNECTIONS_PER_USER="9")
    yield Shops(app)
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    ("free", "let_in"), [(0, 1), (400, 1), (999, 1), (1000, 2), (1499, 2), (1500, 3), (9000, 4)]
)
def test_the_memory_that_is_free_says_how_many(shops: Shops, free: int, let_in: int) -> None:
    shops.free_memory = free * MB
    numbers = shops.add_and_connect(4)
    assert [shops.waits(number) for number in numbers].count(False) == let_in


def scanned_long_ago(shops: Shops, first: str) -> None:
    shops.of(first, practice.scan)
    shops.advance(5)
    assert shops.row(first).status is Status.CONNECTED
    shops.advance(190)


def nothing(_: Shops, __: str) -> None:
    pass


def disconnected(shops: Shops, first: str) -> None:
    shops.of(first, lambda row: requests.disconnect(ANA, row))


def cleaned(shops: Shops, first: str) -> None:
    shops.of(first, lambda row: requests.force_cleanup(ANA, row))


def never_scanned(shops: Shops, first: str) -> None:
    shops.advance(165)
    assert shops.row(first).hold is Hold.PAIRING_EXPIRED


@pytest.mark.parametrize(
    ("end", "wait"),
    [(nothing, 60), (scanned_long_ago, 10), (disconnected, 3), (cleaned, 3), (never_scanned, 3)],
)
def test_the_next_one_comes_when_the_first_is_through(
    shops: Shops, end: Callable[[Shops, str], None], wait: float
) -> None:
    shops.free_memory = 400 * MB
    first, second, third = shops.add_and_connect(3)
    assert [shops.waits(number) for number in (first, second, third)] == [False, True, True]
    end(shops, first)
    shops.advance(wait)
    still = [shops.waits(number) for number in (second, third)]
    assert still.count(True) == (2 if end is nothing else 1)
    assert {shops.row(number).attempt for number in (second, third)} == {0}


def test_it_waits_for_the_history_and_not_only_for_the_scan(shops: Shops) -> None:
    shops.free_memory = 400 * MB
    first, second = shops.add_and_connect(2)
    shops.of(first, practice.scan)
    shops.advance(120)
    assert shops.row(first).status is Status.CONNECTED
    assert shops.waits(second)


def test_what_is_linked_or_practice_never_waits(shops: Shops) -> None:
    shops.free_memory = 10_000 * MB
    [linked] = shops.add_and_connect(1)
    shops.of(linked, practice.scan)
    shops.advance(40)
    shops.of(linked, lambda row: requests.disconnect(ANA, row))
    shops.free_memory = 0
    shops.add_and_connect(1)
    shops.of(linked, lambda row: requests.reconnect(ANA, row))
    shops.advance(1)
    assert shops.row(linked).status is Status.CONNECTED
    shops.ask(requests.connect)
    assert shops.connection.status is Status.QR_PENDING


@pytest.mark.parametrize("way", [disconnected, cleaned])
def test_who_waits_may_leave(shops: Shops, way: Callable[[Shops, str], None]) -> None:
    shops.free_memory = 0
    _, second = shops.add_and_connect(2)
    way(shops, second)
    shops.advance(10)
    assert shops.row(second).status is Status.DISCONNECTED
    assert shops.row(second).next_attempt_at is None


def test_waiting_outlives_a_crash_and_is_no_attempt(shops: Shops) -> None:
    shops.free_memory = 0
    numbers = shops.add_and_connect(3)
    shops.crash()
    shops.advance(30)
    assert sorted(shops.waits(number) for number in numbers) == [False, True, True]
    assert {shops.row(number).attempt for number in numbers if shops.waits(number)} == {0}


def test_0_lets_everybody_in(tmp_path: Path) -> None:
    app = make_app(
        tmp_path / "data", SETTLE_DELAY="0", MAX_CONNECTIONS_PER_USER="9", LINKING_MEMORY="0"
    )
    shops = Shops(app)
    shops.free_memory = 0
    assert [shops.waits(number) for number in shops.add_and_connect(4)] == [False] * 4
    with app.app_context():
        db.engine.dispose()


def test_however_long_it_waits_it_is_no_dial(shops: Shops) -> None:
    shops.free_memory = 0
    first, second = shops.add_and_connect(2)
    for _ in range(60):
        shops.advance(2)
    assert shops.waits(second)
    assert shops.row(second).dialled == ()
    disconnected(shops, first)
    shops.advance(3)
    assert not shops.waits(second)
