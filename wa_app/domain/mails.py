"""Mails: what one is, why one could not be delivered, and when to try again."""

import re
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


STATUS = re.compile(r"5\.(\d{1,3})\.(\d{1,3})\b")
"""The enhanced status of RFC 3463 before the words of an answer: 5.subject.detail."""

OF_THE_SENDER = ("7", "8")
"""The details of subject 1, "addresses", that are about ours."""

SETTING = re.compile(r"relay|authenti|sender", re.IGNORECASE)
"""In the words of servers that give no status, when they want a login or another sender."""


def is_no_mailbox(code: int, words: str) -> bool:
    """Whether an answer to RCPT is about the mailbox itself. All else it may refuse, such as a
    sender without a login, is a setting that can be mended, and the mail then leaves."""
    status = STATUS.match(words)
    if code < 500 or (status and status[1] == "7"):
        return False
    if status and status[1] == "1":
        return status[2] not in OF_THE_SENDER
    return code in (550, 551, 553) and not SETTING.search(words)


def retry_delay(attempts: int) -> timedelta:
    """The wait after `attempts` failures, 1 or more."""
    return RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]
