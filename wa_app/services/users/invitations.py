"""One-time links with which a user sets their password.

Whoever has the link is the user, so it is kept as a hash, lives a week, and works once.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import ColumnElement, and_, select, update

from wa_app.config import Settings
from wa_app.domain.errors import InvitationNotFound, UserInactive
from wa_app.domain.users import INVITATION_LASTS, hash_of
from wa_app.extensions import db
from wa_app.models import User
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.notifications import mails
from wa_app.services.users import accounts
from wa_app.wording.mails import invitation as mail_of


@dataclass(frozen=True)
class Invitation:
    user: User
    secret: str
    link: str
    mailed: bool


def create(
    actor: Actor,
    email: str,
    now: datetime,
    *,
    role: str = "user",
    name: str = "",
    reached_at: str | None = None,
) -> Invitation:
    """A new user without a password, and their link. `reached_at` is where the one who invites
    them reaches this service. Raises `WrongInput` or `EmailTaken`."""
    user = accounts.add(email, role=role, name=name)
    audit.record(actor, "user.create", user.email)
    invitation = _invite(actor, user, now, reached_at)
    accounts.save_new()
    return invitation


def renew(actor: Actor, user: User, now: datetime, *, reached_at: str | None = None) -> Invitation:
    """A new link for somebody there is; the one before ends. Their password, if they have one,
    stays until the link is used. Raises `UserInactive`."""
    if not user.active:
        raise UserInactive
    invitation = _invite(actor, user, now, reached_at)
    db.session.commit()
    return invitation


def _invite(actor: Actor, user: User, now: datetime, reached_at: str | None) -> Invitation:
    secret = secrets.token_urlsafe(32)
    user.invite_hash = hash_of(secret)
    user.invite_expires_at = now + INVITATION_LASTS
    audit.record(actor, "user.invite", user.email)
    link = _link(secret, reached_at)
    mailed = mails.queue(user.email, *mail_of(user, link), at=now)
    return Invitation(user, secret, link, mailed)


def _link(secret: str, reached_at: str | None) -> str:
    """Without PUBLIC_URL people are thought to reach this service as the one who invites them."""
    settings: Settings = current_app.config["SETTINGS"]
    here = reached_at.rstrip("/") if reached_at and not settings.public_url else settings.address
    return f"{here}/invitation/{secret}"


def find(secret: str, now: datetime) -> User:
    """Whose link this is. Raises `InvitationNotFound`."""
    user: User | None = db.session.scalar(select(User).where(_open(secret, now)))
    if user is None:
        raise InvitationNotFound
    return user


def accept(secret: str, password: str, now: datetime, address: str | None) -> User:
    """The user, with the password they chose. Raises `WrongInput` or `InvitationNotFound`."""
    find(secret, now)  # before the costly hash
    # One statement finds and uses it up: of two tabs only one can.
    used = (
        update(User)
        .where(_open(secret, now))
        .values(
            password_hash=accounts.hashed(password),
            session_key=accounts.new_session_key(),
            invite_hash=None,
            invite_expires_at=None,
        )
        .returning(User.id)
    )
    user_id = db.session.scalar(used, execution_options={"synchronize_session": False})
    if user_id is None:
        db.session.rollback()
        raise InvitationNotFound
    user = db.session.get_one(User, user_id, populate_existing=True)
    audit.record(Actor(user.email, address), "user.password", user.email, "set with a link")
    db.session.commit()
    return user


def _open(secret: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        User.invite_hash == hash_of(secret),
        User.invite_expires_at > now,
        User.active,
        User.deleted_at.is_(None),
    )
