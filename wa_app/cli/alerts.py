"""What people were told of."""

from datetime import datetime

import click
from flask.cli import with_appcontext

from wa_app.cli.shared import refusals_in_words, wa
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.notifications import mails
from wa_app.services.notifications.alert_list import panel
from wa_app.services.users import accounts


@wa.group("alerts", invoke_without_command=True)
@click.pass_context
@with_appcontext
def group(context: click.Context) -> None:
    """What is wrong, then what was the last to end. Times are in UTC."""
    if context.invoked_subcommand is not None:
        return
    shown = panel()
    for one in (*shown.open, *shown.ended):
        alert = one.alert
        until = f"until {_moment(alert.ended_at)}" if alert.ended_at else "open"
        told = "  ".join(filter(None, (one.title, one.about, one.posted)))
        click.echo(f"{_moment(alert.began_at)}  {until:22}  {told}")
    if not shown.open:
        click.echo("Nothing is wrong.")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


@group.command("test-mail")
@click.argument("email")
def test_mail(email: str) -> None:
    """Send EMAIL a mail that shows whether mails arrive."""
    with refusals_in_words():
        user = accounts.find_or_refuse(email)
        click.echo(mails.send_test(COMMAND_LINE, user.email, user.locale))
