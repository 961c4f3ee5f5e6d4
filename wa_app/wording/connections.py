"""A connection in words: what it is, why, and what to do about it. One table each.

Database and code hold codes. The status document of the API, the pages and their live fragments
are all made from what stands here, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.connection import is_under_way, shown_status, was_just_paired
from wa_app.domain.sessions.policy import in_the_last_hour
from wa_app.domain.sessions.retries import is_unstable
from wa_app.domain.sessions.states import Action, Channel, Hold, Status
from wa_app.models import Connection, ConnectionEvent
from wa_app.wording.times import moment, phone


@dataclass(frozen=True)
class Explanation:
    """`%(button)s` in a body is the button that helps, as it is called where the text stands."""

    title: str
    body: str
    action: Action


ON_THE_CARD: Mapping[Action, str] = {Action.RECONNECT: _("Reconnect"), Action.PAIR: _("Connect")}
IN_THE_DIALOG: Mapping[Action, str] = {**ON_THE_CARD, Action.PAIR: _("New code")}
"""What the button for an action is called, by the place where it stands."""


@dataclass(frozen=True)
class Badge:
    """One word, its colour and its icon. `colour` is a class of the style sheet."""

    word: str
    colour: str
    icon: str


STATUS_BADGES: Mapping[Status, Badge] = {
    Status.DISCONNECTED: Badge(_("Not connected"), "off", "off"),
    Status.CONNECTING: Badge(_("Connecting"), "progress", "arrows"),
    Status.QR_PENDING: Badge(_("Waiting for your phone"), "progress", "phone"),
    Status.CONNECTED: Badge(_("Connected"), "connected", "check"),
}


HOLD_BADGES: Mapping[Hold, Badge] = {
    Hold.CONFLICT: Badge(_("Used elsewhere"), "held", "devices"),
    Hold.LOGGED_OUT: Badge(_("Unlinked"), "held", "unlink"),
    Hold.CREDENTIALS_CORRUPT: Badge(_("Login damaged"), "held", "alert"),
    Hold.CLIENT_OUTDATED: Badge(_("Upgrade needed"), "held", "up"),
    Hold.BANNED: Badge(_("Blocked"), "held", "clock"),
    Hold.PAIRING_EXPIRED: Badge(_("Not linked in time"), "held", "clock"),
    Hold.PASSKEY: Badge(_("Passkey needed"), "held", "phone"),
    Hold.ALREADY_LINKED: Badge(_("Answered elsewhere"), "held", "devices"),
    Hold.OTHER_NUMBER: Badge(_("Another number"), "held", "phone"),
    Hold.REFUSED: Badge(_("Refused"), "held", "clock"),
    Hold.RETRIES_EXHAUSTED: Badge(_("Stopped trying"), "held", "alert"),
}


RESTARTING_BADGE = Badge(_("Restarting"), "progress", "arrows")


# ---- why, and what helps


HOLDS: Mapping[Hold, Explanation] = {
    Hold.CONFLICT: Explanation(
        _("Another device took over this number."),
        _("Close WhatsApp Web there, then press %(button)s."),
        Action.RECONNECT,
    ),
    Hold.LOGGED_OUT: Explanation(
        _("This number was unlinked on the phone."),
        _("Press %(button)s and scan a new code."),
        Action.PAIR,
    ),
    Hold.CREDENTIALS_CORRUPT: Explanation(
        _("The saved login of this number cannot be read."),
        _("What is left of it was put aside, not deleted. Press %(button)s and scan a new code."),
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
        _("Keep the phone at hand, then press %(button)s."),
        Action.PAIR,
    ),
    Hold.PASSKEY: Explanation(
        _("This WhatsApp account asks for a passkey."),
        _(
            "This version cannot link such accounts yet. If you can do without the passkey, remove "
            "it on the phone: in WhatsApp Settings, Account, Passkeys. Then press %(button)s."
        ),
        Action.PAIR,
    ),
    Hold.ALREADY_LINKED: Explanation(
        _("This number already answers through another connection."),
        _(
            "Two bots would answer each customer twice. Use only the other connection, or switch "
            "the bot off on one of the two and press %(button)s."
        ),
        Action.RECONNECT,
    ),
    Hold.OTHER_NUMBER: Explanation(
        _("Another number was linked."),
        _(
            "It is not the number this connection had before, so nothing is sent from it. Say "
            "whether it is the new number of this shop, or unlink it."
        ),
        Action.CHOOSE_NUMBER,
    ),
    Hold.REFUSED: Explanation(
        _("WhatsApp does not let this number in for now."),
        _(
            "The number stays linked. This service tries again by itself once a day; more "
            "attempts would make WhatsApp refuse for longer. The phone itself works as always."
        ),
        Action.WAIT,
    ),
    Hold.RETRIES_EXHAUSTED: Explanation(
        _("The connection could not be restored."),
        _("Several attempts failed. Press %(button)s to try again."),
        Action.RECONNECT,
    ),
}

_LOOKS_AGAIN = _("This service keeps looking and reconnects as soon as it can.")

HOLD_CAUSES: Mapping[tuple[Hold, Reason], Explanation] = {
    (Hold.LOGGED_OUT, Reason.REMOVED): Explanation(
        _("WhatsApp removed the new device a moment after linking."),
        _(
            "Nobody did that on your phone, and nothing is wrong with it. Open WhatsApp on the "
            "phone, wait some minutes, then press %(button)s and scan a new code."
        ),
        Action.PAIR,
    ),
    (Hold.LOGGED_OUT, Reason.REMOVED_AGAIN): Explanation(
        _("WhatsApp removed the new device again."),
        _(
            "Another try now would end the same way. Wait a day and write with the phone itself as "
            "usual, remove linked devices that you do not need, then press %(button)s."
        ),
        Action.PAIR,
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.UNREACHABLE): Explanation(
        _("WhatsApp cannot be reached."), _LOOKS_AGAIN, Action.RECONNECT
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.PROXY_REFUSED): Explanation(
        _("The proxy on the way to WhatsApp lets nobody through."),
        _(
            "Ask your administrator to look at the address and the login of the proxy. This "
            "service keeps looking and reconnects as soon as it can."
        ),
        Action.RECONNECT,
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.CONNECTION_LOST): Explanation(
        _("The connection is lost again and again."), _LOOKS_AGAIN, Action.RECONNECT
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
    (Hold.RETRIES_EXHAUSTED, Reason.PROCESS_DIED): Explanation(
        _("The connection ended on this server several times."),
        _(
            "Mostly the server is short of memory: tell your administrator. This service keeps "
            "trying and reconnects as soon as it can."
        ),
        Action.RECONNECT,
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.SERVICE_STOPPED): Explanation(
        _("This service was restarted several times."), _LOOKS_AGAIN, Action.RECONNECT
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.FOLDER_UNUSABLE): Explanation(
        _("The server cannot save the login of this number."),
        _(
            "Ask your administrator to look at the disk of the server. The number reconnects by "
            "itself as soon as there is room."
        ),
        Action.RECONNECT,
    ),
    (Hold.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT): Explanation(
        _("The program part that talks to WhatsApp keeps failing."),
        _(
            "Several attempts failed. Press %(button)s to try again. If it fails again, tell your "
            "administrator: an upgrade may be needed."
        ),
        Action.RECONNECT,
    ),
    (Hold.CREDENTIALS_CORRUPT, Reason.CLEANUP_FAILED): Explanation(
        _("The old login of this number could not be removed."),
        _("Ask your administrator to look at the disk of the server, then press %(button)s."),
        Action.PAIR,
    ),
}
"""Where the cause says more than the hold alone."""


PAIRING_STOPPED: Mapping[Reason | None, Explanation] = {
    Reason.LIBRARY_FAULT: replace(
        HOLD_CAUSES[Hold.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT], action=Action.PAIR
    ),
    Reason.UNREACHABLE: Explanation(
        _("WhatsApp cannot be reached."),
        _("Look at the internet connection of the server, then press %(button)s."),
        Action.PAIR,
    ),
    Reason.PROXY_REFUSED: Explanation(
        _("The proxy on the way to WhatsApp lets nobody through."),
        _(
            "Ask your administrator to look at the address and the login of the proxy, then press "
            "%(button)s."
        ),
        Action.PAIR,
    ),
    Reason.FOLDER_UNUSABLE: Explanation(
        _("The server cannot save the login of this number."),
        _("Ask your administrator to look at the disk of the server, then press %(button)s."),
        Action.PAIR,
    ),
    None: Explanation(
        _("WhatsApp gave no code to scan."),
        _("Several attempts failed. Press %(button)s to try again."),
        Action.PAIR,
    ),
}
"""`RETRIES_EXHAUSTED` before there is a login to reconnect with; None: any other cause."""

PAIRING_REFUSED = Explanation(
    _("WhatsApp does not link this number for now."),
    _(
        "Mostly it was tried too often. Wait a day, then press %(button)s and scan the QR code; "
        "more attempts before that make WhatsApp refuse for longer."
    ),
    Action.PAIR,
)
"""`REFUSED` before there is a login: nobody would be there to scan when it is over."""

NOT_LINKED = Explanation(
    _("No number is linked yet."),
    _("Press %(button)s and scan the code with your phone."),
    Action.PAIR,
)
SWITCHED_OFF = Explanation(
    _("You switched this connection off."),
    _("The number stays linked. Press %(button)s to switch it on again."),
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
PAIRING_AGAIN: Mapping[Reason | None, str] = {
    Reason.FOLDER_UNUSABLE: _("The server cannot save the login of this number."),
    Reason.UNREACHABLE: _("WhatsApp cannot be reached."),
    Reason.PROXY_REFUSED: _("The proxy on the way to WhatsApp lets nobody through."),
    Reason.SERVER_ERROR: _("WhatsApp has a problem of its own."),
    Reason.REFUSED: _("WhatsApp does not let this number in for now."),
    Reason.LIBRARY_FAULT: _("The program part that talks to WhatsApp failed."),
    Reason.PROCESS_DIED: _("The connection ended unexpectedly on this server."),
    Reason.SERVICE_STOPPED: _("This service was restarted."),
    None: _("WhatsApp did not answer."),
}
"""Why the next attempt follows, before there is a login; None: any other cause."""

WAITS_TO_LINK = Explanation(
    _("Other numbers are being linked just now."),
    _("The server has memory for a few at a time. Your code appears here by itself."),
    Action.WAIT,
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
LIKELY_CAUSES: Mapping[Reason | None, str] = {
    Reason.FOLDER_UNUSABLE: _(
        "Ask your administrator to look at the disk of the server. The number reconnects by "
        "itself as soon as there is room."
    ),
    Reason.PROCESS_DIED: _(
        "Most likely the server is short of memory: tell your administrator. It reconnects by "
        "itself each time, with longer pauses."
    ),
    Reason.SERVER_ERROR: _(
        "WhatsApp itself interrupts it. There is nothing you need to do: it reconnects by itself "
        "each time, with longer pauses."
    ),
    None: _(
        "Most likely the internet connection of the server, or its proxy, fails for moments: have "
        "somebody look at it. It reconnects by itself each time, with longer pauses."
    ),
}
"""Why a line falls again and again, by how it fell last; None: any other way."""

RESTRICTED = Explanation(
    _("WhatsApp limits what this number may send for now."),
    _("The bot's answers pause. What you write yourself waits and is tried once an hour."),
    Action.WAIT,
)


# ---- of one connection


def explain(
    connection: Connection | None,
    *,
    alive: bool,
    now: datetime,
    buttons: Mapping[Action, str] = ON_THE_CARD,
) -> Explanation:
    """What to tell about a connection. `alive`: the owner's heartbeat is fresh; `buttons`: what
    they are called where it is told."""
    return in_place(_explanation(connection, alive=alive, now=now), buttons)


def in_place(found: Explanation, buttons: Mapping[Action, str] = ON_THE_CARD) -> Explanation:
    """With the button called as it is there."""
    if found.action not in buttons:
        return found
    return replace(found, body=str(found.body) % {"button": buttons[found.action]})


def _explanation(connection: Connection | None, *, alive: bool, now: datetime) -> Explanation:
    if connection is None:
        return NOT_LINKED
    if not alive:
        return RESTARTING
    if is_under_way(connection.wanted, connection.observed):
        return WORKING_ON_IT
    if connection.hold is not None:
        return _explain_hold(connection.hold, connection)
    up_or_opening = connection.status in (Status.CONNECTED, Status.CONNECTING)
    if up_or_opening and is_unstable(connection.observed, now):
        return _explain_unstable_line(connection, now)
    match connection.status:
        case Status.CONNECTED:
            limited = connection.restricted_until is not None and connection.restricted_until > now
            return RESTRICTED if limited else READY
        case Status.QR_PENDING:
            return TYPE_THE_CODE if connection.pairing_code else SCAN
        case Status.CONNECTING:
            return _explain_opening(connection)
    if not connection.has_credentials:
        return NOT_LINKED
    return COOLING_DOWN if connection.effective.enabled else SWITCHED_OFF


def _explain_hold(hold: Hold, connection: Connection) -> Explanation:
    cause = connection.hold_cause
    own_number = connection.linked_phone or connection.pair_phone
    if hold is Hold.LOGGED_OUT and connection.replaced_copy_at is not None:
        return _explain_useless_copy(connection.replaced_copy_at)
    if hold is Hold.OTHER_NUMBER and own_number:
        return _explain_other_number(own_number)
    if hold is Hold.REFUSED and not connection.has_credentials:
        return PAIRING_REFUSED
    if hold is Hold.RETRIES_EXHAUSTED and not connection.has_credentials:
        return PAIRING_STOPPED.get(cause, PAIRING_STOPPED[None])
    found = HOLD_CAUSES.get((hold, cause), HOLDS[hold]) if cause else HOLDS[hold]
    if found.action is Action.RECONNECT and not connection.has_credentials:
        return replace(found, action=Action.PAIR)  # there is no login to reconnect with yet
    return found


def _explain_useless_copy(replaced_at: datetime) -> Explanation:
    return Explanation(
        gettext("The login that was restored is not linked on the phone any more."),
        gettext(
            "The login it took the place of was copied just before, on %(moment)s. Press Take it "
            "back to use that one again, or Connect to scan a new code.",
            moment=moment(replaced_at),
        ),
        Action.TAKE_BACK,
    )


def _explain_other_number(own_number: str) -> Explanation:
    body = gettext(
        "This connection belongs to %(number)s, so nothing is sent from the number that was linked "
        "now. Say whether that is the new number of this shop, or unlink it.",
        number=phone(own_number),
    )
    return replace(HOLDS[Hold.OTHER_NUMBER], body=body)


def _explain_unstable_line(connection: Connection, now: datetime) -> Explanation:
    title = gettext(
        "Unstable line: lost %(n)d times in the last hour.",
        n=len(in_the_last_hour(connection.falls, now)),
    )
    cause = connection.last_reason
    return Explanation(title, LIKELY_CAUSES.get(cause, LIKELY_CAUSES[None]), Action.WAIT)


def _explain_opening(connection: Connection) -> Explanation:
    if connection.next_attempt_at is not None and connection.waits_to_link:
        return WAITS_TO_LINK
    if connection.next_attempt_at is not None and connection.has_credentials:
        return TRYING_AGAIN
    if connection.next_attempt_at is not None:
        why = PAIRING_AGAIN.get(connection.last_reason, PAIRING_AGAIN[None])
        return Explanation(why, _("The next attempt follows by itself."), Action.WAIT)
    return LINKED if was_just_paired(connection.observed) else OPENING


def badge_of(connection: Connection | None, *, alive: bool) -> Badge:
    if connection is not None and not alive:
        return RESTARTING_BADGE
    if (
        connection is not None
        and connection.hold is not None
        and not is_under_way(connection.wanted, connection.observed)
    ):
        return HOLD_BADGES[connection.hold]
    return STATUS_BADGES[shown_status(connection and connection.status, alive=alive)]


def badge_of_event(event: ConnectionEvent) -> Badge:
    return HOLD_BADGES[event.hold] if event.hold is not None else STATUS_BADGES[event.status]


def sentence(explanation: Explanation) -> str:
    """An explanation as the one sentence of an answer."""
    return f"{explanation.title} {explanation.body}"


TABS: Mapping[Channel, str] = {Channel.WHATSAPP: "WhatsApp", Channel.PRACTICE: _("Practice")}


def also_on_the_phone(done: str) -> str:
    """For whenever WhatsApp itself was not told: a backup can be restored, and the device stays."""
    words = _("%(done)s Also remove the device on the phone: Settings, Linked devices.")
    return str(words) % {"done": done}
