"""What the changes of an observed half are made of; the rules that combine them are next door."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import REFUSED_FOR, Moment
from wa_app.domain.sessions.states import Hold, Status

_WHEN_IT_WAS = (
    "status_since",
    "opening_since",
    "pairing_started_at",
    "paired_at",
    "removed_at",
    "connected_at",
    "last_disconnect_at",
)
_WHEN_IT_CAME = ("dialled", "deaf", "falls")
_UNTIL_WHEN = ("hold_until", "next_attempt_at", "qr_expires_at", "restricted_until")


def by_this_clock(observed: Observed, now: datetime) -> Observed:
    """Where something was noted at a time that is still to come, the clock has been set back since:
    then that was just now, and what was to wait for its time waits as long again, from now. Else
    a number would be down for as long as the clock was ahead."""
    was = {name: getattr(observed, name) for name in _WHEN_IT_WAS}
    came = {name: getattr(observed, name) for name in _WHEN_IT_CAME}
    known = [*filter(None, was.values()), *chain.from_iterable(came.values())]
    ahead = max(known, default=now) - now
    if ahead <= timedelta(0):
        return observed
    until = {name: getattr(observed, name) for name in _UNTIL_WHEN}
    times: dict[str, Any] = {
        **{name: at and min(at, now) for name, at in was.items()},
        **{name: tuple(min(at, now) for at in often) for name, often in came.items()},
        **{name: at and at - ahead for name, at in until.items()},
    }
    return replace(observed, **times)


def in_status(observed: Observed, status: Status, now: datetime) -> Observed:
    since = observed.status_since if observed.status is status else now
    return replace(observed, status=status, status_since=since)


def without_pairing(observed: Observed) -> Observed:
    return replace(observed, qr_payload=None, qr_expires_at=None, qr_number=None, pairing_code=None)


def without_hold(observed: Observed) -> Observed:
    return replace(observed, hold=None, hold_cause=None, hold_until=None, hold_library=None)


def show_pairing(observed: Observed, now: datetime) -> Observed:
    waiting = in_status(observed, Status.QR_PENDING, now)
    started = observed.pairing_started_at or now
    return replace(waiting, opening_since=None, pairing_started_at=started)


def go_down(observed: Observed, close: Close, now: datetime) -> Observed:
    """No socket and none planned; why is kept. Credentials as the close tells, if it does."""
    known = close.has_credentials
    return replace(
        in_status(without_pairing(observed), Status.DISCONNECTED, now),
        opening_since=None,
        next_attempt_at=None,
        last_disconnect_at=now,
        last_code=close.code,
        last_reason=close.reason,
        has_credentials=observed.has_credentials if known is None else known,
    )


def put_on_hold(down: Observed, hold: Hold, cause: Reason, now: datetime) -> Observed:
    held = in_status(down, Status.DISCONNECTED, now)
    return replace(held, hold=hold, hold_cause=cause, hold_until=None, next_attempt_at=None)


def hold_other_number(observed: Observed, phone: str, now: datetime) -> Observed:
    """Another number was linked: its login is kept, unused, until a person has chosen."""
    down = go_down(observed, Close(None, Reason.OTHER_NUMBER, has_credentials=True), now)
    held = put_on_hold(down, Hold.OTHER_NUMBER, Reason.OTHER_NUMBER, now)
    return replace(held, phone=phone, pairing_started_at=None)


def hold_already_linked(observed: Observed, phone: str, now: datetime) -> Observed:
    """Two bots would answer each customer of this number."""
    down = go_down(observed, Close(None, Reason.ALREADY_LINKED, has_credentials=True), now)
    held = put_on_hold(down, Hold.ALREADY_LINKED, Reason.ALREADY_LINKED, now)
    return replace(held, phone=phone, pairing_started_at=None)


def forget_trouble(observed: Observed, wanted: Wanted) -> Observed:
    """A person asked: hold, counters and timers of what was before mean nothing any more. If they
    asked for it, and for nothing else since, the number that was linked last is the connection's
    own from now on."""
    earlier = max(observed.observed_version, wanted.unlink_version)
    accepted = observed.hold is Hold.OTHER_NUMBER and wanted.number_version > earlier
    return replace(
        count_from_zero(without_hold(observed)),
        linked_phone=observed.phone if accepted else observed.linked_phone,
        next_attempt_at=None,
        pairing_started_at=None,
        observed_version=wanted.wanted_version,
    )


def start_dial(observed: Observed, wanted: Wanted, now: datetime) -> Observed:
    return replace(
        in_status(without_pairing(observed), Status.CONNECTING, now),
        opening_since=now,
        next_attempt_at=None,
        socket_version=wanted.wanted_version,
    )


def count_from_zero(observed: Observed) -> Observed:
    """It was stable, or a person has seen to it: what was tried before means nothing any more."""
    return replace(observed, attempt=0, monitor_attempt=0, lifts=0, dialled=())


def hold_refused(down: Observed, cause: Reason, now: datetime) -> Observed:
    return replace(put_on_hold(down, Hold.REFUSED, cause, now), hold_until=now + REFUSED_FOR)


LINK_LOOK = timedelta(seconds=2)
"""Between two looks whether there is room for one more linking."""


def wait_to_link(before: Observed, dialled: Observed, now: datetime) -> Observed:
    """In place of the dial that would show a code: the request is under way, no attempt is made,
    and none counts for the limit of dials, however often this looks."""
    return replace(
        dialled,
        dialled=tuple(at for at in dialled.dialled if at < now),
        opening_since=None,
        socket_version=before.socket_version,
        next_attempt_at=now + LINK_LOOK,
        waits_to_link=True,
    )


def give_up(down: Observed, reason: Reason | None, moment: Moment) -> Observed:
    if reason is Reason.REFUSED:
        return hold_refused(down, reason, moment.now)
    held = put_on_hold(down, Hold.RETRIES_EXHAUSTED, reason or Reason.CONNECTION_LOST, moment.now)
    wait = moment.policy.lift_delay(down.lifts)
    return replace(held, hold_until=moment.now + wait if wait else None)
