"""Clean-ups and scheduled jobs. The same operations as the buttons, carried out by the owner; where
no server runs, by the command itself."""

import click
from flask.cli import AppGroup

from wa_app.cli.shared import OPERATION_DONE, carried_out, refusals_in_words, server_is_running, wa
from wa_app.domain.operations import CONFIRMATION
from wa_app.models import utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.operations import requests
from wa_app.services.runtime import scheduler
from wa_app.wording import operations as words

clean = AppGroup("clean", help="Remove what is left over.")
scheduled = AppGroup("jobs", help="What runs by itself.")
wa.add_command(clean)
wa.add_command(scheduled)

DRY_RUN = click.option("--dry-run", is_flag=True, help="Only show what would go.")


@clean.command("orphans")
@DRY_RUN
def clean_orphans(dry_run: bool) -> None:
    """Remove what belongs to nobody: rows, session folders, processes."""
    carry_out("cleanup.orphans", dry_run=dry_run)


@clean.command("stale")
@DRY_RUN
def clean_stale(dry_run: bool) -> None:
    """Take connections without a usable login back to "never linked"."""
    carry_out("cleanup.stale", dry_run=dry_run)


@wa.command("mark-disconnected")
@DRY_RUN
def mark_disconnected(dry_run: bool) -> None:
    """Close every connection; each comes back by itself."""
    carry_out("cleanup.mark_disconnected", dry_run=dry_run)


@wa.command("reset")
@DRY_RUN
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(dry_run: bool, yes: bool) -> None:
    """Remove every login after a backup; every number has to be linked again."""
    if not yes and not dry_run:
        typed = click.prompt(
            f"Every number will have to be linked again. Type {CONFIRMATION} to go on"
        )
        if typed != CONFIRMATION:
            raise click.ClickException("Nothing was changed.")
    carry_out("cleanup.full_reset", dry_run=dry_run)


def carry_out(kind: str, *, dry_run: bool = False) -> None:
    """Do it and tell how it went. Exits with 1 when a step failed."""
    operation = carried_out(kind, dry_run=dry_run)
    counts = requests.counts(operation)
    for step in operation.steps:
        click.echo(_line(step.outcome, f"{words.STEPS[step.what]}: {step.label} {step.target}"))
        if step.detail:
            click.echo(_line(None, words.detail_of(step) or ""))
    click.echo(words.summary(operation, counts))
    if operation.state != "DONE":
        raise click.ClickException(f"It goes on by itself (operation {operation.id}).")
    if counts["failed"]:
        raise SystemExit(1)


def _line(outcome: str | None, what: str) -> str:
    return f"{str(words.OUTCOMES[outcome][0]) if outcome else '':12} {what}"


@scheduled.command("list")
def list_jobs() -> None:
    """Every job, its last and its next run."""
    for job in scheduler.everything():
        last = f"{job.last_at:%Y-%m-%d %H:%M:%S}" if job.last_at else "not yet"
        following = f"{job.next_at:%Y-%m-%d %H:%M:%S}" if job.next_at else ""
        click.echo(f"{job.name:20} last {last:20} next {following:20} {job.error or ''}".rstrip())


@scheduled.command("run")
@click.argument("name")
def run_job(name: str) -> None:
    """Run the job NAME now, in the server."""
    if not server_is_running():
        raise click.ClickException("No server is running; jobs run in the server.")
    with refusals_in_words():
        job = scheduler.run_now(COMMAND_LINE, name, utc_now(), OPERATION_DONE)
    if job.error:
        raise click.ClickException(f"It ran and failed: {job.error}")
    click.echo(f"It ran and took {job.seconds} s." if job.asked_at is None else "Asked for.")
