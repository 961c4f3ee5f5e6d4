"""A small cast: Ana owns a shop, Bruno owns another, Carla is the administrator."""

import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from argon2 import PasswordHasher
from flask import Flask

from app import create_app
from tests.whatsapp_server.certificate import tls_context
from wa_app import config
from wa_app.extensions import db
from wa_app.services.users import accounts

SLOW = (
    "tests/wire/product/test_chaos.py",  # the first, for it mostly waits
    "tests/wire/",
    "tests/product/",
    "tests/pages/",
    "tests/domain/sessions/test_invariants.py",
    "tests/web/test_words.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long come first: at the end one worker would be alone with them. Who
    wants the quick ones first has `make check`.

    A file goes to one worker as a whole (`--dist loadfile`), because its tests share what is made
    once, a server for example. Unless xdist is told `--no-loadscope-reorder`, it sorts the files
    by how many tests they hold, and this order is lost."""
    items.sort(
        key=lambda item: next(
            (n for n, one in enumerate(SLOW) if item.nodeid.startswith(one)), len(SLOW)
        )
    )


def make_app(data_dir: Path, **environ: str) -> Flask:
    """An application on its own data folder, with the tables made."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / "vigia.db").write_bytes(empty_database())
    return create_app(config.load({"DATA_DIR": str(data_dir), **environ}))


@cache
def empty_database() -> bytes:
    """Made once: every table is a flush to the disk."""
    with TemporaryDirectory() as folder:
        app = create_app(config.load({"DATA_DIR": folder}))
        with app.app_context():
            db.create_all()
            db.engine.dispose()
        return (Path(folder) / "vigia.db").read_bytes()


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real hash is slow by design; one test of its own signs in with it."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    nobody = cheap.hash("nobody")
    monkeypatch.setattr(accounts, "_hasher", cheap)
    monkeypatch.setattr(accounts, "_nobody", lambda: nobody)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    application = make_app(tmp_path / "data")
    yield application
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The certificate of a WhatsApp on loopback, trusted by this process."""
    context, authority = tls_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return context
