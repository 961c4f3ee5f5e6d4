"""Which close each of the library's endings is.

Several of them arrive within a moment of each other, the vaguest often first. So each carries how
much it says, and the session process waits a little for one that says more.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from http import HTTPStatus

from wa_app.domain.sessions.closes import Close, CloseClass, Reason, class_of_code


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
NOT_PAIRED = Ending(Close(None, Reason.CONNECTION_LOST), Says.SOMETHING)
PASSKEY = Ending(Close(None, Reason.PASSKEY))
RESTART = Ending(Close(515, Reason.RESTART_REQUIRED))
FOLDER_UNUSABLE = Ending(Close(None, Reason.FOLDER_UNUSABLE))
LIBRARY_FAULT = Ending(Close(None, Reason.LIBRARY_FAULT), Says.SOMETHING)
DEAF = Ending(Close(None, Reason.DEAF), Says.SOMETHING)

LOGGED_OUT_CODES = {2: 401, 4: 403, 5: 406}
"""By the numbers that neonize gives them (its enum ConnectFailureReason)."""


def logged_out(reason: int) -> Ending:
    return Ending(Close(LOGGED_OUT_CODES.get(reason, 401), Reason.LOGGED_OUT))


LONGEST_BAN = 365 * 24 * 3600
"""Seconds; after so long even one without an end is asked about again."""

MOST_DIGITS = 18
"""Python reads no number of thousands of digits."""

REFUSALS = {
    CloseClass.CONFLICT: Reason.STREAM_REPLACED,
    CloseClass.LOGGED_OUT: Reason.LOGGED_OUT,
    CloseClass.OUTDATED: Reason.CLIENT_OUTDATED,
    CloseClass.BANNED: Reason.BANNED,
    CloseClass.REFUSED: Reason.REFUSED,
}


def login_refused(code: int, expire: int, now: datetime) -> Ending:
    """`expire` is for how many seconds, of a ban; 0 where that is not said."""
    kind = class_of_code(code)
    problem = Reason.CONNECT_TIMEOUT if code < 500 else Reason.SERVER_ERROR
    ends = expire and kind is CloseClass.BANNED
    until = now + timedelta(seconds=min(expire, LONGEST_BAN)) if ends else None
    return Ending(Close(code, REFUSALS.get(kind, problem), until))


CODE_REFUSED = re.compile(r"info query returned status (4\d\d)\b.*")


def no_pairing_code(error: str) -> Ending:
    """Refused, or not answered. The text is WhatsApp's and the library's, and nobody else's."""
    refused = CODE_REFUSED.search(error)
    if refused is None:
        return NOT_PAIRED
    return Ending(Close(int(refused[1]), Reason.PAIRING_REFUSED, detail=refused[0]))


def login_status(status: str) -> Ending | None:
    """What the library says at the end of the QRs (whatsmeow, qrchan.go); None: it goes on."""
    if status.startswith("passkey"):
        return PASSKEY
    unknown = Ending(Close(None, Reason.PAIRING_REFUSED, detail=status))
    return LOGIN_STATUS.get(status, unknown)


LOGIN_STATUS = {
    "success": None,  # the status of the pairing follows
    "timeout": LOST,
    "error": NOT_PAIRED,
    "err-unexpected-state": LOST,
    "err-client-outdated": OUTDATED,
    "err-scanned-without-multidevice": NOT_PAIRED,
}


def stream_error(code: str, children: Collection[str] = ()) -> Ending:
    """A bare 401 is no logout, whatever its number says: that comes as an event of its own. What
    has not three digits is no code; a database does not even take every number."""
    number = int(code) if len(code) == 3 and code.isdecimal() else None
    if number == REPLACED.close.code or "conflict" in children:
        return REPLACED  # of a type that the library does not know: whoever dials again may fight
    if number is not None and number >= 500:
        return Ending(Close(number, Reason.SERVER_ERROR), Says.SOMETHING)
    return Ending(Close(number, Reason.CONNECTION_LOST), Says.SOMETHING)


ATTRIBUTE = re.compile(r'(?<= )([\w-]+)="(\d+)"')


