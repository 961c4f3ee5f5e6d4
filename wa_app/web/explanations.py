"""What to tell about a connection: why it is as it is, and what helps. One table each."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from wa_app.domain.alerts import HOLD_KINDS, AlertKind
from wa_app.domain.closes import Reason
from wa_app.domain.states import Action, Hold


@dataclass(frozen=True)
class Explanation:
    title: str
    body: str
    action: Action


HOLDS: Mapping[Hold, Explanation] = {
    Hold.CONFLICT: Explanation(
        _("Another device took over this number."),
        _("Close WhatsApp Web there, then press Reconnect."),
        Action.RECONNECT,
    ),
    Hold.LOGGED_OUT: Explanation(
        _("This number was unlinked on the phone."),
        _("Press Connect and scan a new code."),
        Action.PAIR,
    ),
    Hold.CREDENTIALS_CORRUPT: Explanation(
        _("The saved login of this number cannot be read."),
        _("It was put aside, not deleted. Press Connect and scan a new code."),
        Action.PAIR,
    ),
    Hold.CLIENT_OUTDATED: Explanation(
        _("WhatsApp asks for a newer version of this service."),
        _("Your administrator has to upgrade it. Your number then connects again by itself."),
        Action.UPGRADE,
    ),
    Hold.BANNED: Explanation(
        _("WhatsApp has blocked this number for some time."),
        _(
            "It connects again by itself when the block ends. Blocks come from many messages in "
            "a short time, or from writing to people who did not write first."
        ),
        Action.WAIT,
    ),
    Hold.PAIRING_EXPIRED: Explanation(
        _("The code was not scanned in time."),
        _("Keep the phone at hand, then press Connect for a new code."),
        Action.PAIR,
    ),
    Hold.OTHER_NUMBER: Explanation(
        _("Another number was linked."),
        _(
            "It is not the number this connection had before, so nothing is sent from it. Say "
            "whether it is the new number of this shop, or unlink it."
        ),
        Action.CHOOSE_NUMBER,
    ),
    Hold.RETRIES_EXHAUSTED: Explanation(
        _("The connection could not be restored."),
        _("Several attempts failed. Press Reconnect to try again."),
        Action.RECONNECT,
    ),
}

_LOOKS_AGAIN = _("This service keeps looking and reconnects as soon as it can.")

HOLD_CAUSES: Mapping[tuple[Hold, Reason], Explanation] = {
    (Hold.RETRIES_EXHAUSTED, Reason.UNREACHABLE): Explanation(
        _("WhatsApp cannot be reached."), _LOOKS_AGAIN, Action.RECONNECT
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.SERVER_ERROR): Explanation(
        _("WhatsApp has a problem of its own."), _LOOKS_AGAIN, Action.RECONNECT
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.CONNECT_TIMEOUT): Explanation(
        _("WhatsApp does not answer."), _LOOKS_AGAIN, Action.RECONNECT
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.KEEPALIVE_TIMEOUT): Explanation(
        _("WhatsApp does not answer."), _LOOKS_AGAIN, Action.RECONNECT
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.FOLDER_UNUSABLE): Explanation(
        _("The server cannot save the login of this number."),
        _("Ask your administrator to look at the disk of the server, then press Reconnect."),
        Action.RECONNECT,
    ),
    (Hold.CREDENTIALS_CORRUPT, Reason.CLEANUP_FAILED): Explanation(
        _("The old login of this number could not be removed."),
        _("Ask your administrator to look at the disk of the server, then press Connect."),
        Action.PAIR,
    ),
}
"""Where the cause says more than the hold alone."""

ALERTS: Mapping[AlertKind, Explanation] = {
    **{kind: HOLDS[hold] for hold, kind in HOLD_KINDS.items() if kind},
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
    AlertKind.STOOD_STILL: Explanation(
        _("The service stood still and has restarted itself."),
        _("All numbers reconnect by themselves. If it happens again, look at the log."),
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
    AlertKind.DISK_NEARLY_FULL: _("There is enough room on the disk again."),
    AlertKind.BACKUP_FAILED: _("Backups work again."),
    None: _("Connected again."),
}
"""None: any trouble of one connection."""


def explain_alert(kind: AlertKind, cause: Reason | None) -> Explanation:
    if kind is AlertKind.OUTAGE and cause in OUTAGES:
        return OUTAGES[cause]
    hold = next((hold for hold, of_hold in HOLD_KINDS.items() if of_hold is kind), None)
    return HOLD_CAUSES.get((hold, cause), ALERTS[kind]) if hold and cause else ALERTS[kind]


PAIRING_STOPPED: Mapping[Reason | None, Explanation] = {
    Reason.UNREACHABLE: Explanation(
        _("WhatsApp cannot be reached."),
        _("Look at the internet connection of the server, then press Connect."),
        Action.PAIR,
    ),
    Reason.FOLDER_UNUSABLE: Explanation(
        _("The server cannot save the login of this number."),
        _("Ask your administrator to look at the disk of the server, then press Connect."),
        Action.PAIR,
    ),
    None: Explanation(
        _("WhatsApp gave no code to scan."),
        _("Several attempts failed. Press Connect to try again."),
        Action.PAIR,
    ),
}
"""`RETRIES_EXHAUSTED` before there is a login to reconnect with; None: any other cause."""

NOT_LINKED = Explanation(
    _("No number is linked yet."),
    _("Press Connect and scan the code with your phone."),
    Action.PAIR,
)
SWITCHED_OFF = Explanation(
    _("You switched this connection off."),
    _("The number stays linked. Press Reconnect to switch it on again."),
    Action.RECONNECT,
)
COOLING_DOWN = Explanation(
    _("The connection was lost."), _("It is restored by itself in a moment."), Action.WAIT
)
RESTARTING = Explanation(
    _("The service is restarting."),
    _("Your connection comes back by itself in a few seconds. Nothing is lost."),
    Action.WAIT,
)
WORKING_ON_IT = Explanation(_("One moment."), _("Your request is being carried out."), Action.WAIT)
OPENING = Explanation(_("Connecting to WhatsApp."), _("This takes a few seconds."), Action.WAIT)
LINKED = Explanation(
    _("Your phone is linked."), _("Getting ready. This takes a few seconds."), Action.WAIT
)
TRYING_AGAIN = Explanation(
    _("The connection was lost."),
    _("It is restored by itself. There is nothing you need to do."),
    Action.WAIT,
)
PAIRING_AGAIN = Explanation(
    _("WhatsApp did not answer."), _("The next attempt follows by itself."), Action.WAIT
)
SCAN = Explanation(
    _("Scan the code with your phone."),
    _("In WhatsApp: Settings, Linked devices, Link a device."),
    Action.PAIR,
)
TYPE_THE_CODE = Explanation(
    _("Type the code on your phone."),
    _("In WhatsApp: Settings, Linked devices, Link with phone number instead."),
    Action.PAIR,
)
READY = Explanation(_("Ready."), _("Messages come in and go out."), Action.NONE)
RESTRICTED = Explanation(
    _("WhatsApp limits what this number may send for now."),
    _("The bot's answers pause. What you write yourself waits and is tried once an hour."),
    Action.WAIT,
)
