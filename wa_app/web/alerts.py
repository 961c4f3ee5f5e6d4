"""Alerts in words, for the page, for programs and for the command line, and the mail that shows
whether mails arrive."""

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from wa_app.models import Alert, Mail
from wa_app.services import alerts, mails
from wa_app.services.audit import Actor
from wa_app.services.mails import MailState
from wa_app.web import mails as words_of_mails
from wa_app.web.explanations import explain_alert
from wa_app.web.times import iso


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
            about=words_of_mails.named(one.alert.about),
            posted=_posted(one.mails, state),
        )
        for one in alerts.listed()
    ]
    still = [one for one in shown if one.is_open]
    return Panel(still, [one for one in shown if not one.is_open], state)


def _posted(letters: list[Mail], state: MailState) -> str:
    """To whom mails went, or why not."""
    sent = [letter.recipient for letter in letters if letter.sent_at]
    refused = [letter.recipient for letter in letters if letter.given_up_at]
    waiting = len(letters) - len(sent) - len(refused)
    said = []
    if sent:
        said.append(_("Mail to %(people)s.", people=_people(sent)))
    if waiting:
        said.append(_("Mails that wait: %(n)d.", n=waiting))
    if refused:
        said.append(_("Refused for %(people)s.", people=_people(refused)))
    if not said:
        said.append(_("Nobody had a mail.") if state.set_up else _("Mail is not set up."))
    return " ".join(said)


def _people(recipients: list[str]) -> str:
    return ", ".join(dict.fromkeys(recipients))


def document() -> dict[str, Any]:
    """The same for programs."""
    state = mails.state()
    return {
        "alerts": [
            {
                "id": one.alert.id,
                "kind": one.alert.kind,
                "title": str(explain_alert(one.alert.kind, one.alert.cause).title),
                "connectionId": one.alert.connection_id,
                "userId": one.alert.user_id,
                "about": one.alert.about,
                "cause": one.alert.cause,
                "beganAt": iso(one.alert.began_at),
                "raisedAt": iso(one.alert.raised_at),
                "endedAt": iso(one.alert.ended_at),
                "recovered": one.alert.recovered,
                "mails": [_mail(letter) for letter in one.mails],
            }
            for one in alerts.listed()
        ],
        "mail": {
            "setUp": state.set_up,
            "waiting": state.waiting,
            "lastSentAt": iso(state.last_sent_at),
            "error": state.error,
        },
    }


def _mail(letter: Mail) -> dict[str, Any]:
    return {
        "recipient": letter.recipient,
        "sentAt": iso(letter.sent_at),
        "givenUpAt": iso(letter.given_up_at),
        "error": letter.error,
    }


def send_test_mail(actor: Actor, email: str, locale: str | None) -> str:
    """In the language of who reads it; says that it is on its way. Raises `MailNotSetUp`."""
    mails.queue_test(actor, email, *words_of_mails.test_mail(locale))
    return _("A mail to %(email)s is on its way.", email=email)
