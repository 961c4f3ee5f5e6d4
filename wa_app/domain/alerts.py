"""When trouble is worth telling people, and when it is over.

An episode of trouble has a kind. It begins when the trouble is first seen, people are told of it
once, and it ends when the connection is up and stable, when nobody wants it up any more, or when
trouble of another kind takes its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto

from wa_app.domain.sessions.closes import LIFTED_REASONS, OUTAGE_REASONS, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import (
    DEAF_AN_HOUR,
    FALLS_AN_HOUR,
    Policy,
    in_the_last_hour,
)
from wa_app.domain.sessions.retries import is_stable
from wa_app.domain.sessions.states import Hold, Status


class AlertKind(StrEnum):
    CONFLICT = "conflict"
    LOGGED_OUT = "logged_out"
    BANNED = "banned"
    CREDENTIALS_CORRUPT = "credentials_corrupt"
    CLIENT_OUTDATED = "client_outdated"
    ALREADY_LINKED = "already_linked"
    OTHER_NUMBER = "other_number"
    REFUSED = "refused"
    RETRIES_EXHAUSTED = "retries_exhausted"
    UNSTABLE = "unstable"  # a line that falls again and again
    DEAF = "deaf"  # again and again the library hands on nothing more
    ATTEMPTS = "attempts"  # more than ALERT_AFTER_ATTEMPTS, and still trying
    OUTAGE = "outage"  # of the whole server
    DISK_NEARLY_FULL = "disk_nearly_full"
    BACKUP_FAILED = "backup_failed"
    CLOCK_WRONG = "clock_wrong"
    STALLED = "stood_still"  # the service restarted itself
    FOLDER_AWAY = "folder_away"  # the data folder was emptied or exchanged, and is back


HOLD_KINDS: Mapping[Hold, AlertKind | None] = {
    Hold.CONFLICT: AlertKind.CONFLICT,
    Hold.LOGGED_OUT: AlertKind.LOGGED_OUT,
    Hold.BANNED: AlertKind.BANNED,
    Hold.CREDENTIALS_CORRUPT: AlertKind.CREDENTIALS_CORRUPT,
    Hold.CLIENT_OUTDATED: AlertKind.CLIENT_OUTDATED,
    Hold.ALREADY_LINKED: AlertKind.ALREADY_LINKED,
    Hold.OTHER_NUMBER: AlertKind.OTHER_NUMBER,
    Hold.REFUSED: AlertKind.REFUSED,
    Hold.RETRIES_EXHAUSTED: AlertKind.RETRIES_EXHAUSTED,
    Hold.PAIRING_EXPIRED: None,  # nobody lost anything
    Hold.PASSKEY: None,
}

MAY_HEAL = frozenset({AlertKind.ATTEMPTS, AlertKind.RETRIES_EXHAUSTED, AlertKind.DISK_NEARLY_FULL})
"""People hear of it only when it has lasted. `RETRIES_EXHAUSTED` heals only after an outage."""

OF_LINKED = MAY_HEAL | {AlertKind.REFUSED, AlertKind.ALREADY_LINKED}
"""Before there is a login they are about a pairing, whose person looks on."""

RECURRING: Mapping[AlertKind, tuple[Callable[[Observed], tuple[datetime, ...]], int]] = {
    AlertKind.DEAF: (lambda observed: observed.deaf, DEAF_AN_HOUR),
    AlertKind.UNSTABLE: (lambda observed: observed.falls, FALLS_AN_HOUR),
}
"""What heals at once and comes again: when it came, and how often within an hour is no news yet."""

OVER_WHEN_TOLD = frozenset({AlertKind.STALLED, AlertKind.FOLDER_AWAY})
"""Over when they are noticed; whatever more of them comes within `NO_NEWS_FOR` is no news."""

NO_NEWS_FOR = timedelta(hours=1)


# ---- one connection


def trouble(
    wanted: Wanted, observed: Observed, *, now: datetime, policy: Policy
) -> AlertKind | None:
    """What is wrong with a connection now. A pairing that fails is none: its person looks on."""
    if not wanted.enabled:
        return None
    kind = (
        HOLD_KINDS[observed.hold]
        if observed.hold
        else _attempts(observed, policy) or _recurring(observed, now)
    )
    return None if kind in OF_LINKED and not observed.has_credentials else kind


def _attempts(observed: Observed, policy: Policy) -> AlertKind | None:
    down = observed.status is not Status.CONNECTED
    too_many = observed.attempt > policy.alert_after_attempts
    return AlertKind.ATTEMPTS if down and too_many else None


def _recurring(observed: Observed, now: datetime) -> AlertKind | None:
    often = (
        kind
        for kind, (times_of, most) in RECURRING.items()
        if len(in_the_last_hour(times_of(observed), now)) > most
    )
    return next(often, None)


def cause_of(observed: Observed) -> Reason | None:
    return observed.hold_cause if observed.hold else observed.last_reason


class Course(StrEnum):
    """How an episode goes on."""

    NOTHING = auto()
    BEGINS = auto()
    STAYS = auto()
    REPLACED = auto()  # by trouble of another kind
    RECOVERED = auto()
    DROPPED = auto()  # nobody wants it up any more


def course(
    known: AlertKind | None,
    wanted: Wanted,
    observed: Observed,
    *,
    now: datetime,
    policy: Policy,
) -> Course:
    """What becomes of the episode `known` (None: there is none) of this connection."""
    kind = trouble(wanted, observed, now=now, policy=policy)
    if known is None:
        return Course.BEGINS if kind else Course.NOTHING
    if not wanted.enabled:
        return Course.DROPPED
    if is_stable(observed, now, policy) and not _goes_on(known, observed, now):
        return Course.RECOVERED
    # On its way back it may need some attempts more: that is the same trouble, not another.
    return Course.STAYS if kind in (None, known, AlertKind.ATTEMPTS) else Course.REPLACED


def _goes_on(known: AlertKind, observed: Observed, now: datetime) -> bool:
    """What comes again and again is over when it has not come for an hour."""
    times_of, _ = RECURRING.get(known, (lambda _: (), 0))
    return bool(in_the_last_hour(times_of(observed), now))


def may_heal(kind: AlertKind, cause: Reason | None) -> bool:
    if kind is AlertKind.RETRIES_EXHAUSTED:
        return cause in LIFTED_REASONS
    return kind in MAY_HEAL


def is_due(
    kind: AlertKind, cause: Reason | None, began_at: datetime, *, now: datetime, policy: Policy
) -> bool:
    """Whether it is time to tell people."""
    return not may_heal(kind, cause) or now - began_at >= policy.alert_delay


# ---- the whole server


def is_cut_off(wanted: Wanted, observed: Observed) -> bool:
    """Down for a reason that has nothing to do with this connection in particular."""
    trying = observed.hold is Hold.RETRIES_EXHAUSTED or observed.attempt > 0
    down = observed.status is not Status.CONNECTED
    linked = wanted.enabled and observed.has_credentials
    return linked and trying and down and cause_of(observed) in OUTAGE_REASONS


def is_of_outage(kind: AlertKind, cause: Reason | None) -> bool:
    """Whether such an episode can be one of many that have one cause."""
    return kind in (AlertKind.ATTEMPTS, AlertKind.RETRIES_EXHAUSTED) and cause in OUTAGE_REASONS


def is_outage(cut_off: int, should_be_up: int) -> bool:
    return cut_off >= 2 and 2 * cut_off >= should_be_up


LITTLE_SPACE = 500 * 1000**2  # bytes; below it SQLite, spools and backups soon fail
LITTLE_SHARE = 0.05  # of a small disk, of which 500 MB would be too much to ask
ENOUGH_AGAIN = 1.5  # times as much, or a disk near the limit would be over and over news


def disk_is_low(total: int, free: int, *, was_low: bool) -> bool:
    """`total` and `free` in bytes."""
    limit = min(LITTLE_SPACE, LITTLE_SHARE * total)
    return free < limit * (ENOUGH_AGAIN if was_low else 1)


MOST_SKEW = timedelta(seconds=30)
"""Far more than an answer is on its way, far less than what keeps a login from succeeding."""


def clock_is_wrong(ours: datetime, theirs: datetime) -> bool:
    return abs(ours - theirs) > MOST_SKEW


# ---- what is told


@dataclass(frozen=True)
class Note:
    """What one mail tells one reader. `about` is the number, or of the server the detail; `whose`
    an e-mail, empty where it is the reader's own; `numbers` how many an outage concerns, 0 where
    only the reader's own are meant; `until` the end of a ban."""

    kind: AlertKind
    recovered: bool
    since: datetime
    about: str = ""
    cause: Reason | None = None
    until: datetime | None = None
    whose: str = ""
    numbers: int = 0
    practice: bool = False
