"""The state machine of a session: what the next step is, and what news, time and crashes change.

Every function takes the halves of one connection and the moment, and returns a new observed half or
a step to take. The manager takes the steps; nothing here knows how.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wa_app.domain.sessions.changes import (
    by_this_clock,
    count_from_zero,
    forget_trouble,
    go_down,
    hold_already_linked,
    hold_other_number,
    in_status,
    put_on_hold,
    show_pairing,
    start_dial,
    without_hold,
    without_pairing,
)
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import (
    Observed,
    Wanted,
    is_other_number,
    was_just_paired,
    wipe_pending,
)
from wa_app.domain.sessions.policy import (
    AN_HOUR,
    DIALS_AN_HOUR,
    Moment,
    Policy,
    in_the_last_hour,
)
from wa_app.domain.sessions.retries import after_close, is_stable, retry
from wa_app.domain.sessions.socket_messages import (
    Closed,
    Named,
    News,
    Opened,
    Paired,
    PairingCode,
    Qr,
)
from wa_app.domain.sessions.states import Hold, Status

# ---- steps: what the manager is told to do


@dataclass(frozen=True)
class Settle:
    """Nothing to do but to write `observed`."""

    observed: Observed


@dataclass(frozen=True)
class DialNow:
    """Write `observed`, then open a socket. Only ever said when there is none."""

    observed: Observed


@dataclass(frozen=True)
class CloseSocket:
    """Close the socket, then write `observed` and look again. `kill`: it hangs, asking is vain;
    `unlink`: WhatsApp is asked to remove the device first."""

    observed: Observed
    kill: bool = False
    unlink: bool = False


@dataclass(frozen=True)
class Wipe:
    """Run the seven clean-up steps, up to wipe `version`."""

    version: int
    unlink: bool


Step = Settle | DialNow | CloseSocket | Wipe


def next_step(
    wanted: Wanted,
    observed: Observed,
    moment: Moment,
    *,
    socket_open: bool,
) -> Step | None:
    """What brings observed closer to wanted; None when they agree for now."""
    if wipe_pending(wanted, observed):
        return _wipe(wanted, observed, socket_open, moment)
    if not wanted.enabled:
        return _rest(wanted, observed, socket_open, moment.now)
    if socket_open:
        return _watch(wanted, observed, moment)
    overdue = _overdue(observed, moment)
    if overdue is not None:  # its socket was lost without a word: the same rule, nothing to kill
        return Settle(after_close(observed, overdue, moment))
    return _dial_if_due(wanted, observed, moment)


def _wipe(wanted: Wanted, observed: Observed, socket_open: bool, moment: Moment) -> Step | None:
    """Wipe; but a number that must not be used is unlinked first, with one dial for that alone.
    If that fails it is wiped all the same."""
    unlink = wanted.unlink_version > observed.wiped_version
    is_other = observed.hold is Hold.OTHER_NUMBER
    if unlink and wanted.enabled:
        if is_other and not socket_open and observed.has_credentials:
            return DialNow(start_dial(without_hold(observed), wanted, moment.now))
        dialled_for_it = observed.socket_version >= wanted.unlink_version
        opening = socket_open and observed.status is Status.CONNECTING
        if dialled_for_it and opening and _overdue(observed, moment) is None:
            return None
    # Held with a socket: it was opened to be unlinked, and is up.
    is_up = observed.status is Status.CONNECTED or (is_other and socket_open)
    return Wipe(wanted.wipe_version, unlink and is_up)


def _rest(wanted: Wanted, observed: Observed, socket_open: bool, now: datetime) -> Step | None:
    """Towards no socket and none planned."""
    new = wanted.wanted_version > observed.observed_version
    if new:
        resting = forget_trouble(observed, wanted)
    else:
        # Switched off without a request: the user was deactivated. Holds and counters stay.
        resting = replace(observed, next_attempt_at=None)
    reason = Reason.REQUESTED if new else Reason.USER_INACTIVE
    if socket_open:
        return CloseSocket(go_down(resting, Close(None, reason), now))
    if observed.status is not Status.DISCONNECTED:
        return Settle(go_down(resting, Close(None, reason), now))
    return Settle(resting) if resting != observed else None


def _watch(wanted: Wanted, observed: Observed, moment: Moment) -> Step | None:
    """While a socket is open or opening: reopen it if asked, and mind its time limits."""
    if observed.hold is Hold.ALREADY_LINKED and was_just_paired(observed):
        return CloseSocket(replace(observed, has_credentials=False), unlink=True)
    if observed.hold is not None:  # what it told us is why there must be none
        return CloseSocket(observed)
    if wanted.reopen_version > observed.socket_version:
        # The version stays open: with the socket gone, the next look forgets the trouble and dials.
        return CloseSocket(go_down(observed, Close(None, Reason.REQUESTED), moment.now))
    overdue = _overdue(observed, moment)
    if overdue is not None:
        return CloseSocket(after_close(observed, overdue, moment), kill=True)
    carried_out = replace(observed, observed_version=wanted.wanted_version)
    if is_stable(observed, moment.now, moment.policy):
        carried_out = count_from_zero(carried_out)
    return Settle(carried_out) if carried_out != observed else None


def _dial_if_due(wanted: Wanted, observed: Observed, moment: Moment) -> Step | None:
    """The only place that decides to open a socket."""
    now = moment.now
    if wanted.wanted_version > observed.observed_version:
        return DialNow(start_dial(forget_trouble(observed, wanted), wanted, now))
    if observed.hold is not None:
        if not _hold_is_over(observed, moment):
            return None
        return _dial_unasked(wanted, replace(without_hold(observed), attempt=0), now)
    if observed.next_attempt_at is not None:
        return _dial_unasked(wanted, observed, now) if observed.next_attempt_at <= now else None
    if observed.has_credentials or observed.status is not Status.DISCONNECTED:
        return None  # the monitor's turn, after the cooldown
    return Settle(put_on_hold(observed, Hold.PAIRING_EXPIRED, Reason.PAIRING_TIMEOUT, now))


def _dial_unasked(wanted: Wanted, observed: Observed, now: datetime) -> Step:
    """Unless there were too many of such dials: then this one waits."""
    recent = in_the_last_hour(observed.dialled, now)
    if len(recent) >= DIALS_AN_HOUR:
        waiting = in_status(observed, Status.CONNECTING, now)
        return Settle(replace(waiting, next_attempt_at=recent[-DIALS_AN_HOUR] + AN_HOUR))
    return DialNow(start_dial(replace(observed, dialled=(*recent, now)), wanted, now))


def _overdue(observed: Observed, moment: Moment) -> Close | None:
    now, policy = moment.now, moment.policy
    opening, pairing = observed.opening_since, observed.pairing_started_at
    if observed.status is Status.CONNECTING and opening is not None:
        if now - opening >= policy.connect_timeout:
            return Close(408, Reason.CONNECT_TIMEOUT)
    elif observed.status is Status.QR_PENDING and pairing is not None:
        if now - pairing >= policy.pairing_window:
            return Close(408, Reason.PAIRING_TIMEOUT)
    return None


def _hold_is_over(observed: Observed, moment: Moment) -> bool:
    if observed.hold is Hold.BANNED:
        return observed.hold_until is not None and observed.hold_until <= moment.now
    if observed.hold is Hold.REFUSED and observed.has_credentials:
        return observed.hold_until is not None and observed.hold_until <= moment.now
    if observed.hold is Hold.CLIENT_OUTDATED:
        return observed.hold_library != moment.library
    return False


# ---- news


def after_news(
    wanted: Wanted,
    observed: Observed,
    news: News,
    moment: Moment,
    *,
    socket_id: int,
    current: int | None,
    answered_elsewhere: bool = False,
) -> Observed | None:
    """What news of socket `socket_id` change; None where it is not the `current` one: late news
    of a socket that was given up would undo what its successor did. `answered_elsewhere`: a bot
    answers already on the number that the news tells of, and this connection has one too."""
    if socket_id != current:
        return None
    now = moment.now
    match news:
        case Qr(payload, expires_at, number):
            pairing = show_pairing(observed, now)
            return replace(pairing, qr_payload=payload, qr_expires_at=expires_at, qr_number=number)
        case PairingCode(code):
            return replace(show_pairing(observed, now), pairing_code=code)
        case Paired(phone) | Opened(phone) if is_other_number(wanted, observed, phone):
            return hold_other_number(observed, phone, now)
        case Opened(phone) if answered_elsewhere and not wipe_pending(wanted, observed):
            return hold_already_linked(observed, phone, now)
        case Paired(phone):
            opening = in_status(without_pairing(observed), Status.CONNECTING, now)
            return replace(
                opening,
                opening_since=now,  # the library now logs in for the first time
                pairing_started_at=None,
                paired_at=now,
                replaced_copy_at=None,
                has_credentials=True,
                phone=phone,
                linked_phone=_linked_phone(wanted, observed, phone, answered_elsewhere),
            )
        case Opened(phone, push_name):
            up = in_status(without_pairing(observed), Status.CONNECTED, now)
            was_up = observed.status is Status.CONNECTED
            return replace(
                up,
                opening_since=None,
                pairing_started_at=None,
                replaced_copy_at=None,
                has_credentials=True,
                connected_at=observed.connected_at if was_up else now,
                phone=phone,
                linked_phone=_linked_phone(wanted, observed, phone),
                push_name=push_name,
            )
        case Named(push_name):
            return replace(observed, push_name=push_name)
        case Closed(close):
            return after_close(observed, close, moment)
    return observed


def _linked_phone(
    wanted: Wanted, observed: Observed, phone: str, to_be_unlinked: bool = False
) -> str | None:
    """The first number stays. One that is up only to be unlinked is nobody's choice."""
    nobodys = to_be_unlinked or wipe_pending(wanted, observed)
    return observed.linked_phone or (None if nobodys else phone)


