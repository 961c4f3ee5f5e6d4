"""Users: who they are and how they prove it."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from wa_app.domain.accounts import MIN_PASSWORD, is_email
from wa_app.domain.errors import EmailTaken, UserNotFound, WrongInput
from wa_app.extensions import db
from wa_app.models import User
from wa_app.services import audit
from wa_app.services.audit import Actor

ROLES = ("user", "admin")

_hasher = PasswordHasher()
# What an unknown e-mail is checked against, so that it takes as long as a wrong password.
_nobody = _hasher.hash(secrets.token_hex(16))


def sign_in(email: str, password: str) -> User | None:
    """The user with this e-mail and password, or None, after the same time either way."""
    user = find(email)
    try:
        _hasher.verify(user.password_hash if user else _nobody, password)
    except (VerificationError, InvalidHashError):
        return None
    return user if user and user.is_active else None


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


def create(actor: Actor, email: str, password: str, *, role: str = "user", name: str = "") -> User:
    """Raises `WrongInput` or `EmailTaken`."""
    email = email.strip().lower()
    if not is_email(email):
        raise WrongInput("email", "not_an_email")
    if len(password) < MIN_PASSWORD:
        raise WrongInput("password", "too_short")
    if role not in ROLES:
        raise WrongInput("role", "unknown_role")
    user = User(email=email, name=name, role=role, password_hash=_hasher.hash(password))
    db.session.add(user)
    audit.record(actor, "user.create", email)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise EmailTaken from None
    return user


def everyone() -> list[User]:
    known = select(User).where(User.deleted_at.is_(None)).order_by(User.email)
    return list(db.session.scalars(known))


def create_first_admin(email: str, password: str) -> str | None:
    """The password of the administrator just created, or None when there are users already."""
    if db.session.scalar(select(func.count()).select_from(User)):
        return None
    password = password or secrets.token_urlsafe(12)
    create(audit.COMMAND_LINE, email, password, role="admin")
    return password


def set_locale(user: User, locale: str) -> None:
    user.locale = locale
    db.session.commit()


def deactivate(actor: Actor, user: User) -> None:
    """The owner closes their sockets at its next look."""
    user.active = False
    audit.record(actor, "user.deactivate", user.email)
    db.session.commit()
