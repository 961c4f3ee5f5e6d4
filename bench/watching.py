"""Looks at very many rows, of the health monitor and of people: no sockets, only SQLite."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, insert

from app import create_app, create_runtime
from bench.figures import Line, alone, alternating, compared
from bench.stage import folder
from wa_app import config
from wa_app.domain.sessions.connection import Observed
from wa_app.domain.sessions.states import Channel, Status
from wa_app.extensions import db
from wa_app.models import Connection, User, utc_now
from wa_app.services.connections import overview as services
from wa_app.services.sessions.entries import Change
from wa_app.services.sessions.manager import Manager
from wa_app.services.sessions.monitor import Monitor

CONNECTIONS = 10_000
SILENT = 100
"""Of them as many have a session process that gives no sign of life."""


class Signs(Manager):
    """It knows who is alive, and only hears what the monitor finds. Nothing else of a manager is
    needed, so nothing of it is set up."""

    def __init__(self, silent: set[str]) -> None:
        self.silent = silent
        self.found: list[str] = []

    def alive_at(self, connection_id: str) -> datetime | None:
        return None if connection_id in self.silent else datetime.now(UTC)

    def submit(
        self, connection_id: str, change: Change, *, kill: bool = True
    ) -> Future[Observed | None]:
        self.found.append(connection_id)
        return Future()

    def wake(self, connection_id: str) -> None:
        raise AssertionError(f"{connection_id} lost its timer")


def monitor(count: int) -> list[Line]:
    with folder() as place:
        app = create_app(config.load({"DATA_DIR": str(place)}))
        with app.app_context():
            ids = fill(CONNECTIONS)
            signs = Signs(set(ids[:: CONNECTIONS // SILENT]))
            gateways = create_runtime(app).context.gateways
            ticking = Monitor(
                app.config["SETTINGS"], signs, gateways, clock=utc_now, dice=lambda: 0.5
            )
            looks, reads = alternating(count, lambda: look(ticking, signs), lambda: read(place))
            statements = count_statements(ticking)
            db.engine.dispose()
    what = f"Look of the monitor at {CONNECTIONS:,} connections"
    return [
        compared(f"{what}, against reading the rows with sqlite3 alone", looks, reads),
        alone(f"{what}: SQL statements", [float(statements)], unit="statements"),
    ]


def overview(count: int) -> list[Line]:
    """What the administrators' first page asks the database for, every five seconds."""
    with folder() as place:
        app = create_app(config.load({"DATA_DIR": str(place)}))
        with app.app_context():
            fill(CONNECTIONS)
            pages, reads = alternating(count, page, lambda: read(place))
            searches, _ = alternating(count, lambda: page("ana 000123"), lambda: read(place))
            db.engine.dispose()
    what = f"of the overview of {CONNECTIONS:,} connections"
    against = "against reading the rows with sqlite3 alone"
    return [
        compared(f"One page {what}, with counts, {against}", pages, reads),
        compared(f"A search {what}, {against}", searches, reads),
    ]


def page(words: str = "") -> float:
    started = time.perf_counter()
    services.find(services.Query(words))
    services.counts()
    seconds = time.perf_counter() - started
    db.session.rollback()
    return seconds


def fill(count: int) -> list[str]:
    """Connections that are all up and stable; their ids."""
    db.create_all()
    db.session.add(User(id=1, email="ana@example.org", password_hash=""))
    db.session.flush()
    since = datetime.now(UTC) - timedelta(hours=1)
    up = {"status": Status.CONNECTED, "status_since": since, "connected_at": since}
    row = {
        "user_id": 1,
        "channel": Channel.WHATSAPP,
        "enabled": True,
        "has_credentials": True,
        **up,
    }
    ids = [f"{number:036}" for number in range(count)]
    db.session.execute(insert(Connection), [{"id": each, **row} for each in ids])
    db.session.commit()
    return ids


def look(ticking: Monitor, signs: Signs) -> float:
    signs.found.clear()
    started = time.perf_counter()
    ticking.tick()
    seconds = time.perf_counter() - started
    db.session.rollback()
    if len(signs.found) != SILENT:
        raise AssertionError(f"the monitor found {len(signs.found)} of {SILENT}")
    return seconds


def read(place: Path) -> float:
    """What cannot be saved: the same rows, out of the same file."""
    started = time.perf_counter()
    with closing(sqlite3.connect(place / "vigia.db")) as database:
        database.execute("SELECT * FROM connection").fetchall()
    return time.perf_counter() - started


def count_statements(ticking: Monitor) -> int:
    with statements() as seen:
        ticking.tick()
    return len(seen)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that is sent to a database meanwhile."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
