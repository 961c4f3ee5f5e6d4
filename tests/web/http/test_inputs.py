"""Nonsense is answered with 400, the field and a sentence; never with 500."""

from typing import Any

import pytest

from tests.web.conftest import Person
from wa_app.models import Connection

CONNECT = "/api/whatsapp/connect"

NONSENSE: list[tuple[str, str, Any, str]] = [
    ("POST", CONNECT, b"{", "body"),
    ("POST", CONNECT, b"[]", "body"),
    ("POST", CONNECT, b'"text"', "body"),
    ("POST", CONNECT, b"null", "body"),
    ("POST", CONNECT, b"\xff\xfe", "body"),
    ("POST", CONNECT, b"[" * 100_000, "body"),
    ("POST", CONNECT, {"fresh": "yes"}, "fresh"),
    ("POST", CONNECT, {"fresh": 1}, "fresh"),
    ("POST", CONNECT, {"channel": "telegram"}, "channel"),
    ("POST", CONNECT, {"channel": ["whatsapp"]}, "channel"),
    ("POST", CONNECT, {"phone": "600111222"}, "phone"),
    ("POST", CONNECT, {"phone": "+34 abc"}, "phone"),
    ("POST", CONNECT, {"phone": ""}, "phone"),
    ("POST", CONNECT, {"phone": 34600111222}, "phone"),
    ("POST", CONNECT, {"phone": "+٣٤٦٠٠١١١٢٢٢"}, "phone"),
    ("POST", CONNECT, {"fersh": True}, "fersh"),
    ("POST", CONNECT, {"connection": "x"}, "connection"),
    ("POST", CONNECT + "?wait=abc", {}, "wait"),
    ("POST", CONNECT + "?wait=-1", {}, "wait"),
    ("POST", CONNECT + "?wait=16", {}, "wait"),
    ("POST", CONNECT + "?wait=nan", {}, "wait"),
    ("POST", CONNECT + "?wait=inf", {}, "wait"),
    ("POST", CONNECT + "?wait=", {}, "wait"),
    ("POST", "/api/whatsapp/reconnect", {"x": 1}, "x"),
    ("POST", "/api/whatsapp/force-cleanup?wait=x", {}, "wait"),
    ("GET", "/api/whatsapp/events?limit=0", None, "limit"),
    ("GET", "/api/whatsapp/events?limit=201", None, "limit"),
    ("GET", "/api/whatsapp/events?limit=two", None, "limit"),
    ("GET", "/api/whatsapp/events?before=-3", None, "before"),
    ("GET", "/api/whatsapp/events?before=99999999999999999999999", None, "before"),
    ("GET", "/api/whatsapp/events?before=²", None, "before"),
    ("POST", "/api/whatsapp/connections", {}, "channel"),
    ("POST", "/api/whatsapp/connections", {"channel": "practice", "name": "x" * 101}, "name"),
    ("POST", "/api/whatsapp/connections", {"channel": "practice", "name": 7}, "name"),
    ("POST", "/api/whatsapp/messages", {}, "to"),
    ("POST", "/api/whatsapp/messages", {"to": "+34600111222"}, "text"),
    ("POST", "/api/whatsapp/messages", {"to": "somebody", "text": "x"}, "to"),
    ("POST", "/api/whatsapp/messages", {"to": "x@evil", "text": "x"}, "to"),
    ("POST", "/api/whatsapp/messages", {"to": "+34600111222", "text": "  "}, "text"),
    ("POST", "/api/whatsapp/messages", {"to": "+34600111222", "text": "x" * 4097}, "text"),
    ("POST", "/api/whatsapp/messages", {"to": "+34600111222", "text": "a\0b"}, "text"),
    ("POST", "/api/whatsapp/messages", b'{"to": "+34600111222", "text": "\\ud800"}', "text"),
    ("PATCH", "/api/whatsapp/bot", {"enabled": "true"}, "enabled"),
    ("PATCH", "/api/whatsapp/bot", {"fallbackText": {}}, "fallbackText"),
    ("PATCH", "/api/whatsapp/bot", {"fallbackText": "x" * 4097}, "fallbackText"),
    ("PATCH", "/api/whatsapp/bot", {"rules": []}, "rules"),
    ("POST", "/api/practice/messages", {}, "text"),
    ("POST", "/api/practice/messages", {"text": " "}, "text"),
    ("POST", "/api/practice/messages", {"text": "x", "customer": "x" * 41}, "customer"),
    ("POST", "/api/practice/faults", {}, "kind"),
    ("POST", "/api/practice/faults", {"kind": "earthquake"}, "kind"),
    ("POST", "/api/practice/faults", {"kind": "__class__"}, "kind"),
    ("POST", "/api/practice/faults", {"kind": "hang", "on": 1}, "on"),
]


@pytest.mark.parametrize(
    ("method", "address", "body", "field"),
    NONSENSE,
    ids=[f"{address} {str(body)[:40]}" for _, address, body, _ in NONSENSE],
)
def test_nonsense_is_named(
    ana: Person,
    connection: Connection,
    practice_connection: Connection,
    method: str,
    address: str,
    body: Any,
    field: str,
) -> None:
    sent = {"data": body} if isinstance(body, bytes) else {"json": body}
    answer = ana.call(method, address, **(sent if body is not None else {}))
    assert answer.status_code == 400, answer.text
    assert (answer.json["error"], answer.json["field"]) == ("invalid", field)
    assert answer.json["success"] is False
    assert answer.json["message"].endswith((".", "?"))
    assert answer.json["timestamp"].endswith("Z")


@pytest.mark.parametrize("named", ["x", "", "a" * 5000, "../..", "%00", "'--", "ñ"])
def test_an_unknown_connection_is_404(ana: Person, named: str) -> None:
    answer = ana.get(f"/api/whatsapp/status?connection={named}")
    assert (answer.status_code, answer.json["error"]) == (404, "connection_not_found")


@pytest.mark.parametrize(
    "address", ["/api/whatsapp/messages/99999999999999999999", "/api/whatsapp/operations/-1"]
)
def test_ids_no_database_can_hold_are_404(ana: Person, address: str) -> None:
    assert ana.get(address).status_code == 404


def test_a_huge_body_is_413(ana: Person) -> None:
    for data in (b"x" * (1024 * 1024 + 1), b'{"phone": "' + b"1" * 2_000_000 + b'"}'):
        answer = ana.post(CONNECT, data=data, content_type="application/json")
        assert (answer.status_code, answer.json["error"]) == (413, "too_large")


def test_the_body_is_json_whatever_it_is_called(ana: Person) -> None:
    answer = ana.post(
        CONNECT + "?wait=0",
        data=b'{"channel": "practice"}',
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.json["channel"] == "practice"


def test_an_idempotency_key_has_limits(ana: Person, connection: Connection) -> None:
    body = {"to": "+34600111222", "text": "Hi"}
    for key in ("", "x" * 201):
        answer = ana.post("/api/whatsapp/messages", json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json["field"]) == (400, "Idempotency-Key")


def test_channel_and_named_connection_must_agree(ana: Person, connection: Connection) -> None:
    answer = ana.post(f"{CONNECT}?connection={connection.id}", json={"channel": "practice"})
    assert (answer.status_code, answer.json["field"]) == (400, "channel")


def test_a_body_field_cannot_name_somebody_else(ana: Person, connection: Connection) -> None:
    answer = ana.post(CONNECT, json={"user_id": 1})
    assert (answer.status_code, answer.json["field"]) == (400, "user_id")
