"""Why a connection ended, and what each class of close codes means."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from wa_app.domain.sessions.closes import CloseClass, Reason

REASONS: Mapping[Reason, str] = {
    Reason.STREAM_REPLACED: _("Another device took over this number"),
    Reason.LOGGED_OUT: _("Unlinked on the phone"),
    Reason.REMOVED: _("WhatsApp removed the new device a moment after linking"),
    Reason.REMOVED_AGAIN: _("WhatsApp removed the new device a moment after linking, again"),
    Reason.BANNED: _("Blocked by WhatsApp for some time"),
    Reason.CLIENT_OUTDATED: _("WhatsApp asks for a newer version of this service"),
    Reason.RESTART_REQUIRED: _("WhatsApp restarts the connection after linking"),
    Reason.CONNECTION_LOST: _("The connection was lost"),
    Reason.KEEPALIVE_TIMEOUT: _("WhatsApp no longer answered"),
    Reason.CONNECT_TIMEOUT: _("Connecting took too long"),
    Reason.UNREACHABLE: _("WhatsApp could not be reached"),
    Reason.PROXY_REFUSED: _("The proxy on the way to WhatsApp refused"),
    Reason.SERVER_ERROR: _("WhatsApp had a problem of its own"),
    Reason.REFUSED: _("WhatsApp refused the login"),
    Reason.LIBRARY_FAULT: _("The program part that talks to WhatsApp failed"),
    Reason.DEAF: _("The program part that talks to WhatsApp stopped"),
    Reason.PROCESS_DIED: _("The connection ended unexpectedly on this server"),
    Reason.SERVICE_STOPPED: _("This service was restarted"),
    Reason.FOLDER_UNUSABLE: _("The server could not save the login"),
    Reason.FILE_CORRUPT: _("The saved login could not be read"),
    Reason.CLEANUP_FAILED: _("The old login could not be removed"),
    Reason.PAIRING_REFUSED: _("WhatsApp refused to link the number"),
    Reason.PASSKEY: _("The account asks for a passkey"),
    Reason.PAIRING_TIMEOUT: _("Nobody scanned the code in time"),
    Reason.OTHER_NUMBER: _("It is not the number this connection belongs to"),
    Reason.ALREADY_LINKED: _("Two bots on one number"),
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
    CloseClass.REFUSED: ClassWords(
        _("Refused"),
        _("WhatsApp does not let the number in for now, mostly after too many attempts."),
        _("It tries again a few times with growing pauses, then once a day."),
        _("Wait. Attempts in between make WhatsApp refuse for longer."),
        "held",
    ),
    CloseClass.DEAF: ClassWords(
        _("Part of the program stopped"),
        _("Something arrived that the program part that talks to WhatsApp cannot read."),
        _("It starts that part again at once, and tells administrators if it happens often."),
        _NOTHING,
        "progress",
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
    CloseClass.PAIRING_REFUSED: ClassWords(
        _("Linking refused"),
        _("WhatsApp gave no code, mostly because it was asked for one too often."),
        _("It waits. Another attempt would make WhatsApp refuse for longer."),
        _("Wait a day, then link the number with the QR code."),
        "held",
    ),
    CloseClass.PASSKEY: ClassWords(
        _("Passkey needed"),
        _("The account is protected by a passkey, which this version cannot show."),
        _("It waits, because every new code would end the same way."),
        _("Remove the passkey on the phone: Settings, Account, Passkeys. Then press Connect."),
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
