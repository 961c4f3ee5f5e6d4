"""A monitor that stands still is noticed, told and healed."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import CARLA, Start
from .server import GUNICORN, PATIENCE, wait_until
from .visitor import Visitor


def test_a_monitor_that_hangs_costs_a_restart_and_nothing_else(
    prepare: Start, sign_in: Callable[..., Visitor]
) -> None:
    server = prepare(MONITOR_INTERVAL="1")
    server.start([*GUNICORN[:-1], "tests/product/hung_monitor.conf.py"])
    first = server.worker
    number = sign_in(server).practice_phone()
    number.link_practice_phone()
    (server.data_dir / "hang").touch()
    server.wait_for_log("the service restarts itself")
    first.wait(PATIENCE)
    server.wait_for_role("owner")
    number.wait_for("CONNECTED")
    carla = sign_in(server, CARLA)
    [record] = carla.ask("GET", "/api/admin/audit", q="service.restart")["records"]
    assert record["actor"] == "watchdog"
    assert record["target"].startswith("monitor stood still for ")
    assert record["target"] in carla.http.get("/admin/maintenance").text
    [alert] = wait_until(lambda: carla.ask("GET", "/api/admin/alerts")["alerts"], "an alert")
    assert alert["kind"] == "stood_still"
