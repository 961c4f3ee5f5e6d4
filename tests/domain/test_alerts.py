"""What is trouble, what becomes of an episode, and when people hear of it: the tables."""

from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.alerts import (
    HOLD_KINDS,
    AlertKind,
    Course,
    clock_is_wrong,
    course,
    disk_is_low,
    is_cut_off,
    is_due,
    is_of_outage,
    is_outage,
    trouble,
)
from wa_app.domain.mails import RETRY_DELAYS, retry_delay
from wa_app.domain.sessions.closes import OUTAGE_REASONS, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import Policy
from wa_app.domain.sessions.states import Hold, Status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy()
ON, OFF = Wanted(enabled=True), Wanted(enabled=False)
JUST_UP, LONG_UP = NOW - timedelta(seconds=29), NOW - timedelta(seconds=30)


def seen(**fields: object) -> Observed:
    return Observed(**{"has_credentials": True, **fields})  # type: ignore[arg-type]


def held(hold: Hold, cause: Reason | None = None) -> Observed:
    return seen(hold=hold, hold_cause=cause)


def trying(attempt: int, reason: Reason = Reason.UNREACHABLE) -> Observed:
    return seen(status=Status.CONNECTING, attempt=attempt, last_reason=reason)


def up(since: datetime, **fields: object) -> Observed:
    return seen(status=Status.CONNECTED, connected_at=since, **fields)


TEN_TIMES = tuple(NOW - timedelta(minutes=59 - n) for n in range(10))
AN_HOUR_AGO = (NOW - timedelta(hours=1),)


EXHAUSTED = held(Hold.RETRIES_EXHAUSTED, Reason.UNREACHABLE)


@pytest.mark.parametrize(
    ("wanted", "observed", "kind"),
    [
        *((ON, held(hold), kind) for hold, kind in HOLD_KINDS.items()),
        *((OFF, held(hold), None) for hold in HOLD_KINDS),
        (ON, seen(), None),
        (ON, trying(3), None),
        (ON, trying(4), AlertKind.ATTEMPTS),
        (OFF, trying(4), None),
        (ON, up(JUST_UP, attempt=4), None),
        (ON, Observed(status=Status.CONNECTING, attempt=5), None),  # a pairing: somebody looks on
        (ON, Observed(hold=Hold.RETRIES_EXHAUSTED), None),
        (ON, Observed(hold=Hold.LOGGED_OUT), AlertKind.LOGGED_OUT),
        (ON, Observed(hold=Hold.REFUSED), None),
        (ON, up(LONG_UP, deaf=TEN_TIMES), None),
        (ON, up(LONG_UP, falls=TEN_TIMES[:5]), None),
        (ON, up(LONG_UP, falls=TEN_TIMES[:6]), AlertKind.UNSTABLE),
        (ON, up(LONG_UP, falls=(*AN_HOUR_AGO, *TEN_TIMES[:5])), None),
        (OFF, seen(falls=TEN_TIMES), None),
        (ON, up(LONG_UP, deaf=(*TEN_TIMES, NOW)), AlertKind.DEAF),
        (ON, up(LONG_UP, deaf=(*AN_HOUR_AGO, *TEN_TIMES)), None),
    ],
)
def test_what_is_trouble(wanted: Wanted, observed: Observed, kind: AlertKind | None) -> None:
    assert trouble(wanted, observed, now=NOW, policy=POLICY) is kind


def test_every_hold_has_its_row() -> None:
    assert set(HOLD_KINDS) == set(Hold)


@pytest.mark.parametrize(
    ("known", "wanted", "observed", "expected"),
    [
        (None, ON, seen(), Course.NOTHING),
        (None, ON, held(Hold.CONFLICT), Course.BEGINS),
        (AlertKind.CONFLICT, ON, held(Hold.CONFLICT), Course.STAYS),
        (AlertKind.CONFLICT, ON, trying(0), Course.STAYS),  # a person has just reconnected
        (AlertKind.CONFLICT, ON, up(JUST_UP), Course.STAYS),
        (AlertKind.CONFLICT, ON, up(LONG_UP), Course.RECOVERED),
        (AlertKind.ATTEMPTS, ON, up(LONG_UP, attempt=4), Course.RECOVERED),
        (AlertKind.CONFLICT, OFF, held(Hold.CONFLICT), Course.DROPPED),
        (AlertKind.CONFLICT, OFF, seen(), Course.DROPPED),
        (AlertKind.ATTEMPTS, ON, EXHAUSTED, Course.REPLACED),
        (AlertKind.RETRIES_EXHAUSTED, ON, trying(4), Course.STAYS),  # lifted, and failing again
        (AlertKind.RETRIES_EXHAUSTED, ON, held(Hold.BANNED), Course.REPLACED),
        (AlertKind.DEAF, ON, up(LONG_UP, deaf=TEN_TIMES[-1:]), Course.STAYS),
        (AlertKind.DEAF, ON, up(LONG_UP, deaf=AN_HOUR_AGO), Course.RECOVERED),
        (AlertKind.DEAF, ON, held(Hold.CONFLICT), Course.REPLACED),
        (AlertKind.UNSTABLE, ON, up(LONG_UP, falls=TEN_TIMES), Course.STAYS),
        (AlertKind.UNSTABLE, ON, up(LONG_UP, falls=TEN_TIMES[-1:]), Course.STAYS),
        (AlertKind.UNSTABLE, ON, up(LONG_UP, falls=AN_HOUR_AGO), Course.RECOVERED),
        (AlertKind.UNSTABLE, ON, up(JUST_UP, falls=AN_HOUR_AGO), Course.STAYS),
        (AlertKind.UNSTABLE, ON, trying(4), Course.STAYS),
        (AlertKind.UNSTABLE, ON, EXHAUSTED, Course.REPLACED),
        (AlertKind.UNSTABLE, OFF, seen(falls=TEN_TIMES), Course.DROPPED),
    ],
)
def test_what_becomes_of_an_episode(
    known: AlertKind | None, wanted: Wanted, observed: Observed, expected: Course
) -> None:
    assert course(known, wanted, observed, now=NOW, policy=POLICY) is expected


