"""Administrators' pages and API for users, and where the one-time links lead."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from tests.web.conftest import PASSWORD, Person, observe
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.models import Audit, Mail, Token, User, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.connections import registry
from wa_app.services.users import accounts, tokens, user_list


def shown_once(page: str, what: str) -> str:
    return page.partition(f'data-testid="{what}">')[2].partition("<")[0]


def said(page: str) -> str:
    return page.partition('data-testid="notice">')[2].partition("<")[0]


def visitor(app: Flask) -> Person:
    return Person(app.test_client(), None)


# ---- inviting


def test_carla_invites_somebody_who_then_is_in(app: Flask, carla: Person) -> None:
    answer = carla.post("/admin/users", data={"email": " Dora@Example.com ", "name": "Dora"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    link = shown_once(answer.text, "link")
    assert link.startswith("http://localhost/invitation/")
    assert link not in carla.get("/admin/users").text
    dora = visitor(app)
    page = dora.get(link)
    assert 'value="dora@example.com"' in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert dora.post(link, data={"password": PASSWORD}).location == "/"
    assert dora.get("/api/whatsapp/status").status_code == 200
    assert dora.get(link).status_code == 404
    assert dora.post(link, data={"password": "another password"}).status_code == 404
    assert accounts.sign_in("dora@example.com", PASSWORD) is not None


def test_looking_at_a_link_uses_nothing_up(app: Flask, carla: Person) -> None:
    """Mail programs look at links before people do."""
    link = shown_once(carla.post("/admin/users", data={"email": "d@example.com"}).text, "link")
    for _ in range(3):
        assert visitor(app).get(link).status_code == 200
        assert visitor(app).http.head(link).status_code == 200
    assert visitor(app).post(link, data={"password": "short"}).status_code == 400
    assert visitor(app).http.post(link, data={"password": PASSWORD}).status_code == 400  # csrf
    assert visitor(app).post(link, data={"password": PASSWORD}).status_code == 302


def test_strangers_learn_nothing_from_a_link(app: Flask, cast: dict[str, User]) -> None:
    stranger = visitor(app)
    addresses = ("x", "a" * 500, "%00", "<script>", "ana@example.com", "..%2f..")
    pages = [stranger.get(f"/invitation/{address}") for address in addresses]
    assert {page.status_code for page in pages} == {404}
    assert "ask your administrator" in pages[0].text
    assert not any("<script>" in page.text.partition("<main")[2] for page in pages)
    for _ in range(30):
        last = stranger.get("/invitation/guess")
    assert last.status_code == 429


def test_opening_a_link_takes_over_nothing_of_an_earlier_visitor(
    cast: dict[str, User], ana: Person, carla: Person
) -> None:
    link = shown_once(carla.post("/admin/users", data={"email": "d@example.com"}).text, "link")
    with ana.http.session_transaction() as session:
        session["planted"] = "by Ana"
    ana.post(link, data={"password": PASSWORD})
    with ana.http.session_transaction() as session:
        assert "planted" not in session
        dora = accounts.find("d@example.com")
        assert session["_user_id"] == dora.get_id()


def test_a_mail_brings_the_link_where_a_mail_server_is_set_up(
    app: Flask, cast: dict[str, User], carla: Person
) -> None:
    carla.post("/admin/users", data={"email": "d@example.com"})
    assert db.session.query(Mail).count() == 0
    app.config["SETTINGS"] = replace(
        app.config["SETTINGS"], smtp_host="mail.example.com", public_url="https://shop.example/"
    )
    cast["ana"].locale = "es"
    db.session.commit()
    page = carla.post(f"/admin/users/{cast['ana'].id}/invite").text
    mail = db.session.query(Mail).one()
    link = shown_once(page, "link")
    assert link.startswith("https://shop.example/invitation/")
    assert link in mail.text
    assert "elegir tu contraseña" in mail.text
    assert mail.recipient == "ana@example.com"
    assert "also on its way by mail" in page


# ---- the pages


def test_the_list_says_who_there_is(cast: dict[str, User], carla: Person) -> None:
    accounts.change(COMMAND_LINE, cast["ana"], name="<script>alert(1)</script>", max_connections=4)
    registry.create(COMMAND_LINE, cast["ana"], Channel.WHATSAPP)
    page = carla.get("/admin/users").text
    assert page.count('data-testid="user"') == 3
    assert "1 of 4" in page
    assert "<script>alert" not in page
    assert carla.get("/admin/users?q=bruno").text.count('data-testid="user"') == 1
    assert "Nobody fits" in carla.get("/admin/users?q=zzz&role=admin&state=invited").text
    for odd in ("role=root&state=gone", "q=%00%27%22%3Cb%3E", "page=7"):
        assert carla.get(f"/admin/users?{odd}").status_code == 200
    for odd in ("page=0", "page=x", "page=-1"):
        assert carla.get(f"/admin/users?{odd}").status_code in (302, 400)


def test_fifty_stand_on_a_page(cast: dict[str, User], carla: Person) -> None:
    for number in range(51):
        db.session.add(User(email=f"{number:02}@example.com", password_hash="x"))
    db.session.commit()
    first, second = carla.get("/admin/users").text, carla.get("/admin/users?page=2").text
    assert first.count('data-testid="user"') == 50
    assert second.count('data-testid="user"') == 4
    assert 'href="/admin/users?page=2"' in first


def test_what_was_typed_is_still_there_after_a_refusal(carla: Person) -> None:
    answer = carla.post("/admin/users", data={"email": "ana@example.com", "name": "Ana B"})
    assert answer.status_code == 409
    assert "already a user" in answer.text
    assert 'value="Ana B"' in answer.text
    answer = carla.post("/admin/users", data={"email": "new@example.com", "password": "short"})
    assert answer.status_code == 400
    assert accounts.find("new@example.com") is None


def test_carla_changes_somebody(cast: dict[str, User], carla: Person) -> None:
    ana, page = cast["ana"], f"/admin/users/{cast['ana'].id}"
    form = {"name": "Ana", "role": "user", "max_connections": "0", "email": "x@y", "id": "1"}
    assert carla.post(page, data=form | {"active": "", "password_hash": "x"}).location == page
    db.session.refresh(ana)
    assert (ana.max_connections, ana.email, ana.active) == (0, "ana@example.com", True)
    carla.post(page, data=form | {"max_connections": ""})
    db.session.refresh(ana)
    assert ana.max_connections is None
    assert said(carla.get(page).text) == "Saved."
    for odd in ("-1", "1001", "x", "1e3", "١"):
        carla.post(page, data=form | {"max_connections": odd})
        assert "number in the range" in said(carla.get(page).text), odd
    carla.post(page, data=form | {"role": "root"})
    db.session.refresh(ana)
    assert (ana.role, ana.max_connections) == ("user", None)


def test_carla_gives_a_new_password(cast: dict[str, User], carla: Person, ana: Person) -> None:
    answer = carla.post(f"/admin/users/{cast['ana'].id}/password")
    password = shown_once(answer.text, "new-password")
    db.session.expire_all()
    assert accounts.sign_in("ana@example.com", password) is not None
    assert ana.get("/api/whatsapp/status").status_code == 401


@pytest.mark.parametrize("thing", ["password", "invite"])
def test_for_herself_carla_has_to_say_the_password_she_has(
    cast: dict[str, User], carla: Person, thing: str
) -> None:
    """A browser found signed in is no way to keep its owner out."""
    where = f"/users/{cast['carla'].id}"
    assert carla.post(f"/admin{where}/{thing}").location == f"/admin{where}"
    page = carla.get(f"/admin{where}").text
    assert "on your account page" in said(page)
    assert 'data-testid="own-password"' in page and f'data-testid="{thing}"' not in page
    refused = carla.post(f"/api/admin{where}/{thing}")
    assert (refused.status_code, refused.json["error"]) == (409, "own_password")
    db.session.expire_all()
    assert accounts.sign_in("carla@example.com", PASSWORD) is not None
    assert cast["carla"].invite_hash is None


def test_carla_switches_somebody_off_and_on(cast: dict[str, User], carla: Person) -> None:
    page = f"/admin/users/{cast['ana'].id}"
    carla.post(f"{page}/deactivate")
    assert "Deactivated" in carla.get(page).text
    assert "Activate" in carla.get(page).text
    assert "switched off" in said(carla.http.get(carla.post(f"{page}/invite").location).text)
    carla.post(f"{page}/activate")
    assert user_list.state_of(cast["ana"]) == "active"


def test_everything_that_goes_is_said_before(
    cast: dict[str, User], carla: Person, connection, practice_connection
) -> None:
    observe(connection, has_credentials=True)
    tokens.create(COMMAND_LINE, cast["ana"], "hers", ["read"], utc_now())
    page = f"/admin/users/{cast['ana'].id}/delete"
    goes = carla.get(page).text
    for line in ("removed: 2, of which linked to a phone: 1", "revoked: 1",
                 "kept for 30 days", "history: 0", "audit"):  # fmt: skip
        assert line in goes
    assert carla.post(page).location == "/admin/users"
    assert "ana@example.com is deleted. Connections: 2, messages: 0, tokens: 1." in said(
        carla.get("/admin/users").text
    )
    assert carla.get(page).status_code == 404
    assert db.session.query(Token).count() == 0


def test_the_last_administrator_stays_whatever_page_is_asked(
    cast: dict[str, User], carla: Person
) -> None:
    me = f"/admin/users/{cast['carla'].id}"
    for path, form in ((me, {"role": "user"}), (f"{me}/deactivate", {}), (f"{me}/delete", {})):
        assert carla.post(path, data=form).location == me
        assert "last administrator" in said(carla.get(me).text)
    for call, body in (
        (carla.patch, {"role": "user"}),
        (carla.patch, {"active": False}),
        (carla.delete, {}),
    ):
        answer = call(f"/api{me}", json=body)
        assert (answer.status_code, answer.json["error"]) == (409, "last_admin")
    assert cast["carla"].is_active


def test_an_administrator_may_leave_when_there_is_another(
    cast: dict[str, User], carla: Person, sign_in: Callable[[User], Person]
) -> None:
    accounts.change(COMMAND_LINE, cast["bruno"], role="admin")
    assert carla.post(f"/admin/users/{cast['carla'].id}/delete").location == "/login"
    assert carla.get("/").location.startswith("/login")
    bruno = sign_in(cast["bruno"])
    carlas_name_again = bruno.post("/admin/users", data={"email": "carla@example.com"})
    assert carlas_name_again.status_code == 200


# ---- the API


def test_the_api_does_the_same(app: Flask, cast: dict[str, User], carla: Person) -> None:
    made = carla.post("/api/admin/users", json={"email": "dora@example.com", "name": "Dora"})
    dora = made.json
    assert made.status_code == 201
    assert (dora["state"], dora["role"], dora["maxConnections"]) == ("invited", "user", None)
    assert visitor(app).post(dora["link"], data={"password": PASSWORD}).status_code == 302
    where = f"/api/admin/users/{dora['id']}"
    changed = carla.patch(where, json={"maxConnections": 5, "role": "admin"}).json
    assert (changed["connectionLimit"], changed["role"], changed["state"]) == (5, "admin", "active")
    assert carla.patch(where, json={"maxConnections": None}).json["connectionLimit"] == 1
    assert carla.patch(where, json={"name": "D"}).json["maxConnections"] is None
    assert carla.patch(where, json={"active": False}).json["state"] == "deactivated"
    assert carla.post(f"{where}/invite").json["error"] == "user_inactive"
    assert carla.patch(where, json={"active": True}).json["state"] == "active"
    assert "link" in carla.post(f"{where}/invite").json
    password = carla.post(f"{where}/password").json["password"]
    assert accounts.sign_in("dora@example.com", password) is not None
    assert "password" not in carla.post(f"{where}/password", json={"password": PASSWORD}).json
    everyone = carla.get("/api/admin/users?q=example.com&role=admin").json
    assert [user["email"] for user in everyone["users"]] == [
        "carla@example.com",
        "dora@example.com",
    ]
    assert everyone["total"] == 2
    assert carla.delete(where).json["tokens"] == 0
    assert carla.delete(where).json["error"] == "user_not_found"
    audit = [row.action for row in db.session.query(Audit).filter_by(target="dora@example.com")]
    assert audit == ["user.create", "user.invite", "user.password", "user.change", "user.change",
                     "user.change", "user.deactivate", "user.activate", "user.invite",
                     "user.password", "user.password", "user.delete"]  # fmt: skip


NONSENSE = [
    ("POST", "", {}, "email"),
    ("POST", "", {"email": 7}, "email"),
    ("POST", "", {"email": "x@y", "id": 1}, "id"),
    ("POST", "", {"email": "x@y", "password": "short"}, "password"),
    ("POST", "", {"email": "x@y", "role": "root"}, "role"),
    ("PATCH", "/{ana}", {"email": "x@y"}, "email"),
    ("PATCH", "/{ana}", {"sessionKey": "x"}, "sessionKey"),
    ("PATCH", "/{ana}", {"maxConnections": True}, "maxConnections"),
    ("PATCH", "/{ana}", {"maxConnections": 1.5}, "maxConnections"),
    ("PATCH", "/{ana}", {"maxConnections": 10**30}, "maxConnections"),
    ("PATCH", "/{ana}", {"active": "yes"}, "active"),
    ("POST", "/{ana}/password", {"password": ""}, "password"),
    ("POST", "/{ana}/invite", {"email": "x@y"}, "email"),
    ("GET", "?role=root", None, "role"),
    ("GET", "?state=gone", None, "state"),
]


def test_nonsense_is_refused_by_its_name(cast: dict[str, User], carla: Person) -> None:
    for method, path, body, field in NONSENSE:
        answer = carla.call(method, "/api/admin/users" + path.format(ana=cast["ana"].id), json=body)
        assert (answer.status_code, answer.json.get("field")) == (400, field), (path, body)


def test_no_answer_holds_a_hash_or_a_key(cast: dict[str, User], carla: Person) -> None:
    secrets = (cast["ana"].password_hash, cast["ana"].session_key)
    for address in ("/api/admin/users", "/admin/users", f"/admin/users/{cast['ana'].id}"):
        assert not any(secret in carla.get(address).text for secret in secrets)


def test_a_deleted_user_is_unknown_everywhere(cast: dict[str, User], carla: Person) -> None:
    cast["bruno"].deleted_at = utc_now()
    db.session.commit()
    for user_id in (cast["bruno"].id, 999999):
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/invite"), ("POST", "/delete")):
            assert carla.call(method, f"/admin/users/{user_id}{path}").status_code == 404
        assert carla.patch(f"/api/admin/users/{user_id}", json={}).status_code == 404


# ---- the command line


def test_the_command_line_does_the_same(app: Flask, cast: dict[str, User]) -> None:
    run = app.test_cli_runner().invoke

    def wa(*args: str, typed: str = "") -> tuple[int, str]:
        done = run(args=["wa", "users", *args], input=typed)
        return done.exit_code, done.output

    code, output = wa("invite", "dora@example.com", "--name", "Dora")
    link = output.splitlines()[-1]
    assert (code, link.startswith("http://127.0.0.1:8000/invitation/")) == (0, True)
    assert wa("invite", "dora@example.com")[1].splitlines()[-1] != link
    assert "invited" in wa("list")[1]
    password = wa("password", "dora@example.com")[1].splitlines()[-1]
    assert accounts.sign_in("dora@example.com", password) is not None
    assert wa("deactivate", "dora@example.com") == (0, "Deactivated dora@example.com.\n")
    assert wa("activate", "dora@example.com") == (0, "Activated dora@example.com.\n")
    code, output = wa("delete", "dora@example.com", typed="n\n")
    assert (code, "Messages deleted: 0. Tokens revoked: 0." in output) == (1, True)
    assert accounts.find("dora@example.com") is not None
    assert wa("delete", "dora@example.com", "--yes") == (0, "Deleted dora@example.com.\n")
    for command in ("deactivate", "delete"):
        code, output = wa(command, "carla@example.com", *(["--yes"] if command == "delete" else []))
        assert (code, "last administrator" in output) == (1, True)


def test_a_link_that_failed_is_not_in_the_log(
    app: Flask, carla: Person, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = shown_once(carla.post("/admin/users", data={"email": "d@example.com"}).text, "link")
    monkeypatch.setitem(app.jinja_env.globals, "url_for", None)  # no page can be drawn
    answer = visitor(app).get(link, headers={"Accept": "application/json"})
    assert answer.status_code == 500
    assert "/invitation/…" in caplog.text
    assert link.rpartition("/")[2] not in caplog.text


def test_the_command_line_changes_somebody(app: Flask, cast: dict[str, User]) -> None:
    def change(*options: str) -> int:
        args = ["wa", "users", "change", "ana@example.com", *options]
        return app.test_cli_runner().invoke(args=args).exit_code

    ana = cast["ana"]
    assert change("--role", "admin", "--name", "Ana B.", "--limit", "7") == 0
    db.session.refresh(ana)
    assert (ana.role, ana.name, ana.max_connections) == ("admin", "Ana B.", 7)
    assert change("--limit", "none") == 0
    db.session.refresh(ana)
    assert (ana.role, ana.name, ana.max_connections) == ("admin", "Ana B.", None)
    for refused in ((), ("--limit", "-1"), ("--limit", "1001"), ("--limit", "x"),
                    ("--role", "root"), ("--name", "x" * 101)):  # fmt: skip
        assert change(*refused) != 0, refused
    changes = db.session.query(Audit).filter_by(action="user.change").all()
    assert [row.actor for row in changes] == ["command line"] * 2
    args = ["wa", "users", "change", "carla@example.com", "--role", "user"]
    accounts.change(COMMAND_LINE, ana, role="user")
    assert "last administrator" in app.test_cli_runner().invoke(args=args).output
