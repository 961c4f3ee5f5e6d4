"""What holds for every page: nothing inline, nothing unescaped, nothing another site may do."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from tests.web.conftest import Person, observe
from wa_app.domain.messages import Direction
from wa_app.domain.sessions.states import Status
from wa_app.extensions import db
from wa_app.models import Connection, Owner, PracticeMessage, User

EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""


def _pages(*connections: Connection) -> list[str]:
    own = [
        f"{path}{connection.id}{rest}"
        for connection in connections
        for path, rest in (("/?connection=", ""), ("/connections/", "/pair"))
    ]
    return ["/", "/?channel=whatsapp", "/practice", "/history", "/help/codes", "/nothing", *own]


@pytest.fixture
def every_page(
    cast: dict[str, User],
    ana: Person,
    sign_in: Callable[[None], Person],
    connection: Connection,
    practice_connection: Connection,
    owner: Owner,
) -> dict[str, str]:
    """Every page, with the worst that people could have written in it."""
    cast["ana"].name = connection.name = EVIL
    seen = {"push_name": EVIL, "pairing_code": EVIL[:20], "phone": EVIL[:20]}
    observe(connection, status=Status.QR_PENDING, **seen)
    observe(practice_connection, status=Status.CONNECTED, **seen)
    connection.bot_fallback_text = practice_connection.bot_fallback_text = EVIL
    line = PracticeMessage(
        connection_id=practice_connection.id, customer=EVIL[:40], direction=Direction.IN, text=EVIL
    )
    db.session.add(line)
    db.session.commit()
    pages = {path: ana.get(path).text for path in _pages(connection, practice_connection)}
    pages["customer"] = ana.get("/practice", query_string={"customer": EVIL}).text
    pages["sign in"] = sign_in(None).get("/login", query_string={"next": "/" + EVIL}).text
    return pages


def test_nothing_people_wrote_becomes_markup(every_page: dict[str, str]) -> None:
    for path, page in every_page.items():
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
    assert "&lt;script&gt;" in every_page["/practice"]


def test_no_page_has_a_script_or_a_style_in_it(every_page: dict[str, str]) -> None:
    """The content security policy would refuse them, silently."""
    for path, page in every_page.items():
        markup = re.sub(r"&lt;.*?&gt;", "", page)
        assert not re.search(r"<script(?![^>]*\bsrc=)", markup), path
        assert "<style" not in markup, path
        for tag in re.findall(r"<[a-z][^>]*>", markup):
            assert not re.search(r"\s(style|on[a-z]+)=", re.sub(r'"[^"]*"', '""', tag)), tag


def test_every_page_needs_nothing_from_elsewhere(every_page: dict[str, str]) -> None:
    for path, page in every_page.items():
        links = re.findall(r'(?:src|href|action)="(https?:|//)', page)
        assert not links, path


def test_every_form_that_changes_something_carries_the_token(every_page: dict[str, str]) -> None:
    for path, page in every_page.items():
        for form in re.findall(r'<form method="post".*?</form>', page, re.DOTALL):
            assert 'name="csrf_token"' in form, path


def test_every_answer_says_what_the_browser_may_do(ana: Person, connection: Connection) -> None:
    for path in ("/", "/api/whatsapp/status", "/static/js/live.js", "/nothing", "/healthz"):
        headers = ana.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers


def test_https_is_asked_for_only_where_it_is_there(app: Flask, ana: Person) -> None:
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], secure_cookies=True)
    assert "max-age" in ana.get("/").headers["Strict-Transport-Security"]


def test_the_navigation_has_only_pages_that_exist(ana: Person) -> None:
    page = ana.get("/").text
    places = page.partition('class="places"')[2].partition("</nav>")[0]
    for address in re.findall(r'href="([^"]+)"', places):
        assert ana.get(address).status_code == 200


def test_everything_a_page_loads_is_there(ana: Person) -> None:
    page = ana.get("/").text
    loaded = re.findall(r'<(?:link|script)[^>]*(?:href|src)="([^"]+)"', page)
    assert len(loaded) >= 5
    for address in loaded:
        assert ana.get(address).status_code == 200, address


def test_a_page_that_is_not_there_says_so(ana: Person, sign_in: Callable[[None], Person]) -> None:
    for who in (ana, sign_in(None)):
        answer = who.get("/nothing")
        assert answer.status_code == 404
        assert "There is nothing here." in answer.text


def test_our_own_fault_is_told_without_its_details(
    ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr("wa_app.web.api.connections.status_answer", broken)
    answer = ana.get("/api/whatsapp/status")
    assert (answer.status_code, answer.json["error"]) == (500, "internal")
    assert "secret" not in answer.text


def test_a_database_that_is_away_is_503(ana: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_kwargs: object) -> None:
        raise OperationalError("SELECT", {}, Exception("unable to open database file"))

    monkeypatch.setattr(db.session, "get", away)
    for path in ("/api/whatsapp/status", "/"):
        answer = ana.get(path)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "cannot answer just now" in answer.text