# ---- wiping


def after_wipe(observed: Observed, version: int, now: datetime, *, folder_gone: bool) -> Observed:
    """All observed fields but the versions, the number and what WhatsApp has against it at their
    first values, whatever failed."""
    clean = Observed(
        status_since=now,
        linked_phone=observed.linked_phone,
        removed_at=observed.removed_at,
        observed_version=observed.observed_version,
        socket_version=observed.socket_version,
        wiped_version=version,
    )
    if folder_gone:
        return clean
    return put_on_hold(clean, Hold.CREDENTIALS_CORRUPT, Reason.CLEANUP_FAILED, now)


# ---- clean-ups


def is_stale(observed: Observed, now: datetime, policy: Policy) -> bool:
    """No usable login, something left of an attempt, and unchanged for `STALE_AFTER`."""
    if observed.status is not Status.DISCONNECTED or observed.has_credentials:
        return False
    left_over = (
        observed.hold is Hold.CREDENTIALS_CORRUPT
        or observed.socket_version > observed.wiped_version
    )
    since = observed.status_since
    return left_over and since is not None and now - since >= policy.stale_after


def mark_disconnected(observed: Observed, now: datetime) -> Observed | None:
    """Marked disconnected: no socket and none planned; the monitor reconnects after the cooldown.
    None: it is so already."""
    if observed.status is Status.DISCONNECTED:
        return None
    return go_down(count_from_zero(observed), Close(None, Reason.REQUESTED), now)


