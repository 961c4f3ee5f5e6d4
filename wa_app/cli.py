"""`flask wa …`: the same services as the pages and the API call, while the server runs or not."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from wa_app.config import Settings
from wa_app.domain.errors import ConnectionNotFound, Refused
from wa_app.domain.states import Channel
from wa_app.extensions import db
from wa_app.models import Connection, utc_now
from wa_app.services import accounts, connections, ownership
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.runtime import Runtime
from wa_app.web import presentation
from wa_app.web.errors import sentence_of

wa = AppGroup("wa", help="Run Vigía from the command line.")
users = AppGroup("users", help="People with a login.")
wa.add_command(users)

CARRIED_OUT = 15.0  # seconds to wait for the owner


def register(app: Flask, create_runtime: Callable[[Flask], Runtime]) -> None:
    """`create_runtime` serves commands that have to do the owner's work themselves."""
    app.extensions["create_runtime"] = create_runtime
    app.cli.add_command(wa)


@contextmanager
def _refusals_in_words() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise click.ClickException(sentence_of(refused)) from None


@users.command("create")
@click.argument("email")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--role", type=click.Choice(accounts.ROLES), default="user", show_default=True)
@click.option("--name", default="", help="How the pages greet them.")
def create_user(email: str, password: str, role: str, name: str) -> None:
    """Create a user with the login EMAIL."""
    with _refusals_in_words():
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
    with _refusals_in_words():
        accounts.deactivate(COMMAND_LINE, accounts.find_or_refuse(email))
    click.echo(f"Deactivated {email}.")


@users.command("delete")
@click.argument("email")
@click.confirmation_option(prompt="Delete this user, unlink the numbers, remove the messages?")
def delete_user(email: str) -> None:
    """Delete EMAIL: numbers are unlinked, connections and messages removed."""
    with _refusals_in_words():
        connections.remove_user(COMMAND_LINE, accounts.find_or_refuse(email))
    click.echo(f"Deleted {email}.")


@users.command("first-admin", hidden=True)
def create_first_admin() -> None:
    """Create the first administrator, if nobody exists; print the login."""
    settings: Settings = current_app.config["SETTINGS"]
    password = accounts.create_first_admin(settings.admin_email, settings.admin_password)
    if password is not None:
        click.echo(f"login {settings.admin_email}")
        click.echo(f"password {password}")


@wa.command()
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
def status(as_json: bool) -> None:
    """What every connection is doing, and why."""
    owner = connections.owner()
    documents = [
        {"user": user.email, **presentation.status_document(connection, owner, utc_now(), user)}
        for user in accounts.everyone()
        for connection in connections.of_user(user)
    ]
    if as_json:
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    if not _server_is_running():
        click.echo("No server is running.")
    for document in documents:
        words = document["hold"] or document["status"]
        click.echo(f"{document['user']:40} {document['channel']:9} {words:18} "
                   f"{document['phone'] or '':16} {document['explanation']['title']}")  # fmt: skip


def _request_command(name: str, act: Callable[[Connection], None], sentence: str) -> None:
    @wa.command(name, help=sentence)
    @click.argument("email")
    @click.option("--connection", "connection_id", help="Which one, if there are several.")
    def command(email: str, connection_id: str | None) -> None:
        with _refusals_in_words():
            connection = _connection(email, connection_id, may_create=name == "connect")
            act(connection)
        _report(connection.id)


def _connection(email: str, connection_id: str | None, *, may_create: bool) -> Connection:
    user = accounts.find_or_refuse(email)
    if connection_id is not None:
        return connections.own(user, connection_id)
    known = connections.of_user(user)
    if not known and may_create:
        return connections.first_or_create(COMMAND_LINE, user, Channel.WHATSAPP)
    if not known:
        raise ConnectionNotFound
    if len(known) > 1:
        choices = ", ".join(f"{each.id} ({each.channel})" for each in known)
        raise click.ClickException(f"Several connections; choose with --connection: {choices}")
    return known[0]


def _force_cleanup(connection: Connection) -> None:
    connections.force_cleanup(COMMAND_LINE, connection)


_request_command(
    "connect",
    lambda connection: connections.connect(COMMAND_LINE, connection),
    "Connect the number of EMAIL, with a QR if it is not linked.",
)
_request_command(
    "reconnect",
    lambda connection: connections.reconnect(COMMAND_LINE, connection),
    "Close and open the connection of EMAIL again.",
)
_request_command(
    "disconnect",
    lambda connection: connections.disconnect(COMMAND_LINE, connection),
    "Disconnect the number of EMAIL; it stays linked.",
)
_request_command(
    "force-cleanup",
    _force_cleanup,
    "Remove the session of EMAIL, whatever state it is in; it has to be linked again.",
)


def _report(connection_id: str) -> None:
    """Wait until the request is carried out, and say how things are then."""
    connection = db.session.get_one(Connection, connection_id)
    running = _server_is_running()
    if connection.enabled and not running:
        # Dialling from here would only be followed by hanging up.
        click.echo("Stored. No server is running; it connects when one starts.")
        return
    with nullcontext() if running else _runtime().looking_after(connection_id):
        connection = connections.wait_until(connection_id, _carried_out, CARRIED_OUT)
    for step in connections.last_cleanup(connection):
        click.echo(f"{step['step']:20} {step['outcome']:8} {step['seconds']:.2f} s")
    if not _carried_out(connection):
        raise click.ClickException("The request is stored and will be carried out; nobody has yet.")
    document = presentation.status_document(
        connection, connections.owner(), utc_now(), connection.user
    )
    click.echo(f"{document['status']}: {document['explanation']['title']}" if running else "Done.")


def _carried_out(connection: Connection) -> bool:
    return (
        connection.observed_version >= connection.wanted_version
        and connection.wiped_version >= connection.wipe_version
    )


def _server_is_running() -> bool:
    settings: Settings = current_app.config["SETTINGS"]
    stale_after = settings.policy.heartbeat_stale_after
    return ownership.is_alive(connections.owner(), utc_now(), stale_after)


def _runtime() -> Runtime:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    runtime: Runtime = app.extensions["create_runtime"](app)
    return runtime
