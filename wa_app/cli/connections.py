"""What every connection is doing, and the requests that change it."""

import json
from collections.abc import Callable
from typing import Any

import click

from wa_app.cli.shared import (
    CARRIED_OUT,
    connection_of,
    refusals_in_words,
    runtime,
    server_is_running,
    wa,
)
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection, Owner, User, utc_now
from wa_app.services import ownership
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import overview, requests
from wa_app.services.connections import status as connection_status
from wa_app.services.connections.overview import Query
from wa_app.services.connections.status import is_carried_out, status_document


@wa.command()
@click.option("--search", default="", help="Parts of a name, an e-mail or a number.")
@click.option("--status", "state", type=click.Choice(list(Status)), help="Only these.")
@click.option("--hold", type=click.Choice(list(Hold)), help="Only those held for this.")
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
def status(search: str, state: str | None, hold: str | None, as_json: bool) -> None:
    """What every connection is doing, and why; also those that belong to nobody."""
    query = Query(search, Status(state) if state else None, Hold(hold) if hold else None)
    owner = ownership.owner()
    documents = [_document(connection, owner) for connection in overview.everything(query)]
    if as_json:
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    if not server_is_running():
        click.echo("No server is running.")
    for document in documents:
        words = document["hold"] or document["status"]
        click.echo(f"{document['user'] or 'nobody':40} {document['channel']:9} {words:18} "
                   f"{document['phone'] or '':16} {document['explanation']['title']}")  # fmt: skip


def _document(connection: Connection, owner: Owner | None) -> dict[str, Any]:
    user: User | None = connection.user  # an orphan has none
    return {
        "user": user and user.email,
        "name": connection.name,
        **status_document(connection, owner, utc_now(), None),
    }


def _request_command(name: str, act: Callable[[Connection], None], sentence: str) -> None:
    @wa.command(name, help=sentence)
    @click.argument("email")
    @click.option("--connection", "connection_id", help="Which one, if there are several.")
    def command(email: str, connection_id: str | None) -> None:
        with refusals_in_words():
            connection = connection_of(email, connection_id, may_create=name == "connect")
            act(connection)
        _report(connection.id)


def _force_cleanup(connection: Connection) -> None:
    requests.force_cleanup(COMMAND_LINE, connection)


_request_command(
    "connect",
    lambda connection: requests.connect(COMMAND_LINE, connection),
    "Connect the number of EMAIL, with a QR if it is not linked.",
)
_request_command(
    "reconnect",
    lambda connection: requests.reconnect(COMMAND_LINE, connection),
    "Close and open the connection of EMAIL again.",
)
_request_command(
    "accept-number",
    lambda connection: requests.choose_number(COMMAND_LINE, connection, keep=True),
    "Another number was linked for EMAIL: it is the new number of this shop.",
)
_request_command(
    "unlink-number",
    lambda connection: requests.choose_number(COMMAND_LINE, connection, keep=False),
    "Another number was linked for EMAIL: unlink it, and show a new QR.",
)
_request_command(
    "disconnect",
    lambda connection: requests.disconnect(COMMAND_LINE, connection),
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
    running = server_is_running()
    if connection.enabled and not running:
        # Dialling from here would only be followed by hanging up.
        click.echo("Stored. No server is running; it connects when one starts.")
        return
    with runtime().run_as_owner() as manager:  # None where a server holds the lock
        if manager is not None:
            manager.wake(connection_id)
        connection = connection_status.wait_until(connection_id, is_carried_out, CARRIED_OUT)
    for step in connection_status.last_cleanup(connection):
        click.echo(f"{step.what:20} {step.outcome:8} {step.seconds:.2f} s")
    if not is_carried_out(connection):
        raise click.ClickException("The request is stored and will be carried out; nobody has yet.")
    document = status_document(connection, ownership.owner(), utc_now(), connection.user)
    click.echo(f"{document['status']}: {document['explanation']['title']}" if running else "Done.")
