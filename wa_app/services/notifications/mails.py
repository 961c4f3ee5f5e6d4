"""Mails on their way: accepted when committed, tried until the server takes or refuses them.

A row, because a mail server that is away must neither delay nor lose what people are to be told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import ColumnElement, func, select, update

from wa_app.domain.errors import MailNotSetUp
from wa_app.domain.mails import Letter, MailError, retry_delay
from wa_app.extensions import db
from wa_app.models import Mail, utc_now
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.wording.mails import on_its_way, test_mail

log = structlog.get_logger()

Mailer = Callable[[Letter], None]
"""Hands one mail to the mail server. Raises `MailError`."""

TAKEN_FOR = timedelta(minutes=3)
"""A mail that was taken and of which nobody heard again, because the process was killed, is due
again after this: longer than a server that answers at all can take for one."""

WAITING: tuple[ColumnElement[bool], ...] = (Mail.sent_at.is_(None), Mail.given_up_at.is_(None))


def queue(
    recipient: str,
    subject: str,
    text: str,
    alert_id: int | None = None,
    *,
    at: datetime | None = None,
) -> bool:
    """Add a mail to the transaction under way. False: no mail server is set up, nobody is told."""
    if not current_app.config["SETTINGS"].smtp_host:
        return False
    at = at or utc_now()
    row = Mail(
        alert_id=alert_id,
        recipient=recipient,
        subject=subject[:200],
        text=text,
        created_at=at,
        next_at=at,
    )
    db.session.add(row)
    return True


def send_test(actor: Actor, recipient: str, locale: str | None) -> str:
    """A mail that shows whether mails arrive, in the language of who reads it and in a transaction
    of its own; says that it is on its way. Raises `MailNotSetUp`."""
    if not queue(recipient, *test_mail(locale)):
        raise MailNotSetUp
    audit.record(actor, "mail.test", recipient)
    db.session.commit()
    return on_its_way(recipient)


# ---- delivery


def deliver(mailer: Mailer, clock: Callable[[], datetime]) -> None:
    """Send what is due, oldest first, until there is nothing or the server is in trouble: then
    the others wait, instead of each waiting in vain for an answer."""
    while (mail := _take(clock())) is not None:
        try:
            mailer(mail)
        except MailError as error:
            _put_back(mail.id, error, clock())
            if not error.permanent:
                return
        except Exception as error:
            # Whatever it is, people must see that mails do not leave.
            log.exception("mail in trouble", mail=mail.id)
            _put_back(mail.id, MailError(f"{type(error).__name__}: {error}"), clock())
            return
        else:
            _close(mail.id, sent_at=clock(), error=None)
            _hurry_others(clock())


def _take(now: datetime) -> Letter | None:
    """Found and taken in one statement. While the mail is on its way no transaction is open."""
    next_one = select(Mail.id).where(*WAITING, Mail.next_at <= now)
    taken = db.session.execute(
        update(Mail)
        .where(Mail.id == next_one.order_by(Mail.next_at, Mail.id).limit(1).scalar_subquery())
        .values(attempts=Mail.attempts + 1, next_at=now + TAKEN_FOR)
        .returning(Mail.id, Mail.created_at, Mail.recipient, Mail.subject, Mail.text)
    ).first()
    db.session.commit()
    return Letter(*taken) if taken else None


def _hurry_others(now: datetime) -> None:
    """The server is there again: nobody need wait for the rest of an hour."""
    failed = update(Mail).where(*WAITING, Mail.next_at > now, Mail.error.is_not(None))
    db.session.execute(failed.values(next_at=now))
    db.session.commit()


def _put_back(mail_id: int, error: MailError, now: datetime) -> None:
    log.warning("mail not delivered", mail=mail_id, why=error.reason, permanent=error.permanent)
    reason = error.reason[:500]
    if error.permanent:
        _close(mail_id, given_up_at=now, error=reason)
        return
    attempts = db.session.get_one(Mail, mail_id, populate_existing=True).attempts
    later = update(Mail).where(Mail.id == mail_id)
    db.session.execute(later.values(next_at=now + retry_delay(attempts), error=reason))
    db.session.commit()


def _close(mail_id: int, **outcome: datetime | str | None) -> None:
    """Nobody needs its text any more, and an invitation's link is as good as a password."""
    db.session.execute(update(Mail).where(Mail.id == mail_id).values(text="", **outcome))
    db.session.commit()


# ---- for the page


@dataclass(frozen=True)
class MailState:
    """Whether mails leave. `error` is the server's own words, None while nothing is wrong."""

    set_up: bool
    waiting: int
    last_sent_at: datetime | None
    error: str | None


def state() -> MailState:
    # Two questions, because each finds its answer in the index without a look at what has left.
    waiting = db.session.scalar(select(func.count()).select_from(Mail).where(*WAITING)) or 0
    last_sent_at = db.session.scalar(select(func.max(Mail.sent_at)))
    set_up = bool(current_app.config["SETTINGS"].smtp_host)
    return MailState(set_up, waiting, last_sent_at, _last_error(last_sent_at))


def _last_error(last_sent_at: datetime | None) -> str | None:
    """Of a mail that waits, or that was refused after the last one that left."""
    failed = select(Mail.error).where(Mail.error.is_not(None), Mail.sent_at.is_(None))
    if last_sent_at is not None:
        failed = failed.where(Mail.given_up_at.is_(None) | (Mail.given_up_at > last_sent_at))
    return db.session.scalar(failed.order_by(Mail.id.desc()).limit(1))
