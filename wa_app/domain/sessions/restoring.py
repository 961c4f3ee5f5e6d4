"""Whether a login from a backup may take the place of the one there is, and what it changes."""

from dataclasses import replace
from datetime import datetime

from wa_app.domain.sessions.changes import count_from_zero, in_status, without_hold
from wa_app.domain.sessions.connection import Observed, Wanted, wipe_pending
from wa_app.domain.sessions.states import Hold, Status


def may_be_restored(wanted: Wanted, observed: Observed) -> bool:
    """Nothing uses the session, and nothing is about to: not even the monitor, which brings back
    whatever is wanted up, or a wipe. So a connection on hold has to be disconnected first."""
    at_rest = observed.status is Status.DISCONNECTED and not wanted.enabled
    return at_rest and not wipe_pending(wanted, observed)


def after_restore(
    observed: Observed, now: datetime, *, replaced_copy_at: datetime | None = None
) -> Observed:
    """Linked again, as far as the session file says, and at rest until a person reconnects. Why
    the session that was there before had ended, and when it was paired, means nothing any more."""
    rested = count_from_zero(without_hold(observed))
    return replace(
        rested,
        status_since=now,
        has_credentials=True,
        pairing_started_at=None,
        paired_at=None,
        replaced_copy_at=replaced_copy_at,
    )


def may_be_taken_back(wanted: Wanted, observed: Observed) -> bool:
    """A restored login replaced another one, was of no use, and nothing is under way."""
    useless = observed.hold is Hold.LOGGED_OUT or may_be_restored(wanted, observed)
    return observed.replaced_copy_at is not None and useless and not wipe_pending(wanted, observed)


def after_taking_back(wanted: Wanted, observed: Observed, now: datetime) -> Observed:
    """A person asked for it: what is wanted up is dialled at once."""
    restored = after_restore(observed, now)
    if not wanted.enabled:
        return restored
    return replace(in_status(restored, Status.CONNECTING, now), next_attempt_at=now)
