"""Whoever adds a hold, a code, a page, a job … is told which place was forgotten; and what the
documentation names is there.

The recipes are in CONTRIBUTING.md. Places that another test names are not asked for here again.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from werkzeug.routing import Rule

from app import create_app
from tests.conftest import make_app
from tests.test_architecture import FILES, MAY_IMPORT, PACKAGE, ROOT, SERVICES
from wa_app import config
from wa_app.cli.shared import wa
from wa_app.domain.messages import MessagePolicy
from wa_app.domain.sessions.closes import CLOSE_CODES
from wa_app.domain.sessions.policy import Policy
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.users import accounts
from wa_app.web.http.access import LOCALES
from wa_app.wording.operations import JOBS

DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]
}
README = DOCS["README.md"]
ARCHITECTURE = DOCS["docs/architecture.md"]
SESSIONS = DOCS["docs/sessions.md"]


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


# ---- what the documentation names is there

A_PATH = re.compile(r"`([\w.-]+/[\w./-]*)`")
A_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FOLDERS = {"wa_app", "templates", "static", "migrations", "tests", "docs", "scripts", "bench"}


def named_paths(text: str) -> Iterator[str]:
    """Of a file or a folder of ours, from the root or from `wa_app`. What begins with another
    word is a path on the reader's machine."""
    for path in A_PATH.findall(text):
        first = path.split("/")[0]
        if "/" in path and (first in FOLDERS or (PACKAGE / first).exists()):
            yield path


@pytest.mark.parametrize("document", DOCS)
def test_every_path_in_the_documentation_exists(document: str) -> None:
    beside = (ROOT / document).parent
    for path in named_paths(DOCS[document]):
        assert any((place / path).exists() for place in (ROOT, PACKAGE)), f"{document}: {path}"
    for link in A_LINK.findall(DOCS[document]):
        assert (beside / link).exists(), f"{document} links to {link}"


def test_every_folder_stands_in_the_architecture() -> None:
    folders = {path.parent.relative_to(ROOT).as_posix() for path in FILES.values()}
    told = set(re.findall(r"^\| `(wa_app/[\w/]*)/`", ARCHITECTURE, re.MULTILINE))
    assert folders - told - {"wa_app"} == set(), "docs/architecture.md has no line for these"
    assert told - folders == set(), "docs/architecture.md has a line for what is not there"


def test_the_arrows_of_the_architecture_are_those_that_are_enforced() -> None:
    """The floors in the table of docs/architecture.md, and the order of the services."""
    told = {
        floor.strip("`/").removesuffix(".py"): set(re.findall(r"`([\w./]+)`", below))
        for floor, below in re.findall(r"^\| (`[\w.]+/?`) \| (.*) \|$", arrows(), re.MULTILINE)
    }
    for floor, allowed in MAY_IMPORT.items():
        others = {name.replace(".", "/") for name in allowed - {floor, ""}}
        assert {name.strip("/").removesuffix(".py") for name in told[floor]} == others, floor
    order = " → ".join(f"`{name}`" for name in SERVICES)
    assert order in ARCHITECTURE, f"docs/architecture.md says another order than {order}"


def arrows() -> str:
    return section(ARCHITECTURE, "Arrows")


WHERE = {
    "a close code": "CLOSE_CODES: Mapping",
    "the wording of a hold": "HOLDS: Mapping",
    "the SQL that takes a message": "MessageState.SENDING",
    "the seven clean-up steps": "seven steps",
    "the file lock": "flock",
    "the QR picture": "qrcode",
    "what doctor checks": "CHECKS: Mapping",
    "the forkserver": "os.fork()",
    "who may see a connection": "ConnectionNotFound",
    "a job's interval": 'Job("monitor"',
}
"""What is asked → what stands in the file where it is."""


@pytest.mark.parametrize("what", WHERE)
def test_everything_is_where_the_architecture_says(what: str) -> None:
    row = re.search(rf"^\| {what}.*?\| `([\w/.]+)`", ARCHITECTURE, re.MULTILINE)
    assert row, f"docs/architecture.md does not say where {what} is"
    assert WHERE[what] in (ROOT / row[1]).read_text(), f"{what} is not in {row[1]}"


# ---- a status, a hold, a close code


@pytest.mark.parametrize("hold", Hold)
def test_a_hold_is_put_on_somewhere_and_is_explained(hold: Hold) -> None:
    rules = "".join(path.read_text() for path in (PACKAGE / "domain" / "sessions").glob("*.py"))
    assert re.search(rf"put_on_hold\([^)]*Hold\.{hold.name}\b", rules), (
        f"nothing in wa_app/domain/sessions puts a connection on hold {hold}"
    )
    assert f"\n| `{hold}` |" in SESSIONS, f"{hold} has no row in docs/sessions.md"


@pytest.mark.parametrize("status", Status)
def test_a_status_is_explained(status: Status) -> None:
    told = section(SESSIONS, "Status and hold")
    assert f"`{status}`" in told, f"{status} is not in docs/sessions.md, Status and hold"


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_a_close_code_is_explained(code: int) -> None:
    told = section(SESSIONS, "Status and hold")
    assert re.search(rf"\b{code}\b", told), f"{code} is not in docs/sessions.md, Status and hold"


