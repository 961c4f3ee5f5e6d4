"""WhatsApp says no: bans of every form, refusals, and faults of the library; and that no sequence
of them is a storm of dials."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.monitor import lifted, may_lift
from wa_app.domain.sessions.policy import DIALS_AN_HOUR, Moment, Policy
from wa_app.domain.sessions.reconcile import DialNow, Settle, due_at, next_step, resume
from wa_app.domain.sessions.retries import after_close
from wa_app.domain.sessions.states import Hold, Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = Policy()
WANTED = Wanted(enabled=True, wanted_version=1)
OPENING = Observed(
    status=Status.CONNECTING,
    opening_since=NOW,
    observed_version=1,
    socket_version=1,
    has_credentials=True,
)
DAY = timedelta(days=1)


def at(now: datetime) -> Moment:
    return Moment(now, 0.0, POLICY, "1")


def dial(observed: Observed, now: datetime) -> Observed:
    step = next_step(WANTED, observed, at(now), socket_open=False)
    assert isinstance(step, DialNow), step
    return step.observed


def close_until_held(observed: Observed, close: Close, now: datetime) -> tuple[Observed, datetime]:
    """As often as it is dialled again, it ends so."""
    for _ in range(POLICY.reconnect_max_attempts):
        observed = after_close(observed, close, at(now))
        assert observed.hold is None
        now = observed.next_attempt_at or now
        observed = dial(observed, now)
    return after_close(observed, close, at(now)), now


@pytest.mark.parametrize("until", [NOW + timedelta(hours=2), None])
def test_a_ban_ends_when_it_says_else_after_a_day(until: datetime | None) -> None:
    held = after_close(OPENING, Close(402, Reason.BANNED, until=until), at(NOW))
    assert (held.hold, held.hold_until) == (Hold.BANNED, until or NOW + DAY)


@pytest.mark.parametrize("code", [400, 404, 409, 411, 415, 418, 429, 499, None])
def test_a_refusal_backs_off_and_then_waits_a_day(code: int | None) -> None:
    held, now = close_until_held(OPENING, Close(code, Reason.REFUSED), NOW)
    assert (held.hold, held.hold_cause, held.hold_until) == (
        Hold.REFUSED,
        Reason.REFUSED,
        now + DAY,
    )
    assert not may_lift(held, now + 2 * DAY), "it is no outage, whatever WhatsApp's door says"
    assert due_at(held, POLICY) == now + DAY
    assert next_step(WANTED, held, at(now + DAY - timedelta(seconds=1)), socket_open=False) is None
    assert dial(held, now + DAY).attempt == 0


@pytest.mark.parametrize("code", [429, 400, None])
def test_a_refused_pairing_code_is_not_asked_for_again(code: int | None) -> None:
    held = after_close(
        replace(OPENING, has_credentials=False), Close(code, Reason.PAIRING_REFUSED), at(NOW)
    )
    assert (held.hold, held.attempt, held.hold_until) == (Hold.REFUSED, 0, NOW + DAY)
    assert next_step(WANTED, held, at(NOW + 2 * DAY), socket_open=False) is None


@pytest.mark.parametrize("status", [Status.QR_PENDING, Status.CONNECTING])
def test_a_passkey_account_is_held_at_once(status: Status) -> None:
    pairing = replace(OPENING, has_credentials=False, status=status, pairing_started_at=NOW)
    held = after_close(pairing, Close(None, Reason.PASSKEY), at(NOW))
    assert (held.hold, held.hold_until, held.next_attempt_at) == (Hold.PASSKEY, None, None)
    assert next_step(WANTED, held, at(NOW + 9 * DAY), socket_open=False) is None


def test_a_refused_pairing_waits_for_a_person() -> None:
    unlinked = replace(OPENING, has_credentials=False)
    held, now = close_until_held(unlinked, Close(429, Reason.REFUSED), NOW)
    assert (held.hold, held.hold_until) == (Hold.REFUSED, now + DAY)
    assert due_at(held, POLICY) is None
    assert next_step(WANTED, held, at(now + 9 * DAY), socket_open=False) is None


def test_an_end_that_nothing_explains_is_an_attempt_and_no_outage() -> None:
    held, now = close_until_held(OPENING, Close(None, Reason.LIBRARY_FAULT), NOW)
    assert (held.hold, held.hold_cause) == (Hold.RETRIES_EXHAUSTED, Reason.LIBRARY_FAULT)
    assert not may_lift(held, now + DAY)


def test_a_deaf_session_is_dialled_at_once_and_counts_no_attempt() -> None:
    up = replace(OPENING, status=Status.CONNECTED, opening_since=None, connected_at=NOW, attempt=3)
    fell = after_close(up, Close(None, Reason.DEAF), at(NOW))
    assert (fell.status, fell.attempt, fell.next_attempt_at) == (Status.CONNECTING, 3, NOW)
    assert fell.deaf == (NOW,)


def test_the_eleventh_time_within_an_hour_it_waits_and_is_never_held() -> None:
    observed, now, waits = OPENING, NOW, []
    for _ in range(18):
        observed = after_close(observed, Close(None, Reason.DEAF), at(now))
        assert observed.next_attempt_at is not None
        waits.append((observed.next_attempt_at - now).total_seconds())
        now = observed.next_attempt_at
        observed = dial(observed, now)
    assert waits == [0] * 10 + [32, 64, 128, 256, 512, 600, 600, 600]


def test_what_was_an_hour_ago_is_not_counted() -> None:
    long_ago = tuple(NOW - timedelta(hours=1, seconds=n) for n in range(20, 0, -1))
    fell = after_close(replace(OPENING, deaf=long_ago), Close(None, Reason.DEAF), at(NOW))
    assert (fell.deaf, fell.next_attempt_at) == ((NOW,), NOW)


@pytest.mark.parametrize("reason", [Reason.PROCESS_DIED, Reason.SERVICE_STOPPED])
def test_a_night_without_memory_heals_by_itself(reason: Reason) -> None:
    held, now = close_until_held(OPENING, Close(408, reason), NOW)
    assert (held.hold, held.hold_cause) == (Hold.RETRIES_EXHAUSTED, reason)
    assert may_lift(held, now)
    again = lifted(held, at(now))
    held, now = close_until_held(dial(again, now), Close(408, reason), now)
    assert not may_lift(held, now), "each lift waits longer than the last"
    assert may_lift(held, now + timedelta(minutes=5))


def test_the_last_of_several_troubles_decides() -> None:
    fell = replace(OPENING, attempt=POLICY.reconnect_max_attempts)
    refused = after_close(fell, Close(429, Reason.REFUSED), at(NOW))
    lost = after_close(fell, Close(None, Reason.UNREACHABLE), at(NOW))
    assert (refused.hold, lost.hold) == (Hold.REFUSED, Hold.RETRIES_EXHAUSTED)


@pytest.mark.parametrize("seconds", [1, 30, 119])
def test_bans_that_end_at_once_are_no_storm(seconds: int) -> None:
    """Each end of one is a dial that nobody asked for."""
    observed, now, dials = OPENING, NOW, []
    while now < NOW + timedelta(hours=3):
        ban = Close(402, Reason.BANNED, until=now + timedelta(seconds=seconds))
        observed = after_close(observed, ban, at(now))
        while True:
            now = max(now, due_at(observed, POLICY) or now)
            step = next_step(WANTED, observed, at(now), socket_open=False)
            assert step is not None
            observed = step.observed  # type: ignore[union-attr]
            if isinstance(step, DialNow):
                break
        dials.append(now)
    for first, last in zip(dials, dials[DIALS_AN_HOUR:], strict=False):
        assert last - first >= timedelta(hours=1)
    assert len(dials) >= 3 * DIALS_AN_HOUR - 1


def test_crashes_do_not_make_it_forget_how_often_it_has_dialled() -> None:
    recent = tuple(NOW - timedelta(seconds=100 - n) for n in range(DIALS_AN_HOUR))
    opening = replace(OPENING, dialled=recent)
    again = resume(
        WANTED, opening, at(NOW), has_credentials=True, stopped_at=NOW, spread=timedelta(0)
    )
    due = again.next_attempt_at
    assert due is not None
    step = next_step(WANTED, again, at(due), socket_open=False)
    assert isinstance(step, Settle)
    assert step.observed.next_attempt_at == recent[0] + timedelta(hours=1)
    assert next_step(WANTED, step.observed, at(due), socket_open=False) is None


@pytest.mark.parametrize("end", ["person", "stable"])
def test_a_person_and_a_stable_connection_begin_anew(end: str) -> None:
    dialled = replace(OPENING, dialled=(NOW,))
    if end == "person":
        asked = replace(WANTED, wanted_version=2)
        step = next_step(asked, replace(dialled, opening_since=None), at(NOW), socket_open=False)
        assert isinstance(step, DialNow)
    else:
        up = replace(dialled, status=Status.CONNECTED, opening_since=None, connected_at=NOW)
        stable = NOW + POLICY.stable_after
        assert due_at(up, POLICY) == stable
        step = next_step(WANTED, up, at(stable), socket_open=True)
        assert isinstance(step, Settle)
    assert step.observed.dialled == ()
