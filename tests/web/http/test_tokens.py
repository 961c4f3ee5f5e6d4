"""Tokens: who a program is, what it may, and what it must never get."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from tests.web.conftest import PASSWORD, Person, delete
from tests.web.http.test_access import ROUTES, with_ones
from wa_app.domain.errors import TokenLimit, WrongInput
from wa_app.domain.users import MAX_TOKENS, SCOPES
from wa_app.extensions import db
from wa_app.models import Audit, Connection, Token, User, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import registry
from wa_app.services.users import accounts, tokens
from wa_app.web.http.access import scope_of

API_ROUTES = [(method, rule) for method, rule, _ in ROUTES if rule.startswith("/api/")]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
READING = ("GET", "/api/whatsapp/status")


@pytest.fixture
def program(app: Flask, cast: dict[str, User]) -> Callable[..., Callable[..., TestResponse]]:
    """A program with a token of somebody; called with a method and an address."""

    def made(name: str, *scopes: str) -> Callable[..., TestResponse]:
        _token, secret = tokens.create(
            COMMAND_LINE, cast[name], "a program", list(scopes), utc_now()
        )
        return calling(app, secret)

    return made


def calling(app: Flask, secret: str) -> Callable[..., TestResponse]:
    http = app.test_client()

    def call(method: str, address: str, **kwargs: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {secret}", **kwargs.pop("headers", {})}
        return http.open(address, method=method, headers=headers, **kwargs)

    return call


def error(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


# ---- what it may


def test_every_route_of_the_api_needs_one_scope() -> None:
    """Read for looking, send for messages, manage for the rest, admin for administrators'."""
    for method, rule in API_ROUTES:
        scope = scope_of(method, rule)
        assert scope in SCOPES, rule
        assert (scope == "admin") == rule.startswith("/api/admin/"), rule
        if scope != "admin":
            assert (scope == "read") == (method == "GET"), rule
            assert (scope == "send") == (method == "POST" and "messages" in rule), rule


def test_a_route_that_no_scope_is_named_for_is_closed() -> None:
    assert scope_of("GET", "/api/somewhere/new") is None


def test_every_route_is_closed_without_its_scope(cast: dict[str, User], program: Any) -> None:
    """With all the other scopes, for the administrator."""
    programs = {scope: program("carla", *(set(SCOPES) - {scope})) for scope in SCOPES}
    for method, rule in API_ROUTES:
        scope = scope_of(method, rule)
        answer = programs[scope](method, with_ones(rule))
        assert error(answer) == (403, "scope_missing"), (method, rule)
        assert scope in answer.json["message"]


def test_each_scope_opens_its_routes(program: Any) -> None:
    routes = {
        "read": READING,
        "send": ("POST", "/api/whatsapp/messages"),
        "manage": ("POST", "/api/whatsapp/disconnect"),
        "admin": ("GET", "/api/admin/users"),
    }
    answers = {
        scope: program("carla", scope)(*route).status_code for scope, route in routes.items()
    }
    assert answers == {"read": 200, "send": 400, "manage": 200, "admin": 200}


def test_a_change_needs_no_csrf_token_and_is_recorded_with_the_token(
    cast: dict[str, User], program: Any, connection: Connection
) -> None:
    assert program("ana", "manage")("POST", "/api/whatsapp/disconnect").status_code == 200
    token = db.session.query(Token).one()
    done = db.session.query(Audit).order_by(Audit.id.desc()).first()
    assert done.actor == f"ana@example.com (token {token.prefix})"


# ---- who it is


def test_only_the_token_counts_whoever_s_cookie_comes_with_it(
    cast: dict[str, User], ana: Person, program: Any, connection: Connection
) -> None:
    _token, brunos = tokens.create(
        COMMAND_LINE, cast["bruno"], "his", ["read", "manage"], utc_now()
    )
    header = {"Authorization": f"Bearer {brunos}"}
    assert ana.get("/api/whatsapp/status").json["connectionId"] == connection.id
    assert ana.get("/api/whatsapp/status", headers=header).json["connectionId"] is None
    chosen = ana.get(f"/api/whatsapp/status?connection={connection.id}", headers=header)
    assert chosen.status_code == 404


WRONG = ("Bearer", "Bearer ", "Bearer wrong", "bearer \0", "Bearer vigia_aaaaaaaa_", "Bearer ñ")


