"""Tokens: what a program shows instead of a login. They act as their user and die with them."""

import secrets
import string
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import contains_eager

from wa_app.domain.errors import TokenLimit, TokenNotFound, WrongInput
from wa_app.domain.users import MAX_DAYS, MAX_TOKENS, as_name, as_scopes, hash_of
from wa_app.extensions import db
from wa_app.models import Token, User
from wa_app.services import audit
from wa_app.services.audit import Actor

log = structlog.get_logger()

READABLE = string.ascii_lowercase + string.digits

NOTE_USE_EVERY = timedelta(minutes=1)
"""Writing down each use would turn every read into a write."""


def create(
    actor: Actor,
    user: User,
    name: str,
    scopes: list[str],
    now: datetime,
    days: int | None = None,
) -> tuple[Token, str]:
    """The token and its secret, which nobody can read again. No `days`: it has no end. Raises
    `WrongInput` or `TokenLimit`."""
    token = Token(user_id=user.id, name=_name(name), scopes=_scopes(user, scopes))
    if days is not None:
        if not 1 <= days <= MAX_DAYS:
            raise WrongInput("days", "not_a_number")
        token.expires_at = now + timedelta(days=days)
    _refuse_too_many(user)
    token.prefix = "vigia_" + "".join(secrets.choice(READABLE) for _ in range(8))
    secret = f"{token.prefix}_{secrets.token_urlsafe(32)}"
    token.secret_hash = hash_of(secret)
    db.session.add(token)
    audit.record(actor, "token.create", user.email, f"{token.prefix} ({token.scopes})")
    db.session.commit()
    return token, secret


def _name(text: str) -> str:
    name = as_name(text)
    if not name:
        raise WrongInput("name", "required" if name == "" else "not_a_name")
    return name


def _scopes(user: User, words: list[str]) -> str:
    scopes = as_scopes(words)
    if scopes is None:
        raise WrongInput("scopes", "unknown_scope" if words else "required")
    if "admin" in scopes.split() and not user.is_admin:
        raise WrongInput("scopes", "not_an_admin")
    return scopes


def _refuse_too_many(user: User) -> None:
    # The write lock first, so that two requests cannot both find room.
    db.session.execute(update(User).where(User.id == user.id).values(id=User.id))
    count = select(func.count()).where(Token.user_id == user.id)
    if (db.session.scalar(count) or 0) >= MAX_TOKENS:
        db.session.rollback()
        raise TokenLimit


def revoke(actor: Actor, token: Token) -> None:
    audit.record(actor, "token.revoke", token.user.email, token.prefix)
    db.session.delete(token)
    db.session.commit()


def of_user(user: User) -> list[Token]:
    """Newest first."""
    theirs = select(Token).where(Token.user_id == user.id).order_by(Token.id.desc())
    return list(db.session.scalars(theirs))


def everyones() -> list[Token]:
    return list(db.session.scalars(select(Token).join(User).order_by(User.email, Token.id)))


def own(user: User, token_id: int) -> Token:
    """The user's token, or `TokenNotFound`: somebody else's is as good as unknown."""
    token = db.session.get(Token, token_id)
    if token is None or token.user_id != user.id:
        raise TokenNotFound
    return token


def by_prefix(prefix: str) -> Token:
    """As people name it. Raises `TokenNotFound`."""
    token: Token | None = db.session.scalar(select(Token).where(Token.prefix == prefix))
    if token is None:
        raise TokenNotFound
    return token


def by_secret(secret: str, now: datetime, address: str | None) -> Token | None:
    """The token with this secret, if it has not ended; its use is noted."""
    # The database compares hashes: how long that takes tells nothing of the secret.
    known = (
        select(Token)
        .join(User)
        .options(contains_eager(Token.user))
        .where(
            Token.secret_hash == hash_of(secret),
            or_(Token.expires_at.is_(None), Token.expires_at > now),
            User.deleted_at.is_(None),
        )
    )
    token: Token | None = db.session.scalar(known)
    if token is None or not _is_news(token, now, address):
        return token
    _note_use(token.id, now, address)
    return db.session.scalar(known)  # afresh: it may have been revoked a moment ago


def _note_use(token_id: int, now: datetime, address: str | None) -> None:
    """As far as it can be: on a full disk a program must still be able to ask what is wrong."""
    used = update(Token).where(Token.id == token_id)
    try:
        db.session.execute(used.values(last_used_at=now, last_used_from=address))
        db.session.commit()
    except OperationalError as error:
        log.warning("use of a token not noted", error=str(error.orig))
        db.session.rollback()


def _is_news(token: Token, now: datetime, address: str | None) -> bool:
    last = token.last_used_at
    return last is None or now - last >= NOTE_USE_EVERY or token.last_used_from != address
