"""What whoever watches the server is told."""

import os
import shutil
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import stamp

from tests.conftest import make_app
from tests.web.conftest import Person, heartbeat
from wa_app.extensions import db
from wa_app.services import data_folder


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
        "folder": "in place",
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


def moved_away(data: Path) -> None:
    data.rename(data.with_name("aside"))


def emptied(data: Path) -> None:
    for path in data.iterdir():
        path.unlink()


def only_the_database_gone(data: Path) -> None:
    (data / "vigia.db").unlink()


def a_copy_in_its_place(data: Path) -> None:
    moved_away(data)
    shutil.copytree(data.with_name("aside"), data)


@pytest.mark.parametrize("harm", [moved_away, emptied, only_the_database_gone, a_copy_in_its_place])
def test_on_another_data_folder_nothing_is_ready_and_nothing_is_answered(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """Whatever the database that is still open says."""
    app = make_app(tmp_path / "data")
    with app.app_context():
        stamp()
        heartbeat()
        data_folder.of(app).remember()
        caller = app.test_client()
        assert caller.get("/readyz").status_code == 200
        assert caller.get("/").status_code == 302
        harm(tmp_path / "data")
        ready = caller.get("/readyz")
        assert (ready.status_code, set(ready.json["checks"].values())) == (503, {"failed"})
        assert caller.get("/healthz").status_code == 200
        assert caller.get("/").status_code == 503
        for method, path in (("GET", "/api/whatsapp/status"), ("POST", "/api/whatsapp/connect")):
            answer = caller.open(path, method=method)
            assert (answer.status_code, answer.json["error"]) == (503, "folder_away")
        db.engine.dispose()