def test_a_wrong_token_is_nobody_even_beside_a_valid_cookie(ana: Person) -> None:
    for header in WRONG:
        answer = ana.get("/api/whatsapp/status", headers={"Authorization": header})
        assert error(answer) == (401, "unauthorized"), header


def test_a_cut_or_changed_token_opens_nothing(app: Flask, cast: dict[str, User]) -> None:
    token, secret = tokens.create(COMMAND_LINE, cast["ana"], "hers", ["read"], utc_now())
    for wrong in (secret[:-1], secret + "a", secret.upper(), token.prefix, token.secret_hash):
        assert error(calling(app, wrong)(*READING)) == (401, "unauthorized")
    assert calling(app, secret)(*READING).status_code == 200


def test_other_kinds_of_authorization_leave_the_cookie_alone(ana: Person) -> None:
    """As a proxy in front of this service may send them."""
    answer = ana.get("/api/whatsapp/status", headers={"Authorization": "Basic YTpi"})
    assert answer.status_code == 200


def test_pages_take_no_token(cast: dict[str, User], program: Any) -> None:
    carlas = program("carla", *SCOPES)
    for page in ("/", "/account", "/admin/users", "/live/state"):
        answer = carlas("GET", page)
        assert answer.status_code in (302, 401, 404), page
    assert carlas("POST", "/account/tokens", data={"name": "x", "scope": "read"}).status_code == 302
    assert db.session.query(Token).count() == 1


def test_a_token_leaves_no_cookie(program: Any) -> None:
    assert "Set-Cookie" not in program("ana", "read")(*READING).headers


# ---- its end


def ended(token: Token, _user: User) -> None:
    token.expires_at = utc_now() - timedelta(seconds=1)
    db.session.commit()


def revoked(token: Token, _user: User) -> None:
    tokens.revoke(COMMAND_LINE, token)


def deleted(_token: Token, user: User) -> None:
    delete(user)


def removed(_token: Token, user: User) -> None:
    accounts.remove(COMMAND_LINE, user)


def deactivated(_token: Token, user: User) -> None:
    accounts.deactivate(COMMAND_LINE, user)


ENDS: dict[Callable[[Token, User], None], tuple[int, str]] = {
    ended: (401, "unauthorized"),
    revoked: (401, "unauthorized"),
    deleted: (401, "unauthorized"),
    removed: (401, "unauthorized"),
    deactivated: (403, "deactivated"),
}


def test_it_is_over_on_every_route_at_once(app: Flask, cast: dict[str, User]) -> None:
    for happens, expected in ENDS.items():
        email = f"{happens.__name__}@example.com"
        dora = accounts.create(COMMAND_LINE, email, PASSWORD, role="admin")
        token, secret = tokens.create(COMMAND_LINE, dora, "hers", list(SCOPES), utc_now())
        call = calling(app, secret)
        assert call(*READING).status_code == 200
        happens(token, dora)
        for method, rule in API_ROUTES:
            assert error(call(method, with_ones(rule))) == expected, (email, method, rule)


def test_the_tokens_of_a_removed_user_are_gone_in_the_same_commit(cast: dict[str, User]) -> None:
    """Also while the row waits for the owner."""
    registry.create(COMMAND_LINE, cast["ana"], "whatsapp")
    tokens.create(COMMAND_LINE, cast["ana"], "hers", ["read"], utc_now())
    accounts.remove(COMMAND_LINE, cast["ana"])
    assert db.session.query(Token).count() == 0


def test_the_admin_token_of_a_former_administrator_is_forbidden(
    cast: dict[str, User], program: Any
) -> None:
    accounts.change(COMMAND_LINE, cast["bruno"], role="admin")
    brunos = program("bruno", "admin")
    assert brunos("GET", "/api/admin/users").status_code == 200
    accounts.change(COMMAND_LINE, cast["bruno"], role="user")
    for method, rule in API_ROUTES:
        if rule.startswith("/api/admin/"):
            assert error(brunos(method, with_ones(rule)))[0] in (403, 404, 405)
    assert error(brunos("GET", "/api/admin/users")) == (403, "forbidden")


def test_a_password_change_leaves_tokens_alone(cast: dict[str, User], program: Any) -> None:
    anas = program("ana", "read")
    accounts.set_password(COMMAND_LINE, cast["ana"], None)
    assert anas(*READING).status_code == 200


# ---- making one


