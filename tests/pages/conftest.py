"""A real browser in front of a real server. Pictures of pages are kept in `tests/artefacts/`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from app import create_app
from scripts import browser as installed
from tests.product.conftest import QUICK, template  # noqa: F401  a fixture
from tests.product.server import Server, copy_of, serving
from tests.product.visitor import PASSWORD
from wa_app import config
from wa_app.extensions import db
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.users import accounts

PICTURES = config.ROOT / "tests" / "artefacts"
HANG = 60_000  # milliseconds; protection only
expect.set_options(timeout=HANG)
NOBODY_LISTENS = "http://127.0.0.1:9"
names = (f"shop{number}@example.org" for number in itertools.count(1))

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The browser of this machine, or Playwright's own where there is none."""
    args = {"args": ["--no-sandbox", "--disable-dev-shm-usage"]}
    path = installed.present()
    return {**browser_type_launch_args, **args, **({"executable_path": path} if path else {})}


@pytest.fixture(scope="module")
def server(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: F811
    """From here WhatsApp cannot be reached, as on a machine without a network."""
    data_dir = copy_of(template, tmp_path_factory.mktemp("pages") / "data")
    settings = {**QUICK, "WHATSAPP_PROXY": NOBODY_LISTENS, "STABLE_AFTER": "30"}
    with serving(Server(data_dir, settings)) as server:
        yield server.start()


@pytest.fixture
def visit(server: Server, browser: Browser) -> Iterator[Open]:
    """Opens a browser window of its own, on the sign-in page."""
    contexts = []

    def visit(**options: Any) -> Page:
        wide = {"width": 1280, "height": 860}
        usual: dict[str, Any] = {"viewport": wide, "locale": "en-GB", "base_url": server.address}
        contexts.append(browser.new_context(**usual | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(HANG)
        page.goto("/")
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def accounts_of(server: Server) -> Iterator[Flask]:
    """The application beside the running server, as a command is: no test need start one."""
    app = create_app(config.load({"DATA_DIR": str(server.data_dir)}))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def shop(accounts_of: Flask) -> str:
    """A new user, with nothing linked yet."""
    email = next(names)
    with accounts_of.app_context():
        accounts.create(COMMAND_LINE, email, PASSWORD)
    return email


@pytest.fixture
def signed_in(visit: Open, shop: str) -> Open:
    def signed_in(**options: Any) -> Page:
        page = visit(**options)
        sign_in(page, shop)
        return page

    return signed_in


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(password)
    page.get_by_test_id("sign-in").click()


def link_practice_phone(page: Page) -> None:
    """From an empty home page to a practice phone that is ready."""
    page.get_by_test_id("connect-practice").click()
    page.get_by_test_id("practice-scan").click()
    page.get_by_test_id("done").filter(has_text="Done").click()
