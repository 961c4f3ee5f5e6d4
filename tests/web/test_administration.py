"""Overview, maintenance and audit: pages and API say the same, and bad input is told."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from flask import Flask

from tests.web.conftest import Person, heartbeat, observe
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import (
    Audit,
    Connection,
    JobRun,
    Operation,
    OperationStep,
    Standby,
    User,
    utc_now,
)
from wa_app.services import audit
from wa_app.services.audit import COMMAND_LINE, Actor
from wa_app.services.connections import registry, requests
from wa_app.services.operations import engine
from wa_app.services.operations import requests as operation_requests
from wa_app.services.users import accounts
from wa_app.wording import operations as words

ROOT = Path(__file__).resolve().parents[2]
NUMBER = "+34600111222"


@pytest.fixture
def fleet(cast: dict[str, User], connection: Connection) -> dict[str, Connection]:
    """Ana is connected, Bruno holds a conflict and practises, Carla has never linked."""
    hers = observe(
        connection, status=Status.CONNECTED, phone=NUMBER, has_credentials=True,
        status_since=utc_now(),
    )  # fmt: skip
    his = registry.create(COMMAND_LINE, cast["bruno"], Channel.WHATSAPP, "Second shop")
    observe(his, hold=Hold.CONFLICT, phone="+34911000999", has_credentials=True, attempt=2)
    practice = registry.create(COMMAND_LINE, cast["bruno"], Channel.PRACTICE)
    own = registry.create(COMMAND_LINE, cast["carla"], Channel.WHATSAPP)
    return {"ana": hers, "bruno": his, "practice": practice, "carla": own}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["ana", "bruno", "practice", "carla"]),
        ("?q=BRUNO", ["bruno", "practice"]),
        ("?q=example.com+second", ["bruno"]),
        ("?q=600111", ["ana"]),
        ("?q=34+600+111+222", ["ana"]),
        ("?q=%25", []),
        ("?status=CONNECTED", ["ana"]),
        ("?status=DISCONNECTED&hold=CONFLICT", ["bruno"]),
        ("?hold=BANNED", []),
        ("?sort=-attempts", ["bruno"]),
        ("?sort=-number", ["bruno"]),
        ("?page=2", []),
    ],
)
def test_connections_are_found_by_words_state_and_hold(
    carla: Person, fleet: dict[str, Connection], query: str, found: list[str]
) -> None:
    answer = carla.get(f"/api/admin/connections{query}").json
    ids = [one["connectionId"] for one in answer["connections"]]
    wanted = [fleet[name].id for name in found]
    if "sort" in query:
        assert ids[: len(wanted)] == wanted
    else:
        assert sorted(ids) == sorted(wanted)
    page = carla.get(f"/admin{query}")
    assert page.status_code == 200
    for connection in fleet.values():
        assert (f'data-key="{connection.id}"' in page.text) == (connection.id in ids)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=UP", "status"),
        ("hold=NONE", "hold"),
        ("sort=password_hash", "sort"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
    ],
)
def test_a_query_that_makes_no_sense_is_told(carla: Person, query: str, field: str) -> None:
    answer = carla.get(f"/api/admin/connections?{query}")
    assert (answer.status_code, answer.json["field"]) == (400, field)
    assert carla.get(f"/admin?{query}").status_code == 400


def test_odd_words_in_the_address_are_no_trouble(carla: Person, connection: Connection) -> None:
    for odd in ("endpoint=x", "_external=1", "_anchor=x", "self=1", "q=%00", "q=" + "x" * 5000):
        assert carla.get(f"/admin?{odd}").status_code == 200, odd


def test_a_thousand_connections_cost_no_more_statements_than_ten(
    carla: Person, cast: dict[str, User]
) -> None:
    def statements() -> int:
        seen: list[str] = []

        def note(_c: object, _k: object, statement: str, *_: object) -> None:
            seen.append(statement)

        sqlalchemy.event.listen(db.engine, "before_cursor_execute", note)
        assert carla.get("/admin").status_code == 200
        sqlalchemy.event.remove(db.engine, "before_cursor_execute", note)
        return len(seen)

    def grow(count: int) -> None:
        db.session.add_all(
            Connection(user_id=cast["ana"].id, channel=Channel.WHATSAPP) for _ in range(count)
        )
        db.session.commit()

    grow(10)
    few = statements()
    grow(1000)
    assert statements() == few


def test_the_overview_counts_and_names_who_runs_it(
    carla: Person, fleet: dict[str, Connection]
) -> None:
    heartbeat()
    now = utc_now()
    db.session.add(Standby(host="spare", pid=77, since=now, heartbeat_at=now))
    db.session.add(Standby(host="gone", pid=78, since=now, heartbeat_at=now - timedelta(minutes=5)))
    db.session.commit()
    page = carla.get("/admin").text
    assert "Run by process 4242 on shop" in page
    assert "Process 77 on spare stands by." in page
    assert "gone" not in page
    counts = carla.get("/api/admin/connections").json["counts"]
    assert {(one["status"], one["hold"]): one["count"] for one in counts} == {
        ("CONNECTED", None): 1,
        ("DISCONNECTED", "CONFLICT"): 1,
        ("DISCONNECTED", None): 2,
    }


def test_an_orphan_is_shown_as_one(carla: Person, connection: Connection) -> None:
    make_orphans()
    assert "Orphan" in carla.get("/admin").text
    assert carla.get("/api/admin/connections").json["connections"][0]["user"] is None


def make_orphans() -> None:
    raw = db.engine.raw_connection()
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("UPDATE connection SET user_id = 4711")
    raw.commit()
    raw.execute("PRAGMA foreign_keys=ON")
    raw.close()


def test_the_command_line_lists_the_same_connections(
    app: Flask, fleet: dict[str, Connection]
) -> None:
    def status(*options: str) -> list[dict[str, Any]]:
        return json.loads(app.test_cli_runner().invoke(args=["wa", "status", *options]).output)

    known = {connection.id: name for name, connection in fleet.items()}
    found = [known[one["connectionId"]] for one in status("--json")]
    assert (found[0], found[-1], set(found)) == ("ana", "carla", set(fleet))
    for options, names in {
        ("--search", "34 600 111 222"): {"ana"},
        ("--search", "bruno"): {"bruno", "practice"},
        ("--status", "CONNECTED"): {"ana"},
        ("--hold", "CONFLICT"): {"bruno"},
        ("--search", "ana", "--hold", "CONFLICT"): set(),
    }.items():
        assert {known[one["connectionId"]] for one in status("--json", *options)} == names
    make_orphans()
    db.session.expire_all()
    assert [one["user"] for one in status("--json")] == [None] * 4
    lines = app.test_cli_runner().invoke(args=["wa", "status"]).output
    assert lines.count("nobody  ") == 4


# ---- several at once


def test_several_rows_at_once_each_answer_for_themselves(
    carla: Person, fleet: dict[str, Connection]
) -> None:
    ids = [connection.id for connection in fleet.values()]
    asked = carla.post("/api/admin/connections/reconnect", json={"connections": [*ids, "nothing"]})
    assert asked.json["results"] == {
        fleet["ana"].id: "asked",
        fleet["bruno"].id: "asked",
        fleet["practice"].id: "pair_first",
        fleet["carla"].id: "pair_first",
        "nothing": "connection_not_found",
    }
    answer = carla.post("/admin/connections", data={"action": "disconnect", "id": ids})
    assert answer.status_code == 302
    assert "Asked for 4 connections." in carla.get("/admin").text
    db.session.expire_all()
    assert not any(connection.enabled for connection in fleet.values())


def test_a_clean_up_from_the_table_says_first_what_is_lost(
    carla: Person, fleet: dict[str, Connection]
) -> None:
    chosen = fleet["ana"]
    form = {"one": f"force-cleanup {chosen.id}"}
    page = carla.post("/admin/connections", data=form)
    assert page.status_code == 200
    assert "linked again with a new code" in page.text
    assert "ana@example.com (+34600111222)" in page.text
    db.session.refresh(chosen)
    assert chosen.wipe_version == 0
    sure = {"action": "force-cleanup", "id": [chosen.id], "sure": "yes"}
    assert carla.post("/admin/connections", data=sure).status_code == 302
    db.session.refresh(chosen)
    assert chosen.wipe_version > 0


def test_acting_on_nothing_or_on_nonsense_is_told(carla: Person, connection: Connection) -> None:
    assert carla.post("/admin/connections", data={"action": "disconnect"}).status_code == 302
    assert "Choose connections" in carla.get("/admin").text
    assert carla.post("/admin/connections", data={"action": "delete"}).status_code == 400
    assert carla.post("/api/admin/connections/delete", json={}).status_code == 404
    for body in ({}, {"connections": "x"}, {"connections": [1]}, {"connections": ["x"] * 501}):
        answer = carla.post("/api/admin/connections/disconnect", json=body)
        assert (answer.status_code, answer.json["field"]) == (400, "connections"), body


@pytest.mark.parametrize("action", ["disconnect", "force-cleanup"])
def test_an_administrator_acts_for_a_user_even_a_switched_off_one(
    carla: Person, cast: dict[str, User], connection: Connection, action: str
) -> None:
    accounts.deactivate(COMMAND_LINE, cast["ana"])
    answer = carla.post(f"/api/admin/users/{cast['ana'].id}/{action}?wait=0")
    assert answer.status_code in (200, 202)
    assert audit.search(limit=1)[0].actor == "carla@example.com"


# ---- operations


CLEANUPS = ["orphans", "stale", "mark-disconnected", "full-reset"]


@pytest.mark.parametrize("name", CLEANUPS)
def test_a_clean_up_becomes_an_operation_that_waits_for_the_owner(carla: Person, name: str) -> None:
    body = {"confirm": "RESET"} if name == "full-reset" else {}
    asked = carla.post(f"/api/admin/cleanup/{name}?wait=0", json=body)
    assert (asked.status_code, asked.json["state"]) == (202, "PENDING")
    found = carla.get(f"/api/admin/operations/{asked.json['operationId']}")
    assert found.json["kind"] == f"cleanup.{name.replace('-', '_')}"
    [record] = audit.search("asked", limit=5)
    assert (record.actor, record.action, record.address) == (
        "carla@example.com", found.json["kind"], "127.0.0.1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "body", "status", "error"),
    [
        ("cleanup/everything", {}, 404, "not_found"),
        ("cleanup/full-reset", {}, 409, "confirm_first"),
        ("cleanup/full-reset", {"confirm": "reset"}, 409, "confirm_first"),
        ("cleanup/orphans", {"dryRun": "yes"}, 400, "invalid"),
        ("cleanup/orphans", {"force": True}, 400, "invalid"),
    ],
)
def test_a_clean_up_with_nonsense_changes_nothing(
    carla: Person, address: str, body: dict[str, object], status: int, error: str
) -> None:
    answer = carla.post(f"/api/admin/{address}?wait=0", json=body)
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert db.session.scalars(db.select(Operation)).all() == []


def test_the_page_of_the_reset_wants_the_word_too(carla: Person) -> None:
    form = {"kind": "cleanup.full_reset", "confirm": "yes"}
    assert carla.post("/admin/maintenance/cleanup", data=form).status_code == 302
    assert "Type the word RESET" in carla.get("/admin/maintenance").text
    assert db.session.scalars(db.select(Operation)).all() == []


def test_every_kind_step_and_outcome_has_its_words(carla: Person) -> None:
    for kind in engine.PLANS:
        operation = operation_requests.ask(Actor("carla"), kind, {"backup": "x"})
        operation.steps = [
            OperationStep(what=what, target="target", outcome=outcome, detail="backup_not_found")
            for what in (*engine.ACTS, "plan")
            for outcome in words.OUTCOMES
        ]
        operation.state = "DONE"
        db.session.commit()
        page = carla.get(f"/admin/maintenance/operations/{operation.id}").text
        assert "This backup does not exist." in page
        for word, _colour in words.OUTCOMES.values():
            assert str(word) in page


def test_somebody_elses_force_cleanup_is_no_operation_of_the_administration(
    carla: Person, connection: Connection
) -> None:
    cleanup = requests.force_cleanup(COMMAND_LINE, connection)
    for unknown in (cleanup.id, 4711):
        assert carla.get(f"/api/admin/operations/{unknown}").status_code == 404
        assert carla.get(f"/admin/maintenance/operations/{unknown}").status_code == 404


@pytest.mark.parametrize("failing", ["orphans", "stale", "neither"])
def test_the_script_cleans_stale_connections_whatever_became_of_the_orphans(
    tmp_path: Path, failing: str
) -> None:
    scripts, flask = tmp_path / "scripts", tmp_path / ".venv/bin/flask"
    scripts.mkdir()
    flask.parent.mkdir(parents=True)
    script = shutil.copy(ROOT / "scripts/clean-sessions.sh", scripts)
    flask.write_text(f'#!/bin/sh\necho "$*"\n[ "$3" != {failing} ]\n')
    flask.chmod(0o700)
    done = subprocess.run([script, "--dry-run"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["wa clean orphans --dry-run", "wa clean stale --dry-run"]
    assert done.returncode == (failing != "neither")


# ---- jobs


def test_every_job_has_words_and_its_last_run(carla: Person) -> None:
    now = utc_now()
    for name in words.JOBS:
        db.session.add(JobRun(name=name, last_at=now, seconds=0.25, error="ValueError: no luck"))
    db.session.commit()
    page = carla.get("/admin/maintenance").text
    documents = carla.get("/api/admin/jobs").json["jobs"]
    assert {job["name"] for job in documents} == set(words.JOBS)
    for job in documents:
        assert job["text"] in page
    assert page.count("ValueError: no luck") == len(words.JOBS)
    asked = carla.post("/api/admin/jobs/monitor/run?wait=0")
    assert asked.status_code == 202
    assert carla.post("/api/admin/jobs/nothing/run").json["error"] == "job_not_found"


# ---- audit


def test_the_audit_can_be_searched_and_exported(carla: Person, cast: dict[str, User]) -> None:
    for number in range(60):
        audit.record(Actor("=cmd()", "192.0.2.1"), "test.count", f"number {number}", "done, 100 %")
    db.session.commit()
    first = carla.get("/admin/audit").text
    assert "number 59" in first and "number 9<" not in first
    assert "Older" in first
    found = carla.get("/api/admin/audit?q=number+59+192.0.2").json["records"]
    assert [record["target"] for record in found] == ["number 59"]
    assert carla.get("/api/admin/audit?q=100+%25").json["records"]
    export = carla.get("/admin/audit/export.csv?q=test.count")
    assert export.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(export.text)))
    assert len(rows) == 60
    assert rows[0]["actor"] == "'=cmd()", "no spreadsheet runs it"
    for_programs = carla.get("/api/admin/audit.csv?q=test.count")
    assert (for_programs.mimetype, for_programs.text) == ("text/csv", export.text)


def test_the_command_line_reads_and_exports_the_audit(
    app: Flask, carla: Person, cast: dict[str, User]
) -> None:
    def told(*args: str) -> bytes:
        return app.test_cli_runner().invoke(args=["wa", "audit", *args]).stdout_bytes

    audit.record(Actor("carla", "192.0.2.1"), "test.count", "one", "done")
    audit.record(Actor("carla"), "test.count", "two", "done")
    db.session.commit()
    two, one = told("test.count").decode().splitlines()
    assert two.endswith("  carla  test.count  two  done")
    assert one.endswith("  carla from 192.0.2.1  test.count  one  done")
    assert told("test.count", "--limit", "1").decode().splitlines() == [two]
    assert told("one", "192.0.2.1").decode().splitlines() == [one]
    assert told("--csv", "test.count") == carla.get("/api/admin/audit.csv?q=test.count").data


def test_no_transaction_is_open_while_a_piece_of_the_export_is_on_its_way(
    cast: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        audit.record(COMMAND_LINE, "test.count", str(number))
    db.session.commit()
    monkeypatch.setattr(audit, "AT_ONCE", 10)
    pieces = []
    for piece in audit.as_csv("test.count"):
        assert not db.session().in_transaction()
        pieces.append(piece)
    assert [len(piece.splitlines()) for piece in pieces] == [1, 10, 10, 5]
    rows = csv.DictReader(io.StringIO("".join(pieces)))
    assert [row["target"] for row in rows] == [str(number) for number in reversed(range(25))]


REPLACE = (
    "INSERT OR REPLACE INTO audit (id, at, actor, action, target, outcome) "
    "VALUES (1, '2026-01-01', 'nobody', 'x', 'x', 'x')"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "UPDATE audit SET outcome = 'x'",
        REPLACE,
    ],
)
def test_nobody_can_change_the_audit(cast: dict[str, User], statement: str) -> None:
    with pytest.raises(sqlalchemy.exc.IntegrityError, match="only added to"):
        db.session.execute(db.text(statement))
    db.session.rollback()
    assert db.session.scalars(db.select(Audit)).all()


@pytest.mark.parametrize("path", ["/admin", "/admin/maintenance", "/admin/audit"])
def test_every_page_is_drawn_with_nothing_to_show(
    carla: Person, sign_in: Callable[[User], Person], path: str
) -> None:
    assert carla.get(path).status_code == 200
