"""Why a socket ended, and which class of ending that is.

Code and reason arrive together from a gateway. The reason is our stable word for it (shown in the
history, sent to programs); the class decides what the policy does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    STREAM_REPLACED = "stream_replaced"
    LOGGED_OUT = "logged_out"
    REMOVED = "removed_after_linking"  # ours to tell: a moment after the pairing
    REMOVED_AGAIN = "removed_again"
    BANNED = "banned"
    CLIENT_OUTDATED = "client_outdated"
    RESTART_REQUIRED = "restart_required"
    CONNECTION_LOST = "connection_lost"
    KEEPALIVE_TIMEOUT = "keepalive_timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    UNREACHABLE = "unreachable"  # DNS, TCP, TLS, proxy or HTTP failed: not the session's fault
    PROXY_REFUSED = "proxy_refused"  # it answers, and lets nobody through
    SERVER_ERROR = "server_error"  # WhatsApp answered 5xx
    REFUSED = "refused"  # WhatsApp refused the login for a reason of its own
    LIBRARY_FAULT = "library_fault"  # the library ended without any of the above
    DEAF = "deaf"  # logged in, it still seems connected, and hands on nothing more
    PROCESS_DIED = "process_died"
    SERVICE_STOPPED = "service_stopped"  # our own process was restarted or killed
    FOLDER_UNUSABLE = "folder_unusable"  # full disk, missing rights: nothing wrong with the session
    FILE_CORRUPT = "file_corrupt"
    CLEANUP_FAILED = "cleanup_failed"  # the session folder could be neither removed nor renamed
    PAIRING_TIMEOUT = "pairing_timeout"
    PAIRING_REFUSED = "pairing_refused"  # no code, or an answer to it that nobody knows
    PASSKEY = "passkey"  # the account asks for one, which the library cannot show
    OTHER_NUMBER = "other_number"  # ours to tell: not the number that this connection belongs to
    ALREADY_LINKED = "already_linked"  # ours to tell: its number answers elsewhere
    REQUESTED = "requested"  # a person asked for it
    USER_INACTIVE = "user_inactive"


class CloseClass(StrEnum):
    CONFLICT = "conflict"
    LOGGED_OUT = "logged_out"
    OUTDATED = "outdated"
    BANNED = "banned"
    REFUSED = "refused"
    DEAF = "deaf"
    EXPECTED = "expected"
    TRANSIENT = "transient"
    CORRUPT = "corrupt"
    PAIRING_EXPIRED = "pairing_expired"
    PAIRING_REFUSED = "pairing_refused"
    PASSKEY = "passkey"


CLOSE_CODES: Mapping[int, CloseClass] = {
    440: CloseClass.CONFLICT,  # another client took the stream
    401: CloseClass.LOGGED_OUT,  # the device was removed on the phone
    403: CloseClass.LOGGED_OUT,  # the phone's own account is gone
    406: CloseClass.LOGGED_OUT,  # logged out for a reason WhatsApp keeps to itself
    428: CloseClass.LOGGED_OUT,
    405: CloseClass.OUTDATED,
    402: CloseClass.BANNED,
    515: CloseClass.EXPECTED,  # WhatsApp's own restart after pairing
    408: CloseClass.TRANSIENT,  # timed out
    409: CloseClass.REFUSED,  # the version or the kind of client is not welcome
    429: CloseClass.REFUSED,  # asked too often
    500: CloseClass.TRANSIENT,
    503: CloseClass.TRANSIENT,
}  # any other 4xx: CloseClass.REFUSED; anything else: CloseClass.TRANSIENT

# Endings that are ours to tell, whatever code came with them.
REASON_CLASSES: Mapping[Reason, CloseClass] = {
    Reason.FILE_CORRUPT: CloseClass.CORRUPT,
    Reason.CLEANUP_FAILED: CloseClass.CORRUPT,
    Reason.PAIRING_TIMEOUT: CloseClass.PAIRING_EXPIRED,
    Reason.PAIRING_REFUSED: CloseClass.PAIRING_REFUSED,
    Reason.PASSKEY: CloseClass.PASSKEY,
    # A bare stream error 401 while the device row is still there is no logout.
    Reason.CONNECTION_LOST: CloseClass.TRANSIENT,
    Reason.REMOVED: CloseClass.LOGGED_OUT,
    Reason.REMOVED_AGAIN: CloseClass.LOGGED_OUT,
    Reason.REFUSED: CloseClass.REFUSED,
    Reason.DEAF: CloseClass.DEAF,
}

# Endings that say something about the way to WhatsApp or about this machine, not about the
# session: an outage, which ends without anybody's click.
OUTAGE_REASONS = frozenset(
    {
        Reason.UNREACHABLE,
        Reason.PROXY_REFUSED,
        Reason.SERVER_ERROR,
        Reason.CONNECT_TIMEOUT,
        Reason.KEEPALIVE_TIMEOUT,
        Reason.SERVICE_STOPPED,
        Reason.PROCESS_DIED,  # mostly for want of memory
        Reason.FOLDER_UNUSABLE,
    }
)

LIFTED_REASONS = OUTAGE_REASONS | {Reason.CONNECTION_LOST, Reason.RESTART_REQUIRED}
"""After which attempts that were used up begin anew once WhatsApp answers: an outage, or a line so
bad that it never became stable."""


@dataclass(frozen=True)
class Close:
    """The end of one socket. `until` is the end of a ban, in UTC (None: nobody said);
    `has_credentials` what the session file says afterwards (None: nobody could look). `by_owner`:
    somebody is known to have unlinked it, as WhatsApp never says. `detail` is for the log: the
    words in which it was said."""

    code: int | None
    reason: Reason
    until: datetime | None = None
    has_credentials: bool | None = None
    by_owner: bool = False
    detail: str = field(default="", compare=False)


def classify(close: Close) -> CloseClass:
    return REASON_CLASSES.get(close.reason) or class_of_code(close.code)


def class_of_code(code: int | None) -> CloseClass:
    refused = code is not None and 400 <= code < 500
    other = CloseClass.REFUSED if refused else CloseClass.TRANSIENT
    return CLOSE_CODES.get(code or 0, other)
