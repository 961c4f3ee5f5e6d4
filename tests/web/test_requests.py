"""What the API's changes do to the wanted half, and what they refuse."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.web.conftest import Person, observe, row_of
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import (
    Audit,
    Connection,
    Operation,
    OperationStep,
    Owner,
    PracticeAccount,
    PracticeMessage,
    User,
    utc_now,
)
from wa_app.services.connections import registry

NOW = "?wait=0"


def test_the_first_connect_creates_a_connection(cast: dict[str, User], ana: Person) -> None:
    answer = ana.post("/api/whatsapp/connect" + NOW)
    assert answer.status_code == 200
    assert answer.json["channel"] == "whatsapp"
    again = ana.post("/api/whatsapp/connect" + NOW, json={})
    assert again.json["connectionId"] == answer.json["connectionId"]
    assert again.json["version"] == 2
    [only] = registry.of_user(cast["ana"])
    assert row_of(only)["enabled"]


def test_the_channel_chooses_between_practice_and_real(ana: Person) -> None:
    practice = ana.post("/api/whatsapp/connect" + NOW, json={"channel": "practice"}).json
    real = ana.post("/api/whatsapp/connect" + NOW, json={"channel": "whatsapp"}).json
    assert (practice["channel"], real["channel"]) == ("practice", "whatsapp")
    listed = ana.get("/api/whatsapp/connections").json["connections"]
    assert [one["connectionId"] for one in listed] == [
        practice["connectionId"],
        real["connectionId"],
    ]
    assert ana.get("/api/whatsapp/status").json["channel"] == "whatsapp"
    named = ana.get(f"/api/whatsapp/status?connection={practice['connectionId']}").json
    assert named["channel"] == "practice"


def test_connect_waits_for_the_qr(ana: Person, connection: Connection, owner: Owner) -> None:
    observe(connection, status=Status.QR_PENDING, qr_payload="2@abc", observed_version=1)
    answer = ana.post("/api/whatsapp/connect?wait=15").json  # version 1: carried out already
    assert answer["hasQR"] is True
    assert answer["qr"] == "2@abc"


def test_connect_with_a_phone_asks_for_a_code(ana: Person, connection: Connection) -> None:
    ana.post("/api/whatsapp/connect" + NOW, json={"phone": "+34 600-111-222"})
    assert row_of(connection)["pair_phone"] == "+34600111222"
    ana.post("/api/whatsapp/connect" + NOW)
    assert row_of(connection)["pair_phone"] is None


def test_connect_fresh_wipes_first(ana: Person, connection: Connection) -> None:
    ana.post("/api/whatsapp/connect" + NOW, json={"fresh": True})
    row = row_of(connection)
    assert row["wipe_version"] == row["unlink_version"] == row["wanted_version"] == 1


def test_reconnect_needs_credentials(ana: Person, connection: Connection) -> None:
    refused = ana.post("/api/whatsapp/reconnect")
    assert (refused.status_code, refused.json["error"]) == (409, "pair_first")
    assert row_of(connection)["wanted_version"] == 0
    observe(connection, has_credentials=True)
    assert ana.post("/api/whatsapp/reconnect").status_code == 200
    assert row_of(connection)["reopen_version"] == 1


def test_disconnect_keeps_the_credentials(ana: Person, connection: Connection) -> None:
    observe(connection, has_credentials=True)
    assert ana.post("/api/whatsapp/disconnect").status_code == 200
    row = row_of(connection)
    assert (row["enabled"], row["wipe_version"], row["wanted_version"]) == (False, 0, 1)


def test_a_logout_while_offline_says_what_else_to_do(
    ana: Person, connection: Connection, owner: Owner
) -> None:
    observe(connection, has_credentials=True)
    answer = ana.post("/api/whatsapp/logout").json
    assert "Also remove the device on the phone" in answer["message"]


def test_too_many_dials_are_refused(ana: Person, connection: Connection) -> None:
    answers = [ana.post("/api/whatsapp/connect" + NOW) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json["error"] == "too_often"
    assert answers[-1].headers["Retry-After"] == "60"


# ---- force-cleanup


def test_a_cleanup_nobody_carries_out_yet_is_202(ana: Person, connection: Connection) -> None:
    answer = ana.post("/api/whatsapp/force-cleanup" + NOW)
    assert answer.status_code == 202
    result = ana.get(f"/api/whatsapp/operations/{answer.json['operationId']}")
    assert result.status_code == 202


def test_the_steps_of_a_cleanup_are_told(
    cast: dict[str, User], ana: Person, connection: Connection, sign_in: Callable[[User], Person]
) -> None:
    steps = [{"step": "close_socket", "outcome": "nothing", "seconds": 0.1}]
    row = Operation(
        kind="force_cleanup",
        connection_id=connection.id,
        actor="ana",
        state="DONE",
        steps=[
            OperationStep(
                what="close_socket", target=connection.id, version=1, outcome="nothing", seconds=0.1
            )
        ],
    )
    db.session.add(row)
    db.session.commit()
    answer = ana.get(f"/api/whatsapp/operations/{row.id}")
    assert (answer.status_code, answer.json["steps"]) == (200, steps)
    assert "Also remove the device on the phone" in answer.json["message"]
    assert sign_in(cast["bruno"]).get(f"/api/whatsapp/operations/{row.id}").status_code == 404


def test_nothing_to_clean_is_a_success(ana: Person) -> None:
    answer = ana.post("/api/whatsapp/force-cleanup")
    assert (answer.status_code, answer.json["steps"]) == (200, [])


# ---- connections


def test_connections_are_created_listed_and_removed(ana: Person) -> None:
    made = ana.post("/api/whatsapp/connections", json={"channel": "whatsapp", "name": " Shop "})
    assert (made.status_code, made.json["name"]) == (201, "Shop")
    full = ana.post("/api/whatsapp/connections", json={"channel": "whatsapp"})
    assert (full.status_code, full.json["error"]) == (409, "connection_limit")
    address = f"/api/whatsapp/connections/{made.json['connectionId']}"
    assert ana.delete(address).status_code == 200
    assert ana.delete(address).status_code == 404
    assert ana.get("/api/whatsapp/connections").json["connections"] == []


def test_every_change_is_in_the_audit_with_its_actor(ana: Person, connection: Connection) -> None:
    ana.post("/api/whatsapp/connect" + NOW)
    newest = db.session.query(Audit).order_by(Audit.id.desc()).first()
    assert newest is not None
    assert (newest.actor, newest.action, newest.address) == (
        "ana@example.com",
        "connection.connect",
        "127.0.0.1",
    )


# ---- the QR


def test_the_qr_is_drawn_and_never_kept(ana: Person, connection: Connection, owner: Owner) -> None:
    assert ana.get("/api/whatsapp/qr.svg").json["error"] == "no_picture"
    observe(connection, status=Status.QR_PENDING, qr_payload="2@abc,def")
    svg, png = ana.get("/api/whatsapp/qr.svg"), ana.get("/api/whatsapp/qr.png")
    assert svg.mimetype == "image/svg+xml"
    assert svg.text.startswith("<svg")
    assert png.data.startswith(b"\x89PNG")
    assert svg.headers["Cache-Control"] == png.headers["Cache-Control"] == "no-store"


def test_the_qr_and_the_code_are_in_no_log(
    ana: Person, connection: Connection, owner: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    observe(
        connection,
        status=Status.QR_PENDING,
        qr_payload="2@SECRETQR",
        pairing_code="SECR-CODE",
        qr_expires_at=utc_now() + timedelta(seconds=20),
    )
    with caplog.at_level("DEBUG"):
        for address in ("/api/whatsapp/status", "/api/whatsapp/qr.svg", "/"):
            ana.get(address)
        ana.get(f"/live/{connection.id}/pairing")
        ana.post("/api/whatsapp/connect" + NOW)
    assert "SECR" not in caplog.text


# ---- the bot, messages, practice


def test_the_bot_is_changed_field_by_field(ana: Person, connection: Connection) -> None:
    refused = ana.patch("/api/whatsapp/bot", json={"enabled": True})
    assert (refused.status_code, refused.json["field"]) == (400, "fallbackText")
    ana.patch("/api/whatsapp/bot", json={"fallbackText": "Hello"})
    assert ana.patch("/api/whatsapp/bot", json={"enabled": True}).json["enabled"] is True
    settings = ana.get("/api/whatsapp/bot").json
    assert (settings["enabled"], settings["fallbackText"]) == (True, "Hello")


def test_a_message_is_accepted_and_found_again(
    cast: dict[str, User], ana: Person, connection: Connection, sign_in: Callable[[User], Person]
) -> None:
    body, key = {"to": "+34600111222", "text": "Hi"}, {"Idempotency-Key": "one"}
    first = ana.post("/api/whatsapp/messages", json=body, headers=key)
    assert (first.status_code, first.json["state"]) == (202, "PENDING")
    second = ana.post("/api/whatsapp/messages", json=body, headers=key)
    assert second.json["id"] == first.json["id"]
    address = f"/api/whatsapp/messages/{first.json['id']}"
    assert ana.get(address).json["text"] == "Hi"
    assert sign_in(cast["bruno"]).get(address).json["error"] == "message_not_found"


def test_a_message_without_any_connection_is_refused(ana: Person) -> None:
    refused = ana.post("/api/whatsapp/messages", json={"to": "+34600111222", "text": "Hi"})
    assert refused.json["error"] == "pair_first"


def test_the_practice_phone_scans_writes_and_misbehaves(
    ana: Person, practice_connection: Connection
) -> None:
    refused = ana.post("/api/practice/scan")
    assert (refused.status_code, refused.json["error"]) == (409, "no_qr")
    observe(practice_connection, status=Status.QR_PENDING, qr_payload="practice:1")
    assert ana.post("/api/practice/scan").status_code == 200
    phone = db.session.get_one(PracticeAccount, practice_connection.id, populate_existing=True)
    assert phone.scanned == "practice:1"
    wrote = ana.post("/api/practice/messages", json={"text": "Hello?", "customer": "Marcos"})
    assert (wrote.status_code, wrote.json["customer"]) == (201, "Marcos")
    assert [line["text"] for line in ana.get("/api/practice/messages").json["messages"]] == [
        "Hello?"
    ]
    ana.post("/api/practice/faults", json={"kind": "hang"})
    ana.post("/api/practice/faults", json={"kind": "conflict", "on": True})
    ana.post("/api/practice/faults", json={"kind": "hang", "on": False})
    db.session.refresh(phone)
    assert (phone.hang, phone.conflict) == (False, True)


def test_practice_routes_are_for_practice_connections(ana: Person, connection: Connection) -> None:
    assert ana.post("/api/practice/scan").status_code == 404
    named = ana.post(f"/api/practice/scan?connection={connection.id}")
    assert named.status_code == 404
    assert ana.post(f"/connections/{connection.id}/practice/scan").status_code == 404


def test_the_practice_phone_can_be_hidden(
    cast: dict[str, User], ana: Person, practice_connection: Connection, app
) -> None:
    from dataclasses import replace

    app.config["SETTINGS"] = replace(app.config["SETTINGS"], practice_phone=False)
    refused = ana.post("/api/whatsapp/connect" + NOW, json={"channel": "practice"})
    assert (refused.status_code, refused.json["field"]) == (400, "channel")
    assert ana.post("/api/practice/scan").status_code == 404
    assert ana.get("/practice").status_code == 404
    assert "/practice" not in ana.get("/").text
    assert Channel.PRACTICE not in ana.get("/").text


# ---- the forms of the pages do the same


def test_the_buttons_work_without_a_script(
    cast: dict[str, User], ana: Person, owner: Owner
) -> None:
    made = ana.post("/connect", data={"channel": "practice"})
    [only] = registry.of_user(cast["ana"])
    assert made.location == f"/connections/{only.id}/pair"
    observe(only, status=Status.QR_PENDING, qr_payload="practice:1", observed_version=1)
    page = ana.get(made.location).text
    assert 'data-testid="qr"' in page
    assert 'data-testid="practice-scan"' in page
    assert ana.post(f"/connections/{only.id}/practice/scan").location == made.location
    home = f"/?connection={only.id}"
    for action in ("disconnect", "logout", "force-cleanup"):
        assert ana.post(f"/connections/{only.id}/{action}").location == home
    words = {"text": "Hello?", "customer": "Eva", "next": home}
    assert ana.post(f"/connections/{only.id}/practice/messages", data=words).location == home
    db.session.rollback()
    assert db.session.query(PracticeMessage).one().customer == "Eva"


def test_a_refused_form_says_why_where_it_was(ana: Person, connection: Connection) -> None:
    back = ana.post(f"/connections/{connection.id}/reconnect")
    assert back.location == f"/?connection={connection.id}"
    assert "This number is not linked yet." in ana.get(back.location).text
    back = ana.post(f"/connections/{connection.id}/connect", data={"phone": "nonsense"})
    assert "This is not a phone number." in ana.get(back.location).text


def test_the_bot_card_saves_both(ana: Person, connection: Connection) -> None:
    form = {"enabled": "true", "fallback_text": "We are closed."}
    ana.post(f"/connections/{connection.id}/bot", data=form)
    row = row_of(connection)
    assert (row["bot_enabled"], row["bot_fallback_text"]) == (True, "We are closed.")
    ana.post(f"/connections/{connection.id}/bot", data={"fallback_text": "We are closed."})
    assert row_of(connection)["bot_enabled"] is False


# ---- another number was linked


def test_there_is_no_number_to_choose_unless_another_was_linked(
    ana: Person, connection: Connection
) -> None:
    answer = ana.post("/api/whatsapp/number", json={"keep": True})
    assert (answer.status_code, answer.json["error"]) == (409, "no_other_number")
    assert ana.post("/api/whatsapp/number", json={}).status_code == 400
    assert ana.post("/api/whatsapp/number", json={"keep": "yes"}).status_code == 400


@pytest.mark.parametrize(("keep", "mark"), [(True, "number_version"), (False, "unlink_version")])
def test_a_program_chooses_the_number(
    ana: Person, connection: Connection, keep: bool, mark: str
) -> None:
    observe(connection, hold=Hold.OTHER_NUMBER, phone="+34600333444", linked_phone="+34600111222")
    answer = ana.post("/api/whatsapp/number", json={"keep": keep})
    assert (answer.status_code, answer.json["linkedPhone"]) == (200, "+34600111222")
    assert getattr(connection, mark) == connection.wanted_version > 0


@pytest.mark.parametrize("button", ["accept-number", "unlink-number"])
def test_nobody_chooses_the_number_of_somebody_else(
    carla: Person, connection: Connection, button: str
) -> None:
    """Not even an administrator."""
    observe(connection, hold=Hold.OTHER_NUMBER)
    assert carla.post(f"/connections/{connection.id}/{button}").status_code == 404
    assert connection.wanted_version == 0


def test_the_card_names_both_numbers(ana: Person, connection: Connection, owner: Owner) -> None:
    observe(connection, hold=Hold.OTHER_NUMBER, phone="+34600333444", linked_phone="+34600111222")
    card = ana.get(f"/live/{connection.id}/card").text
    assert "+34 600 333 444" in card
    assert "+34 600 111 222" in card
    dialog = ana.get(f"/live/{connection.id}/pairing").text
    assert "accept-number" in dialog
    assert "new-code" not in dialog
