"""What the health monitor decides about one connection, and when an outage lifts a hold."""

from dataclasses import replace
from datetime import datetime, timedelta

from wa_app.domain.sessions.changes import give_up, in_status, without_hold
from wa_app.domain.sessions.closes import LIFTED_REASONS, Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import Moment
from wa_app.domain.sessions.retries import after_close
from wa_app.domain.sessions.states import Hold, Status


def monitor_change(
    wanted: Wanted,
    observed: Observed,
    moment: Moment,
    *,
    silent_for: timedelta | None,
    reconnects: bool = True,
) -> Observed | None:
    """What the 30 s health monitor changes; None: leave it alone. `silent_for` is how long ago
    the session process gave its last sign of life, None when there is no socket; `reconnects` is
    false where `ENABLE_CONNECTION_MONITOR` is."""
    if not wanted.enabled or observed.hold is not None:
        return None
    match observed.status:
        case Status.CONNECTED:
            if silent_for is not None and silent_for < moment.policy.silent_after:
                return None
            return after_close(observed, Close(408, Reason.KEEPALIVE_TIMEOUT), moment)
        case Status.DISCONNECTED if observed.has_credentials and reconnects:
            return _reconnect_after_cooldown(observed, moment)
    return None


SPREAD = timedelta(seconds=5)
"""Many may have gone down together; they do not all dial in the same instant."""


def _reconnect_after_cooldown(observed: Observed, moment: Moment) -> Observed | None:
    now, policy = moment.now, moment.policy
    since = observed.status_since
    if since is not None and now - since < policy.reconnect_cooldown:
        return None
    if observed.monitor_attempt >= policy.monitor_max_attempts:
        return give_up(observed, observed.last_reason, moment)
    return replace(
        in_status(observed, Status.CONNECTING, now),
        monitor_attempt=observed.monitor_attempt + 1,
        next_attempt_at=now + SPREAD * moment.jitter,
    )


def is_of_outage(observed: Observed) -> bool:
    """Whether an outage ending would end this hold."""
    return (
        observed.hold is Hold.RETRIES_EXHAUSTED
        and observed.has_credentials
        and observed.hold_cause in LIFTED_REASONS
    )


def may_lift(observed: Observed, now: datetime, *, is_news: bool = False) -> bool:
    """Whether it ends now that the outage is over. The pause between lifts is for what seems to
    be over and is not; `is_news`: it was seen to last until just now."""
    paused = observed.hold_until is not None and observed.hold_until > now
    return is_of_outage(observed) and (is_news or not paused)


def waits_for_disk(observed: Observed) -> bool:
    """WhatsApp cannot tell when this is over; a look at the disk can."""
    return is_of_outage(observed) and observed.hold_cause is Reason.FOLDER_UNUSABLE


def lifted(observed: Observed, moment: Moment) -> Observed:
    """WhatsApp can be reached again: attempts from 0, at once but not all in the same instant."""
    return replace(
        in_status(without_hold(observed), Status.CONNECTING, moment.now),
        attempt=0,
        lifts=observed.lifts + 1,
        next_attempt_at=moment.now + SPREAD * moment.jitter,
    )
