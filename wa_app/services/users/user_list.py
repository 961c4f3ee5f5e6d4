"""Everybody with a login: who there is, and what somebody has."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select

from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.models import Connection, Message, Token, User

PAGE = 50

STATES: Mapping[str, ColumnElement[bool]] = {
    "active": and_(User.active, User.password_hash != ""),
    "invited": and_(User.active, User.password_hash == ""),
    "deactivated": ~User.active,
}
"""Invited: they have not chosen a password yet, so nobody can sign in as them."""


def state_of(user: User) -> str:
    if not user.active:
        return "deactivated"
    return "active" if user.password_hash else "invited"


@dataclass(frozen=True)
class Listed:
    user: User
    linked: int
    """Their WhatsApp connections."""


def search(
    words: str = "", *, role: str = "", state: str = "", page: int = 1, size: int = PAGE
) -> tuple[list[Listed], int]:
    """A page of those who fit, by e-mail, and how many fit in all. Empty: everything fits."""
    fits: list[ColumnElement[bool]] = [User.deleted_at.is_(None)]
    for word in words.split()[:10]:
        fits.append(
            or_(User.email.icontains(word, autoescape=True),
                User.name.icontains(word, autoescape=True))
        )  # fmt: skip
    if role:
        fits.append(User.role == role)
    if state:
        fits.append(STATES[state])
    linked = select(func.count()).where(*_whatsapp(User.id)).correlate(User).scalar_subquery()
    found = select(User, linked).where(*fits).order_by(User.email)
    rows = db.session.execute(found.limit(size).offset((page - 1) * size))
    total = db.session.scalar(select(func.count()).select_from(User).where(*fits))
    return [Listed(user, count) for user, count in rows], total or 0


def linked(user: User) -> int:
    """How many WhatsApp connections they have."""
    return db.session.scalar(select(func.count()).where(*_whatsapp(user.id))) or 0


def _whatsapp(user_id: object) -> tuple[ColumnElement[bool], ...]:
    return (
        Connection.user_id == user_id,
        Connection.channel == Channel.WHATSAPP,
        Connection.deleted_at.is_(None),
    )


@dataclass(frozen=True)
class Belongings:
    """What goes when a user is deleted."""

    connections: int
    linked: int
    """So many of the connections are linked to a phone."""
    messages: int
    tokens: int


def belongings(user: User) -> Belongings:
    theirs = (Connection.user_id == user.id, Connection.deleted_at.is_(None))
    messages = select(func.count(Message.id)).join(
        Connection, Message.connection_id == Connection.id
    )
    counts = (
        select(func.count()).select_from(Connection).where(*theirs),
        select(func.count()).select_from(Connection).where(*theirs, Connection.has_credentials),
        messages.where(*theirs),
        select(func.count()).select_from(Token).where(Token.user_id == user.id),
    )
    return Belongings(*(db.session.scalar(count) or 0 for count in counts))
