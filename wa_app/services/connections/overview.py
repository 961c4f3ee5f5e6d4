"""All connections at a glance: found, sorted, counted, and acted on several at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import contains_eager

from wa_app.domain.errors import Refused, UserInactive
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection, User
from wa_app.services.audit import Actor
from wa_app.services.connections import requests

PAGE = 50
MOST_AT_ONCE = 500

SORTS: Mapping[str, Any] = {
    "user": User.email,
    "number": Connection.phone,
    "state": Connection.status,
    "since": Connection.status_since,
    "attempts": Connection.attempt,
}


@dataclass(frozen=True)
class Query:
    """What to show. `words`: parts of a name, an e-mail, or a number however it is written."""

    words: str = ""
    status: Status | None = None
    hold: Hold | None = None
    sort: str = "user"
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class Found:
    rows: Sequence[Connection]
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


def find(query: Query) -> Found:
    """One page of the connections that match, orphans included."""
    matching = _matching(query)
    total = db.session.scalar(matching.with_only_columns(func.count(), maintain_column_froms=True))
    page = _ordered(matching, query).limit(PAGE).offset((query.page - 1) * PAGE)
    return Found(list(db.session.scalars(page)), total or 0)


def everything(query: Query) -> list[Connection]:
    """The same without pages."""
    return list(db.session.scalars(_ordered(_matching(query), query)))


def _ordered(matching: Select[tuple[Connection]], query: Query) -> Select[tuple[Connection]]:
    order = SORTS[query.sort]
    return matching.options(contains_eager(Connection.user)).order_by(
        order.desc() if query.descending else order.asc(), Connection.id
    )


def _matching(query: Query) -> Select[tuple[Connection]]:
    found = select(Connection).outerjoin(User).where(Connection.deleted_at.is_(None))
    if query.status is not None:
        found = found.where(Connection.status == query.status)
    if query.hold is not None:
        found = found.where(Connection.hold == query.hold)
    for word in query.words.split()[:10]:
        columns = (User.name, User.email, Connection.name, Connection.phone, Connection.push_name)
        found = found.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
    return found


def counts() -> dict[tuple[Status, Hold | None], int]:
    """How many connections there are of each state, in one statement."""
    state = Connection.status, Connection.hold
    counted = select(*state, func.count()).where(Connection.deleted_at.is_(None)).group_by(*state)
    return {(status, hold): count for status, hold, count in db.session.execute(counted)}


def hung(now: datetime, connect_timeout: timedelta) -> int:
    """How many are opening for longer than they may."""
    late = select(func.count()).where(
        Connection.status == Status.CONNECTING, Connection.opening_since < now - connect_timeout
    )
    return db.session.scalar(late) or 0


# ---- several at once


ACTIONS: Mapping[str, Callable[[Actor, Connection], object]] = {
    "reconnect": requests.reconnect,
    "disconnect": requests.disconnect,
    "force-cleanup": requests.force_cleanup,
}


def act(actor: Actor, action: str, connection_ids: Sequence[str]) -> dict[str, str]:
    """Connection id → `asked`, or the stable word of what refused it. One that is refused keeps
    no other from its turn."""
    return {each: _act_on(actor, action, each) for each in connection_ids[:MOST_AT_ONCE]}


def _act_on(actor: Actor, action: str, connection_id: str) -> str:
    connection = db.session.get(Connection, connection_id)
    if connection is None or connection.deleted_at is not None:
        return "connection_not_found"
    try:
        user: User | None = connection.user  # an orphan has none
        if action == "reconnect" and (user is None or not user.is_active):
            raise UserInactive
        ACTIONS[action](actor, connection)
    except Refused as refused:
        db.session.rollback()
        return refused.error
    return "asked"
