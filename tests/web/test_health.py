"""What whoever watches the server is told."""

import os
import socket
from datetime import timedelta

import pytest
from flask import Flask
from flask_migrate import stamp

from tests.web.conftest import Person, heartbeat
from wa_app.extensions import db


@pytest.fixture
def migrated(app: Flask, in_app: None) -> None:
    stamp()


def test_the_process_answers(app: Flask) -> None:
    assert app.test_client().get("/healthz").json["success"] is True


def test_a_standby_is_ready(app: Flask, migrated: None) -> None:
    heartbeat()
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200, answer.text
    assert answer.json["checks"] == {
        "database": "reachable",
        "migrations": "applied",
        "runtime": "standby",
    }


def test_the_owner_is_ready(app: Flask, migrated: None) -> None:
    owner = heartbeat()
    owner.pid, owner.host = os.getpid(), socket.gethostname()
    db.session.commit()
    assert app.test_client().get("/readyz").json["checks"]["runtime"] == "owner"


def test_without_a_living_owner_nothing_is_ready(app: Flask, migrated: None) -> None:
    heartbeat(timedelta(seconds=30))
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json["checks"]["runtime"]) == (503, "failed")
    assert int(answer.headers["Retry-After"]) > 0


def test_without_the_migrations_nothing_is_ready(app: Flask, in_app: None) -> None:
    heartbeat()
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json["checks"]["migrations"]) == (503, "failed")


def test_without_the_database_nothing_is_ready(app: Flask, in_app: None, ana: Person) -> None:
    db.drop_all()
    assert app.test_client().get("/healthz").status_code == 200
    assert app.test_client().get("/readyz").status_code == 503
