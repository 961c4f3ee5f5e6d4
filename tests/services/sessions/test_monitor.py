"""A look of the monitor asks the database equally often however many connections there are."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from tests.services.world import World
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection

Row = dict[str, Any]


@pytest.mark.parametrize("needy_in_ten", [0, 8])
def test_a_tick_asks_once_for_all_connections(world: World, needy_in_ten: int) -> None:
    kinds = [*needs_something(world)[:needy_in_ten], *at_rest(world)][:10]
    assert statements_and_woken(world, "monitor", kinds, 10) == (1, needy_in_ten)
    assert statements_and_woken(world, "monitor", kinds, 1000) == (1, 100 * needy_in_ten)


def test_the_end_of_an_outage_asks_once_for_all_connections(world: World) -> None:
    kinds = [*held(world), *at_rest(world)[:2]]
    few = statements_and_woken(world, "lift-outages", kinds, 10)
    many = statements_and_woken(world, "lift-outages", kinds, 1000)
    assert (few[1], many[1]) == (8, 800)
    assert few[0] == many[0]


# ---- rows


def needs_something(world: World) -> list[Row]:
    """Died in silence, down for no reason, or forgotten by their timer."""
    long_ago = world.now - timedelta(minutes=5)
    silent = {"status": Status.CONNECTED, "connected_at": long_ago}
    down = {"status": Status.DISCONNECTED, "has_credentials": True}
    forgotten = {"status": Status.CONNECTING, "next_attempt_at": long_ago}
    needy = [silent, down, forgotten, silent, down, forgotten, silent, down]
    return [{**row, "status_since": long_ago} for row in needy]


def at_rest(world: World) -> list[Row]:
    just_down = {"status": Status.DISCONNECTED, "has_credentials": True, "status_since": world.now}
    conflict = {"status": Status.DISCONNECTED, "hold": Hold.CONFLICT}
    switched_off = {"enabled": False}
    return [just_down, conflict, switched_off, *[just_down] * 7]


def held(world: World) -> list[Row]:
    """By an outage, on one route to WhatsApp."""
    row = {"hold": Hold.RETRIES_EXHAUSTED, "hold_cause": Reason.UNREACHABLE}
    return [{**row, "has_credentials": True, "proxy": "http://proxy.example.org:3128"}] * 8


def fill(world: World, kinds: list[Row], count: int) -> None:
    """These kinds again and again, under ids that were never used before."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    defaults = {"user_id": world.ana_id, "channel": Channel.WHATSAPP, "enabled": True}
    with world.app.app_context():
        for each, kind in zip(ids, kinds * (count // len(kinds)), strict=True):
            db.session.execute(insert(Connection).values(id=each, **{**defaults, **kind}))
        db.session.commit()


# ---- counting


def statements_and_woken(world: World, job: str, kinds: list[Row], count: int) -> tuple[int, int]:
    """How often the database was asked, and how many connections the manager was told to look
    at, with so many rows."""
    with world.app.app_context():
        db.session.query(Connection).delete()
        db.session.commit()
    fill(world, kinds, count)
    world.pool.waiting.clear()
    with world.app.app_context(), counted() as statements:
        world.jobs[job].run()
    return len(statements), len(world.pool.waiting)


@contextmanager
def counted() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
