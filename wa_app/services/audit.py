"""Who did what. A record is committed together with what it records."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, or_, select

from wa_app.extensions import db
from wa_app.models import Audit
from wa_app.wording.times import iso


@dataclass(frozen=True)
class Actor:
    """Who acts: an e-mail, `command line`, or the name of a job; and from which address."""

    name: str
    address: str | None = None


COMMAND_LINE = Actor("command line")


def record(
    actor: Actor, action: str, target: str, outcome: str = "done", *, at: datetime | None = None
) -> None:
    """Add a line to the audit, in the transaction under way. `action` is `noun.verb`."""
    row = Audit(
        actor=actor.name,
        action=action,
        target=target[:300],
        address=actor.address,
        outcome=outcome[:200],
    )
    if at is not None:
        row.at = at
    db.session.add(row)


# ---- reading


def search(words: str = "", *, before: int | None = None, limit: int) -> list[Audit]:
    """The newest first, those that hold all `words` anywhere; `before` is the id last seen."""
    found = _matching(words)
    if before is not None:
        found = found.where(Audit.id < before)
    return list(db.session.scalars(found.limit(limit)))


def _matching(words: str) -> Select[tuple[Audit]]:
    columns = (Audit.actor, Audit.action, Audit.target, Audit.address, Audit.outcome)
    found = select(Audit).order_by(Audit.id.desc())
    for word in words.split()[:10]:
        found = found.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
    return found


# ---- as CSV

COLUMNS = ("at", "actor", "action", "target", "address", "outcome")


AT_ONCE = 500


def as_csv(words: str) -> Iterator[str]:
    """All records that hold the `words`, newest first, many lines at a time. No transaction is
    open while a piece is on its way: a download may take its time."""
    before, piece = None, _line(COLUMNS)
    while piece:
        db.session.rollback()
        yield piece
        found = search(words, before=before, limit=AT_ONCE)
        before = found[-1].id if found else None
        piece = "".join(_line(_cells(row)) for row in found)
    db.session.rollback()


def _cells(row: Audit) -> list[str]:
    return [iso(row.at) or "", *(str(getattr(row, name) or "") for name in COLUMNS[1:])]


def _line(cells: tuple[str, ...] | list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(_harmless(cell) for cell in cells)
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    """A spreadsheet runs a cell that begins like a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
