"""The numbers of the policy, each a setting, and what follows from them alone; and the moment at
which something is decided by them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

QR_LIFETIMES = tuple(timedelta(seconds=count) for count in (60, 20, 20, 20, 20, 20))
"""How long each of the codes can be scanned that WhatsApp gives one pairing, one after the other.
The library tells none of it."""

QR_TOTAL = len(QR_LIFETIMES)


def qr_lifetime(number: int) -> timedelta:
    """Of code `number`, counted from 1. More than there should be live as long as the last."""
    return QR_LIFETIMES[min(number, QR_TOTAL) - 1]


def setting(default: object, sentence: str) -> Any:
    """A dataclass field that is also a setting: its name in capitals, see `wa_app/config.py`."""
    return field(default=default, metadata={"sentence": sentence})


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@dataclass(frozen=True)
class Policy:
    monitor_interval: timedelta = setting(seconds(30), "How often the health monitor looks.")
    reconnect_cooldown: timedelta = setting(
        seconds(60), "How long a connection must be down before the monitor reconnects it."
    )
    monitor_max_attempts: int = setting(3, "Reconnects by the monitor before it gives up.")
    reconnect_max_attempts: int = setting(5, "Attempts after a lost connection before giving up.")
    reconnect_base_delay: timedelta = setting(seconds(2), "Delay before the first attempt.")
    reconnect_max_delay: timedelta = setting(seconds(60), "The longest delay between attempts.")
    reconnect_jitter: float = setting(0.1, "Random part added to each delay: 0.1 is up to 10 %.")
    keepalive_failures: int = setting(1, "Unanswered keep-alives before a line counts as dead.")
    connect_timeout: timedelta = setting(seconds(60), "A connect that takes longer is killed.")
    pairing_window: timedelta = setting(
        seconds(160), "How long a QR or a pairing code may be waited for; 160 at most."
    )
    stable_after: timedelta = setting(
        seconds(30), "A connection that stays up this long starts counting attempts from 0 again."
    )
    settle_delay: timedelta = setting(seconds(1), "Rest after a clean-up before anything is tried.")
    close_grace: timedelta = setting(seconds(2), "A session process asked to end is then killed.")
    stale_after: timedelta = setting(
        seconds(24 * 3600), "Without a usable login and unchanged for so long: cleaned up."
    )
    cleanup_interval: timedelta = setting(
        seconds(3600), "How often what is stale is looked for and cleaned up."
    )
    backup_interval: timedelta = setting(
        seconds(24 * 3600), "How often all session files are backed up."
    )
    alert_after_attempts: int = setting(3, "More attempts in a row than this are an alert.")
    alert_delay: timedelta = setting(
        seconds(60), "How long trouble that may heal by itself lasts before people are told."
    )
    heartbeat: timedelta = setting(
        seconds(2), "The owner's sign of life; it counts as gone after 5 of them."
    )

    @property
    def heartbeat_stale_after(self) -> timedelta:
        return 5 * self.heartbeat

    @property
    def silent_after(self) -> timedelta:
        """A session process without a sign of life for this long is dead or hung."""
        return seconds(15)

    def delay(self, attempt: int, jitter: float) -> timedelta:
        """The wait before backoff attempt 1, 2, …; `jitter` is a dice roll from 0 to 1."""
        doubled = self.reconnect_base_delay * float(2 ** (attempt - 1))
        return min(doubled, self.reconnect_max_delay) * (1 + self.reconnect_jitter * jitter)

    def lift_delay(self, lifts: int) -> timedelta:
        """The wait before the next automatic lift after `lifts` that failed: 5, 10, 20 … 60 min."""
        if lifts == 0:
            return timedelta(0)
        return min(timedelta(minutes=5) * float(2 ** (lifts - 1)), timedelta(minutes=60))


@dataclass(frozen=True)
class Moment:
    """What every decision about a session is handed besides the session: the time, a dice roll
    from 0 to 1, the numbers, and the version of the library behind its sockets."""

    now: datetime
    jitter: float
    policy: Policy
    library: str = ""
