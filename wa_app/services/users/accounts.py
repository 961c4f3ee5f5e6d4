"""Users: who they are and how they prove it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from limits import RateLimitItemPerMinute
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError

from wa_app.domain.errors import (
    EmailTaken,
    LastAdmin,
    TooOften,
    UserNotFound,
    WrongInput,
    WrongPassword,
)
from wa_app.domain.users import MAX_CONNECTIONS, MAX_PASSWORD, MIN_PASSWORD, as_name, is_email
from wa_app.extensions import db, limiter
from wa_app.models import Connection, Token, User
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.connections import registry, requests

ROLES = ("user", "admin")

GUESSES = RateLimitItemPerMinute(10, 15)
"""So often may somebody who holds another's browser try to guess their password."""

_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    """What an unknown e-mail is checked against, so that it takes as long as a wrong password."""
    return _hasher.hash(secrets.token_hex(16))


def sign_in(email: str, password: str) -> User | None:
    """The user with this e-mail and password, or None, after the same time either way."""
    user = find(email)
    return user if _knows(user, password) and user and user.is_active else None


def _knows(user: User | None, password: str) -> bool:
    """Somebody who has not chosen a password yet knows none."""
    known = user.password_hash if user else ""
    nobody = _nobody()  # whoever comes: it is made once, and who it is made for must not show
    try:
        return _hasher.verify(known or nobody, password) and bool(known)
    except (VerificationError, InvalidHashError):
        return False


def find(email: str) -> User | None:
    """The user with this e-mail who is not deleted."""
    known = select(User).where(
        func.lower(User.email) == email.strip().lower(), User.deleted_at.is_(None)
    )
    return db.session.scalar(known)


def find_or_refuse(email: str) -> User:
    user = find(email)
    if user is None:
        raise UserNotFound
    return user


def by_id(user_id: int) -> User:
    """Raises `UserNotFound`, for somebody deleted too."""
    user = db.session.get(User, user_id)
    if user is None or user.deleted_at is not None:
        raise UserNotFound
    return user


def everyone() -> list[User]:
    known = select(User).where(User.deleted_at.is_(None)).order_by(User.email)
    return list(db.session.scalars(known))


# ---- the beginning


def create(actor: Actor, email: str, password: str, *, role: str = "user", name: str = "") -> User:
    """Raises `WrongInput` or `EmailTaken`."""
    user = add(email, role=role, name=name)
    user.password_hash = hashed(password)
    audit.record(actor, "user.create", user.email)
    save_new()
    return user


def add(email: str, *, role: str, name: str) -> User:
    """A user without a password, in the transaction under way; `save_new` ends it."""
    email = email.strip().lower()
    if not is_email(email):
        raise WrongInput("email", "not_an_email")
    user = User(email=email, name=_name(name), role=_role(role), password_hash="")
    db.session.add(user)
    return user


def save_new() -> None:
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise EmailTaken from None


def create_first_admin(email: str, password: str) -> str | None:
    """The password of the administrator just created, or None when there are users already."""
    if db.session.scalar(select(func.count()).select_from(User)):
        return None
    password = password or secrets.token_urlsafe(12)
    create(audit.COMMAND_LINE, email, password, role="admin")
    return password


# ---- passwords


def hashed(password: str) -> str:
    """Raises `WrongInput`."""
    if len(password) < MIN_PASSWORD:
        raise WrongInput("password", "too_short")
    if len(password) > MAX_PASSWORD:
        raise WrongInput("password", "too_long")
    return _hasher.hash(password)


def set_password(actor: Actor, user: User, password: str | None) -> str:
    """For somebody else: their new password; None stands for a random one."""
    chosen = password if password is not None else secrets.token_urlsafe(12)
    _write_password(actor, user, chosen, "set for them")
    return chosen


def change_password(actor: Actor, user: User, old: str, new: str) -> None:
    """By themselves. Raises `WrongPassword`, `WrongInput` or `TooOften`."""
    if not limiter.limiter.hit(GUESSES, "password", str(user.id)):
        raise TooOften(timedelta(minutes=15))
    if not _knows(user, old):
        raise WrongPassword
    _write_password(actor, user, new, "changed by themselves")


def _write_password(actor: Actor, user: User, password: str, outcome: str) -> None:
    """Every browser and every link from before ends with it."""
    user.password_hash = hashed(password)
    user.session_key = new_session_key()
    user.invite_hash = user.invite_expires_at = None
    audit.record(actor, "user.password", user.email, outcome)
    db.session.commit()


