"""The status document: exact, true, cheap to ask for, and asking changes nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.web.conftest import Person, heartbeat, observe, row_of
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection, ConnectionEvent, Owner, PracticeAccount, User, utc_now

KEYS = {
    "connectionId", "channel", "status", "statusSince", "hold", "holdUntil", "connected",
    "hasQR", "qr", "qrExpiresAt", "pairingCode", "attempt", "maxAttempts", "nextAttemptAt",
    "phone", "linkedPhone", "pushName", "connectedAt", "restrictedUntil", "lastDisconnect",
    "replacedCopyAt", "explanation", "owner", "version", "success", "message", "timestamp",
}  # fmt: skip


def test_a_user_without_a_connection_gets_nulls(ana: Person) -> None:
    status = ana.get("/api/whatsapp/status").json
    assert set(status) == KEYS
    assert status["status"] == "DISCONNECTED"
    assert status["explanation"]["action"] == "PAIR"
    assert not status["connected"]
    assert status["connectionId"] is status["phone"] is status["qr"] is None


def test_the_document_of_a_connected_number(
    ana: Person, connection: Connection, owner: Owner
) -> None:
    at = utc_now().replace(microsecond=123000)
    observe(
        connection,
        status=Status.CONNECTED,
        connected_at=at,
        phone="+34600111222",
        push_name="Ana",
        has_credentials=True,
        last_disconnect_at=at,
        last_code=408,
        last_reason=Reason.KEEPALIVE_TIMEOUT,
    )
    status = ana.get("/api/whatsapp/status").json
    written = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert set(status) == KEYS
    assert status["connected"] is status["success"] is True
    assert status["connectedAt"] == written
    assert status["phone"] == "+34600111222"
    assert status["maxAttempts"] == 5
    assert status["owner"] is None
    assert status["lastDisconnect"] == {"at": written, "code": 408, "reason": "keepalive_timeout"}
    assert status["explanation"]["action"] == "NONE"


@pytest.mark.parametrize("ago", [timedelta(seconds=11), timedelta(days=1)])
@pytest.mark.parametrize("status", [Status.CONNECTED, Status.QR_PENDING])
def test_without_an_owner_nothing_is_connected(
    ana: Person, connection: Connection, status: Status, ago: timedelta
) -> None:
    heartbeat(ago)
    observe(connection, status=status, qr_payload="2@x", phone="+34600111222")
    seen = ana.get("/api/whatsapp/status").json
    assert seen["connected"] is False
    assert seen["status"] == "CONNECTING"
    assert seen["hasQR"] is False
    assert "restarting" in seen["explanation"]["title"]
    assert ana.get("/api/whatsapp/qr.svg").status_code == 404


def test_a_fresh_heartbeat_is_enough(ana: Person, connection: Connection) -> None:
    heartbeat(timedelta(seconds=8))
    observe(connection, status=Status.CONNECTED)
    assert ana.get("/api/whatsapp/status").json["connected"] is True


def test_only_the_administrator_sees_who_owns_the_sessions(
    ana: Person, carla: Person, owner: Owner
) -> None:
    assert ana.get("/api/whatsapp/status").json["owner"] is None
    seen = carla.get("/api/whatsapp/status").json["owner"]
    assert (seen["pid"], seen["host"], seen["alive"]) == (4242, "shop", True)


def test_a_request_not_yet_carried_out_is_told(
    ana: Person, connection: Connection, owner: Owner
) -> None:
    observe(connection, hold=Hold.CONFLICT, has_credentials=True)
    connection.wanted_version += 1
    db.session.commit()
    seen = ana.get("/api/whatsapp/status").json
    assert seen["explanation"]["title"] == "One moment."


def test_the_wait_between_attempts_is_told(
    ana: Person, connection: Connection, owner: Owner
) -> None:
    soon = utc_now() + timedelta(seconds=8)
    observe(
        connection, status=Status.CONNECTING, attempt=3, next_attempt_at=soon, has_credentials=True
    )
    seen = ana.get("/api/whatsapp/status").json
    assert (seen["attempt"], seen["maxAttempts"]) == (3, 5)
    assert seen["nextAttemptAt"].startswith(soon.isoformat()[:19])
    page = ana.get("/").text
    assert "Attempt 3 of 5" in page
    assert f'data-until="{seen["nextAttemptAt"]}"' in page


# ---- asking again


def test_an_unchanged_status_is_304(ana: Person, connection: Connection, owner: Owner) -> None:
    first = ana.get("/api/whatsapp/status")
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    again = ana.get("/api/whatsapp/status", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert ana.get("/api/whatsapp/status").headers["ETag"] == tag, "the time is no change"
    observe(connection, status=Status.CONNECTING)
    changed = ana.get("/api/whatsapp/status", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


@pytest.mark.parametrize("part", ["card", "tabs", "pairing"])
def test_an_unchanged_part_of_a_page_is_304(
    ana: Person, connection: Connection, owner: Owner, part: str
) -> None:
    address = f"/live/{connection.id}/{part}"
    tag = ana.get(address).headers["ETag"]
    assert ana.get(address, headers={"If-None-Match": tag}).status_code == 304
    observe(connection, status=Status.CONNECTED)
    assert ana.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_reading_changes_nothing(
    cast: dict[str, User],
    ana: Person,
    connection: Connection,
    practice_connection: Connection,
    owner: Owner,
) -> None:
    observe(connection, status=Status.DISCONNECTED, has_credentials=True)
    before = row_of(connection), row_of(practice_connection)
    reads = [
        "/api/whatsapp/status",
        "/api/whatsapp/connections",
        "/api/whatsapp/events",
        "/api/whatsapp/bot",
        "/api/practice/messages",
        "/",
        "/practice",
        "/history",
        f"/live/{connection.id}/card",
        f"/live/{practice_connection.id}/chat",
        f"/live/{practice_connection.id}/faults",
    ]
    for _ in range(20):
        assert ana.get("/api/whatsapp/status").status_code == 200
    for address in reads:
        assert ana.get(address).status_code == 200, address
    assert (row_of(connection), row_of(practice_connection)) == before
    assert db.session.query(PracticeAccount).count() == 0


# ---- history


def test_the_history_is_paged_newest_first(ana: Person, connection: Connection) -> None:
    for attempt in range(1, 6):
        db.session.add(
            ConnectionEvent(
                connection_id=connection.id,
                status=Status.CONNECTING,
                reason=Reason.UNREACHABLE,
                attempt=attempt,
            )
        )
    db.session.commit()
    first = ana.get("/api/whatsapp/events?limit=2").json["events"]
    assert [event["attempt"] for event in first] == [5, 4]
    assert first[0]["text"] == "WhatsApp could not be reached"
    older = ana.get(f"/api/whatsapp/events?before={first[-1]['id']}").json["events"]
    assert [event["attempt"] for event in older] == [3, 2, 1]


def test_the_history_page_leads_to_what_is_older(ana: Person, connection: Connection) -> None:
    for attempt in range(55):
        db.session.add(
            ConnectionEvent(connection_id=connection.id, status=Status.CONNECTING, attempt=attempt)
        )
    db.session.commit()
    page = ana.get("/history").text
    assert page.count('data-testid="event"') == 50
    older = page.partition('data-testid="older"')[0].rpartition('href="')[2].partition('"')[0]
    rest = ana.get(older.replace("&amp;", "&")).text
    assert rest.count('data-testid="event"') == 5
    assert 'data-testid="older"' not in rest


def test_bruno_sees_nothing_of_anas_history(
    cast: dict[str, User], sign_in: Callable[[User], Person], connection: Connection
) -> None:
    db.session.add(ConnectionEvent(connection_id=connection.id, status=Status.CONNECTED))
    db.session.commit()
    assert sign_in(cast["bruno"]).get("/api/whatsapp/events").json["events"] == []
