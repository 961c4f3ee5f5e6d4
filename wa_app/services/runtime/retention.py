"""What nobody will ask for again is forgotten, so that the database does not grow for ever.

Messages and events are none of it: they go with their number. The audit stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import InstrumentedAttribute

from wa_app.extensions import db
from wa_app.models import Alert, Mail, Operation, OperationStep

log = structlog.get_logger()

DAY = timedelta(days=1)

PORTION = 500
"""Rows that go in one transaction: everybody else waits for the write lock meanwhile."""


@dataclass(frozen=True)
class Rule:
    """Which rows, by the id, go so long after their end. What waits, lasts or is under way has
    no end, and stays."""

    rows: InstrumentedAttribute[int]
    ended_at: InstrumentedAttribute[datetime | None]
    age: timedelta
    why: str
    only: Sequence[ColumnElement[bool]] = ()


STEP_OF = OperationStep.operation_id == Operation.id
DRY = Operation.dry_run.is_(True)
REAL = Operation.dry_run.is_(False)
NOT_TOMORROW = "it told what would go then"
AUDITED = "the audit says who asked for it and what came of it"

RULES: Sequence[Rule] = (
    # Steps first: one operation may have thousands, too many to go with it at once.
    Rule(OperationStep.id, Operation.finished_at, DAY, NOT_TOMORROW, (STEP_OF, DRY)),
    Rule(Operation.id, Operation.finished_at, DAY, NOT_TOMORROW, (DRY,)),
    Rule(OperationStep.id, Operation.finished_at, 90 * DAY, AUDITED, (STEP_OF, REAL)),
    Rule(Operation.id, Operation.finished_at, 90 * DAY, AUDITED, (REAL,)),
    Rule(Mail.id, Mail.sent_at, 30 * DAY, "it has arrived, or its reader has asked"),
    Rule(Mail.id, Mail.given_up_at, 30 * DAY, "nothing will be done about it"),
    Rule(Alert.id, Alert.ended_at, 180 * DAY, "long enough to see what comes back"),
)


def forget(now: datetime) -> None:
    """Everything whose time is over. Needs an application context."""
    for rule in RULES:
        count = 0
        while ids := _portion(rule, now):
            db.session.execute(delete(rule.rows.class_).where(rule.rows.in_(ids)))
            db.session.commit()
            count += len(ids)
        if count:
            log.info("forgotten", table=rule.rows.class_.__tablename__, rows=count, why=rule.why)


def _portion(rule: Rule, now: datetime) -> list[int]:
    """Looked for before the write lock is taken. What has ended never changes again."""
    over = select(rule.rows).where(rule.ended_at < now - rule.age, *rule.only)
    return list(db.session.scalars(over.limit(PORTION)))
