"""WhatsApp as the services see it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wa_app.domain.closes import Close, Reason
from wa_app.domain.wire import Command, Dial, Incoming
from wa_app.gateways.base import Sink
from wa_app.gateways.whatsapp import route
from wa_app.gateways.whatsapp.folders import Folders
from wa_app.gateways.whatsapp.launch import Settings
from wa_app.gateways.whatsapp.launcher import Launcher, environment_without
from wa_app.gateways.whatsapp.spool import read_spool
from wa_app.gateways.whatsapp.switchboard import KILL_PATIENCE, Socket, Switchboard

log = logging.getLogger(__name__)

UNLINK_PATIENCE = 3.0


class WhatsAppGateway:
    """`secrets` are the names of environment variables that no session process may see."""

    def __init__(
        self,
        sessions_dir: Path,
        quarantine_dir: Path,
        *,
        keepalive_failures: int = 1,
        keepalive_presence: bool = False,
        pairing_window: timedelta = timedelta(seconds=160),
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.version = _library_version()
        self._folders = Folders(sessions_dir.absolute(), quarantine_dir.absolute())
        self._settings = Settings(
            sessions_dir=str(self._folders.sessions_dir),
            keepalive_failures=keepalive_failures,
            keepalive_presence=keepalive_presence,
            pairing_window=pairing_window.total_seconds(),
        )
        self._secrets = secrets
        self._switchboard: Switchboard | None = None

    # ---- sockets

    def start(self, sink: Sink) -> None:
        self._switchboard = Switchboard(
            self._settings,
            lambda: Launcher(environment_without(self._secrets)),
            sink,
            self._close_of,
        )
        self._switchboard.start()

    def stop(self, grace: float) -> None:
        if self._switchboard is not None:
            self._switchboard.stop(grace)

    def open(self, dial: Dial) -> None:
        self._folders.of(dial.connection_id)  # raises for an id that is none
        self._running.open(dial)

    def close(self, socket_id: int, *, grace: float, unlink: bool = False) -> None:
        patience = grace + (UNLINK_PATIENCE if unlink else 0.0)
        self._running.close(socket_id, grace=patience, unlink=unlink)

    def tell(self, socket_id: int, command: Command) -> bool:
        return self._running.tell(socket_id, command)

    @property
    def _running(self) -> Switchboard:
        if self._switchboard is None:
            raise RuntimeError("start() the gateway first")
        return self._switchboard

    def _close_of(self, entry: Socket) -> Close:
        connection_id = entry.dial.connection_id
        close = entry.last_word
        if entry.wanted_end and (close is None or close.reason is Reason.REQUESTED):
            close = Close(None, entry.wanted_end)
        elif entry.in_use is not None:
            close = Close(None, Reason.FOLDER_UNUSABLE)
        elif close is None:
            self._log_death(entry)
            close = Close(408, Reason.PROCESS_DIED)
        elif close.reason is Reason.FILE_CORRUPT:
            self._set_aside(connection_id)
        return replace(close, has_credentials=self.has_credentials(connection_id))

    def _set_aside(self, connection_id: str) -> None:
        try:
            self._folders.quarantine_credentials(connection_id)
        except OSError:
            log.exception("corrupt session files could not be moved to the quarantine")

    def _log_death(self, entry: Socket) -> None:
        report = self._folders.of(entry.dial.connection_id).crash_report
        log.warning(
            "session process of %s died with status %s: %s",
            entry.dial.connection_id,
            entry.status,
            _cause_of_death(report),
        )

    # ---- files

    def has_credentials(self, connection_id: str) -> bool:
        return self._folders.has_credentials(connection_id)

    def spooled(self, connection_id: str) -> Iterable[Incoming]:
        for spool in self._folders.spools(connection_id):
            yield from read_spool(spool)

    def clear_spool(self, connection_id: str) -> None:
        """All but one that a live socket writes to."""
        in_use = {self._folders.of(live).spool for live in self._live()}
        for spool in self._folders.spools(connection_id):
            if spool not in in_use:
                spool.unlink(missing_ok=True)

    def _live(self) -> set[str]:
        return self._switchboard.live_connections() if self._switchboard else set()

    def spool_waiting(self) -> Iterable[str]:
        return sorted(self._folders.with_spool() - self._live())

    def kill_strays(self, connection_id: str) -> int:
        own = self._switchboard.own_processes() if self._switchboard else set()
        holder = self._folders.of(connection_id).holder()
        return int(holder is not None and holder not in own and holder.kill(KILL_PATIENCE))

    def export(self, connection_id: str) -> bytes | None:
        return self._folders.export(connection_id)

    def restore(self, connection_id: str, session: bytes) -> None:
        raise NotImplementedError

    def check(self, session: bytes) -> bool:
        raise NotImplementedError

    def folders(self) -> Iterable[str]:
        return self._folders.in_use()

    def strays(self) -> Mapping[str, int]:
        own = self._switchboard.own_processes() if self._switchboard else set()
        holders = {name: self._folders.of(name).holder() for name in self._folders.in_use()}
        return {name: one.pid for name, one in holders.items() if one and one not in own}

    def remove(self, connection_id: str) -> bool:
        return self._folders.remove(connection_id)

    def quarantine(self, connection_id: str) -> None:
        self._folders.quarantine(connection_id)

    def probe(self, route_url: str | None) -> bool:
        return route.answers(route_url)


def _library_version() -> str:
    try:
        return f"neonize {version('neonize')}"
    except PackageNotFoundError:
        return "neonize (not installed)"


def _cause_of_death(report: Path) -> str:
    """What the Go runtime said first; nothing else of that file is for the log."""
    try:
        lines = report.read_text(errors="replace").splitlines()
    except OSError:
        return "no report"
    deaths = ("panic:", "fatal error:", "SIG", "Fatal Python error")
    return next((line[:200] for line in lines if line.startswith(deaths)), "no report")
