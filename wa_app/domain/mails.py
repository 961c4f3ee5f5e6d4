"""Mails: what one is, why one could not be delivered, and when to try again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

RETRY_DELAYS = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),  # and from then on hourly: an alert is never given up
)


@dataclass(frozen=True)
class Letter:
    id: int
    written_at: datetime
    recipient: str
    subject: str
    text: str


class MailError(Exception):
    """It was not delivered. `permanent`: the server wants neither now nor later what is in this
    mail; `reason` is in the words of the server or the system, for administrators."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


def retry_delay(attempts: int) -> timedelta:
    """The wait after `attempts` failures, 1 or more."""
    return RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]
