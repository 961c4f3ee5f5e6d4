"""Each hold against its table: what ends it, and what never does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.changes import put_on_hold
from wa_app.domain.sessions.closes import LIFTED_REASONS, Reason
from wa_app.domain.sessions.connection import Observed, Wanted, request
from wa_app.domain.sessions.monitor import may_lift, monitor_change
from wa_app.domain.sessions.policy import BANNED_FOR, REFUSED_FOR, Moment, Policy
from wa_app.domain.sessions.reconcile import DialNow, next_step
from wa_app.domain.sessions.states import Hold

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WANTED = Wanted(**request("connect", 1))
A_WEEK = timedelta(days=7)

BY_ITSELF: dict[Hold, timedelta | None] = {
    Hold.CONFLICT: None,
    Hold.LOGGED_OUT: None,
    Hold.CREDENTIALS_CORRUPT: None,
    Hold.CLIENT_OUTDATED: None,  # but with another library
    Hold.BANNED: BANNED_FOR,
    Hold.PAIRING_EXPIRED: None,
    Hold.PASSKEY: None,
    Hold.ALREADY_LINKED: None,
    Hold.OTHER_NUMBER: None,
    Hold.REFUSED: REFUSED_FOR,
    Hold.RETRIES_EXHAUSTED: None,  # but when an outage is over
}
"""After which time it is dialled again without anybody having done anything; None: never."""


def held(hold: Hold, cause: Reason = Reason.REQUESTED) -> Observed:
    known = Observed(
        has_credentials=True, observed_version=1, linked_phone="+34600111222", hold_library="1"
    )
    down = put_on_hold(known, hold, cause, NOW)
    until = BY_ITSELF[hold]
    return replace(down, hold_library="1", hold_until=NOW + until if until else None)


def dials(observed: Observed, after: timedelta, library: str = "1") -> bool:
    moment = Moment(NOW + after, 0.0, Policy(), library)
    assert monitor_change(WANTED, observed, moment, silent_for=None) is None, "the monitor meddles"
    return isinstance(next_step(WANTED, observed, moment, socket_open=False), DialNow)


def test_the_table_knows_all_of_them() -> None:
    assert set(BY_ITSELF) == set(Hold)


@pytest.mark.parametrize("hold", Hold)
def test_a_hold_ends_when_its_time_has_come_and_never_before(hold: Hold) -> None:
    until = BY_ITSELF[hold]
    if until is None:
        assert not dials(held(hold), A_WEEK)
    else:
        assert not dials(held(hold), until - timedelta(seconds=1))
        assert dials(held(hold), until)


@pytest.mark.parametrize("hold", Hold)
def test_another_library_ends_one_hold_alone(hold: Hold) -> None:
    assert dials(held(hold), timedelta(minutes=1), "2") == (hold is Hold.CLIENT_OUTDATED)


@pytest.mark.parametrize("hold", Hold)
def test_the_end_of_an_outage_lifts_one_hold_alone(hold: Hold) -> None:
    for cause in Reason:
        over = hold is Hold.RETRIES_EXHAUSTED and cause in LIFTED_REASONS
        assert may_lift(held(hold, cause), NOW + A_WEEK) == over, cause


@pytest.mark.parametrize("hold", Hold)
def test_a_person_ends_every_hold(hold: Hold) -> None:
    asked = Wanted(**request("connect", 2))
    step = next_step(asked, held(hold), Moment(NOW, 0.0, Policy(), "1"), socket_open=False)
    assert isinstance(step, DialNow)
    assert step.observed.hold is None
