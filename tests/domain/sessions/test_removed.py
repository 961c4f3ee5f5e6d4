"""A device that WhatsApp removes right after it was linked: nobody unlinked it on the phone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import Moment, Policy
from wa_app.domain.sessions.reconcile import after_news, after_wipe
from wa_app.domain.sessions.restoring import after_restore
from wa_app.domain.sessions.retries import after_close
from wa_app.domain.sessions.socket_messages import Paired
from wa_app.domain.sessions.states import Hold, Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOON, TEN_MINUTES = timedelta(seconds=5), timedelta(minutes=10)
WANTED = Wanted(enabled=True, wanted_version=1)


def paired(observed: Observed, now: datetime) -> Observed:
    moment = Moment(now, 0.0, Policy())
    after = after_news(WANTED, observed, Paired("+34600111222"), moment, socket_id=1, current=1)
    assert after is not None
    return after


def removed(observed: Observed, now: datetime, code: int = 401) -> Observed:
    return after_close(observed, Close(code, Reason.LOGGED_OUT), Moment(now, 0.0, Policy()))


@pytest.mark.parametrize("code", [401, 403, 406, 428])
@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (timedelta(0), Reason.REMOVED),
        (SOON, Reason.REMOVED),
        (TEN_MINUTES - SOON, Reason.REMOVED),
        (TEN_MINUTES, Reason.LOGGED_OUT),
        (timedelta(days=400), Reason.LOGGED_OUT),
    ],
)
def test_within_ten_minutes_it_was_whatsapp(after: timedelta, reason: Reason, code: int) -> None:
    held = removed(paired(Observed(), NOW), NOW + after, code)
    assert (held.hold, held.hold_cause, held.last_reason) == (Hold.LOGGED_OUT, reason, reason)
    assert (held.status, held.has_credentials) == (Status.DISCONNECTED, False)


def test_that_it_was_open_meanwhile_changes_nothing() -> None:
    up = replace(paired(Observed(), NOW), status=Status.CONNECTED, connected_at=NOW)
    assert removed(up, NOW + timedelta(minutes=5)).hold_cause is Reason.REMOVED


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (timedelta(minutes=1), Reason.REMOVED_AGAIN),
        (timedelta(days=2), Reason.REMOVED_AGAIN),
        (timedelta(days=8), Reason.REMOVED),
    ],
)
@pytest.mark.parametrize("wiped", [False, True])
def test_the_second_time_is_another_case(after: timedelta, reason: Reason, wiped: bool) -> None:
    first = removed(paired(Observed(), NOW), NOW)
    if wiped:
        first = after_wipe(first, 2, NOW, folder_gone=True)
    again = removed(paired(first, NOW + after), NOW + after + SOON)
    assert again.hold_cause is reason


def test_what_the_owner_is_known_to_have_done_was_not_whatsapp() -> None:
    unlinked = Close(401, Reason.LOGGED_OUT, by_owner=True)
    held = after_close(paired(Observed(), NOW), unlinked, Moment(NOW + SOON, 0.0, Policy()))
    assert (held.hold_cause, held.removed_at) == (Reason.LOGGED_OUT, None)


def test_a_login_restored_from_a_copy_is_not_new() -> None:
    new = paired(Observed(), NOW)
    for before in (new, removed(new, NOW)):
        restored = after_restore(before, NOW)
        assert removed(restored, NOW + SOON).hold_cause is Reason.LOGGED_OUT