# ---- start


def resume(
    wanted: Wanted,
    observed: Observed,
    moment: Moment,
    *,
    has_credentials: bool,
    stopped_at: datetime,
    spread: timedelta,
) -> Observed:
    """The observed half as a new owner finds it. `stopped_at` is the old owner's last heartbeat;
    an orderly stop and a crash differ in nothing else. Within `spread` those that were stable
    come back."""
    now, policy = moment.now, moment.policy
    was_stable = is_stable(observed, stopped_at, policy)  # both by the clock there was then
    observed = by_this_clock(replace(observed, has_credentials=has_credentials), now)
    in_backoff = observed.next_attempt_at is not None
    if in_backoff or observed.status is Status.DISCONNECTED:
        return observed
    stop = Close(None, Reason.SERVICE_STOPPED)
    if not wanted.enabled or wipe_pending(wanted, observed):
        return go_down(observed, stop, now)
    if has_credentials and was_stable:
        down = count_from_zero(go_down(observed, stop, now))
        return replace(
            in_status(down, Status.CONNECTING, now), next_attempt_at=now + spread * moment.jitter
        )
    down = go_down(observed, stop, now)
    started = observed.pairing_started_at
    if not has_credentials and started is not None and now - started >= policy.pairing_window:
        return put_on_hold(down, Hold.PAIRING_EXPIRED, Reason.PAIRING_TIMEOUT, now)
    # Not proven stable: a server that crashes in a loop must not outrun the table.
    return retry(down, Reason.SERVICE_STOPPED, moment)


# ---- time


def due_at(observed: Observed, policy: Policy) -> datetime | None:
    """When the next look at this connection is due without any news: its one timer."""
    if observed.hold is Hold.BANNED or (observed.hold is Hold.REFUSED and observed.has_credentials):
        return observed.hold_until
    if observed.next_attempt_at is not None:
        return observed.next_attempt_at
    if observed.status is Status.CONNECTING and observed.opening_since is not None:
        return observed.opening_since + policy.connect_timeout
    if observed.status is Status.QR_PENDING and observed.pairing_started_at is not None:
        return observed.pairing_started_at + policy.pairing_window
    counting = observed.attempt or observed.monitor_attempt or observed.lifts or observed.dialled
    if observed.status is Status.CONNECTED and observed.connected_at is not None and counting:
        return observed.connected_at + policy.stable_after
    return None
