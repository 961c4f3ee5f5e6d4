"""Signing in and out, and the language."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.conftest import PASSWORD, Person, delete
from wa_app.models import User
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.users import accounts


def _token(http: FlaskClient) -> str:
    return http.get("/login").text.partition('csrf-token" content="')[2].partition('"')[0]


def _sign_in(http: FlaskClient, email: str, password: str, **more: str) -> TestResponse:
    form = {"email": email, "password": password, "csrf_token": _token(http), **more}
    headers = {"X-Forwarded-For": "1.2.3.4"}
    return http.post("/login", data=form, headers=headers)


def test_ana_signs_in_and_out(app: Flask, cast: dict[str, User]) -> None:
    http = app.test_client()
    answer = _sign_in(http, " ANA@example.com ", PASSWORD)
    assert (answer.status_code, answer.location) == (302, "/")
    assert http.get("/api/whatsapp/status").status_code == 200
    page = http.get("/")
    token = page.text.partition('csrf-token" content="')[2].partition('"')[0]
    assert http.get("/logout").status_code == 405
    assert http.post("/logout", data={"csrf_token": token}).location == "/login"
    assert http.get("/api/whatsapp/status").status_code == 401


def test_nothing_tells_whether_the_email_exists(app: Flask, cast: dict[str, User]) -> None:
    def words(email: str) -> tuple[int, str]:
        answer = _sign_in(app.test_client(), email, "wrong password")
        body = answer.text.replace(email, "…")
        start = body.index('role="alert"')
        return answer.status_code, body[start : start + 300].partition("</p>")[0]

    accounts.deactivate(COMMAND_LINE, cast["bruno"])
    known, unknown = words("ana@example.com"), words("nobody@example.com")
    assert known == unknown == words("bruno@example.com")
    assert known[0] == 401


def test_a_deactivated_user_cannot_sign_in(app: Flask, cast: dict[str, User]) -> None:
    accounts.deactivate(COMMAND_LINE, cast["ana"])
    assert _sign_in(app.test_client(), "ana@example.com", PASSWORD).status_code == 401


def test_too_many_attempts_for_one_email_are_refused(app: Flask, cast: dict[str, User]) -> None:
    for _ in range(10):
        assert _sign_in(app.test_client(), "ana@example.com", "wrong").status_code == 401
    answer = _sign_in(app.test_client(), "ANA@example.com", PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert _sign_in(app.test_client(), "bruno@example.com", PASSWORD).status_code == 302


def test_too_many_attempts_from_one_address_are_refused(app: Flask, cast: dict[str, User]) -> None:
    for number in range(30):
        _sign_in(app.test_client(), f"{number}@example.com", "wrong")
    http = app.test_client()
    form = {"email": "bruno@example.com", "password": PASSWORD, "csrf_token": _token(http)}
    answer = http.post("/login", data=form, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["error"]) == (429, "too_often")
    assert int(answer.headers["Retry-After"]) > 0


def test_signing_in_as_often_as_one_likes_is_fine(app: Flask, cast: dict[str, User]) -> None:
    answers = {
        _sign_in(app.test_client(), "ana@example.com", PASSWORD).status_code for _ in range(12)
    }
    assert answers == {302}


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "///evil.example",
        " /x",
        "",
    ],
)
def test_signing_in_leads_to_no_other_site(app: Flask, cast: dict[str, User], target: str) -> None:
    answer = _sign_in(app.test_client(), "ana@example.com", PASSWORD, next=target)
    assert answer.location == "/"
    page = app.test_client().get("/login", query_string={"next": target})
    assert "evil" not in page.text.partition("<form")[2].partition("</form>")[0]


def test_signing_in_leads_back_to_where_one_wanted(app: Flask, cast: dict[str, User]) -> None:
    http = app.test_client()
    assert http.get("/history?before=7").location == "/login?next=/history?before%3D7"
    answer = _sign_in(http, "ana@example.com", PASSWORD, next="/history?before=7")
    assert answer.location == "/history?before=7"


def test_the_session_is_a_new_one_after_signing_in(app: Flask, cast: dict[str, User]) -> None:
    http = app.test_client()
    http.get("/login")
    with http.session_transaction() as session:
        session["planted"] = "by somebody else"
        before = session["csrf_token"]
    _sign_in(http, "ana@example.com", PASSWORD)
    http.get("/")
    with http.session_transaction() as session:
        assert "planted" not in session
        assert session["csrf_token"] != before


def test_the_login_cookie_is_out_of_reach_of_scripts(app: Flask, cast: dict[str, User]) -> None:
    cookie = _sign_in(app.test_client(), "ana@example.com", PASSWORD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_the_sign_in_page_of_somebody_signed_in_is_home(ana: Person) -> None:
    assert ana.get("/login").location == "/"


def test_a_login_whose_user_is_gone_can_still_sign_in_anew(
    cast: dict[str, User], sign_in: Callable[[User], Person]
) -> None:
    bruno = sign_in(cast["bruno"])
    delete(cast["bruno"])
    assert bruno.get("/").status_code == 404
    assert _sign_in(bruno.http, "ana@example.com", PASSWORD).location == "/"
    assert bruno.get("/").status_code == 200


# ---- the language


def test_the_browser_s_language_is_spoken(app: Flask) -> None:
    def said(accept: str) -> str:
        return app.test_client().get("/login", headers={"Accept-Language": accept}).text

    assert "Contraseña" in said("es-MX,es;q=0.9,en;q=0.5")
    assert "Password" in said("fr")
    assert '<html lang="es"' in said("es")


def test_the_language_can_be_switched_before_and_after_signing_in(
    app: Flask, cast: dict[str, User]
) -> None:
    http = app.test_client()
    form = {"locale": "es", "next": "/login", "csrf_token": _token(http)}
    assert http.post("/language", data=form).location == "/login"
    assert "Contraseña" in http.get("/login").text
    _sign_in(http, "ana@example.com", PASSWORD)
    assert "Historial" in http.get("/").text


def test_a_user_s_language_follows_them(
    cast: dict[str, User], ana: Person, sign_in: Callable[[User], Person]
) -> None:
    ana.post("/language", data={"locale": "es"})
    assert "Historial" in sign_in(cast["ana"]).get("/").text
    status = sign_in(cast["ana"]).get("/api/whatsapp/status").json
    assert status["explanation"]["title"] == "Todavía no hay ningún número vinculado."


def test_an_unknown_language_changes_nothing(ana: Person) -> None:
    assert ana.post("/language", data={"locale": "xx", "next": "//evil"}).location == "/"
    assert "History" in ana.get("/").text
