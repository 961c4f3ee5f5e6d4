"""`flask wa doctor`, as a person types it beside a running server, and without one."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.whatsapp_server import WhatsAppServer

from .conftest import CARLA, Start
from .visitor import Visitor


def test_the_doctor_looks_beside_a_running_server_and_without_one(
    start: Start, sign_in: Callable[..., Visitor], whatsapp: WhatsAppServer
) -> None:
    server = start(whatsapp, BACKUP_KEY="kept somewhere else")
    beside = server.flask("wa", "doctor", "--json")
    told = json.loads(beside.stdout)
    assert (beside.returncode, told["ok"]) == (0, True), beside.stdout
    found = {one["check"]: one for one in told["checks"]}
    assert f"process {server.worker.pid}" in found["owner"]["message"]
    assert found["port"]["code"] == "ours"
    assert found["whatsapp"]["code"] == "through_proxy"

    asked = sign_in(server, CARLA).ask("GET", "/api/admin/diagnostics")
    assert asked["ok"], asked
    assert [one["check"] for one in asked["checks"]] == list(found)

    server.end()
    server.environment["BACKUP_KEY"] = ""
    alone = server.flask("wa", "doctor")
    assert alone.returncode == 1, alone.stdout
    assert "✓ The service is stopped." in alone.stdout
    assert "✗ The key of the backups lies beside them" in alone.stdout
    assert "    Set BACKUP_KEY to" in alone.stdout
    assert alone.stdout.count("✗") == 1
