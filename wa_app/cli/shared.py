"""What every command needs: the group, refusals in words, and whether a server runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from wa_app.config import Settings
from wa_app.domain.errors import ConnectionNotFound, Refused
from wa_app.domain.sessions.states import Channel
from wa_app.models import Connection, Operation, utc_now
from wa_app.services import ownership
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import access, registry
from wa_app.services.operations import requests
from wa_app.services.runtime.lifecycle import Runtime
from wa_app.services.users import accounts
from wa_app.wording.refusals import sentence_of

wa = AppGroup("wa", help="Run Vigía from the command line.")

CARRIED_OUT = 15.0
"""Seconds to wait for the owner."""

OPERATION_DONE = 600.0
"""Seconds; a full reset of many numbers takes its time."""


@contextmanager
def refusals_in_words() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise click.ClickException(sentence_of(refused)) from None


def settings() -> Settings:
    found: Settings = current_app.config["SETTINGS"]
    return found


def server_is_running() -> bool:
    return ownership.owner_is_alive(ownership.owner(), utc_now())


def app() -> Flask:
    """Itself, and not what stands for it in this thread."""
    found: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return found


def runtime() -> Runtime:
    """Not started: for a command that does the owner's work itself."""
    made: Runtime = app().extensions["create_runtime"](app())
    return made


def connection_of(email: str, connection_id: str | None, *, may_create: bool = False) -> Connection:
    """The one of EMAIL, or the one that is named. Raises `Refused`."""
    user = accounts.find_or_refuse(email)
    if connection_id is not None:
        return access.own(user, connection_id)
    known = registry.of_user(user)
    if not known and may_create:
        return registry.first_or_create(COMMAND_LINE, user, Channel.WHATSAPP)
    if not known:
        raise ConnectionNotFound
    if len(known) > 1:
        choices = ", ".join(f"{each.id} ({each.channel})" for each in known)
        raise click.ClickException(f"Several connections; choose with --connection: {choices}")
    return known[0]


def carried_out(kind: str, *, dry_run: bool = False, **parameters: str) -> Operation:
    """An operation, done by the server, or here when there is none; or as it is when that takes
    too long."""
    return requests.carried_out(
        COMMAND_LINE, kind, OPERATION_DONE, parameters, dry_run=dry_run, meanwhile=_stand_in
    )


def _stand_in(operation_id: int) -> None:
    """Where a server lives it holds the lock, and this does nothing. The lock knows at once that a
    server has died; the heartbeat only after a while."""
    stand_in = runtime()
    with stand_in.run_as_owner() as manager:
        if manager is not None:
            stand_in.carry_out(operation_id)