def new_session_key() -> str:
    return secrets.token_hex(16)


# ---- changes


def _name(text: str) -> str:
    name = as_name(text)
    if name is None:
        raise WrongInput("name", "not_a_name")
    return name


def _role(word: str) -> str:
    if word not in ROLES:
        raise WrongInput("role", "unknown_role")
    return word


def _limit(count: int | None) -> int | None:
    if count is not None and not 0 <= count <= MAX_CONNECTIONS:
        raise WrongInput("maxConnections", "not_a_number")
    return count


CHANGEABLE: Mapping[str, Callable[[Any], Any]] = {
    "name": _name,
    "role": _role,
    "max_connections": _limit,
    "active": bool,
}
"""What an administrator may change of a user, and what makes sense there."""


def change(actor: Actor, user: User, **wanted: Any) -> None:
    """Change what is named, all or nothing. Raises `WrongInput` or `LastAdmin`."""
    checked = {field: CHANGEABLE[field](value) for field, value in wanted.items()}
    if checked.get("role", "admin") != "admin" or not checked.get("active", True):
        _refuse_last(user)
    changes = {
        field: (getattr(user, field), value)
        for field, value in checked.items()
        if getattr(user, field) != value
    }
    for field, (_old, value) in changes.items():
        setattr(user, field, value)
    if changes.pop("active", None):
        audit.record(actor, f"user.{'activate' if user.active else 'deactivate'}", user.email)
        if user.active:
            _resume(actor, user)
    if changes:
        audit.record(actor, "user.change", user.email, _told(changes))
    db.session.commit()
    for connection in registry.of_user(user):
        requests.wake(connection.id)  # they may be allowed, or forbidden, from now on


def activate(actor: Actor, user: User) -> None:
    change(actor, user, active=True)


def deactivate(actor: Actor, user: User) -> None:
    """The owner closes their sockets. Raises `LastAdmin`."""
    change(actor, user, active=False)


def _resume(actor: Actor, user: User) -> None:
    """Connect what was up before the user was switched off, in the transaction under way. Holds
    stay: their trouble has not gone."""
    for connection in registry.of_user(user):
        if connection.enabled and connection.has_credentials and connection.hold is None:
            requests.write(actor, connection, "connect")


def _refuse_last(user: User) -> None:
    """There is always somebody who can administrate: before somebody stops being one, in the same
    transaction. Raises `LastAdmin` when nobody else could sign in as one."""
    # First the write lock on all of them: two who remove each other at the same moment must not
    # both find the other one still there.
    admins = update(User).where(User.role == "admin").values(role="admin")
    db.session.execute(admins, execution_options={"synchronize_session": False})
    able = (User.role == "admin", User.active, User.deleted_at.is_(None), User.password_hash != "")
    is_one = db.session.scalar(exists().where(User.id == user.id, *able).select())
    others = db.session.scalar(exists().where(User.id != user.id, *able).select())
    if is_one and not others:
        db.session.rollback()
        raise LastAdmin


def _told(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """`role: user → admin, max connections: none → 3`"""
    parts = (
        f"{field.replace('_', ' ')}: {_word(old)} → {_word(new)}"
        for field, (old, new) in changes.items()
    )
    return ", ".join(parts)


def _word(value: str | int | None) -> str:
    return "none" if value in (None, "") else str(value)[:40]


def set_locale(actor: Actor, user: User, locale: str) -> None:
    user.locale = locale
    audit.record(actor, "user.language", user.email, locale)
    db.session.commit()


# ---- the end


def remove(actor: Actor, user: User) -> None:
    """Delete a user: nothing of theirs can be reached from now on; the owner unlinks and wipes
    their sessions, then the rows go. One commit for all of it. Raises `LastAdmin`."""
    _refuse_last(user)
    user.deleted_at = datetime.now(UTC)
    owned = registry.of_user(user)
    audit.record(actor, "user.delete", user.email, f"done, connections: {len(owned)}")
    for connection in owned:
        requests.write(actor, connection, "remove", deleted_at=user.deleted_at)
    # The row may have to wait for the owner; their e-mail is free for somebody new at once.
    user.email, user.invite_hash = f"deleted user {user.id}", None
    db.session.execute(delete(Token).where(Token.user_id == user.id))
    # Without a connection there is none whose end the row has to wait for.
    theirs = exists().where(Connection.user_id == user.id)
    db.session.flush()
    db.session.execute(delete(User).where(User.id == user.id, ~theirs))
    db.session.commit()
    for connection in owned:
        requests.wake(connection.id)