NONSENSE = [
    ("", ["read"], None, "name", "required"),
    (" ", ["read"], None, "name", "required"),
    ("x" * 101, ["read"], None, "name", "not_a_name"),
    ("a\0b", ["read"], None, "name", "not_a_name"),
    ("x", [], None, "scopes", "required"),
    ("x", ["read", "root"], None, "scopes", "unknown_scope"),
    ("x", ["read send"], None, "scopes", "unknown_scope"),
    ("x", ["admin"], None, "scopes", "not_an_admin"),
    ("x", ["read"], 0, "days", "not_a_number"),
    ("x", ["read"], 3651, "days", "not_a_number"),
    ("x", ["read"], 10**12, "days", "not_a_number"),
]


def test_a_token_that_makes_no_sense_is_refused(cast: dict[str, User]) -> None:
    for name, scopes, days, field, problem in NONSENSE:
        with pytest.raises(WrongInput) as refused:
            tokens.create(COMMAND_LINE, cast["ana"], name, scopes, utc_now(), days)
        assert (refused.value.field, refused.value.problem) == (field, problem)
        db.session.rollback()
    assert db.session.query(Token).count() == 0


def test_nobody_can_read_it_again(cast: dict[str, User]) -> None:
    token, secret = tokens.create(COMMAND_LINE, cast["ana"], "hers", ["send", "read"], NOON, 30)
    assert token.scopes == "read send"
    assert token.expires_at == NOON + timedelta(days=30)
    assert secret.startswith(token.prefix + "_")
    assert len(secret) == len("vigia_") + 8 + 1 + 43
    row = db.session.execute(Token.__table__.select()).one()
    assert not any(secret in str(value) or secret[-43:] in str(value) for value in row)
    audit = db.session.query(Audit).order_by(Audit.id.desc()).first()
    assert (audit.action, audit.outcome) == ("token.create", f"{token.prefix} (read send)")


def test_there_is_an_end_to_how_many(cast: dict[str, User]) -> None:
    for _ in range(MAX_TOKENS):
        tokens.create(COMMAND_LINE, cast["ana"], "one more", ["read"], utc_now())
    with pytest.raises(TokenLimit):
        tokens.create(COMMAND_LINE, cast["ana"], "one too many", ["read"], utc_now())
    tokens.create(COMMAND_LINE, cast["bruno"], "his first", ["read"], utc_now())


def test_its_last_use_is_written_down_once_a_minute_and_for_every_new_address(
    cast: dict[str, User],
) -> None:
    token, secret = tokens.create(COMMAND_LINE, cast["ana"], "hers", ["read"], utc_now())
    now = utc_now()

    def used(after: int, address: str) -> tuple[float, str | None]:
        tokens.by_secret(secret, now + timedelta(seconds=after), address)
        db.session.refresh(token)
        return (token.last_used_at - now).total_seconds(), token.last_used_from

    assert used(0, "10.0.0.1") == (0, "10.0.0.1")
    assert used(59, "10.0.0.1") == (0, "10.0.0.1")
    assert used(60, "10.0.0.1") == (60, "10.0.0.1")
    assert used(61, "10.0.0.2") == (61, "10.0.0.2")


def test_one_that_is_revoked_while_its_use_is_written_down_is_refused(
    program: Callable[..., Callable[..., TestResponse]],
) -> None:
    def revoke(_: Any) -> None:
        with db.engine.begin() as somebody_else:
            somebody_else.execute(Token.__table__.delete())

    call = program("ana", "read")
    event.listen(db.session, "after_commit", revoke, once=True)
    assert call(*READING).status_code == 401


# ---- the command line


def test_the_command_line_makes_lists_and_revokes_them(app: Flask, cast: dict[str, User]) -> None:
    run = app.test_cli_runner().invoke
    made = run(args=["wa", "token", "create", "ana@example.com", "--scope", "send", "--days", "7"])
    secret = made.output.splitlines()[-1]
    assert calling(app, secret)("GET", "/api/whatsapp/status").status_code == 403
    assert secret[:14] in run(args=["wa", "token", "list"]).output
    assert secret not in run(args=["wa", "token", "list", "ana@example.com"]).output
    assert run(args=["wa", "token", "revoke", secret[:14]]).output == f"Revoked {secret[:14]}.\n"
    assert run(args=["wa", "token", "revoke", secret[:14]]).exit_code == 1
    assert run(args=["wa", "token", "create", "nobody@example.com"]).exit_code == 1
    assert run(args=["wa", "token", "create", "ana@example.com", "--scope", "admin"]).exit_code == 1
