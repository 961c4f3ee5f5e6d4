"""People with a login."""

import click
from flask.cli import AppGroup

from wa_app.cli.shared import refusals_in_words, settings, wa
from wa_app.services import accounts, connections
from wa_app.services.audit import COMMAND_LINE

users = AppGroup("users", help="People with a login.")
wa.add_command(users)


@users.command("create")
@click.argument("email")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--role", type=click.Choice(accounts.ROLES), default="user", show_default=True)
@click.option("--name", default="", help="How the pages greet them.")
def create_user(email: str, password: str, role: str, name: str) -> None:
    """Create a user with the login EMAIL."""
    with refusals_in_words():
        user = accounts.create(COMMAND_LINE, email, password, role=role, name=name)
    click.echo(f"Created {user.email} ({user.role}).")


@users.command("list")
def list_users() -> None:
    """Everybody with a login."""
    for user in accounts.everyone():
        state = "" if user.is_active else "  deactivated"
        click.echo(f"{user.email:40} {user.role:6} {len(user.connections)} connections{state}")


@users.command("deactivate")
@click.argument("email")
def deactivate_user(email: str) -> None:
    """Switch EMAIL off: no login, no connection; everything is kept."""
    with refusals_in_words():
        accounts.deactivate(COMMAND_LINE, accounts.find_or_refuse(email))
    click.echo(f"Deactivated {email}.")


@users.command("delete")
@click.argument("email")
@click.confirmation_option(prompt="Delete this user, unlink the numbers, remove the messages?")
def delete_user(email: str) -> None:
    """Delete EMAIL: numbers are unlinked, connections and messages removed."""
    with refusals_in_words():
        connections.remove_user(COMMAND_LINE, accounts.find_or_refuse(email))
    click.echo(f"Deleted {email}.")


@users.command("first-admin", hidden=True)
def create_first_admin() -> None:
    """Create the first administrator, if nobody exists; print the login."""
    password = accounts.create_first_admin(settings().admin_email, settings().admin_password)
    if password is not None:
        click.echo(f"login {settings().admin_email}")
        click.echo(f"password {password}")
