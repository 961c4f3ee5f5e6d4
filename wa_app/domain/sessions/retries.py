"""What follows when a socket has ended by itself: a hold, or the next attempt, and when."""

from dataclasses import replace
from datetime import datetime

from wa_app.domain.sessions.changes import (
    count_from_zero,
    give_up,
    go_down,
    hold_refused,
    in_status,
    put_on_hold,
)
from wa_app.domain.sessions.closes import Close, CloseClass, Reason, classify
from wa_app.domain.sessions.connection import Observed
from wa_app.domain.sessions.policy import (
    BANNED_FOR,
    DEAF_AN_HOUR,
    FALLS_AN_HOUR,
    REMOVED_BEFORE,
    RIGHT_AFTER_PAIRING,
    Moment,
    Policy,
    in_the_last_hour,
)
from wa_app.domain.sessions.states import Hold, Status


def after_close(observed: Observed, close: Close, moment: Moment) -> Observed:
    """The observed half after a socket ended by itself: a hold, or the next attempt."""
    now = moment.now
    fell = is_stable(observed, now, moment.policy)
    if fell:
        observed = count_from_zero(observed)
    down = go_down(observed, close, now)
    match classify(close):
        case CloseClass.CONFLICT:
            # Dialling again would throw out whoever took the session, and they us.
            return put_on_hold(down, Hold.CONFLICT, close.reason, now)
        case CloseClass.LOGGED_OUT:
            return _logged_out(replace(down, has_credentials=False), close, now)
        case CloseClass.OUTDATED:
            held = put_on_hold(down, Hold.CLIENT_OUTDATED, close.reason, now)
            return replace(held, hold_library=moment.library)
        case CloseClass.BANNED:
            held = put_on_hold(down, Hold.BANNED, close.reason, now)
            return replace(held, hold_until=close.until or now + BANNED_FOR)
        case CloseClass.CORRUPT:
            gone = replace(down, has_credentials=False)
            return put_on_hold(gone, Hold.CREDENTIALS_CORRUPT, close.reason, now)
        case CloseClass.PAIRING_EXPIRED:
            return put_on_hold(down, Hold.PAIRING_EXPIRED, close.reason, now)
        case CloseClass.PAIRING_REFUSED:
            # At once: whoever asks again is refused for longer.
            return hold_refused(down, close.reason, now)
        case CloseClass.PASSKEY:
            return put_on_hold(down, Hold.PASSKEY, close.reason, now)
        case _ if observed.hold is not None:
            return down  # its socket was still open when it was held; nothing follows from its end
        case CloseClass.TRANSIENT | CloseClass.EXPECTED | CloseClass.REFUSED:
            again = _after_fall if fell else retry
            return again(down, close.reason, moment)
        case CloseClass.DEAF:
            return _after_deafness(down, moment)


def _logged_out(gone: Observed, close: Close, now: datetime) -> Observed:
    paired, removed, reason = gone.paired_at, gone.removed_at, close.reason
    just_paired = paired is not None and now - paired < RIGHT_AFTER_PAIRING
    if just_paired and not close.by_owner:
        again = removed is not None and now - removed < REMOVED_BEFORE
        reason = Reason.REMOVED_AGAIN if again else Reason.REMOVED
        gone = replace(gone, removed_at=now, last_reason=reason)
    gone = replace(gone, paired_at=None)
    return put_on_hold(gone, Hold.LOGGED_OUT, reason, now)


def _after_deafness(down: Observed, moment: Moment) -> Observed:
    """Nothing is wrong with the way to WhatsApp: no attempt is counted, and it dials at once."""
    now = moment.now
    deaf = (*in_the_last_hour(down.deaf, now), now)
    delay = moment.policy.slow_delay(len(deaf) - DEAF_AN_HOUR, moment.jitter)
    return replace(in_status(down, Status.CONNECTING, now), deaf=deaf, next_attempt_at=now + delay)


def _after_fall(down: Observed, reason: Reason, moment: Moment) -> Observed:
    """A line that lives just long enough to be stable never meets the limit of attempts: the more
    often it falls, the longer it waits."""
    now = moment.now
    falls = (*in_the_last_hour(down.falls, now), now)
    trying = retry(replace(down, falls=falls), reason, moment)
    pause = moment.policy.slow_delay(len(falls) - FALLS_AN_HOUR, moment.jitter)
    if trying.next_attempt_at is None:
        return trying
    return replace(trying, next_attempt_at=max(trying.next_attempt_at, now + pause))


def is_unstable(observed: Observed, now: datetime) -> bool:
    return len(in_the_last_hour(observed.falls, now)) > FALLS_AN_HOUR


def retry(down: Observed, reason: Reason, moment: Moment) -> Observed:
    policy = moment.policy
    if down.attempt >= policy.reconnect_max_attempts:
        return give_up(down, reason, moment)
    attempt = down.attempt + 1
    return replace(
        in_status(down, Status.CONNECTING, moment.now),
        attempt=attempt,
        next_attempt_at=moment.now + policy.delay(attempt, moment.jitter),
    )


def is_stable(observed: Observed, now: datetime, policy: Policy) -> bool:
    up_since = observed.connected_at
    return (
        observed.status is Status.CONNECTED
        and up_since is not None
        and now - up_since >= policy.stable_after
    )
