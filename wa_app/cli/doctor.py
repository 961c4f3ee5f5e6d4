"""What may be wrong with this installation."""

import json

import click

from wa_app.cli.shared import app, runtime, wa
from wa_app.services.doctor.checks import examine
from wa_app.services.doctor.findings import Case
from wa_app.services.doctor.report import document, lines


@wa.command()
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
def doctor(as_json: bool) -> None:
    """Look for everything that may be wrong, and say what to do. Exit code 1 when something is."""
    report = examine(app(), Case(runtime().context, serving=False))
    if as_json:
        click.echo(json.dumps(document(report), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(report)))
    if not report.ok:
        raise SystemExit(1)
