"""One's own account: the password, and tokens."""

from collections.abc import Callable

from flask import Flask

from tests.web.conftest import PASSWORD, Person
from wa_app.extensions import db
from wa_app.models import Token, User, utc_now
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.users import accounts, tokens

NEW = "another password"


def shown_once(page: str) -> str:
    return page.partition('data-testid="new-token">')[2].partition("<")[0]


def test_ana_changes_her_password_and_only_her_own_browser_stays(
    cast: dict[str, User], ana: Person, sign_in: Callable[[User], Person]
) -> None:
    elsewhere = sign_in(cast["ana"])
    answer = ana.post("/account/password", data={"old": PASSWORD, "password": NEW})
    assert answer.location == "/account"
    assert "is changed" in ana.get("/account").text
    assert elsewhere.get("/api/whatsapp/status").status_code == 401
    db.session.expire_all()
    assert accounts.sign_in("ana@example.com", NEW) is not None
    assert accounts.sign_in("ana@example.com", PASSWORD) is None


def test_a_wrong_or_short_password_changes_nothing(cast: dict[str, User], ana: Person) -> None:
    key = cast["ana"].session_key
    for old, new, words in (
        ("wrong", NEW, "not your current password"),
        (PASSWORD, "short", "10 characters or more"),
        (PASSWORD, "x" * 1001, "too long"),
    ):
        answer = ana.post("/account/password", data={"old": old, "password": new})
        assert answer.status_code == 400
        assert words in answer.text.partition('data-testid="wrong-password"')[2][:600]
    db.session.refresh(cast["ana"])
    assert cast["ana"].session_key == key


def test_the_current_password_cannot_be_guessed(ana: Person) -> None:
    answers = [
        ana.post("/account/password", data={"old": f"guess {number}", "password": NEW}).status_code
        for number in range(11)
    ]
    assert answers == [400] * 10 + [429]


def test_ana_makes_a_token_sees_it_once_and_revokes_it(
    app: Flask, cast: dict[str, User], ana: Person
) -> None:
    form = {"name": "<b>till</b>", "scope": ["read", "send"], "days": "30"}
    answer = ana.post("/account/tokens", data=form)
    secret = shown_once(answer.text)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    header = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/api/whatsapp/status", headers=header).status_code == 200
    page = ana.get("/account").text
    assert secret not in page
    assert secret[:14] in page
    assert "<b>till</b>" not in page
    assert "from 127.0.0.1" in page
    token = db.session.query(Token).one()
    assert ana.post(f"/account/tokens/{token.id}/revoke").location == "/account"
    assert app.test_client().get("/api/whatsapp/status", headers=header).status_code == 401
    assert "You have no token" in ana.get("/account").text


def test_the_form_asks_again_with_what_was_typed(ana: Person) -> None:
    for form, words in (
        ({"name": "till", "scope": "admin"}, "Only administrators"),
        ({"name": "till"}, "Choose what"),
        ({"name": "till", "scope": "root"}, "no scope"),
        ({"name": "till", "scope": "read", "days": "-1"}, "number"),
        ({"name": "till", "scope": "read", "days": "9" * 40}, "number"),
    ):
        answer = ana.post("/account/tokens", data=form)
        assert answer.status_code == 400
        assert words in answer.text.partition('data-testid="wrong-token"')[2][:600]
        assert 'value="till"' in answer.text
    assert db.session.query(Token).count() == 0


def test_only_administrators_are_offered_the_scope_admin(ana: Person, carla: Person) -> None:
    assert 'value="admin"' not in ana.get("/account").text
    answer = carla.post("/account/tokens", data={"name": "mine", "scope": "admin"})
    assert shown_once(answer.text).startswith("vigia_")


def test_somebody_else_s_token_is_as_good_as_unknown(
    cast: dict[str, User], ana: Person, carla: Person
) -> None:
    token, _ = tokens.create(COMMAND_LINE, cast["bruno"], "his token", ["read"], utc_now())
    for person in (ana, carla):
        for token_id in (token.id, 999999):
            assert person.post(f"/account/tokens/{token_id}/revoke").status_code == 404
        assert "his token" not in person.get("/account").text
    assert db.session.query(Token).count() == 1


def test_the_page_is_reached_from_every_page(ana: Person) -> None:
    assert 'href="/account"' in ana.get("/").text
    for address in ("/account/password", "/account/tokens"):
        assert ana.get(address).location == "/account"
