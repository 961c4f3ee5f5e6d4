from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_app
from tests.services.world import World
from wa_app.extensions import db


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    app = make_app(tmp_path / "data", SETTLE_DELAY="0", BOT_PAUSE="0")
    yield World(app)
    with app.app_context():
        db.engine.dispose()
