"""A line that lives just long enough to be stable, and falls again and again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import AN_HOUR, Moment, Policy
from wa_app.domain.sessions.reconcile import DialNow, after_wipe, next_step
from wa_app.domain.sessions.retries import after_close, is_unstable
from wa_app.domain.sessions.states import Hold, Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = Policy()
LOST = Close(None, Reason.CONNECTION_LOST)
WAYS_TO_FALL = (
    LOST,
    Close(408, Reason.KEEPALIVE_TIMEOUT),
    Close(503, Reason.SERVER_ERROR),
    Close(408, Reason.PROCESS_DIED),
    Close(515, Reason.RESTART_REQUIRED),
)


def up(since: datetime, observed: Observed | None = None) -> Observed:
    up = replace(observed or Observed(), status=Status.CONNECTED, connected_at=since)
    return replace(up, has_credentials=True, next_attempt_at=None, opening_since=None)


def fall(observed: Observed, now: datetime, close: Close = LOST) -> Observed:
    return after_close(observed, close, Moment(now, 0.0, POLICY))


def pause(observed: Observed, now: datetime) -> float:
    assert observed.next_attempt_at is not None
    return (observed.next_attempt_at - now).total_seconds()


@pytest.mark.parametrize("close", WAYS_TO_FALL)
def test_from_the_sixth_fall_on_it_waits_ever_longer(close: Close) -> None:
    observed, now, pauses = up(NOW), NOW, []
    for _ in range(13):
        now += timedelta(seconds=60)
        observed = fall(observed, now, close)
        assert (observed.attempt, observed.hold) == (1, None)
        pauses.append(pause(observed, now))
        now = observed.next_attempt_at or now
        observed = up(now, observed)
    assert pauses == [2] * 5 + [32, 64, 128, 256, 512, 600, 600, 600]


@pytest.mark.parametrize("lives", [30, 45, 60, 300])
def test_for_ever_it_is_no_storm(lives: int) -> None:
    """A day of a line that lives for so many seconds each time."""
    observed, now, dials = up(NOW), NOW, []
    while now < NOW + timedelta(days=1):
        now += timedelta(seconds=lives)
        observed = fall(observed, now)
        now = observed.next_attempt_at or now
        dials.append(now)
        observed = up(now, observed)
    most = max(sum(at <= one < at + AN_HOUR for one in dials) for at in dials)
    assert most <= 14
    assert len(dials) <= 24 * 10


def test_what_was_an_hour_ago_is_forgotten() -> None:
    long_ago = tuple(NOW - AN_HOUR - timedelta(minutes=n) for n in range(9, -1, -1))
    observed = up(NOW - timedelta(minutes=5), Observed(falls=long_ago))
    assert not is_unstable(observed, NOW)
    fell = fall(observed, NOW)
    assert (fell.falls, pause(fell, NOW)) == ((NOW,), 2)


def test_a_fall_before_it_was_stable_is_an_attempt_and_no_fall() -> None:
    fell = fall(up(NOW - timedelta(seconds=29)), NOW)
    assert (fell.falls, fell.attempt) == ((), 1)


@pytest.mark.parametrize(
    ("close", "hold"),
    [
        (Close(440, Reason.STREAM_REPLACED), Hold.CONFLICT),
        (Close(401, Reason.LOGGED_OUT), Hold.LOGGED_OUT),
        (Close(None, Reason.DEAF), None),
    ],
)
def test_what_has_a_rule_of_its_own_is_no_fall(close: Close, hold: Hold | None) -> None:
    fell = fall(up(NOW - AN_HOUR), NOW, close)
    assert (fell.falls, fell.hold) == ((), hold)


def test_a_click_dials_at_once_and_forgets_no_fall() -> None:
    falls = tuple(NOW - timedelta(minutes=n) for n in range(9, 0, -1))
    waiting = fall(up(NOW - AN_HOUR, Observed(falls=falls, observed_version=1)), NOW)
    clicked = Wanted(enabled=True, wanted_version=2, reopen_version=2)
    step = next_step(clicked, waiting, Moment(NOW, 0.0, POLICY), socket_open=False)
    assert isinstance(step, DialNow)
    assert step.observed.falls == (*falls, NOW)
    assert after_wipe(waiting, 3, NOW, folder_gone=True).falls == ()
