"""What the worker and a session process (or the practice phone) say to each other.

Commands go down, news comes up. Every value is frozen, picklable, and made of plain types.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wa_app.domain.sessions.closes import Close

# ---- commands: worker → session process


@dataclass(frozen=True)
class Dial:
    """Open one socket. `socket_id` is never used twice; `pair_phone` is E.164 digits with a plus
    and asks for a pairing code instead of a QR; `proxy` is an http or socks5 URL; `linked`: there
    is a login, whatever has become of its file."""

    connection_id: str
    socket_id: int
    pair_phone: str | None = None
    proxy: str | None = None
    linked: bool = False


@dataclass(frozen=True)
class SendText:
    """Send `text` to a chat (a JID); answered by `Sent` or `SendFailed` of `message_id`."""

    message_id: int
    chat: str
    text: str


@dataclass(frozen=True)
class ShowTyping:
    chat: str


@dataclass(frozen=True)
class Stored:
    """Everything in the spool up to `offset` (bytes) is in the database."""

    offset: int


@dataclass(frozen=True)
class End:
    """Close the socket and end; `unlink` first asks WhatsApp to remove the device."""

    unlink: bool = False


Command = SendText | ShowTyping | Stored | End

# ---- news: session process → worker


@dataclass(frozen=True)
class Qr:
    """A QR to scan: its text, when it dies (UTC), and which of how many it is (1 to `total`)."""

    payload: str
    expires_at: datetime
    number: int
    total: int


@dataclass(frozen=True)
class PairingCode:
    code: str


@dataclass(frozen=True)
class Paired:
    """The phone accepted us; the session restarts and is open a moment later."""

    phone: str


@dataclass(frozen=True)
class Opened:
    """`phone` is E.164 with a plus; `push_name` the name the number shows to others."""

    phone: str
    push_name: str


@dataclass(frozen=True)
class Named:
    """The number shows this name to others from now on."""

    push_name: str


@dataclass(frozen=True)
class Closed:
    """The last news of a socket: when it arrives its process has ended."""

    close: Close


@dataclass(frozen=True)
class Incoming:
    """A message that arrived. `kind` is `text` or what it is instead (`image`, `audio`, …), then
    `text` is its caption or empty. `at` is WhatsApp's time, UTC. `spool_offset` is where its
    record ends in the spool. `from_me`: written on the phone itself or another linked device.
    `own_phone` is the number it arrived at, E.164 with a plus; None: the one that is linked.
    `wa_id` is chosen by its sender: only together with the chat and the sender it names one
    message. `sender_alt` is the sender's other address (number or LID), where it is known.
    `arrived_at` is when it came here, by our clock; `backlog`: it had waited at WhatsApp while this
    session was not connected."""

    wa_id: str
    chat: str
    sender: str
    sender_name: str
    kind: str
    text: str
    at: datetime
    is_group: bool
    from_me: bool
    spool_offset: int
    own_phone: str | None = None
    sender_alt: str | None = None
    arrived_at: datetime | None = None
    backlog: bool = False


class ReceiptKind(StrEnum):
    DELIVERED = "delivered"
    READ = "read"


@dataclass(frozen=True)
class Receipt:
    """`chat` is where it comes from and `reader` whose it is, each by every address that is known:
    a text that went to a number is often confirmed by its LID. `own_phone` as in `Incoming`."""

    wa_ids: tuple[str, ...]
    kind: ReceiptKind
    chat: tuple[str, ...]
    reader: tuple[str, ...]
    own_phone: str | None = None


@dataclass(frozen=True)
class AskedAgain:
    """A device of the recipient could not read a text, and the process that sent it is gone: the
    library of this one does not know it. `chat` is where it asks, by every address known."""

    wa_id: str
    chat: tuple[str, ...]


@dataclass(frozen=True)
class Sent:
    """`members`: to a group, everybody else who was in it; None when nobody told, or no group."""

    message_id: int
    wa_id: str
    at: datetime
    members: tuple[str, ...] | None = None


class SendFailure(StrEnum):
    """What a failed send means, which is what decides about the next try."""

    NOT_SENT = "not_sent"  # it surely did not leave; the next connection takes it
    LATER = "later"  # nobody got it: WhatsApp does not answer, or asks to come later
    UNKNOWN = "unknown"  # it may have left; nobody can know
    RESTRICTED = "restricted"  # error 463
    REFUSED = "refused"  # for good: no such number, refused by WhatsApp


@dataclass(frozen=True)
class SendFailed:
    message_id: int
    failure: SendFailure
    detail: str


@dataclass(frozen=True)
class Alive:
    """The session process's sign of life, every few seconds."""


MessageEvent = Incoming | Receipt | AskedAgain | Sent | SendFailed
News = Qr | PairingCode | Paired | Opened | Named | Closed | MessageEvent | Alive
