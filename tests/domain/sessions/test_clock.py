"""A clock that was ahead, and is set right: nothing waits until the wrong time comes again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.changes import by_this_clock
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import AN_HOUR, DIALS_AN_HOUR, Moment, Policy
from wa_app.domain.sessions.reconcile import DialNow, Settle, next_step, resume
from wa_app.domain.sessions.retries import after_close
from wa_app.domain.sessions.states import Hold, Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy()
WANTED = Wanted(enabled=True, wanted_version=1)
LOST = Close(None, Reason.CONNECTION_LOST)
AHEAD = [timedelta(seconds=20), timedelta(hours=1), timedelta(days=4000)]


def up(since: datetime) -> Observed:
    return Observed(
        status=Status.CONNECTED,
        status_since=since,
        connected_at=since,
        paired_at=since - timedelta(minutes=1),
        observed_version=1,
        socket_version=1,
        has_credentials=True,
    )


def at(now: datetime) -> Moment:
    return Moment(now, 0.0, POLICY)


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_pause_begins_anew(ahead: timedelta) -> None:
    down = by_this_clock(after_close(up(NOW + ahead - DAY), LOST, at(NOW + ahead)), NOW)
    assert down.next_attempt_at == NOW + timedelta(seconds=2)
    assert down.status_since == down.last_disconnect_at == NOW


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_ban_is_neither_shorter_nor_longer(ahead: timedelta) -> None:
    wrong = NOW + ahead
    ban = Close(402, Reason.BANNED, until=wrong + timedelta(hours=2))
    held = by_this_clock(after_close(up(wrong - DAY), ban, at(wrong)), NOW)
    assert (held.hold, held.hold_until) == (Hold.BANNED, NOW + timedelta(hours=2))
    assert next_step(WANTED, held, at(NOW), socket_open=False) is None


def test_what_was_counted_counts_for_an_hour_more_and_no_longer() -> None:
    wrong = NOW + 400 * DAY
    trying = replace(
        up(wrong),
        status=Status.CONNECTING,
        dialled=(wrong,) * DIALS_AN_HOUR,
        next_attempt_at=wrong,
    )
    trying = by_this_clock(trying, NOW)
    step = next_step(WANTED, trying, at(NOW), socket_open=False)
    assert isinstance(step, Settle), "a clock set back is no reason for a storm"
    assert step.observed.next_attempt_at == NOW + AN_HOUR
    assert isinstance(
        next_step(WANTED, step.observed, at(NOW + AN_HOUR), socket_open=False), DialNow
    )


def test_the_order_of_what_was_stays() -> None:
    right = by_this_clock(up(NOW + DAY), NOW)
    assert right.paired_at == right.connected_at == right.status_since == NOW


@pytest.mark.parametrize("since", [NOW, NOW - DAY])
def test_a_right_clock_changes_nothing(since: datetime) -> None:
    down = after_close(up(since), LOST, at(NOW))
    assert by_this_clock(down, NOW) is down


def test_a_new_owner_tells_what_was_stable_by_the_clock_there_was() -> None:
    wrong = NOW + 400 * DAY
    resumed = [
        resume(
            WANTED,
            up(wrong - lived),
            at(NOW),
            has_credentials=True,
            stopped_at=wrong,
            spread=timedelta(0),
        )
        for lived in (timedelta(seconds=29), timedelta(seconds=30))
    ]
    assert [(one.attempt, one.next_attempt_at) for one in resumed] == [
        (1, NOW + timedelta(seconds=2)),
        (0, NOW),
    ]
