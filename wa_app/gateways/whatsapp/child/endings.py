"""Which close each of the library's endings is.

Several of them arrive within a moment of each other, the vaguest often first. So each carries how
much it says, and the session process waits a little for one that says more.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from wa_app.domain.sessions.closes import Close, CloseClass, Reason, classify


class LibraryError(Exception):
    """The library refused or failed; the text is what it said."""


class Says(IntEnum):
    LITTLE = 0  # it is over
    SOMETHING = 1  # a code that came with it
    ALL = 2  # nothing better will come


@dataclass(frozen=True)
class Ending:
    close: Close
    says: Says = Says.ALL


LOST = Ending(Close(None, Reason.CONNECTION_LOST), Says.LITTLE)
REQUESTED = Ending(Close(None, Reason.REQUESTED))
REPLACED = Ending(Close(440, Reason.STREAM_REPLACED))
OUTDATED = Ending(Close(405, Reason.CLIENT_OUTDATED))
KEEPALIVE = Ending(Close(408, Reason.KEEPALIVE_TIMEOUT))
NOT_PAIRED_IN_TIME = Ending(Close(None, Reason.PAIRING_TIMEOUT))
NOT_PAIRED = Ending(Close(None, Reason.REFUSED), Says.SOMETHING)
RESTART = Ending(Close(515, Reason.RESTART_REQUIRED))
FOLDER_UNUSABLE = Ending(Close(None, Reason.FOLDER_UNUSABLE))

CODES = {1: 400, 2: 401, 3: 402, 4: 403, 5: 406, 6: 405, 7: 409, 8: 500, 9: 501, 10: 503}
"""neonize numbers WhatsApp's codes of a refused login (its enum ConnectFailureReason)."""

LOGGED_OUT_CODES = frozenset({401, 403, 406})


def logged_out(reason: int) -> Ending:
    code = CODES.get(reason, 401)
    return Ending(Close(code if code in LOGGED_OUT_CODES else 401, Reason.LOGGED_OUT))


def banned(seconds: int, now: datetime) -> Ending:
    return Ending(Close(402, Reason.BANNED, until=now + timedelta(seconds=seconds)))


def login_refused(code: int) -> Ending:
    """A code that has no event of its own. Codes that would class it as a logout or a ban, which
    have theirs, are left out: the session file and those events decide about that."""
    if code >= 500:
        return Ending(Close(code, Reason.SERVER_ERROR), Says.SOMETHING)
    close = Close(code, Reason.REFUSED)
    if classify(close) is not CloseClass.TRANSIENT:
        close = replace(close, code=None)
    return Ending(close, Says.SOMETHING)


def stream_error(code: str) -> Ending:
    """A bare 401 is no logout, whatever its number says: that comes as an event of its own."""
    number = int(code) if code.isdecimal() else None
    if number is not None and number >= 500:
        return Ending(Close(number, Reason.SERVER_ERROR), Says.SOMETHING)
    return Ending(Close(number, Reason.CONNECTION_LOST), Says.SOMETHING)


LOG_ENDINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Ending]], ...] = (
    (re.compile(r"Failed to reconnect after 515 code: .*"), lambda _: RESTART),
    (
        re.compile(r"Got (5\d\d)/.* connect failure, assuming automatic reconnect will handle it"),
        lambda found: Ending(login_refused(int(found[1])).close),
    ),
)
"""Lines of the logger `CLIENT_LOG` for which the library has no event (whatsmeow,
connectionevents.go). They are matched from end to end: other lines quote message ids and names,
which strangers choose, and a stranger must not be able to end a session by what they write."""

CLIENT_LOG = "whatsmeow.Client"


def in_log(logger: str, line: str) -> Ending | None:
    """A login refused with 500 or 503, after which the library just tries again, and a restart
    that WhatsApp asked for and that failed. Nothing better follows, and whoever waited for it
    would see the library dial again."""
    if logger != CLIENT_LOG:
        return None
    for form, ending in LOG_ENDINGS:
        found = form.fullmatch(line)
        if found:
            return ending(found)
    return None


NOT_ENCRYPTED = re.compile(r"Failed to encrypt (\S+) for (\S+): .*")
"""The id of a message of ours, and the device that it was to go to (whatsmeow, send.go)."""


def not_encrypted(logger: str, line: str) -> tuple[str, str] | None:
    found = NOT_ENCRYPTED.fullmatch(line) if logger == CLIENT_LOG else None
    return (found[1], found[2]) if found else None


ASKED_AGAIN = re.compile(
    r"Failed to handle retry receipt for (\d+@(?:s\.whatsapp\.net|lid))/(\S+)"
    r" from (\d+)(?::\d+)?@(\S+): couldn't find message \2"
)
"""In a direct chat, one of our messages, and the device that could not read it (whatsmeow,
receipt.go, retry.go)."""


def asked_again(logger: str, line: str) -> tuple[str, str] | None:
    """The chat and the message that a device of the person there asks for, and that the library
    does not know: an earlier process sent it. Our own devices, and groups, are nobody's chat."""
    found = ASKED_AGAIN.fullmatch(line) if logger == CLIENT_LOG else None
    if found is None or found[1] != f"{found[3]}@{found[4]}":
        return None
    return found[1], found[2]


DISK_TROUBLE = re.compile(r"disk is full|readonly database|disk I/O error")


def blames_the_disk(line: str) -> bool:
    """A hint to look at the disk, and no more than that: a stranger can write these words too."""
    return DISK_TROUBLE.search(line) is not None


HTTP_STATUS = re.compile(r"expected handshake response status code 101 but got (\d{3})")
TIMED_OUT = re.compile(r"timed? ?out|deadline exceeded", re.IGNORECASE)
FILE_BROKEN = re.compile(r"failed to upgrade database: .*(not a database|malformed|is encrypted)")
FOLDER_BROKEN = re.compile(
    r"failed to upgrade database: .*|(.*: )?(unable to open database file|database or disk is full"
    r"|attempt to write a readonly database|disk I/O error)(: [^:]*)?"
)


def failed_dial(error: str) -> Ending:
    """What connect() raised. Of an HTTP status only a 5xx is a code of WhatsApp's; anything else
    was somebody on the way."""
    status = HTTP_STATUS.search(error)
    if status and int(status[1]) >= 500:
        close = Close(int(status[1]), Reason.SERVER_ERROR)
    elif "handshake failed" in error and TIMED_OUT.search(error):
        close = Close(408, Reason.CONNECT_TIMEOUT)
    elif FILE_BROKEN.match(error):
        close = Close(None, Reason.FILE_CORRUPT)
    elif FOLDER_BROKEN.fullmatch(error):
        close = Close(None, Reason.FOLDER_UNUSABLE)
    else:
        close = Close(408 if TIMED_OUT.search(error) else None, Reason.UNREACHABLE)
    return Ending(close)
