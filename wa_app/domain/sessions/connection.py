"""One connection as two halves: what people want and what is seen.

Both are values. Requests replace the wanted half, the owner replaces the observed half; neither
ever writes the other's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wa_app.domain.phone_numbers import same_number
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Hold, Status


@dataclass(frozen=True)
class Wanted:
    """What people asked for. `enabled` is *effective* wherever the core reads it: asked for, and
    the user is active and not deleted."""

    enabled: bool = False
    wanted_version: int = 0
    reopen_version: int = 0
    wipe_version: int = 0
    unlink_version: int = 0
    number_version: int = 0
    pair_phone: str | None = None


@dataclass(frozen=True)
class Request:
    """What one kind of request does to the wanted half: `marks` take the new version."""

    enabled: bool
    marks: tuple[str, ...] = ()


REQUESTS: Mapping[str, Request] = {
    "connect": Request(True),
    "connect_fresh": Request(True, ("wipe_version", "unlink_version")),
    "reconnect": Request(True, ("reopen_version",)),
    "accept_number": Request(True, ("number_version",)),
    "unlink_number": Request(True, ("wipe_version", "unlink_version")),
    "disconnect": Request(False),
    "logout": Request(False, ("wipe_version", "unlink_version")),
    "force_cleanup": Request(False, ("wipe_version",)),
    "remove": Request(False, ("wipe_version", "unlink_version")),
}


def request(kind: str, version: object, *extra_marks: str) -> dict[str, Any]:
    """Which fields of the wanted half a request sets, and to what. `version` is the next one: a
    number, or what counts it up in SQL, where two clicks cannot take the same."""
    asked = REQUESTS[kind]
    marks = dict.fromkeys(("wanted_version", *asked.marks, *extra_marks), version)
    return {"enabled": asked.enabled, **marks}


@dataclass(frozen=True)
class Observed:
    """What the owner sees. All times UTC; `None` where there is nothing to say. `phone` is the
    number of the login that is in the session file, `linked_phone` the number that the connection
    belongs to: the first that was linked, until a person says that it is another. `paired_at` is
    when the login in the session file came to be, `removed_at` when WhatsApp last took one back
    right after that. What came within the last hour: `dialled` without anybody asking, and since
    it was stable last; `deaf` when the library stopped handing on what arrives; `falls` after it
    had been stable. `replaced_copy_at`: the time of the copy of the login that a restored one took
    the place of, until that one has come up. `waits_to_link`: the next attempt waits for others to
    be linked."""

    status: Status = Status.DISCONNECTED
    status_since: datetime | None = None
    opening_since: datetime | None = None
    hold: Hold | None = None
    hold_cause: Reason | None = None
    hold_until: datetime | None = None
    hold_library: str | None = None
    attempt: int = 0
    monitor_attempt: int = 0
    lifts: int = 0
    next_attempt_at: datetime | None = None
    waits_to_link: bool = False
    has_credentials: bool = False
    phone: str | None = None
    linked_phone: str | None = None
    push_name: str | None = None
    qr_payload: str | None = None
    qr_expires_at: datetime | None = None
    qr_number: int | None = None
    pairing_code: str | None = None
    pairing_started_at: datetime | None = None
    paired_at: datetime | None = None
    removed_at: datetime | None = None
    connected_at: datetime | None = None
    last_disconnect_at: datetime | None = None
    last_code: int | None = None
    last_reason: Reason | None = None
    restricted_until: datetime | None = None
    dialled: tuple[datetime, ...] = ()
    deaf: tuple[datetime, ...] = ()
    falls: tuple[datetime, ...] = ()
    replaced_copy_at: datetime | None = None
    observed_version: int = 0
    socket_version: int = 0
    wiped_version: int = 0


def wipe_pending(wanted: Wanted, observed: Observed) -> bool:
    return wanted.wipe_version > observed.wiped_version


def may_reconnect(wanted: Wanted, observed: Observed) -> bool:
    """Only what is linked, and is to stay so, can come back without a QR."""
    return observed.has_credentials and not wipe_pending(wanted, observed)


def is_other_number(wanted: Wanted, observed: Observed, phone: str) -> bool:
    """Whether a login of `phone` is not the one this connection waits for. One connection is one
    number: what was written for the first must never leave through another."""
    expected = observed.linked_phone or wanted.pair_phone
    return expected is not None and not same_number(expected, phone)


def was_just_paired(observed: Observed) -> bool:
    """Whether this login has not been up yet."""
    paired, up = observed.paired_at, observed.connected_at
    return paired is not None and (up is None or up < paired)


def linked_at(observed: Observed) -> datetime:
    """Logins from before this was noted are the oldest."""
    return observed.paired_at or datetime.min.replace(tzinfo=UTC)


def is_under_way(wanted: Wanted, observed: Observed) -> bool:
    """A request has been written and the owner has not come to it yet."""
    return wanted.wanted_version > observed.observed_version or wipe_pending(wanted, observed)


def shown_status(status: Status | None, *, alive: bool) -> Status:
    """The row's status (None: there is no row), which is true only while somebody is there to
    write it. Without an owner no socket is open; those that were are opened again by the next."""
    if status is None:
        return Status.DISCONNECTED
    if not alive and status is not Status.DISCONNECTED:
        return Status.CONNECTING
    return status
