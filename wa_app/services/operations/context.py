"""What the owner works with, handed to whatever it carries out; and how an act waits its turn."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from wa_app.config import Settings
from wa_app.domain.sessions.connection import Observed
from wa_app.extensions import db
from wa_app.gateways.base import Gateways
from wa_app.models import Operation
from wa_app.services.audit import Actor
from wa_app.services.sessions.entries import Change
from wa_app.services.sessions.manager import Manager
from wa_app.services.waiting import poll


@dataclass(frozen=True)
class Context:
    settings: Settings
    manager: Manager
    gateways: Gateways
    clock: Callable[[], datetime]


PATIENCE = 60.0
"""Seconds for one connection to be cleaned; the seven steps have limits of their own."""


def in_turn(context: Context, connection_id: str, change: Change) -> Observed | None:
    """What `change` makes of it when the connection's turn comes, once that is written. Raises
    what it raises, and `TimeoutError` when the turn did not come; then it is never made."""
    db.session.rollback()
    outcome = context.manager.submit(connection_id, change, kill=False)
    try:
        return outcome.result(timeout=PATIENCE)
    except TimeoutError:
        if outcome.cancel():
            raise
        return outcome.result()


def actor_of(operation: Operation) -> Actor:
    return Actor(operation.actor, operation.address)


def until(context: Context, seen: Callable[[], bool]) -> bool:
    """Wait for what the manager does. Raises `TimeoutError`."""

    def look() -> tuple[bool, bool]:
        done = seen()
        return done, done or context.manager.is_stopping

    if not poll(look, PATIENCE):
        raise TimeoutError("not done in time")
    return True
