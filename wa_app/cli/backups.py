"""Encrypted copies of session files."""

import click
from flask.cli import AppGroup

from wa_app.cli.shared import carried_out, connection_of, refusals_in_words, settings, wa
from wa_app.domain.backups import Comparison, Newer
from wa_app.domain.errors import NothingToTakeBack
from wa_app.domain.operations import FAILED
from wa_app.models import Operation
from wa_app.services.connections import registry
from wa_app.services.operations import backups, requests
from wa_app.services.sessions import backup_files as files
from wa_app.services.users import accounts
from wa_app.wording.backups import compared
from wa_app.wording.operations import detail_of, summary
from wa_app.wording.times import moment

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


@group.command("show")
@click.argument("backup_id", metavar="ID")
def show_backup(backup_id: str) -> None:
    """What the backup ID holds, and which login it would take the place of."""
    with refusals_in_words():
        _compare(backup_id)


@group.command("take-back")
@click.argument("email")
@click.option("--connection", "connection_id", help="Which one, if there are several.")
def take_back(email: str, connection_id: str | None) -> None:
    """Put the login of EMAIL back that a restored one has replaced, and connect."""
    with refusals_in_words():
        connection = connection_of(email, connection_id)
        if connection.replaced_copy_at is None:
            raise NothingToTakeBack
        _tell(carried_out("backup.take_back", connection=connection.id))


@group.command("restore")
@click.argument("backup_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask where the login in place is newer.")
def restore_backup(backup_id: str, yes: bool) -> None:
    """Put the session of the backup ID back. The connection has to be disconnected; what is there
    is backed up first. Messages since the backup may be missing; if WhatsApp has unlinked the
    device meanwhile, a new QR has to be scanned."""
    with refusals_in_words():
        found = _compare(backup_id)
        if found.newer is Newer.IN_PLACE and not yes:
            click.confirm("Restore it all the same?", abort=True)
        _tell(carried_out("backup.restore", backup=backup_id))


def _compare(backup_id: str) -> Comparison:
    found = backups.compare(settings(), backup_id)
    for sentence in compared(found, moment):
        click.echo(sentence)
    return found


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
