"""What the services need of the outside world. There are two kinds of phones: WhatsApp, and the
practice phone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Protocol

from wa_app.domain.backups import Login
from wa_app.domain.sessions.socket_messages import Command, Dial, Incoming, News
from wa_app.domain.sessions.states import Channel

Sink = Callable[[str, int, News], None]
"""Takes (connection id, socket id, news). Must return at once: it queues, it never works."""


class Stage(StrEnum):
    """Where the way to WhatsApp ends when it ends too early, in the order of the way."""

    DNS = auto()
    TCP = auto()
    PROXY = auto()  # in place of the two above
    PROXY_LOGIN = auto()  # it answers, and lets nobody through: a wrong login, or no right
    TLS = auto()
    HTTP = auto()


@dataclass(frozen=True)
class Reach:
    """How far one gets: `failed` is None when WhatsApp answers, and `date` what its clock says,
    to the second. `proxy` is the one in between, `host:port` without its login."""

    failed: Stage | None
    date: datetime | None = None
    proxy: str = ""


class Sockets(Protocol):
    """The live connections of one kind of phone.

    Failure has one way out: nothing here raises for the network's sake. Whatever goes wrong with
    a socket arrives as exactly one `Closed`, after which nothing of that socket is alive.
    """

    version: str
    """The library and its version, as shown to people and compared against `hold_library`."""

    def start(self, sink: Sink) -> None: ...

    def stop(self, grace: float) -> None:
        """End every socket and everything that was started, within `grace` seconds."""

    def open(self, dial: Dial) -> None:
        """Start a socket and return at once."""

    def close(self, socket_id: int, *, grace: float, unlink: bool = False) -> None:
        """End a socket: ask, wait `grace` seconds (3 more to unlink), kill. Returns when nothing
        of it is alive; a socket that is gone already is a success."""

    def tell(self, socket_id: int, command: Command) -> bool:
        """Hand a command to a socket; False when that socket is gone."""

    def has_credentials(self, connection_id: str) -> bool | None:
        """Whether there is a login. None: nothing is there that could say it, not even that it
        has ended."""

    def forget(self, connection_id: str) -> bool:
        """Delete the login; False when there was none. Raises OSError."""


class SessionStore(Protocol):
    """The session files of all connections, a folder each. A practice phone has none, which is no
    error: there is nothing to read, to copy or to move."""

    def spooled(self, connection_id: str) -> Iterable[Incoming]:
        """What a socket that has ended kept on disk and nobody acknowledged, oldest first."""

    def clear_spool(self, connection_id: str) -> None: ...

    def spool_waiting(self) -> Iterable[str]:
        """Connections (quarantined ones too) with a spool on disk and no live socket."""

    def export(self, connection_id: str) -> bytes | None:
        """A consistent copy of the credentials for the backup; None when there are none."""

    def restore(self, connection_id: str, session: bytes) -> None:
        """Put exported credentials back, in place of what is there; only without a socket. All or
        nothing. Raises OSError, and `ValueError` for what is no session with a device."""

    def login_in(self, session: bytes) -> Login | None:
        """Which one this export holds. None: it is nothing that `restore` would take."""

    def is_usable(self, connection_id: str) -> bool:
        """Whether a socket that was opened now could save its login, and would not have to leave
        at once for want of room."""

    def folders(self) -> Iterable[str]:
        """Connections with a session folder in use, those in quarantine not counted."""

    def remove(self, connection_id: str) -> bool:
        """Delete such a folder; False when there was none. Raises OSError."""

    def quarantine(self, connection_id: str) -> None:
        """Move it aside instead. Raises OSError."""

    def strays(self) -> Mapping[str, int]:
        """Processes of others that hold a session's folder: connection id → pid."""

    def kill_strays(self, connection_id: str) -> int:
        """End any other process that holds this session's folder; how many there were."""


class Probe(Protocol):
    """The way of one kind of phone to the other side."""

    def reach(self, route: str | None) -> Reach:
        """Whether it answers over this route (None: directly); a few seconds at most."""


@dataclass(frozen=True)
class Gateways:
    """The outside world of the sessions. `components` says what the library is made of, by name:
    the version installed, None: it is missing or not known."""

    sockets: Mapping[Channel, Sockets]
    probes: Mapping[Channel, Probe]
    store: SessionStore
    components: Callable[[], Mapping[str, str | None]]
