"""Random lives of one connection in the real services: manager, monitor, recovery, inbox, outbox.

The core alone is tested far more thoroughly in `tests/domain/sessions/test_invariants.py`; here it
is the shell around it that has to keep the promises, with a real database and the practice phone.
"""

import contextlib
import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.services.world import World
from wa_app.domain.errors import NoQr, PairFirst
from wa_app.domain.messages import Direction, MessageState
from wa_app.domain.practice import EVENTS, SWITCHES
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.states import Status
from wa_app.extensions import db
from wa_app.models import Connection, Message, User
from wa_app.services.connections import requests as connections
from wa_app.services.messages import outbox

LIVES = 12
STEPS = 30

REFUSALS = (
    Close(402, Reason.BANNED),
    Close(429, Reason.REFUSED),
    Close(None, Reason.REFUSED),
    Close(None, Reason.LIBRARY_FAULT),
    Close(None, Reason.DEAF),
    Close(408, Reason.PROCESS_DIED),
)
MOST_DIALS = 30
"""In any hour, of those that no person asked for."""


class Life:
    def __init__(self, world: World, dice: random.Random) -> None:
        self.world = world
        self.dice = dice
        self.written: list[str] = []
        self.accepted: list[int] = []

    def step(self) -> None:
        actions: tuple[Callable[[], None], ...] = (
            *(self.ask,) * 3, *(self.scan,) * 3, *(self.fault,) * 3, *(self.time,) * 4,
            *(self.refusal,) * 2,
            *(self.customer,) * 3, *(self.person,) * 2, self.tick, self.crash, self.user,
        )  # fmt: skip
        self.dice.choice(actions)()
        self.check()

    def ask(self) -> None:
        requests = (
            connections.connect,
            connections.connect,
            connections.reconnect,
            connections.disconnect,
            connections.force_cleanup,
        )
        with contextlib.suppress(PairFirst):
            self.world.ask_if_allowed(self.dice.choice(requests))

    def scan(self) -> None:
        try:
            self.world.scan()
        except NoQr:
            self.world.ask_if_allowed(connections.connect)

    def fault(self) -> None:
        kind = self.dice.choice((*EVENTS, *SWITCHES))
        self.world.fault(kind, on=self.dice.random() < 0.5 or kind in EVENTS)

    def refusal(self) -> None:
        """What the real library tells, and no practice phone."""
        self.world.phone.break_off(self.dice.choice(REFUSALS))
        self.world.settle()

    def time(self) -> None:
        self.world.advance(self.dice.choice((0.5, 3, 10, 40)))

    def customer(self) -> None:
        self.written.append(f"text {len(self.written)}")
        self.world.customer_writes(self.written[-1])

    def person(self) -> None:
        with self.world.app.app_context():
            connection = db.session.get_one(Connection, self.world.connection_id)
            self.accepted.append(outbox.accept(connection, "+34600111222", "hola").id)
        self.world.settle()

    def tick(self) -> None:
        self.world.tick()

    def crash(self) -> None:
        self.world.crash()

    def user(self) -> None:
        with self.world.app.app_context():
            user = db.session.get_one(User, self.world.ana_id)
            user.active = not user.active or self.dice.random() < 0.5
            db.session.commit()
        self.world.settle()

    def check(self) -> None:
        seen = self.world.connection
        sockets = len(self.world.phone.sockets)
        assert sockets <= 1
        if seen.hold is not None:
            assert seen.status is Status.DISCONNECTED
            assert sockets == 0
        with self.world.app.app_context():
            if not db.session.get_one(User, self.world.ana_id).active:
                assert sockets == 0
        lately = [at for at in seen.dialled if self.world.now - at < timedelta(hours=1)]
        assert len(lately) <= MOST_DIALS

    def heal(self) -> None:
        """Everything works again, and a person asks for the connection."""
        for kind in SWITCHES:
            self.world.fault(kind, on=False)
        with self.world.app.app_context():
            db.session.get_one(User, self.world.ana_id).active = True
            db.session.commit()
        self.world.advance(130)  # a ban ends, a minute's dials are forgotten
        self.world.ask(connections.connect)
        if self.world.connection.status is Status.QR_PENDING:
            self.world.scan()
        self.world.advance(130)


@pytest.mark.parametrize("seed", range(LIVES))
def test_every_life_ends_well(world: World, seed: int) -> None:
    life = Life(world, random.Random(seed))
    for _ in range(STEPS):
        life.step()
    life.heal()
    assert world.connection.status is Status.CONNECTED
    with world.app.app_context():
        rows = db.session.query(Message).all()
    incoming = [row.text for row in rows if row.direction is Direction.IN]
    assert sorted(incoming) == sorted(life.written), "a text was lost, or stored twice"
    mine = [row for row in rows if row.id in life.accepted]
    assert all(row.state in {MessageState.DELIVERED, MessageState.FAILED} for row in mine)
    assert len(mine) == len(life.accepted)
