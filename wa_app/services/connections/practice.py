"""The practice phone's rows: what pages write and the owner acts on."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from wa_app.domain.errors import NoQr, WrongInput
from wa_app.domain.messages import MAX_TEXT, Direction
from wa_app.domain.practice import (
    EVENTS,
    FAULTS,
    SWITCHES,
    PracticeState,
    PracticeText,
    customer_jid,
)
from wa_app.extensions import db
from wa_app.models import Connection, PracticeAccount, PracticeMessage
from wa_app.services import audit
from wa_app.services.audit import Actor

DEFAULT_CUSTOMER = "Lucía"
MAX_CUSTOMER = 40


def account(connection: Connection) -> PracticeAccount:
    """The phone behind this practice connection; made when first looked at."""
    found = db.session.get(PracticeAccount, connection.id)
    if found is not None:
        return found
    connection_id = connection.id
    try:
        db.session.add(PracticeAccount(connection_id=connection_id))
        db.session.commit()
    except IntegrityError:  # somebody else looked first
        db.session.rollback()
    return db.session.get_one(PracticeAccount, connection_id)


def peek(connection: Connection) -> PracticeAccount | None:
    """The phone as it is; None when nobody has touched it. Looking makes nothing."""
    return db.session.get(PracticeAccount, connection.id)


def scan(connection: Connection) -> None:
    """The practice phone scans the QR, or types the code, that is on show. Raises `NoQr`."""
    shown = connection.qr_payload or connection.pairing_code
    if shown is None:
        raise NoQr
    account(connection).scanned = shown
    db.session.commit()


def write(connection: Connection, text: str, customer: str = "") -> PracticeMessage:
    """A practice customer writes. Raises `WrongInput`."""
    text, customer = text.strip(), customer.strip() or DEFAULT_CUSTOMER
    if not text:
        raise WrongInput("text", "required")
    if len(text) > MAX_TEXT:
        raise WrongInput("text", "too_long")
    if len(customer) > MAX_CUSTOMER:
        raise WrongInput("customer", "too_long")
    message = PracticeMessage(
        connection_id=connection.id, customer=customer, direction=Direction.IN, text=text
    )
    db.session.add(message)
    db.session.commit()
    return message


def messages(connection: Connection, limit: int = 200) -> list[PracticeMessage]:
    """What the practice customers see, oldest first; the newest `limit`."""
    newest = (
        select(PracticeMessage)
        .where(PracticeMessage.connection_id == connection.id)
        .order_by(PracticeMessage.id.desc())
        .limit(limit)
    )
    return list(db.session.scalars(newest))[::-1]


def set_fault(actor: Actor, connection: Connection, kind: str, on: bool = True) -> None:
    """Switches stay as set; events happen once. Raises `WrongInput`."""
    if kind not in FAULTS:
        raise WrongInput("kind", "unknown_fault")
    setattr(account(connection), kind, on)
    audit.record(actor, "practice.fault", f"{kind} {'on' if on else 'off'}")
    db.session.commit()


class PracticeRows:
    """The same rows as the practice gateway needs them, from its own thread."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def read(self, connection_ids: Sequence[str]) -> Mapping[str, PracticeState]:
        with self._app.app_context():
            wanted = PracticeAccount.connection_id.in_(connection_ids)
            rows = {
                row.connection_id: row
                for row in db.session.scalars(select(PracticeAccount).where(wanted))
            }
            return {key: _state(rows.get(key)) for key in connection_ids}

    def texts(self, connection_ids: Sequence[str]) -> Sequence[PracticeText]:
        with self._app.app_context():
            waiting = (
                select(PracticeMessage)
                .where(
                    PracticeMessage.connection_id.in_(connection_ids),
                    PracticeMessage.direction == Direction.IN,
                    ~PracticeMessage.stored,
                )
                .order_by(PracticeMessage.id)
            )
            return [
                PracticeText(row.id, row.connection_id, row.customer, row.text, row.at)
                for row in db.session.scalars(waiting)
            ]

    def event_taken(self, connection_id: str, event: str) -> None:
        self._update(connection_id, **{event: False})

    def link(self, connection_id: str, phone: str) -> None:
        self._update(connection_id, linked=True, phone=phone, scanned=None)

    def unlink(self, connection_id: str) -> bool:
        with self._app.app_context():
            was = db.session.get(PracticeAccount, connection_id)
            before = was is not None and was.linked
        self._update(connection_id, linked=False, phone=None, scanned=None)
        return before

    def ban(self, connection_id: str, until: datetime) -> None:
        self._update(connection_id, banned_until=until)

    def stored(self, connection_id: str, text_id: int) -> None:
        with self._app.app_context():
            done = (
                update(PracticeMessage)
                .where(
                    PracticeMessage.connection_id == connection_id,
                    PracticeMessage.direction == Direction.IN,
                    PracticeMessage.id <= text_id,
                )
                .values(stored=True)
            )
            db.session.execute(done)
            db.session.commit()

    def deliver(self, connection_id: str, jid: str, text: str) -> None:
        with self._app.app_context():
            message = PracticeMessage(
                connection_id=connection_id,
                customer=_customer_of(connection_id, jid),
                direction=Direction.OUT,
                text=text,
            )
            db.session.add(message)
            db.session.commit()

    def _update(self, connection_id: str, **values: object) -> None:
        with self._app.app_context():
            row = update(PracticeAccount).where(PracticeAccount.connection_id == connection_id)
            db.session.execute(row.values(**values))
            db.session.commit()


def _state(row: PracticeAccount | None) -> PracticeState:
    if row is None:
        return PracticeState()
    return PracticeState(
        linked=row.linked,
        phone=row.phone,
        scanned=row.scanned,
        banned_until=row.banned_until,
        switches=frozenset(kind for kind in SWITCHES if getattr(row, kind)),
        events=frozenset(kind for kind in EVENTS if getattr(row, kind)),
    )


def _customer_of(connection_id: str, jid: str) -> str:
    """The customer with this address, or the bare number where nobody has written from it."""
    names = select(PracticeMessage.customer).where(PracticeMessage.connection_id == connection_id)
    known = {customer_jid(name): name for name in db.session.scalars(names.distinct())}
    return known.get(jid) or "+" + jid.partition("@")[0]
