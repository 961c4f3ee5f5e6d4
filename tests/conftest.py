"""A small cast: Ana owns a shop, Bruno owns another, Carla is the administrator."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from wa_app import config
from wa_app.extensions import db


def make_app(data_dir: Path, **environ: str) -> Flask:
    """An application on its own data folder, with the tables made."""
    settings = config.load({"DATA_DIR": str(data_dir), **environ})
    app = create_app(settings)
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    application = make_app(tmp_path / "data")
    yield application
    with application.app_context():
        db.engine.dispose()
