"""People with a login."""

import re
from typing import Any

import click
from flask.cli import AppGroup

from wa_app.cli.shared import refusals_in_words, settings, wa
from wa_app.domain.errors import WrongInput
from wa_app.models import User, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import registry
from wa_app.services.users import accounts, invitations, user_list
from wa_app.wording.users import USER_BADGES

users = AppGroup("users", help="People with a login.")
wa.add_command(users)

role = click.option("--role", type=click.Choice(accounts.ROLES), default="user", show_default=True)
name = click.option("--name", default="", help="How the pages greet them.")


@users.command("create")
@click.argument("email")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@role
@name
def create_user(email: str, password: str, role: str, name: str) -> None:
    """Create a user with the login EMAIL."""
    with refusals_in_words():
        user = accounts.create(COMMAND_LINE, email, password, role=role, name=name)
    click.echo(f"Created {user.email} ({user.role}).")


@users.command("invite")
@click.argument("email")
@role
@name
def invite_user(email: str, role: str, name: str) -> None:
    """Make a link with which EMAIL chooses a password; create them if nobody has this e-mail.

    For somebody there is, role and name stay as they are. The link is printed last."""
    user = accounts.find(email)
    with refusals_in_words():
        if user is None:
            invitation = invitations.create(COMMAND_LINE, email, utc_now(), role=role, name=name)
        else:
            invitation = invitations.renew(COMMAND_LINE, user, utc_now())
    mailed = " It is on its way by mail." if invitation.mailed else ""
    click.echo(f"For {invitation.user.email}, once, for 7 days.{mailed}")
    click.echo(invitation.link)


@users.command("password")
@click.argument("email")
@click.option("--password", help="Instead of a random one.")
def new_password(email: str, password: str | None) -> None:
    """Give EMAIL a new password; every browser of theirs has to sign in again."""
    with refusals_in_words():
        chosen = accounts.set_password(COMMAND_LINE, accounts.find_or_refuse(email), password)
    click.echo(f"The new password of {email} is set.")
    if password is None:
        click.echo(chosen)


@users.command("list")
def list_users() -> None:
    """Everybody with a login."""
    for user in accounts.everyone():
        state = user_list.state_of(user)
        shown = "" if state == "active" else f"  {str(USER_BADGES[state].word).lower()}"
        click.echo(
            f"{user.email:40} {user.role:6} {len(registry.of_user(user))} connections{shown}"
        )


@users.command("change")
@click.argument("email")
@click.option("--role", type=click.Choice(accounts.ROLES))
@click.option("--name", help="How the pages greet them.")
@click.option("--limit", help="Numbers they may link; none: as many as everybody.")
def change_user(email: str, role: str | None, name: str | None, limit: str | None) -> None:
    """Change the role, the name or the limit of EMAIL."""
    asked = {"role": role, "name": name, "max_connections": limit}
    wanted: dict[str, Any] = {field: word for field, word in asked.items() if word is not None}
    if not wanted:
        raise click.UsageError("Say what to change: --role, --name or --limit.")
    with refusals_in_words():
        if limit is not None:
            wanted["max_connections"] = _limit(limit)
        accounts.change(COMMAND_LINE, accounts.find_or_refuse(email), **wanted)
    click.echo(f"Changed {email}.")


def _limit(word: str) -> int | None:
    if word == "none":
        return None
    if not re.fullmatch("[0-9]{1,9}", word):
        raise WrongInput("maxConnections", "not_a_number")
    return int(word)  # which of them make sense is known where it is changed


@users.command("deactivate")
@click.argument("email")
def deactivate_user(email: str) -> None:
    """Switch EMAIL off: no login, no connection; everything is kept."""
    with refusals_in_words():
        accounts.deactivate(COMMAND_LINE, accounts.find_or_refuse(email))
    click.echo(f"Deactivated {email}.")


@users.command("activate")
@click.argument("email")
def activate_user(email: str) -> None:
    """Switch EMAIL on again."""
    with refusals_in_words():
        accounts.activate(COMMAND_LINE, accounts.find_or_refuse(email))
    click.echo(f"Activated {email}.")


@users.command("delete")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_user(email: str, yes: bool) -> None:
    """Delete EMAIL: numbers are unlinked, connections and messages removed."""
    with refusals_in_words():
        user = accounts.find_or_refuse(email)
        if not yes:
            click.confirm(_what_goes(user), abort=True)
        accounts.remove(COMMAND_LINE, user)
    click.echo(f"Deleted {email}.")


def _what_goes(user: User) -> str:
    goes = user_list.belongings(user)
    return (
        f"Connections closed and removed: {goes.connections}; unlinked from a phone: {goes.linked}."
        f"\nTheir saved logins are backed up, then removed."
        f"\nMessages deleted: {goes.messages}. Tokens revoked: {goes.tokens}."
        f"\nThe audit stays. Delete {user.email}?"
    )


@users.command("first-admin", hidden=True)
def create_first_admin() -> None:
    """Create the first administrator, if nobody exists; print the login."""
    password = accounts.create_first_admin(settings().admin_email, settings().admin_password)
    if password is not None:
        click.echo(f"login {settings().admin_email}")
        click.echo(f"password {password}")