@pytest.mark.parametrize(
    ("kind", "cause", "at_once"),
    [
        (AlertKind.CONFLICT, Reason.STREAM_REPLACED, True),
        (AlertKind.LOGGED_OUT, Reason.LOGGED_OUT, True),
        (AlertKind.BANNED, Reason.BANNED, True),
        (AlertKind.CREDENTIALS_CORRUPT, Reason.FILE_CORRUPT, True),
        (AlertKind.CLIENT_OUTDATED, Reason.CLIENT_OUTDATED, True),
        (AlertKind.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT, True),
        (AlertKind.DEAF, Reason.DEAF, True),
        (AlertKind.UNSTABLE, Reason.CONNECTION_LOST, True),
        *((AlertKind.RETRIES_EXHAUSTED, cause, False) for cause in sorted(OUTAGE_REASONS)),
        (AlertKind.ATTEMPTS, Reason.CONNECTION_LOST, False),
        (AlertKind.OUTAGE, Reason.UNREACHABLE, True),  # one of its numbers has waited already
        (AlertKind.DISK_NEARLY_FULL, None, False),
        (AlertKind.BACKUP_FAILED, None, True),
        (AlertKind.CLOCK_WRONG, None, True),
        (AlertKind.STALLED, None, True),
    ],
)
def test_when_people_are_told(kind: AlertKind, cause: Reason | None, at_once: bool) -> None:
    for ago, due in ((0, at_once), (59, at_once), (60, True)):
        began = NOW - timedelta(seconds=ago)
        assert is_due(kind, cause, began, now=NOW, policy=POLICY) is due


@pytest.mark.parametrize(
    ("wanted", "observed", "expected"),
    [
        (ON, EXHAUSTED, True),
        (ON, trying(1), True),
        (ON, trying(1, Reason.CONNECTION_LOST), False),
        (OFF, trying(1), False),
        (ON, up(JUST_UP, attempt=1), False),
        (ON, held(Hold.CONFLICT, Reason.STREAM_REPLACED), False),
        (ON, held(Hold.RETRIES_EXHAUSTED, Reason.PROCESS_DIED), True),
        (ON, held(Hold.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT), False),
        (ON, Observed(hold=Hold.RETRIES_EXHAUSTED, hold_cause=Reason.UNREACHABLE), False),
    ],
)
def test_who_is_cut_off(wanted: Wanted, observed: Observed, expected: bool) -> None:
    assert is_cut_off(wanted, observed) is expected


@pytest.mark.parametrize(
    ("cut_off", "should_be_up", "expected"),
    [(1, 1, False), (2, 2, True), (2, 4, True), (2, 5, False), (3, 5, True), (0, 0, False)],
)
def test_what_is_an_outage(cut_off: int, should_be_up: int, expected: bool) -> None:
    assert is_outage(cut_off, should_be_up) is expected


def test_only_what_has_the_cause_of_an_outage_is_part_of_one() -> None:
    assert is_of_outage(AlertKind.ATTEMPTS, Reason.UNREACHABLE)
    assert not is_of_outage(AlertKind.ATTEMPTS, Reason.CONNECTION_LOST)
    assert not is_of_outage(AlertKind.CONFLICT, Reason.UNREACHABLE)


@pytest.mark.parametrize(
    ("total", "free", "was_low", "low"),
    [
        (100e9, 499e6, False, True),
        (100e9, 500e6, False, False),
        (100e9, 749e6, True, True),  # a little room more is no end of it
        (100e9, 750e6, True, False),
        (1e9, 49e6, False, True),  # of a small disk, 5 %
        (1e9, 51e6, False, False),
    ],
)
def test_when_the_disk_is_nearly_full(total: int, free: int, was_low: bool, low: bool) -> None:
    assert disk_is_low(total, free, was_low=was_low) is low


def test_a_mail_is_tried_again_with_growing_delays_and_never_given_up() -> None:
    minutes = [retry_delay(attempts).total_seconds() / 60 for attempts in range(1, 9)]
    assert minutes == [1 / 6, 0.5, 1, 2, 5, 15, 60, 60]
    assert retry_delay(1000) == RETRY_DELAYS[-1]


@pytest.mark.parametrize(
    ("off", "wrong"), [(0, False), (30, False), (31, True), (-30, False), (-31, True), (3600, True)]
)
def test_when_the_clock_is_wrong(off: int, wrong: bool) -> None:
    assert clock_is_wrong(NOW + timedelta(seconds=off), NOW) is wrong
