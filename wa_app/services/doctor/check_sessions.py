"""Whether the sessions are kept as they should be, and nothing is left over."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from wa_app.models import Operation
from wa_app.services.connections import overview
from wa_app.services.doctor.findings import Case, Finding, ill, well
from wa_app.services.operations import cleanups


def check_folders(case: Case) -> Iterator[Finding]:
    """The session folders, and everything else under the data folder that holds a login."""
    settings = case.settings
    folder = settings.sessions_dir if settings.sessions_dir.exists() else settings.data_dir
    if not folder.is_dir():
        yield ill("no_folder", path=folder)
        return
    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        yield ill("not_writable", path=folder, why=error.strerror)
    else:
        wrong = next(_open_to_others(settings.data_dir), None)
        yield ill("open_to_others", **wrong) if wrong else well("fine", path=settings.sessions_dir)


def _open_to_others(data_dir: Path) -> Iterator[dict[str, object]]:
    """What anybody but us may read or change."""
    secret = (data_dir / name for name in ("sessions", "quarantine", "backups"))
    for path in (data_dir, *secret, data_dir / "backup_key"):
        yield from _open_in(path)
        if path != data_dir:
            for folder, folders, names in os.walk(path):
                for name in sorted(folders + names):
                    yield from _open_in(Path(folder, name))


def _open_in(path: Path) -> Iterator[dict[str, object]]:
    try:
        status = path.lstat()
    except FileNotFoundError:  # sessions come and go
        return
    if stat.S_IMODE(status.st_mode) & 0o077 and not stat.S_ISLNK(status.st_mode):
        right = "700" if stat.S_ISDIR(status.st_mode) else "600"
        yield {"path": path, "mode": f"{stat.S_IMODE(status.st_mode):o}", "right": right}


def check_orphans(case: Case) -> Iterator[Finding]:
    steps = list(cleanups.plan_orphans(case.context, Operation(kind="cleanup.orphans")))
    count = sum(int(step.label) if step.what == "records" else 1 for step in steps)
    yield ill("some", count=count) if count else well("none")


def check_stale(case: Case) -> Iterator[Finding]:
    count = len(cleanups.stale(case.context))
    yield ill("some", count=count) if count else well("none")


def check_hung(case: Case) -> Iterator[Finding]:
    count = overview.hung(case.now, case.settings.policy.connect_timeout)
    yield ill("some", count=count) if count else well("none")
