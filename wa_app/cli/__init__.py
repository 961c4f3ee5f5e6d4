"""`flask wa …`: a module for each noun, calling the services that pages and API call, while the
server runs or not. No SQL, no rules, and nothing of the web.
"""

from collections.abc import Callable

from flask import Flask

from wa_app.cli import alerts, audit, backups, connections, doctor, operations, tokens, users
from wa_app.cli.shared import wa
from wa_app.services.runtime.lifecycle import Runtime

COMMANDS = (backups, connections, operations, users, tokens, audit, alerts, doctor)
"""Importing a module adds its commands to the group."""


def register(app: Flask, create_runtime: Callable[[Flask], Runtime]) -> None:
    """`create_runtime` serves commands that have to do the owner's work themselves."""
    app.extensions["create_runtime"] = create_runtime
    app.cli.add_command(wa)
