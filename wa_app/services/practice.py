"""The practice phone's rows: what pages write and the owner acts on."""

from datetime import UTC, datetime

from sqlalchemy import select, update

from wa_app.domain.errors import NoQr, WrongInput
from wa_app.domain.messages import MAX_TEXT, Direction
from wa_app.extensions import db
from wa_app.models import (
    PRACTICE_EVENTS,
    PRACTICE_SWITCHES,
    Connection,
    PracticeAccount,
    PracticeMessage,
)
from wa_app.services import audit
from wa_app.services.audit import Actor

FAULTS = (*PRACTICE_EVENTS, *PRACTICE_SWITCHES)
DEFAULT_CUSTOMER = "Lucía"
MAX_CUSTOMER = 40


def account(connection: Connection) -> PracticeAccount:
    """The phone behind this practice connection; made when first looked at."""
    found = db.session.get(PracticeAccount, connection.id)
    if found is None:
        found = PracticeAccount(connection_id=connection.id)
        db.session.add(found)
        db.session.commit()
    return found


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
