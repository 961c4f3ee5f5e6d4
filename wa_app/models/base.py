"""Column types of our own, and how Python types become columns. Times are UTC: aware in the
code, without a zone in the database."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DateTime,
    Dialect,
    Enum,
    Text,
    TypeDecorator,
)

from wa_app.domain.alerts import AlertKind
from wa_app.domain.messages import Author, Direction, FailCause, MessageState
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import Base


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times. A naive one is a bug of ours and refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class UtcTimes(TypeDecorator[tuple[datetime, ...]]):
    """Some times, oldest first; NULL where there are none."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: tuple[datetime, ...] | None, dialect: Dialect
    ) -> str | None:
        return " ".join(at.astimezone(UTC).isoformat() for at in value or ()) or None

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[datetime, ...]:
        return tuple(datetime.fromisoformat(at) for at in (value or "").split())


def utc_now() -> datetime:
    return datetime.now(UTC)


def _enum(kind: type) -> Enum:
    """Words, not numbers, and no database type: a new word needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


_COLUMN_TYPES: dict[Any, Any] = {
    datetime: UtcTime,
    **{kind: _enum(kind) for kind in (Status, Hold, Reason, Channel)},
    **{kind: _enum(kind) for kind in (Author, Direction, MessageState, FailCause)},
    AlertKind: _enum(AlertKind),
}
Base.registry.update_type_annotation_map(_COLUMN_TYPES)
