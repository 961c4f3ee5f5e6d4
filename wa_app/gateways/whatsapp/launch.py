"""What the worker, the forkserver and a session process say to each other besides the messages of
`domain/sessions/socket_messages.py`.

Requests go to the forkserver, each with the ticket of a process (the worker numbers them);
reports come back. Pickled, over a socket that only these two have.
"""

import signal
from dataclasses import dataclass

from wa_app.domain.sessions.socket_messages import Dial
from wa_app.gateways.whatsapp.process_id import ProcessId

MAX_REQUEST = 1 << 16

WITHOUT_WORKER = 1.0
"""Seconds a session process may live on when the worker has gone, to store what it has in hand."""

UNLINK_PATIENCE = 3.0
"""Seconds for WhatsApp to remove the device; the worker waits so much longer for the end."""

IGNORED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""What a terminal or a service manager sends to everybody; only the worker acts on it."""


@dataclass(frozen=True)
class Settings:
    """`pairing_window` in seconds."""

    sessions_dir: str
    keepalive_failures: int
    keepalive_presence: bool
    pairing_window: float


@dataclass(frozen=True)
class Start:
    """Fork a session process; its pipe's end comes along as a file descriptor."""

    ticket: int
    dial: Dial
    settings: Settings


@dataclass(frozen=True)
class Kill:
    ticket: int


Request = Start | Kill


@dataclass(frozen=True)
class Started:
    ticket: int
    process: ProcessId


@dataclass(frozen=True)
class Ended:
    """It has ended and is reaped. `status` as of `os.waitstatus_to_exitcode`."""

    ticket: int
    status: int


Report = Started | Ended


@dataclass(frozen=True)
class FolderInUse:
    """A session process's last word when another process holds its folder."""

    holder: ProcessId | None
