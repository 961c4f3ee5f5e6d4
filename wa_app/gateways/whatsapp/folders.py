"""The folders of all sessions, those in quarantine included."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wa_app.gateways.whatsapp import session_file
from wa_app.gateways.whatsapp.folder import Folder


@dataclass(frozen=True)
class Folders:
    sessions_dir: Path
    quarantine_dir: Path

    def of(self, connection_id: str) -> Folder:
        if connection_id in ("", ".", "..") or "/" in connection_id:
            raise ValueError(f"not a connection id: {connection_id!r}")
        return Folder(self.sessions_dir / connection_id)

    def in_use(self) -> list[str]:
        """All but those in quarantine."""
        return sorted(path.name for path in _folders_in(self.sessions_dir))

    def has_credentials(self, connection_id: str) -> bool:
        return session_file.has_device(self.of(connection_id).session_file)

    def export(self, connection_id: str) -> bytes | None:
        return session_file.export(self.of(connection_id).session_file)

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
        had_files = any(file.exists() for file in folder.session_files)
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
        files = [file for file in self.of(connection_id).session_files if file.exists()]
        if files:
            place = self._place_in_quarantine(connection_id)
            place.mkdir(mode=0o700)
            for file in files:
                file.rename(place / file.name)

    def _place_in_quarantine(self, connection_id: str) -> Path:
        self.quarantine_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.quarantine_dir / f"{connection_id}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


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
