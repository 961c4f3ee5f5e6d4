"""What people were told of, for the page, for programs and for the command line."""

from dataclasses import dataclass

from sqlalchemy import select

from wa_app.extensions import db
from wa_app.models import Alert, Mail
from wa_app.services.notifications import mails
from wa_app.services.notifications.mails import MailState
from wa_app.wording.alerts import explain_alert, posted
from wa_app.wording.mails import named

ENDED_SHOWN = 20


@dataclass(frozen=True)
class Listed:
    alert: Alert
    mails: list[Mail]


def listed() -> list[Listed]:
    """What people were told of, newest first: all that is still so, then the last that ended."""
    told = select(Alert).where(Alert.raised_at.is_not(None))
    still = told.where(Alert.ended_at.is_(None)).order_by(Alert.id.desc())
    ended = told.where(Alert.ended_at.is_not(None)).order_by(Alert.ended_at.desc())
    alerts = [*db.session.scalars(still), *db.session.scalars(ended.limit(ENDED_SHOWN))]
    mails_of: dict[int | None, list[Mail]] = {}
    of_these = select(Mail).where(Mail.alert_id.in_([alert.id for alert in alerts]))
    for mail in db.session.scalars(of_these.order_by(Mail.id)):
        mails_of.setdefault(mail.alert_id, []).append(mail)
    return [Listed(alert, mails_of.get(alert.id, [])) for alert in alerts]


# ---- in words


@dataclass(frozen=True)
class Shown:
    alert: Alert
    title: str
    about: str
    posted: str

    @property
    def is_open(self) -> bool:
        return self.alert.ended_at is None


@dataclass(frozen=True)
class Panel:
    open: list[Shown]
    ended: list[Shown]
    mail: MailState


def panel() -> Panel:
    """For `admin/_alerts.html`, which reads it as `alerts`."""
    state = mails.state()
    shown = [
        Shown(
            alert=one.alert,
            title=str(explain_alert(one.alert.kind, one.alert.cause).title),
            about=named(one.alert.about),
            posted=posted(one.mails, set_up=state.set_up),
        )
        for one in listed()
    ]
    still = [one for one in shown if one.is_open]
    return Panel(still, [one for one in shown if not one.is_open], state)
