"""The folders of all sessions, those in quarantine included."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from wa_app.gateways.whatsapp.files import sealed_file, session_file
from wa_app.gateways.whatsapp.files.folder import Folder
from wa_app.sealing import Sealer, Unreadable

LOOKS = 100
"""Far more often than anybody seals and opens one session while it is looked at."""

T = TypeVar("T")


@dataclass(frozen=True)
class Folders:
    sessions_dir: Path
    quarantine_dir: Path
    sealer: Sealer

    def of(self, connection_id: str) -> Folder:
        if connection_id in ("", ".", "..") or "/" in connection_id:
            raise ValueError(f"not a connection id: {connection_id!r}")
        return Folder(self.sessions_dir / connection_id)

    def in_use(self) -> list[str]:
        """All but those in quarantine."""
        return sorted(path.name for path in _folders_in(self.sessions_dir))

    def has_credentials(self, connection_id: str) -> bool | None:
        """None: there is nothing that could say it."""
        folder = self.of(connection_id)

        def look() -> bool | None:
            if folder.is_blank:
                return None
            return folder.is_sealed or session_file.has_device(folder.session_file)

        return _steady(folder, look)

    def export(self, connection_id: str) -> bytes | None:
        """None: there is nothing to copy. Raises OSError for what cannot be read."""
        folder = self.of(connection_id)
        return _steady(folder, lambda: self._export(folder, connection_id))

    def _export(self, folder: Folder, connection_id: str) -> bytes | None:
        if not folder.is_sealed:
            return session_file.export(folder.session_file)
        try:
            return self.sealer.unseal(folder.sealed_file.read_bytes(), connection_id)
        except Unreadable as error:
            raise OSError(f"the sealed session file cannot be read: {error.problem}") from error

    def restore(self, connection_id: str, session: bytes) -> None:
        """Sealed: the next dial opens it. Raises OSError."""
        self.of(connection_id).prepare()
        with self._held(connection_id) as folder:
            sealed_file.put(folder, self.sealer.seal(session, connection_id))

    def seal(self, connection_id: str, patience: float = 0.0) -> None:
        """Raises OSError."""
        with self._held(connection_id, patience) as folder:
            sealed_file.seal(folder, self.sealer, connection_id)

    def unseal(self, connection_id: str) -> None:
        """Raises OSError and `sealing.Unreadable`."""
        with self._held(connection_id) as folder:
            sealed_file.unseal(folder, self.sealer, connection_id)

    @contextmanager
    def _held(self, connection_id: str, patience: float = 0.0) -> Iterator[Folder]:
        """Nobody else touches it meanwhile. Raises OSError."""
        folder = self.of(connection_id)
        lock = folder.hold(patience)
        try:
            yield folder
        finally:
            os.close(lock)

    def spools(self, connection_id: str) -> list[Path]:
        """Oldest first: what is in quarantine came before what is in use."""
        quarantined = sorted(
            folder for name, folder in self._quarantined() if name == connection_id
        )
        folders = [*quarantined, self.of(connection_id).path]
        return [spool for spool in (Folder(path).spool for path in folders) if spool.exists()]

    def with_spool(self) -> set[str]:
        in_use = [(path.name, path) for path in _folders_in(self.sessions_dir)]
        return {
            name
            for name, path in (*in_use, *self._quarantined())
            if _has_content(Folder(path).spool)
        }

    def _quarantined(self) -> Iterator[tuple[str, Path]]:
        """Connection ids and folders."""
        for path in _folders_in(self.quarantine_dir):
            yield path.name.rpartition("-")[0], path

    def remove(self, connection_id: str) -> bool:
        folder = self.of(connection_id)
        files = (folder.sealed_file, *folder.session_files)
        had_files = any(file.exists() for file in files)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder.path)
        return had_files

    def quarantine(self, connection_id: str) -> None:
        """All of it, the spool included: it is drained from there."""
        folder = self.of(connection_id)
        if folder.path.exists():
            place = self._place_in_quarantine(connection_id)
            folder.path.rename(place)

    def quarantine_credentials(self, connection_id: str) -> None:
        """The session files alone; the folder stays in use."""
        folder = self.of(connection_id)
        every = (folder.sealed_file, *folder.session_files)
        files = [file for file in every if file.exists()]
        if files:
            place = self._place_in_quarantine(connection_id)
            place.mkdir(mode=0o700)
            for file in files:
                file.rename(place / file.name)

    def _place_in_quarantine(self, connection_id: str) -> Path:
        self.quarantine_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.quarantine_dir / f"{connection_id}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def _steady(folder: Folder, look: Callable[[], T]) -> T:
    """What `look` finds, or raises, while nobody seals or opens the session. It takes no lock: a
    live session holds that one, and a dial would wait for it."""
    for _ in range(LOOKS):
        before = folder.forms()
        with contextlib.suppress(OSError):
            found = look()
            if folder.forms() == before:
                return found
        if folder.forms() == before:
            break
    return look()


def _folders_in(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