# ---- a route, a page


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return make_app(tmp_path_factory.mktemp("contributing") / "data")


def literal(rule: str) -> list[str]:
    """The words of an address that are the same for everybody."""
    return [word for word in re.sub("<[^>]*>", "", rule).split("/") if word]


def test_every_route_of_the_api_is_in_the_readme(application: Flask) -> None:
    told = set(re.findall(r"[\w.-]+", section(README, "API")))
    for rule in application.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            missing = set(literal(rule.rule)) - told
            acts = set(re.findall(r"'([\w-]+)'", rule.rule)) - told
            assert not missing | acts, f"README.md, API: {rule.rule} is missing"


def pages(app: Flask) -> list[str]:
    def is_page(rule: Rule) -> bool:
        elsewhere = ("/api/", "/live/", "/static", "/bootstrap", "/healthz", "/readyz", "/login")
        has_address = "GET" in (rule.methods or ()) and not rule.arguments
        return has_address and not rule.rule.startswith(elsewhere)

    return [rule.rule for rule in app.url_map.iter_rules() if is_page(rule)]


def test_every_page_can_be_reached_and_read_in_every_language(application: Flask) -> None:
    """By links, from the first page on; each has its title."""
    with application.app_context():
        carla = accounts.create(COMMAND_LINE, "carla@example.com", "a long password", role="admin")
        cookie = carla.get_id()
    linked: set[str] = set()
    for locale in LOCALES:
        browser = application.test_client()
        with browser.session_transaction() as session:
            session.update(_user_id=cookie, _fresh=True, locale=locale)
        for address in pages(application):
            answer = browser.get(address)
            assert answer.status_code in (200, 302), f"{address} in {locale}: {answer.status}"
            linked |= {address} if answer.status_code == 302 else set()
            if answer.status_code == 200 and answer.mimetype == "text/html":
                assert f'<html lang="{locale}"' in answer.text, address
                assert re.search(r"<title>\s*\w", answer.text), f"{address} has no title"
                linked |= set(re.findall(r'href="(/[^"?#]*)', answer.text)) - {address}
    forgotten = set(pages(application)) - linked
    assert not forgotten, f"nothing links to {forgotten}: templates/page.html has the navigation"


# ---- a job, a setting, a command


def test_every_job_has_words() -> None:
    files = (PACKAGE / "services").rglob("*.py")
    jobs = {
        name for file in files for name in re.findall(r'\bJob\(\s*"([\w-]+)"', file.read_text())
    }
    assert len(jobs) > 5
    assert jobs - set(JOBS) == set(), "wa_app/wording/operations.py, JOBS: these are missing"
    assert set(JOBS) - jobs == set(), "wa_app/wording/operations.py, JOBS: these run no more"


def every_setting() -> Iterator[str]:
    for kind in (config.Settings, Policy, MessagePolicy):
        for field in config._setting_fields(kind):
            yield field.name.upper()


def test_every_setting_in_the_documentation_exists() -> None:
    settings = set(every_setting())
    rows = "".join(re.findall(r"^\| (`.*?`) \|", section(README, "Settings"), re.MULTILINE))
    told = set(re.findall(r"`([A-Z][A-Z_]+)`", rows))
    assert len(told) > 10
    for text in DOCS.values():
        told |= set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)=", text))
    assert told - settings == set(), "there is no such setting"


def test_every_secret_is_kept_from_session_processes() -> None:
    secrets = {name for name in every_setting() if re.search("KEY$|PASSWORD$|TOKEN$|SECRET", name)}
    assert secrets - set(config.SECRET_SETTINGS) == set(), "wa_app/config.py, SECRET_SETTINGS"


def commands(group: click.Group, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        inside = isinstance(command, click.Group)
        if not inside or command.invoke_without_command:  # type: ignore[attr-defined]
            yield before + name
        if inside:
            yield from commands(command, f"{before}{name} ")  # type: ignore[arg-type]


def test_every_command_is_in_the_readme() -> None:
    block = section(README, "Command line").split("```")[1]
    told = set(re.findall(r"flask wa ([a-z-]+(?: [a-z-]+)?)", block))
    there = set(commands(wa))
    assert there - told == set(), "README.md, Command line: these are missing"
    assert told - there == set(), "README.md, Command line: there are no such commands"


# ---- a migration, a language


def test_migrations_make_the_tables_of_the_models(tmp_path: Path) -> None:
    app = create_app(config.load({"DATA_DIR": str(tmp_path / "data")}))
    with app.app_context():
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"render_as_batch": True})
            differences = compare_metadata(context, db.metadata)
        db.engine.dispose()
    assert differences == [], "make a migration: flask db migrate -m '…'"


def test_every_language_has_a_catalogue_and_a_name() -> None:
    catalogues = {path.parts[-3] for path in PACKAGE.glob("translations/*/LC_MESSAGES/messages.po")}
    assert set(LOCALES) == catalogues | {"en"}, "LOCALES in wa_app/web/http/access.py, or its .po"
