"""Encrypted copies of session files."""

import click
from flask.cli import AppGroup

from wa_app.cli.shared import carried_out, refusals_in_words, settings, wa
from wa_app.domain.operations import FAILED
from wa_app.models import Operation
from wa_app.services.connections import registry
from wa_app.services.operations import backups, requests
from wa_app.services.sessions import backup_files as files
from wa_app.services.users import accounts
from wa_app.wording.operations import detail_of, summary

group = AppGroup("backup", help="Encrypted copies of session files.")
wa.add_command(group)


@group.command("list")
def list_backups() -> None:
    """Every backup, the newest first: id, time (UTC), bytes, whose."""
    for one in backups.everything(settings()):
        backup = one.backup
        click.echo(f"{backup.id}  {backup.at:%Y-%m-%d %H:%M}  {backup.size:8}  {one.label}")


@group.command("create")
@click.argument("email", required=False)
def create_backup(email: str | None) -> None:
    """Back up all linked numbers, or those of EMAIL."""
    with refusals_in_words():
        if email is None:
            _tell(carried_out("backup.create"))
            return
        for connection in registry.of_user(accounts.find_or_refuse(email)):
            _tell(carried_out("backup.create", connection=connection.id))


@group.command("verify")
@click.argument("backup_id", metavar="ID")
def verify_backup(backup_id: str) -> None:
    """Open the backup ID and look whether a linked session is in it."""
    _act("backup.verify", backup_id)


@group.command("restore")
@click.argument("backup_id", metavar="ID")
def restore_backup(backup_id: str) -> None:
    """Put the session of the backup ID back. The connection has to be disconnected; what is there
    is backed up first. Messages since the backup may be missing; if WhatsApp has unlinked the
    device meanwhile, a new QR has to be scanned."""
    _act("backup.restore", backup_id)


def _act(kind: str, backup_id: str) -> None:
    with refusals_in_words():
        files.find(settings(), backup_id)
        _tell(carried_out(kind, backup=backup_id))


def _tell(operation: Operation) -> None:
    """Exit code 1 when something failed."""
    for step in operation.steps:
        told = detail_of(step) or ""
        click.echo(f"{step.label or step.target:40} {step.outcome or 'waiting':8} {told}".rstrip())
    counts = requests.counts(operation)
    if counts[FAILED] or operation.state != "DONE":
        raise click.ClickException(summary(operation, counts))
    click.echo(summary(operation, counts))
