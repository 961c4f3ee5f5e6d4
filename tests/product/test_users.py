"""Who may, and what happens to the numbers of somebody who may no longer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.whatsapp_server import Phone

from .conftest import ANA, BRUNO, CARLA
from .server import Server, wait_until
from .visitor import PASSWORD, Number, Visitor

CONNECT_ROUTES = [
    "/api/whatsapp/connect",
    "/api/whatsapp/reconnect",
    "/api/whatsapp/disconnect",
    "/api/whatsapp/logout",
    "/api/whatsapp/force-cleanup",
]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Nobody comes by and finds by chance what a request should have brought about at once."""
    return {"MONITOR_INTERVAL": "1h", "CLEANUP_INTERVAL": "1h"}


@pytest.fixture
def dora(server: Server) -> Iterator[Visitor]:
    """Somebody who will not stay."""
    created = server.flask("wa", "users", "create", "dora@example.org", "--password", PASSWORD)
    assert created.returncode == 0, created.stderr
    with Visitor(server, "dora@example.org") as dora:
        yield dora


def test_a_deactivated_user_is_offline_at_once_and_stays_linked(
    server: Server, phone: Phone
) -> None:
    with Visitor(server, BRUNO) as bruno:
        number, practice = bruno.new_number(), bruno.practice_phone()
        device = number.pair(phone)
        practice.link_practice_phone()
        done = server.flask("wa", "users", "deactivate", BRUNO)
        assert done.stdout == f"Deactivated {BRUNO}.\n"
        device.wait_for_logout()
        assert not device.removed
        refused = bruno.http.post("/api/whatsapp/connect")
        assert (refused.status_code, refused.json()["error"]) == (403, "deactivated")
    wait_until(lambda: not server.sessions(), "no session process left")


def test_a_deleted_user_is_unlinked_and_leaves_nothing_behind(
    server: Server, dora: Visitor, phone: Phone
) -> None:
    number = dora.new_number()
    device = number.pair(phone)
    done = server.flask("wa", "users", "delete", "dora@example.org", "--yes")
    assert done.stdout == "Deleted dora@example.org.\n"
    wait_until(lambda: device.removed, "the device unlinked")
    device.wait_for_logout()
    gone = dora.http.get("/api/whatsapp/status")
    assert (gone.status_code, gone.json()["error"]) == (404, "user_not_found")
    wait_until(lambda: not server.session_files(number.id), f"no files of {number.id}")
    assert "dora@" not in server.flask("wa", "users", "list").stdout


def test_a_deleted_e_mail_can_be_used_again(server: Server, dora: Visitor) -> None:
    server.flask("wa", "users", "delete", "dora@example.org", "--yes")
    again = server.flask("wa", "users", "create", "dora@example.org", "--password", PASSWORD)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("route", CONNECT_ROUTES)
def test_nobody_connects_without_a_login(server: Server, route: str) -> None:
    answer = httpx.post(f"{server.address}{route}")
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


@pytest.mark.parametrize("route", CONNECT_ROUTES)
def test_nobody_touches_the_number_of_somebody_else(
    server: Server, ana: Visitor, route: str
) -> None:
    theirs = ana.new_number()
    with Visitor(server, CARLA) as carla:
        for unknown in (theirs.id, "no-such-connection"):
            answer = carla.http.post(route, params={"connection": unknown})
            assert (answer.status_code, answer.json()["error"]) == (404, "connection_not_found")
    assert theirs.status()["version"] == 0


def test_an_administrator_connects_for_others_and_nobody_for_a_stranger(
    server: Server, ana: Visitor
) -> None:
    with Visitor(server, CARLA) as carla:
        unknown = carla.http.post("/api/admin/users/999999/connect")
        assert (unknown.status_code, unknown.json()["error"]) == (404, "user_not_found")
    refused = ana.http.post("/api/admin/users/1/connect")
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")


def test_a_change_without_a_csrf_token_changes_nothing(number: Number) -> None:
    token = number.owner.http.headers.pop("X-CSRFToken")
    try:
        answer = number.owner.http.post("/api/whatsapp/connect", params={"connection": number.id})
    finally:
        number.owner.http.headers["X-CSRFToken"] = token
    assert (answer.status_code, answer.json()["error"]) == (400, "csrf")
    assert number.status()["version"] == 0


def test_a_wrong_password_lets_nobody_in(server: Server) -> None:
    with pytest.raises(AssertionError, match="401"):
        Visitor(server, ANA, "wrong horse battery")
