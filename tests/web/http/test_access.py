"""Every route × nobody, stranger, owner, administrator, deactivated, deleted.

The routes are read from the application, so a new one cannot be forgotten.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.conftest import make_app
from tests.web.conftest import PASSWORD, Person, delete
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.models import Connection, User
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import registry
from wa_app.services.users import accounts
from wa_app.web.http.access import OPEN


def _routes() -> list[tuple[str, str, str]]:
    """(method, rule, endpoint) of everything that needs a login."""
    import tempfile

    rules: list[Rule] = list(make_app(Path(tempfile.mkdtemp())).url_map.iter_rules())
    return sorted(
        (method, rule.rule, rule.endpoint)
        for rule in rules
        if rule.endpoint not in OPEN
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


ROUTES = _routes()
EVERY_ROUTE = pytest.mark.parametrize(
    ("method", "rule", "endpoint"), ROUTES, ids=[f"{method} {rule}" for method, rule, _ in ROUTES]
)


def _is_json(rule: str) -> bool:
    return rule.startswith(("/api/", "/live/"))


def _is_admins(rule: str) -> bool:
    return rule.startswith(("/api/admin/", "/admin", "/live/admin/"))


def with_ones(rule: str) -> str:
    """A rule as a path: 1 for whatever it wants to know, the first of several words."""
    return re.sub("<[^>]*>", "1", re.sub(r"<any\('(\w+)'.*?>", r"\1", rule))


@pytest.fixture
def address(cast: dict[str, User], connection: Connection) -> Callable[[str], str]:
    """A rule with Ana's things in it; practice rules get her practice connection."""
    practice = registry.create(COMMAND_LINE, cast["ana"], Channel.PRACTICE)

    def filled(rule: str) -> str:
        hers = (
            practice
            if any(word in rule for word in ("practice", "chat", "faults", "state"))
            else None
        )
        path = rule.replace("<connection_id>", (hers or connection).id)
        path = path.replace("<backup_id>", f"{connection.id}.20260101T090000000000")
        path = path.replace("<any('verify','restore'):act>", "verify")
        path = path.replace("<int(max=2147483647):user_id>", str(cast["ana"].id))
        return with_ones(path)

    return filled


@EVERY_ROUTE
def test_nobody_gets_401_or_the_sign_in_page(
    sign_in: Callable[[None], Person],
    address: Callable[[str], str],
    method: str,
    rule: str,
    endpoint: str,
) -> None:
    answer = sign_in(None).call(method, address(rule))
    if _is_json(rule):
        assert answer.status_code == 401
        assert answer.json["error"] == "unauthorized"
        assert answer.json["success"] is False
    else:
        assert answer.status_code == 302
        assert answer.location.startswith("/login")


@EVERY_ROUTE
def test_a_deleted_user_gets_404(
    cast: dict[str, User],
    sign_in: Callable[[User], Person],
    address: Callable[[str], str],
    method: str,
    rule: str,
    endpoint: str,
) -> None:
    path, bruno = address(rule), sign_in(cast["bruno"])
    delete(cast["bruno"])
    answer = bruno.call(method, path)
    assert answer.status_code == 404
    assert "user_not_found" in answer.text


def test_a_user_whose_row_is_gone_gets_404(
    cast: dict[str, User], sign_in: Callable[[User], Person]
) -> None:
    bruno = sign_in(cast["bruno"])
    db.session.delete(cast["bruno"])
    db.session.commit()
    for path in ("/api/whatsapp/connect", "/api/whatsapp/reconnect"):
        answer = bruno.call("POST", path)
        assert (answer.status_code, answer.json["error"]) == (404, "user_not_found")
    assert bruno.get("/").status_code == 404


@EVERY_ROUTE
def test_a_deactivated_user_gets_403(
    cast: dict[str, User],
    sign_in: Callable[[User], Person],
    address: Callable[[str], str],
    method: str,
    rule: str,
    endpoint: str,
) -> None:
    """An administrator, too, wherever only they may come in."""
    who = cast["carla" if _is_admins(rule) else "bruno"]
    path, person = address(rule), sign_in(who)
    accounts.create(COMMAND_LINE, "dora@example.com", PASSWORD, role="admin")
    accounts.deactivate(COMMAND_LINE, who)
    answer = person.call(method, path)
    assert answer.status_code == 403
    assert "deactivated" in answer.text


@pytest.mark.parametrize("who", ["bruno", "carla"])
@pytest.mark.parametrize(
    ("method", "rule"),
    [(method, rule) for method, rule, _ in ROUTES if "<connection_id>" in rule],
    ids=lambda value: value,
)
def test_strangers_get_404_for_anas_connection(
    cast: dict[str, User],
    sign_in: Callable[[User], Person],
    address: Callable[[str], str],
    who: str,
    method: str,
    rule: str,
) -> None:
    unknown = address(rule).replace(address("<connection_id>"), "no-such-connection")
    stranger = sign_in(cast[who])
    answer, to_unknown = stranger.call(method, address(rule)), stranger.call(method, unknown)
    assert answer.status_code == to_unknown.status_code == 404


