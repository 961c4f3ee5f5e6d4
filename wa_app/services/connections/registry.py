"""Which connections there are, whose they are, and how one comes to be and goes."""

from flask import current_app
from sqlalchemy import delete, exists, func, select, update

from wa_app.domain.errors import ConnectionLimit, UserNotFound
from wa_app.domain.phone_numbers import same_number
from wa_app.domain.sessions.connection import linked_at
from wa_app.domain.sessions.states import Channel, Status
from wa_app.extensions import db
from wa_app.models import Connection, User
from wa_app.services import audit
from wa_app.services.audit import Actor


def of_user(user: User) -> list[Connection]:
    """The user's connections, oldest first."""
    known = (
        select(Connection)
        .where(Connection.user_id == user.id, Connection.deleted_at.is_(None))
        .order_by(Connection.created_at, Connection.id)
    )
    return list(db.session.scalars(known))


def create(actor: Actor, user: User, channel: Channel, name: str = "") -> Connection:
    """Raises `ConnectionLimit` or `UserNotFound`. Practice connections are limited to one, and
    not counted."""
    _take_write_lock(user)
    _refuse_who_is_gone(user)
    count = select(func.count()).where(
        Connection.user_id == user.id,
        Connection.channel == channel,
        Connection.deleted_at.is_(None),
    )
    limits = {Channel.PRACTICE: 1, Channel.WHATSAPP: limit_of(user)}
    if (db.session.scalar(count) or 0) >= limits[channel]:
        db.session.rollback()
        raise ConnectionLimit
    connection = Connection(user_id=user.id, channel=channel, name=name)
    db.session.add(connection)
    audit.record(actor, "connection.create", f"{user.email} ({channel})")
    db.session.commit()
    return connection


def limit_of(user: User) -> int:
    """How many WhatsApp numbers they may link: what an administrator set, else as everybody."""
    everybodys: int = current_app.config["SETTINGS"].max_connections_per_user
    return everybodys if user.max_connections is None else user.max_connections


def first_or_create(actor: Actor, user: User, channel: Channel) -> Connection:
    """The user's connection on this channel; the first connect creates it."""
    there = _on(user, channel)
    if not there:
        _take_write_lock(user)
        there = _on(user, channel)  # somebody else's click may have been faster
    return there[0] if there else create(actor, user, channel)


def answered_elsewhere(connection: Connection, phone: str) -> bool:
    """Whether a bot answers, or is about to, on this number at another connection. Of two that
    are about to it is the one that was linked first, so that they do not stop each other."""
    others = select(Connection).where(
        Connection.id != connection.id,
        Connection.channel == Channel.WHATSAPP,
        Connection.bot_enabled,
        Connection.hold.is_(None),
        Connection.has_credentials,
        Connection.linked_phone.endswith(phone[-LAST_DIGITS:]),
    )
    place = (linked_at(connection.observed), connection.id)
    return connection.channel is Channel.WHATSAPP and any(
        same_number(other.linked_phone or "", phone)
        and other.effective.enabled
        and (other.status is Status.CONNECTED or (linked_at(other.observed), other.id) < place)
        for other in db.session.scalars(others)
    )


LAST_DIGITS = 8
"""In these all spellings of a number are alike."""


def _take_write_lock(user: User) -> None:
    """Before looking what there is, so that two requests cannot both find room."""
    db.session.execute(update(User).where(User.id == user.id).values(id=User.id))


def _refuse_who_is_gone(user: User) -> None:
    """They may have been deleted or switched off since the request began."""
    known = db.session.get(User, user.id, populate_existing=True)
    if known is None or not known.is_active:
        db.session.rollback()
        raise UserNotFound


def delete_row(connection: Connection) -> None:
    """Its row, for good; with the last one goes the row of a user who was deleted."""
    user_id = connection.user_id
    db.session.execute(delete(Connection).where(Connection.id == connection.id))
    others = exists().where(Connection.user_id == user_id)
    gone = delete(User).where(User.id == user_id, User.deleted_at.is_not(None), ~others)
    db.session.execute(gone)
    db.session.commit()
    db.session.expire_all()


def _on(user: User, channel: Channel) -> list[Connection]:
    return [connection for connection in of_user(user) if connection.channel == channel]


def label(connection: Connection) -> str:
    """The connection in words: whose it is, and which number."""
    user: User | None = connection.user  # an orphan has none
    what = connection.linked_phone or connection.phone or str(connection.channel)
    return f"{user.email} ({what})" if user else f"nobody ({what}) {connection.id}"
