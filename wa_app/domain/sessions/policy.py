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


REFUSED_FOR = timedelta(days=1)
"""WhatsApp says to nobody for how long it refuses; asking more often makes it worse."""

BANNED_FOR = timedelta(days=1)
"""Where a ban comes without its end."""

RIGHT_AFTER_PAIRING = timedelta(minutes=10)
"""A device that is removed so soon was removed by WhatsApp: its owner has just linked it."""

REMOVED_BEFORE = timedelta(days=7)
"""For so long another such removal is the second."""

AN_HOUR = timedelta(hours=1)

DIALS_AN_HOUR = 30
"""So often within any hour a connection that is never stable is dialled without anybody asking,
whatever made each of the dials: attempts, lifts, the ends of bans, restarts."""


DEAF_AN_HOUR = 10
"""So often within an hour a session that the library left deaf is connected again at once."""


FALLS_AN_HOUR = 5
"""So often within an hour a stable connection may fall before its line counts as unstable."""


def in_the_last_hour(times: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in times if now - at < AN_HOUR)


def setting(default: object, sentence: str) -> Any:
    """A dataclass field that is also a setting: its name in capitals, see `wa_app/config.py`."""
    return field(default=default, metadata={"sentence": sentence})


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@dataclass(frozen=True)
class Policy:
    monitor_interval: timedelta = setting(
        seconds(30), "Time between two checks of the health monitor."
    )
    reconnect_cooldown: timedelta = setting(
        seconds(60), "Time a connection must be down before the monitor reconnects it."
    )
    monitor_max_attempts: int = setting(
        3, "Number of reconnects by the monitor before it gives up."
    )
    reconnect_max_attempts: int = setting(
        5, "Number of attempts after a lost connection before giving up."
    )
    reconnect_base_delay: timedelta = setting(seconds(2), "Delay before the first attempt.")
    reconnect_max_delay: timedelta = setting(seconds(60), "The longest delay between attempts.")
    reconnect_jitter: float = setting(
        0.1, "Random share added to each delay, 0 to 1: 0.1 adds up to 10 %."
    )
    keepalive_failures: int = setting(
        1, "Number of unanswered keep-alives after which a connection counts as lost."
    )
    connect_timeout: timedelta = setting(
        seconds(60), "Longest time a connect may take; then it is ended."
    )
    pairing_window: timedelta = setting(
        seconds(160), "Time to scan a QR code or type a pairing code; 160s at most."
    )
    stable_after: timedelta = setting(
        seconds(30), "Time a connection must stay up before its attempts count from 0 again."
    )
    settle_delay: timedelta = setting(seconds(1), "Pause after a clean-up before the next attempt.")
    close_grace: timedelta = setting(
        seconds(2), "Time a session process has to end before it is killed; 5s at most."
    )
    stale_after: timedelta = setting(
        seconds(24 * 3600), "Time without a usable login and unchanged before a clean-up."
    )
    cleanup_interval: timedelta = setting(
        seconds(3600), "Time between two clean-ups of stale connections."
    )
    backup_interval: timedelta = setting(
        seconds(24 * 3600), "Time between two backups of all session files."
    )
    alert_after_attempts: int = setting(3, "Number of attempts in a row; one more raises an alert.")
    alert_delay: timedelta = setting(
        seconds(60), "Time a problem that may end by itself lasts before people are told."
    )
    heartbeat: timedelta = setting(
        seconds(2), "Time between two heartbeats of the owner; after 5 missed it counts as gone."
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

    def slow_delay(self, too_many: int, jitter: float) -> timedelta:
        """The wait of what has happened `too_many` times more than it should: 32 s, 64 s … 10 min.
        It goes on, but it is no storm."""
        if too_many <= 0:
            return timedelta(0)
        doubled = seconds(32) * float(2 ** (too_many - 1))
        return min(doubled, timedelta(minutes=10)) * (1 + self.reconnect_jitter * jitter)

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
