"""Alerts in words: what is wrong, what is said when it is over, and who had a mail of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from wa_app.domain.alerts import HOLD_KINDS, AlertKind
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Action, Hold
from wa_app.models import Mail
from wa_app.wording.connections import HOLD_CAUSES, HOLDS, LIKELY_CAUSES, Explanation, in_place

ALERTS: Mapping[AlertKind, Explanation] = {
    **{kind: HOLDS[hold] for hold, kind in HOLD_KINDS.items() if kind},
    AlertKind.UNSTABLE: Explanation(
        _("The line of this number is unstable."), LIKELY_CAUSES[None], Action.WAIT
    ),
    AlertKind.DEAF: Explanation(
        _("The program part that talks to WhatsApp stops again and again."),
        _(
            "Each time it is started again within seconds; a few messages may get lost. An upgrade "
            "may help."
        ),
        Action.WAIT,
    ),
    AlertKind.ATTEMPTS: Explanation(
        _("The connection could not be restored so far."),
        _("This service keeps trying. If it gives up, you are told."),
        Action.WAIT,
    ),
    AlertKind.OUTAGE: Explanation(
        _("Several numbers lost their connection at once."),
        _("This service keeps trying and reconnects them as soon as it can."),
        Action.WAIT,
    ),
    AlertKind.DISK_NEARLY_FULL: Explanation(
        _("The disk of the server is nearly full."),
        _("Make room soon. Without it messages and logins cannot be saved."),
        Action.WAIT,
    ),
    AlertKind.BACKUP_FAILED: Explanation(
        _("A backup failed."),
        _("Look at the page Backups, and at the disk of the server."),
        Action.WAIT,
    ),
    AlertKind.CLOCK_WRONG: Explanation(
        _("The clock of the server is wrong."),
        _("Let the server take its time from the network: timedatectl set-ntp true."),
        Action.WAIT,
    ),
    AlertKind.STALLED: Explanation(
        _("The service stood still and has restarted itself."),
        _("All numbers reconnect by themselves. If it happens again, look at the log."),
        Action.WAIT,
    ),
    AlertKind.FOLDER_AWAY: Explanation(
        _("The data folder was emptied or exchanged while the service ran."),
        _(
            "It is back, and all numbers reconnect by themselves. What was written in between may "
            "be missing: look at who touched the folder."
        ),
        Action.WAIT,
    ),
}


OUTAGES: Mapping[Reason, Explanation] = {
    cause: explanation
    for (hold, cause), explanation in HOLD_CAUSES.items()
    if hold is Hold.RETRIES_EXHAUSTED and cause is not Reason.FOLDER_UNUSABLE
}
"""What keeps all numbers from WhatsApp at once is said as of one."""


ALERTS_OVER: Mapping[AlertKind | None, str] = {
    AlertKind.OUTAGE: _("WhatsApp can be reached again."),
    AlertKind.UNSTABLE: _("The line has been stable for an hour."),
    AlertKind.DEAF: _("The program part that talks to WhatsApp has worked for an hour."),
    AlertKind.DISK_NEARLY_FULL: _("There is enough room on the disk again."),
    AlertKind.BACKUP_FAILED: _("Backups work again."),
    AlertKind.CLOCK_WRONG: _("The clock of the server is right again."),
    None: _("Connected again."),
}
"""None: any trouble of one connection."""


def explain_alert(kind: AlertKind, cause: Reason | None) -> Explanation:
    if kind is AlertKind.OUTAGE and cause is not None and cause in OUTAGES:
        return in_place(OUTAGES[cause])
    if kind is AlertKind.UNSTABLE:
        return replace(ALERTS[kind], body=LIKELY_CAUSES.get(cause, LIKELY_CAUSES[None]))
    hold = next((hold for hold, of_hold in HOLD_KINDS.items() if of_hold is kind), None)
    told = HOLD_CAUSES.get((hold, cause), ALERTS[kind]) if hold and cause else ALERTS[kind]
    return in_place(told)


def posted(letters: Sequence[Mail], *, set_up: bool) -> str:
    """To whom mails went, or why not."""
    sent = [letter.recipient for letter in letters if letter.sent_at]
    refused = [letter.recipient for letter in letters if letter.given_up_at]
    waiting = len(letters) - len(sent) - len(refused)
    said = []
    if sent:
        said.append(gettext("Mail to %(people)s.", people=_people(sent)))
    if waiting:
        said.append(gettext("Mails that wait: %(n)d.", n=waiting))
    if refused:
        said.append(gettext("Refused for %(people)s.", people=_people(refused)))
    if not said:
        said.append(gettext("Nobody had a mail.") if set_up else gettext("Mail is not set up."))
    return " ".join(said)


def _people(recipients: list[str]) -> str:
    return ", ".join(dict.fromkeys(recipients))
