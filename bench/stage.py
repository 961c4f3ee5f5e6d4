"""What a measurement plays on: a WhatsApp of its own, a product in a folder of its own."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.product.server import Server, wait_until
from tests.product.visitor import PASSWORD, Number, Visitor
from tests.whatsapp_server import Phone, WhatsAppServer, environment

ANA = "ana@example.org"
numbers = itertools.count(34_600_300_000)

SETTINGS = {"BOT_PAUSE": "0", "SEND_RATE": "0", "MAX_CONNECTIONS_PER_USER": "1000"}

ALL_KEYS, FEW_KEYS = 0, 1
"""What WhatsApp says it has of a new device: then the library uploads 812 keys, or only 50."""


@contextmanager
def whatsapp(keys: int = ALL_KEYS) -> Iterator[WhatsAppServer]:
    with WhatsAppServer() as server:
        server.initial_key_count = keys
        yield server


@contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="vigia-bench-") as path:
        yield Path(path)


@contextmanager
def product(server: WhatsAppServer | None = None, **settings: str) -> Iterator[Visitor]:
    """Ana, signed in to a Vigía that was started as `make run` starts it."""
    route = environment(server) if server else {}
    with folder() as place:
        vigia = Server(place / "data", SETTINGS | route | settings)
        for command in (
            ["db", "upgrade"],
            ["wa", "users", "create", ANA, "--password", PASSWORD],
        ):
            done = vigia.flask(*command)
            if done.returncode:
                raise RuntimeError(done.stderr)
        try:
            with Visitor(vigia.start(), ANA) as ana:
                yield ana
            vigia.end()
        except Exception as error:
            error.add_note(f"The product's log ends so:\n{vigia.log()[-3000:]}")
            raise
        finally:
            vigia.clean_up()


def new_phone(server: WhatsAppServer) -> Phone:
    return server.phone(str(next(numbers)))


# ---- the rows, read without asking the product, so that looking costs it nothing


def rows(vigia: Server, statement: str, *values: object) -> list[tuple[Any, ...]]:
    place = f"file:{vigia.data_dir / 'vigia.db'}?mode=ro"
    with closing(sqlite3.connect(place, uri=True)) as database:
        return database.execute(statement, values).fetchall()


def moment(number: Number, status: str, since: float) -> float:
    """When the worker wrote down that this connection became `status`, after `since`."""
    events = "SELECT at FROM connection_event WHERE connection_id = ? AND status = ? AND at >= ?"

    def look() -> list[tuple[Any, ...]]:
        return rows(number.owner.server, events, number.id, status, written(since))

    [at] = wait_until(look, f"{number.id} {status}")[0]
    return parsed(at)


def wait_until_gone(number: Number) -> None:
    known = "SELECT 1 FROM connection WHERE id = ?"
    wait_until(lambda: not rows(number.owner.server, known, number.id), f"end of {number.id}")


def count_connected(vigia: Server, since: float = 0) -> int:
    up = "SELECT COUNT(*) FROM connection WHERE status = 'CONNECTED' AND connected_at >= ?"
    [(count,)] = rows(vigia, up, written(since))
    return int(count)


def last_connected(vigia: Server) -> float:
    [(at,)] = rows(vigia, "SELECT MAX(connected_at) FROM connection")
    return parsed(at)


def written(at: float) -> str:
    """A time as it stands in the database."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def parsed(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
