"""Rows: columns, constraints and triggers, one module for each subject. No queries and no policy.

Who needs rows imports them from here: importing one module imports all, so that every relation and
every migration knows all tables.
"""

from wa_app.models.base import UtcTime, utc_now
from wa_app.models.connections import Connection, ConnectionEvent
from wa_app.models.messages import Chat, Message, MessageRecipient
from wa_app.models.notifications import Alert, Mail
from wa_app.models.operations import Operation, OperationStep
from wa_app.models.practice import PracticeAccount, PracticeMessage
from wa_app.models.runtime import Audit, JobRun, Owner, Standby
from wa_app.models.users import Token, User

__all__ = [
    "Alert",
    "Audit",
    "Chat",
    "Connection",
    "ConnectionEvent",
    "JobRun",
    "Mail",
    "Message",
    "MessageRecipient",
    "Operation",
    "OperationStep",
    "Owner",
    "PracticeAccount",
    "PracticeMessage",
    "Standby",
    "Token",
    "User",
    "UtcTime",
    "utc_now",
]
