"""Whether what must not be lost is safe: keys, backups, disk, mails."""

import shutil
import stat
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select

from wa_app.domain.alerts import AlertKind, disk_is_low
from wa_app.extensions import db
from wa_app.models import Alert, Connection
from wa_app.services.doctor.findings import Case, Finding, ill, well, without_people
from wa_app.services.notifications import mails
from wa_app.services.operations import backups as restoring
from wa_app.services.sessions import backup_files

MOST_AHEAD = timedelta(minutes=5)


def check_key(case: Case) -> Iterator[Finding]:
    """The key of the backups."""
    yield ill("beside") if backup_files.key_lies_beside(case.settings) else well("elsewhere")
    others = backup_files.with_another_key(case.settings)
    if others:
        yield ill("another", count=others)


def check_backups(case: Case) -> Iterator[Finding]:
    failed = select(Alert.about).where(
        Alert.kind == AlertKind.BACKUP_FAILED, Alert.ended_at.is_(None), ~Alert.recovered
    )
    why = db.session.scalar(failed)
    yield ill("failed", why=without_people(why)) if why is not None else _age_of_backups(case)


def _age_of_backups(case: Case) -> Finding:
    """Of the linked number that has waited longest. One that was linked today is backed up for the
    first time tomorrow."""
    linked = db.session.execute(
        select(Connection.id, Connection.created_at).where(restoring.LINKED)
    )
    made = {one.connection_id: one.at for one in reversed(backup_files.list_all(case.settings))}
    ages = [(made.get(id) or created_at, made.get(id)) for id, created_at in linked]
    if not ages:
        return well("nothing_linked")
    since, at = min(ages, key=lambda age: age[0])
    if max(made.values(), default=case.now) > case.now + MOST_AHEAD:
        return ill("future")
    if case.now - since > 2 * case.settings.policy.backup_interval:
        return ill("old", at=at) if at else ill("never")
    return well("recent", at=at) if at else well("first_to_come")


def check_secret(case: Case) -> Iterator[Finding]:
    """The key that signs the logins."""
    file = case.settings.data_dir / "secret_key"
    if case.settings.secret_key:
        yield well("set")
    elif stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield ill("readable", path=file)
    else:
        yield well("file", path=file)


def check_disk(case: Case) -> Iterator[Finding]:
    total, _used, free = shutil.disk_usage(case.settings.data_dir)
    size = {"free": _gigabytes(free), "total": _gigabytes(total)}
    yield ill("low", **size) if disk_is_low(total, free, was_low=False) else well("enough", **size)


def _gigabytes(size: int) -> str:
    return f"{size / 1000**3:.1f} GB"


def check_mail(_case: Case) -> Iterator[Finding]:
    state = mails.state()
    if not state.set_up:
        yield well("not_set_up")
    elif state.error is not None:
        yield ill("failed", why=without_people(state.error))
    else:
        yield well("sent", at=state.last_sent_at) if state.last_sent_at else well("ready")
