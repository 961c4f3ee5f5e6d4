"""WhatsApp as the services see it: sockets, session files, and whether it can be reached."""

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from wa_app import disk
from wa_app.domain.backups import Login
from wa_app.domain.sessions.closes import Close, CloseClass, Reason, classify
from wa_app.domain.sessions.socket_messages import Command, Dial, Incoming
from wa_app.gateways.base import Reach, Sink
from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.files.folders import Folders
from wa_app.gateways.whatsapp.files.spool import read_spool
from wa_app.gateways.whatsapp.launch import UNLINK_PATIENCE, Settings
from wa_app.gateways.whatsapp.worker import library_version, reachability
from wa_app.gateways.whatsapp.worker.launcher import Launcher, environment_without
from wa_app.gateways.whatsapp.worker.supervisor import KILL_PATIENCE, Socket, Supervisor
from wa_app.sealing import Sealer, Unreadable, WrongKey

log = logging.getLogger(__name__)

SEAL_PATIENCE = 2.0
"""Seconds for all the processes together that a dead worker has left and that are about to end."""


DIES_OF_REFUSALS = "go.mau.fi/whatsmeow.(*Client).handleConnectFailure("
"""A login refused with 413 or 414 ends the process before the library has said so: it calls what
neonize never sets (whatsmeow, connectionevents.go, RefreshCAT)."""