def _failure(found: re.Match[str]) -> Ending:
    """WhatsApp's stanza as the library prints it. As an event it comes only if the library knows
    its numbers; else the library ends at it."""
    numbers = dict(ATTRIBUTE.findall(found["attributes"]))
    code = numbers.get("reason", "")
    known = int(code) if len(code) == 3 else 400
    return login_refused(known, int(numbers.get("expire", "0")[:MOST_DIGITS]), datetime.now(UTC))


LOG_ENDINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Ending]], ...] = (
    (re.compile(r"Failed to reconnect after 515 code: .*"), lambda _: RESTART),
    # Then the login status is a mere "error".
    (re.compile(r"Failed to parse passkey notification: .*"), lambda _: PASSKEY),
    (
        re.compile(r"Got (5\d\d)/.* connect failure, assuming automatic reconnect will handle it"),
        lambda found: login_refused(int(found[1]), 0, datetime.now(UTC)),
    ),
    (
        re.compile(
            r"(?:Temporary ban|Unknown) connect failure: "
            r"<failure(?P<attributes>.*?)(?:/>|>.*</failure>)",
            re.DOTALL,
        ),
        _failure,
    ),
)
"""Lines of the logger `CLIENT_LOG` (whatsmeow, connectionevents.go) for which the library has no
event, or one that it cannot always encode. They are matched from end to end: other lines quote
message ids and names, which strangers choose, and a stranger must not be able to end a session by
what they write."""

CLIENT_LOG = "whatsmeow.Client"


def in_log(logger: str, line: str) -> Ending | None:
    """A refused login, and a restart that WhatsApp asked for and that failed. Nothing better
    follows; after a 500 or 503 the library would only dial again."""
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


DIAL = "failed to dial whatsapp web websocket: "
HANDSHAKE = "noise handshake failed: "
HTTP_STATUS = re.compile(DIAL + r".*expected handshake response status code 101 but got (\d{3})")
TIMED_OUT = re.compile(r"timed? ?out|deadline exceeded", re.IGNORECASE)
FILE_BROKEN = re.compile(r"failed to upgrade database: .*(not a database|malformed|is encrypted)")
FOLDER_BROKEN = re.compile(
    r"failed to upgrade database: .*|(.*: )?(unable to open database file|database or disk is full"
    r"|attempt to write a readonly database|disk I/O error)(: [^:]*)?"
)


REFUSING_PHRASES = "|".join(re.escape(one.phrase) for one in HTTPStatus if one // 100 == 4)
PROXY_REFUSES = re.compile(
    rf'{DIAL}.*Get "[^"]*": (?:{REFUSING_PHRASES}|socks connect .*: '
    r"(?:no acceptable authentication methods|username/password authentication failed"
    r"|(?:unknown error )?connection not allowed by ruleset))"
)
"""The library tells of a proxy's answer to CONNECT only its phrase (Go, net/http), and of a socks
proxy's what RFC 1928 and 1929 call it (golang.org/x/net/internal/socks)."""


def connect_ended(error: str, *, logged_in: bool) -> Ending:
    """connect() returned, or raised `error`: the end of a session, even where the library stays
    connected. After the login no dial can have failed."""
    return DEAF if logged_in else failed_dial(error)


def failed_dial(error: str) -> Ending:
    """Of an HTTP status only a 5xx is a code of WhatsApp's; anything else was somebody on the way.
    What nothing explains is the library's own fault, and no reason to think that WhatsApp cannot
    be reached."""
    status = HTTP_STATUS.match(error)
    if status and int(status[1]) >= 500:
        return Ending(Close(int(status[1]), Reason.SERVER_ERROR))
    if error.startswith(HANDSHAKE) and TIMED_OUT.search(error):
        return Ending(Close(408, Reason.CONNECT_TIMEOUT))
    if FILE_BROKEN.match(error):
        return Ending(Close(None, Reason.FILE_CORRUPT))
    if FOLDER_BROKEN.fullmatch(error):
        return FOLDER_UNUSABLE
    if PROXY_REFUSES.fullmatch(error):
        return Ending(Close(None, Reason.PROXY_REFUSED))
    if error.startswith((DIAL, HANDSHAKE, "unsupported proxy scheme ")):
        return Ending(Close(408 if TIMED_OUT.search(error) else None, Reason.UNREACHABLE))
    return LIBRARY_FAULT
