"""Who did what. A record is committed together with what it records."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, or_, select

from wa_app.extensions import db
from wa_app.models import Audit


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
