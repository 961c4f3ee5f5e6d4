"""What a message is, and what becomes of a send."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from wa_app.domain.sessions.policy import seconds, setting
from wa_app.domain.sessions.socket_messages import Incoming, SendFailure


@dataclass(frozen=True)
class MessagePolicy:
    send_rate: int = setting(20, "Most messages per minute and connection; 0: no limit.")
    bot_pause: timedelta = setting(
        seconds(3),
        "Longest pause (“typing…”) before a bot's answer; the shortest is a third of it.",
    )
    bot_max_age: timedelta = setting(
        timedelta(minutes=5), "Age of a message after which the bot leaves it to a person."
    )
    reply_expires: timedelta = setting(
        timedelta(minutes=30), "Time after which a bot's answer that could not be sent is dropped."
    )
    send_timeout: timedelta = setting(
        seconds(75),
        "Time to wait for each answer of WhatsApp while a message is sent (there are up to four).",
    )
    loop_answers: int = setting(
        10, "Number of the bot's answers in one chat within LOOP_WINDOW that count as a loop."
    )
    loop_window: timedelta = setting(
        timedelta(minutes=10), "Time in which LOOP_ANSWERS are counted."
    )
    loop_mute: timedelta = setting(
        timedelta(hours=1), "Time the bot stays silent in a chat after a loop."
    )


MAX_TEXT = 4096
"""The longest text we send, in characters."""

ONLY_ON_PHONE = "only_on_phone"
"""The kind of a message that came without what is in it: only the phone shows it."""

SENT_ANEW = seconds(10)
"""What cannot be read is asked for again, and comes at once from a phone that is there. If it comes
later it still takes the place of what stood for it; until then a person has to look."""


def asked_at(message: Incoming) -> datetime:
    """Since when a message waits for its answer, by our clock. WhatsApp's clock counts only for
    what had waited there: ours may be wrong."""
    if message.arrived_at is None:
        return message.at
    return min(message.at, message.arrived_at) if message.backlog else message.arrived_at


MAX_ID = 64


def kept_id(wa_id: str) -> str:
    """A message id as it is kept: senders choose them, as long as they like."""
    return wa_id if len(wa_id) <= MAX_ID else sha256(wa_id.encode()).hexdigest()


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Author(StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"
    PERSON = "person"  # through the page or the API
    PHONE = "phone"  # on the phone itself, or another linked device


class MessageState(StrEnum):
    RECEIVED = "RECEIVED"  # incoming
    PENDING = "PENDING"
    SENDING = "SENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"


class FailCause(StrEnum):
    PERHAPS_SENT = "perhaps_sent"
    TOO_LATE = "too_late"
    REFUSED = "refused"
    UNREADABLE = "unreadable"  # no phone there could read it
    LATER = "later"  # not failed: it waits until WhatsApp takes it
    OTHER_NUMBER = "other_number"  # written for a number that this connection no longer has


# ---- sending

RECEIPT_RANK: Mapping[MessageState, int] = {
    MessageState.SENT: 1,
    MessageState.DELIVERED: 2,
    MessageState.READ: 3,
}
"""Receipts only ever move a message forward; they arrive in any order."""


def reached_all(states: Iterable[MessageState]) -> MessageState:
    """How far a message to a group is: as far as with the one with whom it is least far."""
    return min(states, key=RECEIPT_RANK.__getitem__)


MAX_UNKNOWN_ENDS = 2
UNSENT_RETRY = timedelta(seconds=2)
LATER_FIRST = timedelta(seconds=10)
LATER_MOST = timedelta(minutes=10)
ANSWERS_A_SEND = 4
"""So many answers of WhatsApp one send may wait for in turn: who it is, with which devices, their
keys, the acknowledgement."""
RESTRICTED_FOR = timedelta(hours=24)
RESTRICTED_RETRY = timedelta(hours=1)
LONGEST_PAUSE = max(LATER_MOST, RESTRICTED_RETRY)
"""Before a text is tried again."""

SEND_AGAIN_AFTER = timedelta(seconds=3)
"""A device that asks for a text may not be the only one: so long another has time to say that it
has it."""
SEND_AGAIN_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class Outcome:
    """What becomes of a message after a failed send."""

    state: MessageState
    cause: FailCause | None = None
    unknown_ends: int = 0
    postponed: int = 0
    not_before: datetime | None = None
    restricted_until: datetime | None = None


def after_send_failure(
    failure: SendFailure, unknown_ends: int, now: datetime, postponed: int = 0
) -> Outcome:
    """`unknown_ends` and `postponed` are how often before."""
    match failure:
        case SendFailure.NOT_SENT:
            soon = now + UNSENT_RETRY
            return Outcome(
                MessageState.PENDING,
                unknown_ends=unknown_ends,
                postponed=postponed,
                not_before=soon,
            )
        case SendFailure.LATER:
            return Outcome(
                MessageState.PENDING,
                FailCause.LATER,
                unknown_ends,
                postponed=postponed + 1,
                not_before=now + min(LATER_FIRST * 2 ** min(postponed, 10), LATER_MOST),
            )
        case SendFailure.UNKNOWN if unknown_ends + 1 < MAX_UNKNOWN_ENDS:
            # A double is better than a loss for a customer who waits: once more, and marked.
            return Outcome(MessageState.PENDING, unknown_ends=unknown_ends + 1)
        case SendFailure.UNKNOWN:
            return Outcome(MessageState.FAILED, FailCause.PERHAPS_SENT, unknown_ends + 1)
        case SendFailure.RESTRICTED:
            return Outcome(
                MessageState.PENDING,
                unknown_ends=unknown_ends,
                not_before=now + RESTRICTED_RETRY,
                restricted_until=now + RESTRICTED_FOR,
            )
        case SendFailure.REFUSED:
            return Outcome(MessageState.FAILED, FailCause.REFUSED, unknown_ends)


def was_sent_again(asked_again_at: datetime | None, sending_since: datetime | None) -> bool:
    return bool(asked_again_at and sending_since and sending_since > asked_again_at)


def after_asked_again(
    author: Author, written: datetime, sent: datetime, policy: MessagePolicy, now: datetime
) -> Outcome:
    """Nobody there could read a text that was sent once. Sent anew it may be read, unless it comes
    so late that it would be worse than none."""
    is_answer = author is Author.BOT
    age = now - (written if is_answer else sent)
    if age <= (policy.reply_expires if is_answer else SEND_AGAIN_WITHIN):
        return Outcome(MessageState.PENDING)
    return Outcome(MessageState.FAILED, FailCause.UNREADABLE)
