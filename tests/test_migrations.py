"""A database of an earlier version starts, with whatever was under way in it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import select, text

from app import create_app
from wa_app import config
from wa_app.domain.alerts import AlertKind
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import (
    Alert,
    Chat,
    Connection,
    ConnectionEvent,
    Message,
    Operation,
    OperationStep,
    utc_now,
)

SEVEN = (
    "close_socket",
    "drop_pairing",
    "drop_memory",
    "cancel_timers",
    "drain_and_back_up",
    "remove_files",
    "reset_row",
)
NOW = "2026-11-21 09:00:00.000000"


def insert(database: sqlite3.Connection, table: str, **values: object) -> int:
    """A row; what is not named gets what a column of its type can take."""
    columns = database.execute(f"PRAGMA table_info({table})").fetchall()
    for _, name, kind, needed, default, key in columns:
        if needed and default is None and not key and name not in values:
            values[name] = {"INTEGER": 0, "BOOLEAN": 0, "DATETIME": NOW}.get(kind, "")
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    done = database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()])
    return done.lastrowid or 0


@pytest.fixture
def of_020(tmp_path: Path) -> Flask:
    """Version 0.2.0: a linked number with a text on its way, one that was never linked, and three
    force-cleanups, one of them part of a full reset that was cut short."""
    app = create_app(config.load({"DATA_DIR": str(tmp_path / "data")}))
    with app.app_context():
        upgrade(revision="0002")
    with closing(sqlite3.connect(tmp_path / "data" / "vigia.db")) as database:
        insert(database, "user", id=1, email="ana@example.org")
        linked = {"channel": "whatsapp", "status": "CONNECTED", "phone": "+34600111222"}
        insert(database, "connection", id="ana", user_id=1, **linked)
        insert(
            database, "connection", id="new", user_id=1, channel="whatsapp", status="DISCONNECTED"
        )
        for number, connection in ((1, "ana"), (2, "new")):
            insert(
                database,
                "chat",
                id=number,
                connection_id=connection,
                jid="34600999888@s.whatsapp.net",
            )
            insert(
                database, "message", connection_id=connection, chat_id=number, direction="out",
                author="person", text="Su pedido está listo.", state="PENDING",
            )  # fmt: skip
        done = [{"step": what, "outcome": "done", "seconds": 0.1} for what in SEVEN]
        done[4] |= {"outcome": "failed", "detail": "disk full"}
        common = {"kind": "force_cleanup", "connection_id": "ana", "actor": "ana"}
        insert(
            database, "operation", id=1, version=3, state="DONE", result=json.dumps(done), **common
        )
        insert(database, "operation", id=2, version=4, state="PENDING", **common)
        insert(
            database, "operation", id=3, kind="cleanup.full_reset", actor="carla", planned_at=NOW
        )
        for cleanup in (1, 2):
            insert(
                database, "operation_step", operation_id=3, what="clean", target="ana",
                cleanup_id=cleanup,
            )  # fmt: skip
        database.commit()
    return app


def test_nothing_that_was_under_way_is_lost(of_020: Flask) -> None:
    with of_020.app_context():
        upgrade()
        done, pending, reset = db.session.scalars(select(Operation).order_by(Operation.id)).all()
        assert [step.what for step in done.steps] == list(SEVEN)
        assert {step.version for step in done.steps} == {3}
        assert (done.steps[4].outcome, done.steps[4].detail) == ("failed", "disk full")
        assert [step.outcome for step in pending.steps] == [None] * 7
        assert {step.version for step in pending.steps} == {4}
        # What was done before the crash is not asked for again, what was not is still waited for.
        told = [(step.version, step.outcome, step.detail) for step in reset.steps]
        assert told == [(3, "failed", "drain_and_back_up: disk full"), (4, None, None)]


def test_every_chat_belongs_to_the_number_it_had(of_020: Flask) -> None:
    with of_020.app_context():
        upgrade()
        numbers = dict(db.session.execute(select(Connection.id, Connection.linked_phone)).all())
        assert numbers == {"ana": "+34600111222", "new": None}
        chats = dict(db.session.execute(select(Chat.connection_id, Chat.phone)).all())
        assert chats == {"ana": "+34600111222", "new": ""}
        assert db.session.scalars(select(Message.postponed)).all() == [0, 0]


def test_no_login_of_before_was_replaced_by_a_restored_one(of_020: Flask) -> None:
    with of_020.app_context():
        upgrade()
        replaced = db.session.scalars(select(Connection.replaced_copy_at)).all()
        assert list(replaced) == [None, None]
        downgrade(revision="0004")
        upgrade()


def test_no_trouble_is_remembered_that_was_not_counted_yet(of_020: Flask) -> None:
    with of_020.app_context():
        upgrade()
        for connection in db.session.scalars(select(Connection)):
            seen = connection.observed
            assert (seen.dialled, seen.deaf, seen.falls) == ((), (), ())
            assert (seen.paired_at, seen.removed_at) == (None, None)
            connection.observed = replace(seen, falls=(utc_now(),), removed_at=utc_now())
        db.session.commit()
        downgrade(revision="0004")
        upgrade()
        falls = db.session.scalars(select(Connection.falls)).all()
        assert set(falls) == {()}


@pytest.mark.parametrize("hold", [Hold.PASSKEY, Hold.REFUSED, Hold.ALREADY_LINKED])
def test_words_that_no_earlier_version_knows_are_taken_back(of_020: Flask, hold: Hold) -> None:
    with of_020.app_context():
        upgrade()
        for connection in db.session.scalars(select(Connection)):
            connection.hold, connection.hold_cause = hold, Reason.PROXY_REFUSED
            db.session.add(
                ConnectionEvent(
                    connection_id=connection.id,
                    status=Status.DISCONNECTED,
                    hold=hold,
                    reason=Reason.DEAF,
                )
            )
        db.session.add(Alert(kind=AlertKind.UNSTABLE, began_at=utc_now(), cause=Reason.DEAF))
        db.session.commit()
        downgrade(revision="0004")
        upgrade()
        seen = db.session.execute(select(Connection.hold, Connection.hold_cause)).all()
        events = db.session.execute(select(ConnectionEvent.hold, ConnectionEvent.reason)).all()
        assert {*seen, *events} == {(Hold.RETRIES_EXHAUSTED, Reason.CONNECTION_LOST)}
        assert db.session.scalars(select(Alert)).all() == []


def test_it_can_be_taken_back(of_020: Flask) -> None:
    with of_020.app_context():
        upgrade()
        downgrade(revision="0002")
        upgrade()
        left = db.session.scalars(select(OperationStep.version).order_by(OperationStep.id)).all()
        assert list(left) == [None, None, *[4] * 7]


CUSTOMER, GROUP = "34600999888@s.whatsapp.net", "120363000000000001@g.us"


@pytest.fixture
def with_received(of_020: Flask, tmp_path: Path) -> Flask:
    """Before message ids belonged to senders: a customer's text, and one in a group."""
    with of_020.app_context():
        upgrade(revision="0004")
    with closing(sqlite3.connect(tmp_path / "data" / "vigia.db")) as database:
        insert(database, "chat", id=7, connection_id="ana", jid=GROUP, is_group=1)
        for chat, wa_id in ((1, "3EB0"), (7, "3EB1")):
            insert(
                database, "message", connection_id="ana", chat_id=chat, direction="in",
                author="customer", text="Hola", state="RECEIVED", wa_id=wa_id,
            )  # fmt: skip
        database.commit()
    return of_020


def test_what_was_received_has_its_sender(with_received: Flask) -> None:
    with with_received.app_context():
        upgrade()
        received = select(Message).where(Message.direction == "in").order_by(Message.id)
        rows = db.session.scalars(received).all()
        assert [(row.wa_id, row.sender) for row in rows] == [("3EB0", CUSTOMER), ("3EB1", "")]
        [table] = db.session.execute(
            text("SELECT sql FROM sqlite_master WHERE name = 'message'")
        ).one()
        assert "AUTOINCREMENT" in table  # a deleted message's number must not come back


def test_ids_that_several_have_used_can_be_taken_back(with_received: Flask) -> None:
    with with_received.app_context():
        upgrade()
        other = Message(
            connection_id="ana", chat_id=7, direction="in", author="customer", text="Hola",
            state="RECEIVED", wa_id="3EB0", sender=CUSTOMER,
        )  # fmt: skip
        db.session.add(other)
        db.session.commit()
        downgrade(revision="0004")
        kept = db.session.execute(text("SELECT wa_id FROM message WHERE direction = 'in'"))
        assert list(kept.scalars()) == ["3EB0", "3EB1", None]
        upgrade()
        assert len(db.session.scalars(select(Message)).all()) == 5
