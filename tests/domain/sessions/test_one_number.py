"""One connection, one number: another that is linked is never used until a person has chosen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wa_app.domain.phone_numbers import same_number
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted, request
from wa_app.domain.sessions.policy import Moment, Policy
from wa_app.domain.sessions.reconcile import (
    CloseSocket,
    DialNow,
    Step,
    Wipe,
    after_news,
    after_wipe,
    next_step,
)
from wa_app.domain.sessions.socket_messages import Closed, News, Opened, Paired
from wa_app.domain.sessions.states import Hold, Status

OURS, THEIRS = "+34600111222", "+34600333444"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def asked(wanted: Wanted, kind: str) -> Wanted:
    return replace(wanted, **request(kind, wanted.wanted_version + 1))


WANTED = asked(Wanted(), "connect")


def step(wanted: Wanted, observed: Observed, *, socket: bool, after: float = 0) -> Step | None:
    moment = Moment(NOW + timedelta(seconds=after), 0.0, Policy(), "1")
    return next_step(wanted, observed, moment, socket_open=socket)


def hear(wanted: Wanted, observed: Observed, news: News) -> Observed:
    moment = Moment(NOW, 0.0, Policy())
    after = after_news(wanted, observed, news, moment, socket_id=1, current=1)
    assert after is not None
    return after


def opening(**known: object) -> Observed:
    return Observed(status=Status.CONNECTING, opening_since=NOW, observed_version=1, **known)  # type: ignore[arg-type]


def held() -> Observed:
    return hear(WANTED, opening(linked_phone=OURS), Opened(THEIRS, "Bruno"))


@pytest.mark.parametrize("news", [Paired(THEIRS), Opened(THEIRS, "Bruno")])
def test_another_number_is_held_and_its_socket_closed(news: News) -> None:
    seen = hear(WANTED, opening(linked_phone=OURS), news)
    assert (seen.status, seen.hold) == (Status.DISCONNECTED, Hold.OTHER_NUMBER)
    assert (seen.phone, seen.linked_phone, seen.has_credentials) == (THEIRS, OURS, True)
    assert step(WANTED, seen, socket=True) == CloseSocket(seen)
    assert step(WANTED, seen, socket=False) is None


def test_the_first_number_is_the_connections_own_and_survives_every_wipe() -> None:
    first = hear(WANTED, opening(), Paired(OURS))
    assert first.linked_phone == OURS
    wiped = after_wipe(first, 2, NOW, folder_gone=True)
    assert (wiped.phone, wiped.linked_phone) == (None, OURS)
    assert after_wipe(first, 2, NOW, folder_gone=False).linked_phone == OURS


def test_a_code_for_one_number_that_another_types_is_the_same_case() -> None:
    wanted = Wanted(enabled=True, wanted_version=1, pair_phone=OURS)
    assert hear(wanted, opening(), Paired(THEIRS)).hold is Hold.OTHER_NUMBER
    assert hear(wanted, opening(), Paired(OURS)).hold is None


def test_accepted_it_is_the_connections_own_and_dials() -> None:
    accepted = asked(WANTED, "accept_number")
    dial = step(accepted, held(), socket=False)
    assert isinstance(dial, DialNow)
    assert dial.observed.linked_phone == THEIRS
    assert hear(accepted, dial.observed, Opened(THEIRS, "Bruno")).status is Status.CONNECTED


def test_accepted_and_switched_off_at_once_it_is_still_accepted() -> None:
    off = asked(asked(WANTED, "accept_number"), "disconnect")
    rested = step(off, held(), socket=False)
    assert rested is not None
    assert not isinstance(rested, Wipe)
    assert rested.observed.linked_phone == THEIRS


@pytest.mark.parametrize(
    "kinds", [("accept_number", "unlink_number"), ("unlink_number", "accept_number")]
)
def test_who_presses_both_buttons_keeps_the_first_number(kinds: tuple[str, str]) -> None:
    """In two tabs, before anybody has come to the first: the number is unlinked, which the other
    choice cannot take back."""
    both = asked(asked(WANTED, kinds[0]), kinds[1])
    dial = step(both, held(), socket=False)
    assert isinstance(dial, DialNow)
    up = hear(both, dial.observed, Opened(THEIRS, "Bruno"))
    assert step(both, up, socket=True) == Wipe(both.wipe_version, unlink=True)
    wiped = after_wipe(up, both.wipe_version, NOW, folder_gone=True)
    again = step(both, wiped, socket=False)
    assert isinstance(again, DialNow)
    assert again.observed.linked_phone == OURS


def test_a_mere_reconnect_accepts_nothing() -> None:
    again = asked(WANTED, "reconnect")
    dial = step(again, held(), socket=False)
    assert isinstance(dial, DialNow)
    assert hear(again, dial.observed, Opened(THEIRS, "Bruno")).hold is Hold.OTHER_NUMBER


@pytest.mark.parametrize("kind", ["unlink_number", "connect_fresh"])
def test_it_is_unlinked_by_one_dial_for_that_alone(kind: str) -> None:
    unlink = asked(WANTED, kind)
    dial = step(unlink, held(), socket=False)
    assert isinstance(dial, DialNow)
    assert step(unlink, dial.observed, socket=True) is None  # it waits for the login
    up = hear(unlink, dial.observed, Opened(THEIRS, "Bruno"))
    assert up.status is Status.DISCONNECTED  # never shown, never used
    assert step(unlink, up, socket=True) == Wipe(unlink.wipe_version, unlink=True)


@pytest.mark.parametrize(
    "close", [Close(None, Reason.UNREACHABLE), Close(401, Reason.LOGGED_OUT, has_credentials=False)]
)
def test_what_cannot_be_unlinked_is_wiped_all_the_same(close: Close) -> None:
    unlink = asked(WANTED, "unlink_number")
    dial = step(unlink, held(), socket=False)
    assert isinstance(dial, DialNow)
    fell = hear(unlink, dial.observed, Closed(close))
    assert step(unlink, fell, socket=False) == Wipe(unlink.wipe_version, unlink=False)
    assert step(unlink, dial.observed, socket=True, after=61) == Wipe(2, unlink=False)


def test_a_login_that_is_only_up_to_be_unlinked_teaches_no_number() -> None:
    """Nobody had linked the first one yet: a code was typed by another phone."""
    wanted = Wanted(enabled=True, wanted_version=1, pair_phone=OURS)
    refused = hear(wanted, opening(), Paired(THEIRS))
    unlink = asked(Wanted(enabled=True, wanted_version=1), "connect_fresh")
    dial = step(unlink, refused, socket=False)
    assert isinstance(dial, DialNow)
    assert hear(unlink, dial.observed, Opened(THEIRS, "Bruno")).linked_phone is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+34600111222", "+34600111222"),
        ("+5511987654321", "+551187654321"),
        ("+5215512345678", "+525512345678"),
        ("+5491123456789", "+541123456789"),
    ],
)
def test_one_number_in_two_spellings_is_one_number(one: str, other: str) -> None:
    assert same_number(one, other)
    assert same_number(other, one)
    assert hear(WANTED, opening(linked_phone=one), Paired(other)).hold is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+34600111222", "+34600111223"),
        ("+5511987654321", "+5511987654322"),
        ("+5511987654321", "+552187654321"),  # another city
        ("+5215512345678", "+5491112345678"),
        ("+521551234567", "+52551234567"),  # too short for the rule
    ],
)
def test_two_numbers_are_two(one: str, other: str) -> None:
    assert not same_number(one, other)
