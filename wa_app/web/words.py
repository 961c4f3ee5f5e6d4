"""More words for codes, one table each: causes, close codes, faults, what becomes of a message."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from wa_app.domain.closes import CloseClass, Reason
from wa_app.domain.messages import FailCause, MessageState
from wa_app.domain.states import Channel
from wa_app.services.people import Belongings

TABS: Mapping[Channel, str] = {Channel.WHATSAPP: "WhatsApp", Channel.PRACTICE: _("Practice")}


def also_on_the_phone(done: str) -> str:
    """For whenever WhatsApp itself was not told: a backup can be restored, and the device stays."""
    words = _("%(done)s Also remove the device on the phone: Settings, Linked devices.")
    return str(words) % {"done": done}


def deleted(email: str, goes: Belongings) -> str:
    return gettext(
        "%(email)s is deleted. Connections: %(connections)d, messages: %(messages)d, "
        "tokens: %(tokens)d.",
        email=email,
        connections=goes.connections,
        messages=goes.messages,
        tokens=goes.tokens,
    )


REASONS: Mapping[Reason, str] = {
    Reason.STREAM_REPLACED: _("Another device took over this number"),
    Reason.LOGGED_OUT: _("Unlinked on the phone"),
    Reason.BANNED: _("Blocked by WhatsApp for some time"),
    Reason.CLIENT_OUTDATED: _("WhatsApp asks for a newer version of this service"),
    Reason.RESTART_REQUIRED: _("WhatsApp restarts the connection after linking"),
    Reason.CONNECTION_LOST: _("The connection was lost"),
    Reason.KEEPALIVE_TIMEOUT: _("WhatsApp no longer answered"),
    Reason.CONNECT_TIMEOUT: _("Connecting took too long"),
    Reason.UNREACHABLE: _("WhatsApp could not be reached"),
    Reason.SERVER_ERROR: _("WhatsApp had a problem of its own"),
    Reason.REFUSED: _("WhatsApp refused the login"),
    Reason.PROCESS_DIED: _("The connection ended unexpectedly on this server"),
    Reason.SERVICE_STOPPED: _("This service was restarted"),
    Reason.FOLDER_UNUSABLE: _("The server could not save the login"),
    Reason.FILE_CORRUPT: _("The saved login could not be read"),
    Reason.CLEANUP_FAILED: _("The old login could not be removed"),
    Reason.PAIRING_TIMEOUT: _("Nobody scanned the code in time"),
    Reason.OTHER_NUMBER: _("Another number was linked"),
    Reason.REQUESTED: _("You asked for it"),
    Reason.USER_INACTIVE: _("The account was switched off"),
}


@dataclass(frozen=True)
class ClassWords:
    """One class of endings for the page that explains close codes."""

    title: str
    meaning: str
    we_do: str
    you_do: str
    colour: str


_NOTHING = _("Nothing.")

CLOSE_CLASSES: Mapping[CloseClass, ClassWords] = {
    CloseClass.CONFLICT: ClassWords(
        _("Another device took over"),
        _("WhatsApp gave the session to another program: WhatsApp Web, or another server."),
        _("It waits. Connecting again would only throw the other one out, back and forth."),
        _("Close WhatsApp Web there, then press Reconnect."),
        "held",
    ),
    CloseClass.LOGGED_OUT: ClassWords(
        _("Unlinked"),
        _("The linked device was removed on the phone, or WhatsApp ended the login."),
        _("It waits, because the login is no longer valid."),
        _("Press Connect and scan a new code."),
        "held",
    ),
    CloseClass.BANNED: ClassWords(
        _("Blocked for some time"),
        _("WhatsApp stopped this number, mostly after many messages in a short time."),
        _("It connects again by itself when the block ends."),
        _("Wait. Later, write less often to people who did not write first."),
        "held",
    ),
    CloseClass.OUTDATED: ClassWords(
        _("Newer version needed"),
        _("WhatsApp no longer accepts the version this service speaks."),
        _("It connects again by itself after the upgrade."),
        _("Tell your administrator."),
        "held",
    ),
    CloseClass.CORRUPT: ClassWords(
        _("Login damaged"),
        _("The saved login cannot be read, or could not be removed."),
        _("It puts the login aside and deletes nothing."),
        _("Press Connect and scan a new code."),
        "held",
    ),
    CloseClass.PAIRING_EXPIRED: ClassWords(
        _("Code not scanned"),
        _("Nobody scanned the code while it was valid."),
        _("It waits until you are there."),
        _("Press Connect for a new code."),
        "held",
    ),
    CloseClass.EXPECTED: ClassWords(
        _("Restart after linking"),
        _("WhatsApp restarts every connection once, right after the code was scanned."),
        _("It connects again at once."),
        _NOTHING,
        "progress",
    ),
    CloseClass.TRANSIENT: ClassWords(
        _("Connection lost"),
        _("The network, or WhatsApp itself, interrupted the connection. The login stays valid."),
        _("It tries again a few times with growing pauses, and by itself after an outage."),
        _("Nothing. If it has stopped trying, press Reconnect."),
        "progress",
    ),
}


@dataclass(frozen=True)
class FaultWords:
    title: str
    effect: str


FAULTS: Mapping[str, FaultWords] = {
    "conflict": FaultWords(
        _("Open WhatsApp Web elsewhere"),
        _("Another device takes the number. The connection waits until you press Reconnect."),
    ),
    "logout": FaultWords(
        _("Unlink on the phone"),
        _("The phone removes the linked device. You need to scan a new code."),
    ),
    "ban": FaultWords(
        _("Get blocked for a while"),
        _("WhatsApp blocks the number. It comes back by itself when the block ends."),
    ),
    "drop_once": FaultWords(
        _("Drop the connection once"),
        _("A short interruption. It is restored within seconds."),
    ),
    "network_loss": FaultWords(
        _("No internet"),
        _("Nothing gets through while this is on. Switch it off and watch it recover."),
    ),
    "slow_handshake": FaultWords(
        _("Slow connecting"),
        _("Every connection takes several seconds to open."),
    ),
    "hang": FaultWords(
        _("Connecting hangs"),
        _("WhatsApp falls silent while connecting. The attempt is ended after a minute."),
    ),
    "send_failure": FaultWords(
        _("Sending fails"),
        _("Messages do not leave while this is on. They wait and are sent afterwards."),
    ),
}

MESSAGE_STATES: Mapping[MessageState, str] = {
    MessageState.RECEIVED: _("Received."),
    MessageState.PENDING: _("Accepted. It is sent as soon as the connection is there."),
    MessageState.SENDING: _("On its way."),
    MessageState.SENT: _("Sent."),
    MessageState.DELIVERED: _("Delivered."),
    MessageState.READ: _("Read."),
    MessageState.FAILED: _("Not sent."),
}

FAIL_CAUSES: Mapping[FailCause, str] = {
    FailCause.PERHAPS_SENT: _("The connection ended twice while sending. It was perhaps sent."),
    FailCause.TOO_LATE: _("The answer would have come too late."),
    FailCause.REFUSED: _("WhatsApp refused it."),
    FailCause.OTHER_NUMBER: _("It was written for a number that is no longer linked here."),
}

# ---- users and tokens

ROLES: Mapping[str, str] = {"user": _("User"), "admin": _("Administrator")}

SCOPES: Mapping[str, str] = {
    "read": _("See connections, messages and history"),
    "send": _("Send messages"),
    "manage": _("Connect, disconnect and change settings"),
    "admin": _("Everything an administrator may"),
}
"""What a token may be allowed to do."""
