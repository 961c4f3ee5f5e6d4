"""A database that was lost is not begun anew beside the logins it knew."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app import create_app
from tests.conftest import make_app
from tests.services.world import World
from tests.test_disk import room_for
from wa_app import config
from wa_app.config import SettingError
from wa_app.extensions import db
from wa_app.services import data_folder


def missing(_: Path) -> None:
    pass


def empty(file: Path) -> None:
    file.write_bytes(b"")


def without_tables(file: Path) -> None:
    """As whoever opens a missing one, and no more, leaves it."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=WAL")


@pytest.mark.parametrize("beside", ["sessions/ana", "backups/ana"])
@pytest.mark.parametrize("database", [missing, empty, without_tables])
def test_logins_without_their_database_stop_the_start_with_a_sentence(
    tmp_path: Path, database: Callable[[Path], None], beside: str
) -> None:
    database(tmp_path / "vigia.db")
    (tmp_path / beside).mkdir(parents=True)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(SettingError, match=f"vigia.db is empty or missing.*{beside}.*"):
        create_app(config.load({"DATA_DIR": str(tmp_path)}))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("database", [missing, empty, without_tables])
def test_without_logins_it_is_a_new_installation(
    tmp_path: Path, database: Callable[[Path], None]
) -> None:
    database(tmp_path / "vigia.db")
    (tmp_path / "sessions").mkdir()
    assert create_app(config.load({"DATA_DIR": str(tmp_path)}))


def test_logins_beside_their_database_are_as_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "sessions" / "ana").mkdir(parents=True)
    with make_app(tmp_path).app_context():
        assert db.session.execute(db.text("SELECT count(*) FROM user")).scalar() == 0
        db.engine.dispose()


def test_a_disk_without_room_for_the_mark_keeps_nobody_from_starting(tmp_path: Path) -> None:
    app = make_app(tmp_path / "data")
    folder = data_folder.of(app)
    with room_for(0):
        folder.remember()
    assert folder.loss() is None
    assert not (tmp_path / "data" / "installation_id").exists()
    (tmp_path / "data" / "vigia.db").unlink()
    assert folder.loss() is not None


def test_what_a_crash_left_of_a_backup_goes_at_the_next_start(world: World) -> None:
    folder = world.settings.data_dir / "backups" / world.connection_id
    folder.mkdir(parents=True)
    for name in ("20260101T000000000000.part", "20260101T000000000000.session", "notes.txt"):
        (folder / name).touch()
    world.crash()
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["20260101T000000000000.session", "notes.txt"]


def test_a_folder_that_goes_while_it_is_looked_at_is_not_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it would never look again."""
    folder = data_folder.of(world.app)
    monkeypatch.setattr(data_folder, "SETTLED", 0)

    def goes(file: Path) -> bool:
        raise FileNotFoundError(file)

    with monkeypatch.context() as gone:
        gone.setattr(data_folder, "has_tables", goes)
        assert not folder.is_back()
    assert folder.is_back()
