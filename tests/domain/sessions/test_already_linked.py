"""One number at two connections: two bots never answer it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted, linked_at, request
from wa_app.domain.sessions.policy import Moment, Policy
from wa_app.domain.sessions.reconcile import CloseSocket, Wipe, after_news, next_step
from wa_app.domain.sessions.socket_messages import Closed, News, Opened, Paired
from wa_app.domain.sessions.states import Hold, Status

PHONE = "+34600111222"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(days=3)
WANTED = Wanted(**request("connect", 1))


def hear(observed: Observed, news: News, *, wanted: Wanted = WANTED) -> Observed:
    after = after_news(
        wanted,
        observed,
        news,
        Moment(NOW, 0.0, Policy()),
        socket_id=1,
        current=1,
        answered_elsewhere=True,
    )
    assert after is not None
    return after


def step(observed: Observed, wanted: Wanted = WANTED) -> object:
    return next_step(wanted, observed, Moment(NOW, 0.0, Policy()), socket_open=True)


def opening(**known: object) -> Observed:
    return Observed(status=Status.CONNECTING, opening_since=NOW, observed_version=1, **known)  # type: ignore[arg-type]


def test_a_new_device_of_a_number_that_answers_elsewhere_is_unlinked() -> None:
    paired = hear(opening(), Paired(PHONE))
    assert (paired.status, paired.hold, paired.linked_phone) == (Status.CONNECTING, None, None)
    held = hear(paired, Opened(PHONE, "Ana"))
    assert (held.status, held.hold) == (Status.DISCONNECTED, Hold.ALREADY_LINKED)
    assert step(held) == CloseSocket(replace(held, has_credentials=False), unlink=True)


def test_one_that_was_up_before_is_held_and_stays_linked() -> None:
    """The other one was linked while this rested."""
    known = opening(
        has_credentials=True, linked_phone=PHONE, paired_at=EARLIER, connected_at=EARLIER
    )
    held = hear(known, Opened(PHONE, "Ana"))
    assert (held.hold, held.has_credentials, held.linked_phone) == (
        Hold.ALREADY_LINKED,
        True,
        PHONE,
    )
    assert step(held) == CloseSocket(held)


@pytest.mark.parametrize("hold", [Hold.ALREADY_LINKED, Hold.OTHER_NUMBER])
@pytest.mark.parametrize(
    "close", [Close(None, Reason.CONNECTION_LOST), Close(503, Reason.SERVER_ERROR)]
)
def test_a_socket_that_ends_by_itself_when_it_was_held_changes_nothing(
    hold: Hold, close: Close
) -> None:
    """Both news may arrive before anybody has come to close it."""
    linked = PHONE if hold is Hold.ALREADY_LINKED else "+34600333444"
    held = hear(opening(linked_phone=linked), Opened(PHONE, "Ana"))
    assert held.hold is hold
    ended = hear(held, Closed(close))
    assert (ended.status, ended.hold, ended.next_attempt_at) == (Status.DISCONNECTED, hold, None)


def test_what_is_up_to_be_unlinked_is_unlinked() -> None:
    wiped = Wanted(**request("logout", 2) | {"enabled": True})
    up = hear(opening(has_credentials=True), Opened(PHONE, "Ana"), wanted=wiped)
    assert (up.status, up.hold) == (Status.CONNECTED, None)
    assert step(up, wiped) == Wipe(2, unlink=True)


@pytest.mark.parametrize(
    ("one", "other", "first"),
    [
        (EARLIER, NOW, True),
        (NOW, EARLIER, False),
        (None, NOW, True),  # from before this was noted
        (NOW, None, False),
        (NOW, NOW, False),
        (None, None, False),
    ],
)
def test_of_two_logins_one_at_most_was_before_the_other(
    one: datetime | None, other: datetime | None, first: bool
) -> None:
    assert (linked_at(Observed(paired_at=one)) < linked_at(Observed(paired_at=other))) == first