class WhatsAppGateway:
    """`sealer` opens sealed session files; with `seal_sessions` it also seals those of every
    socket that ends. `secrets` are the names of environment variables that no session process may
    see."""

    def __init__(
        self,
        sessions_dir: Path,
        quarantine_dir: Path,
        sealer: Sealer,
        *,
        seal_sessions: bool = False,
        keepalive_failures: int = 1,
        keepalive_presence: bool = False,
        pairing_window: timedelta = timedelta(seconds=160),
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.version = _library_version()
        self._folders = Folders(sessions_dir.absolute(), quarantine_dir.absolute(), sealer)
        self._seal_sessions = seal_sessions
        self._settings = Settings(
            sessions_dir=str(self._folders.sessions_dir),
            keepalive_failures=keepalive_failures,
            keepalive_presence=keepalive_presence,
            pairing_window=pairing_window.total_seconds(),
        )
        self._secrets = secrets
        self._place: disk.Identity | None = None
        self._supervisor: Supervisor | None = None

    # ---- sockets

    def start(self, sink: Sink) -> None:
        with suppress(OSError):  # each dial says what is wrong with it
            self._folders.sessions_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._place = disk.identity(self._folders.sessions_dir)
        self._seal_all()
        self._supervisor = Supervisor(
            self._settings,
            lambda: Launcher(environment_without(self._secrets)),
            sink,
            self._close_of,
        )
        self._supervisor.start()

    def stop(self, grace: float) -> None:
        if self._supervisor is not None:
            self._supervisor.stop(grace)
            self._seal_all()

    def open(self, dial: Dial) -> None:
        trouble = self._unseal(dial.connection_id)
        if trouble is None:
            self._running.open(dial)
        else:
            self._running.refuse(dial, self._after(dial.connection_id, trouble))

    def close(self, socket_id: int, *, grace: float, unlink: bool = False) -> None:
        patience = grace + (UNLINK_PATIENCE if unlink else 0.0)
        self._running.close(socket_id, grace=patience, unlink=unlink)

    def tell(self, socket_id: int, command: Command) -> bool:
        return self._running.tell(socket_id, command)

    @property
    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("start() the gateway first")
        return self._supervisor

    def _close_of(self, entry: Socket) -> Close:
        connection_id = entry.dial.connection_id
        close = entry.last_word
        if entry.wanted_end and (close is None or close.reason is Reason.REQUESTED):
            close = Close(None, entry.wanted_end)
        elif entry.in_use is not None:
            close = Close(None, Reason.FOLDER_UNUSABLE)
        elif close is None:
            close = self._death(entry)
        if close.detail:
            log.warning("%s ended with %s: %s", connection_id, close.reason, close.detail[:200])
        return self._after(connection_id, close)

    def _after(self, connection_id: str, close: Close) -> Close:
        """Put the session file where it belongs without a socket, and say what it holds."""
        logged_out = classify(close) is CloseClass.LOGGED_OUT
        # Not every logout makes the library forget its login, with which nobody gets in any more.
        useless = logged_out and self.has_credentials(connection_id)
        if useless or close.reason is Reason.FILE_CORRUPT:
            self._set_aside(connection_id)
        else:
            self._seal(connection_id)
        return replace(close, has_credentials=self.has_credentials(connection_id))

    def _set_aside(self, connection_id: str) -> None:
        try:
            self._folders.quarantine_credentials(connection_id)
        except OSError:
            log.exception("useless session files could not be moved to the quarantine")

    def _unseal(self, connection_id: str) -> Close | None:
        """Before a dial. Why there can be none, if so."""
        if not self._folders.of(connection_id).sealed_file.exists():
            return None
        try:
            self.kill_strays(connection_id)
            self._folders.unseal(connection_id)
        except (OSError, WrongKey) as error:
            # Nothing is wrong with the session: it waits for the disk, or for its key.
            log.error("session file of %s stays sealed: %r", connection_id, error)
            return Close(None, Reason.FOLDER_UNUSABLE)
        except Unreadable as error:
            log.error("session file of %s cannot be unsealed: %s", connection_id, error.problem)
            return Close(None, Reason.FILE_CORRUPT)
        return None

    def _seal(self, connection_id: str, patience: float = 0.0) -> None:
        """What cannot be sealed stays open; the next end of a socket or start tries again."""
        if not self._may_seal():
            return
        try:
            self._folders.seal(connection_id, patience)
        except OSError as error:
            log.warning("session file of %s not sealed: %s", connection_id, error)

    def _may_seal(self) -> bool:
        """Never what lies in another folder that took the place of ours: our key is not its."""
        return self._seal_sessions and disk.identity(self._folders.sessions_dir) == self._place

    def _seal_all(self) -> None:
        """What a crash has left open, and what was still being sealed at the stop."""
        if not self._may_seal():
            return
        deadline = time.monotonic() + SEAL_PATIENCE
        try:
            for connection_id in self._folders.in_use():
                self._seal(connection_id, max(0.0, deadline - time.monotonic()))
        except OSError as error:
            log.warning("session files not sealed: %s", error)

    def _death(self, entry: Socket) -> Close:
        report = _lines(self._folders.of(entry.dial.connection_id).crash_report)
        log.warning(
            "session process of %s died with status %s: %s",
            entry.dial.connection_id,
            entry.status,
            _cause_of_death(report),
        )
        refused = any(line.startswith(DIES_OF_REFUSALS) for line in report)
        return Close(None, Reason.REFUSED) if refused else Close(408, Reason.PROCESS_DIED)

    # ---- files

    def has_credentials(self, connection_id: str) -> bool | None:
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
        return self._supervisor.live_connections() if self._supervisor else set()

    def spool_waiting(self) -> Iterable[str]:
        return sorted(self._folders.with_spool() - self._live())

    def kill_strays(self, connection_id: str) -> int:
        own = self._supervisor.own_processes() if self._supervisor else set()
        holder = self._folders.of(connection_id).holder()
        return int(holder is not None and holder not in own and holder.kill(KILL_PATIENCE))

    def export(self, connection_id: str) -> bytes | None:
        return self._folders.export(connection_id)

    def restore(self, connection_id: str, session: bytes) -> None:
        if self.login_in(session) is None:
            raise ValueError("no session with a device")
        self._folders.restore(connection_id, session)

    def login_in(self, session: bytes) -> Login | None:
        device = session_file.device_in(session)
        return Login(device, session_file.phone_of(device) or "") if device else None

    def is_usable(self, connection_id: str) -> bool:
        return self._folders.of(connection_id).is_usable()

    def folders(self) -> Iterable[str]:
        return self._folders.in_use()

    def strays(self) -> Mapping[str, int]:
        own = self._supervisor.own_processes() if self._supervisor else set()
        holders = {name: self._folders.of(name).holder() for name in self._folders.in_use()}
        return {name: one.pid for name, one in holders.items() if one and one not in own}

    def remove(self, connection_id: str) -> bool:
        return self._folders.remove(connection_id)

    forget = remove

    def quarantine(self, connection_id: str) -> None:
        self._folders.quarantine(connection_id)

    def reach(self, route_url: str | None) -> Reach:
        return reachability.reach(route_url)

    def components(self) -> Mapping[str, str | None]:
        return {
            "neonize": library_version.version_installed(),
            "whatsmeow": library_version.whatsmeow_version(),
        }


def _library_version() -> str:
    return f"neonize {library_version.version_installed() or '(not installed)'}"


def _lines(report: Path) -> list[str]:
    try:
        return report.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _cause_of_death(lines: list[str]) -> str:
    """What the Go runtime said first; nothing else of that file is for the log."""
    deaths = ("panic:", "fatal error:", "SIG", "Fatal Python error")
    return next((line[:200] for line in lines if line.startswith(deaths)), "no report")
