"""What is forgotten, when, and what never is."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from wa_app.domain.alerts import AlertKind
from wa_app.extensions import db
from wa_app.models import Alert, Audit, Mail, Operation, OperationStep
from wa_app.services import audit
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.runtime import retention

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def operation(ended_at: datetime | None, *, steps: int = 1, **more: Any) -> Operation:
    row = Operation(kind="cleanup.orphans", actor="carla", finished_at=ended_at, **more)
    row.steps = [OperationStep(what="row", target=str(number)) for number in range(steps)]
    return row


def mail(**more: Any) -> Mail:
    return Mail(recipient="ana@example.org", subject="", text="", **more)


def alert(ended_at: datetime | None) -> Alert:
    return Alert(kind=AlertKind.CONFLICT, connection_id="c", began_at=NOW, ended_at=ended_at)


KEPT_FOR = [
    (lambda at: operation(at), 90),
    (lambda at: operation(at, dry_run=True), 1),
    (lambda at: mail(sent_at=at), 30),
    (lambda at: mail(given_up_at=at, error="550 no such user"), 30),
    (alert, 180),
]


def left() -> Counter[str]:
    kinds = (Operation, OperationStep, Mail, Alert)
    return Counter(
        {
            kind.__name__: count
            for kind in kinds
            if (count := db.session.scalar(select(func.count()).select_from(kind)))
        }
    )


@pytest.mark.parametrize(("make", "days"), KEPT_FOR)
def test_what_has_ended_is_kept_for_so_many_days(app: Flask, make: Any, days: int) -> None:
    with app.app_context():
        db.session.add_all([make(NOW - days * DAY), make(NOW)])
        db.session.commit()
        before = left()
        retention.forget(NOW)
        assert left() == before
        retention.forget(NOW + timedelta(seconds=1))
        assert left() == Counter({kind: count // 2 for kind, count in before.items()})


def test_what_has_no_end_yet_and_the_audit_stay_for_ever(app: Flask) -> None:
    with app.app_context():
        audit.record(COMMAND_LINE, "user.create", "ana@example.org", at=NOW)
        db.session.add_all([operation(None), operation(None, dry_run=True), mail(), alert(None)])
        db.session.commit()
        before = left()
        retention.forget(NOW + 10_000 * DAY)
        assert left() == before
        assert db.session.scalar(select(func.count()).select_from(Audit)) == 1


def test_a_mail_outlives_the_alert_it_told_of(app: Flask) -> None:
    with app.app_context():
        old = alert(NOW - 181 * DAY)
        db.session.add(old)
        db.session.flush()
        db.session.add(mail(alert_id=old.id))
        db.session.commit()
        retention.forget(NOW)
        assert left() == Counter(Mail=1)


def test_a_great_operation_goes_in_portions(app: Flask) -> None:
    """So that nobody waits long for the write lock."""
    with app.app_context():
        db.session.add(operation(NOW - 91 * DAY, steps=2 * retention.PORTION + 1))
        db.session.commit()
        gone = []

        def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
            if statement.startswith("DELETE"):
                gone.append(cursor.rowcount)

        event.listen(db.engine, "after_cursor_execute", note)
        retention.forget(NOW)
        assert left() == Counter()
    assert gone == [retention.PORTION, retention.PORTION, 1, 1]