@pytest.mark.parametrize(
    ("method", "rule"),
    [(m, rule) for m, rule, endpoint in ROUTES if endpoint.startswith("api_sessions.")],
    ids=lambda value: value,
)
def test_bruno_cannot_choose_anas_connection(
    cast: dict[str, User],
    sign_in: Callable[[User], Person],
    address: Callable[[str], str],
    connection: Connection,
    method: str,
    rule: str,
) -> None:
    named = f"{address(rule)}?connection={connection.id}"
    answer = sign_in(cast["bruno"]).call(method, named)
    if "connections" in rule and "<" not in rule:
        assert connection.id not in answer.text
    else:
        assert answer.status_code == 404


@EVERY_ROUTE
def test_the_owner_is_let_in(
    cast: dict[str, User],
    sign_in: Callable[[User], Person],
    address: Callable[[str], str],
    method: str,
    rule: str,
    endpoint: str,
) -> None:
    if _is_admins(rule):
        answer = sign_in(cast["ana"]).call(method, address(rule))
        assert answer.status_code == 403
        assert "forbidden" in answer.text
        return
    answer = sign_in(cast["ana"]).call(method, address(rule) + "?wait=0")
    assert answer.status_code not in (401, 403)
    assert answer.status_code < 500
    if answer.status_code == 302:
        assert not answer.location.startswith("/login") or endpoint == "auth.sign_out"


def test_the_administrator_connects_for_somebody(
    cast: dict[str, User], carla: Person, connection: Connection
) -> None:
    answer = carla.post(f"/api/admin/users/{cast['ana'].id}/connect?wait=0")
    assert answer.status_code == 200
    assert answer.json["connectionId"] == connection.id
    answer = carla.post(f"/api/admin/users/{cast['ana'].id}/reconnect")
    assert (answer.status_code, answer.json["error"]) == (409, "pair_first")


@pytest.mark.parametrize("path", ["connect", "reconnect"])
def test_the_administrator_gets_404_for_unknown_and_deleted_users(
    cast: dict[str, User], carla: Person, path: str
) -> None:
    delete(cast["bruno"])
    for user_id in (cast["bruno"].id, 999999, 2**70):
        answer = carla.post(f"/api/admin/users/{user_id}/{path}")
        assert answer.status_code == 404


def test_every_gated_view_shows_its_gate(app: Flask) -> None:
    """`decide_who_calls` guards all of them; `@login_required` says so where one reads it."""
    for _method, rule, endpoint in ROUTES:
        assert hasattr(app.view_functions[endpoint], "__wrapped__"), rule


def test_an_unknown_api_path_tells_strangers_nothing(
    ana: Person, sign_in: Callable[[None], Person]
) -> None:
    assert sign_in(None).get("/api/whatsapp/nothing").status_code == 401
    assert ana.get("/api/whatsapp/nothing").json["error"] == "not_found"
    wrong_method = ana.get("/api/whatsapp/connect")
    assert (wrong_method.status_code, wrong_method.json["error"]) == (405, "method_not_allowed")
    assert "POST" in wrong_method.headers["Allow"]


def test_a_new_session_key_signs_every_browser_out(cast: dict[str, User], ana: Person) -> None:
    cast["ana"].session_key = "another"
    db.session.commit()
    assert ana.get("/api/whatsapp/status").status_code == 401


def test_no_user_is_ever_assumed(cast: dict[str, User], app: Flask) -> None:
    """A forged, broken or empty login is nobody, never somebody."""
    for cookie in ("", "1", ".", "1.", "x.y", f"{cast['ana'].id}.wrong"):
        http = app.test_client()
        with http.session_transaction() as session:
            session["_user_id"] = cookie
        assert http.get("/api/whatsapp/status").status_code in (401, 404)
    assert accounts.sign_in("ana@example.com", PASSWORD) is not None


# ---- CSRF


@pytest.mark.parametrize(
    ("method", "rule"),
    [(method, rule) for method, rule, _ in ROUTES if method != "GET"],
    ids=lambda value: value,
)
@pytest.mark.parametrize("headers", [{}, {"X-CSRFToken": "wrong"}], ids=["missing", "wrong"])
def test_a_change_without_the_token_is_refused(
    cast: dict[str, User],
    sign_in: Callable[[User], Person],
    address: Callable[[str], str],
    method: str,
    rule: str,
    headers: dict[str, str],
) -> None:
    who = "carla" if _is_admins(rule) else "ana"
    answer = sign_in(cast[who]).http.open(address(rule), method=method, headers=headers)
    assert answer.status_code == 400
    assert "csrf" in answer.text
