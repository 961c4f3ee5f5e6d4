"""What the doctor finds, in words: on the page, for programs, and as text for those who help."""

import ast
import inspect
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from app import create_runtime
from tests.conftest import make_app
from tests.doors import closed_door, door, http_proxy, whatsapp
from tests.web.conftest import Person, observe
from wa_app.extensions import db
from wa_app.gateways.base import Stage
from wa_app.models import Connection, JobRun
from wa_app.services.doctor import checks as doctor
from wa_app.services.doctor.checks import CHECKS, Report
from wa_app.services.doctor.findings import Finding
from wa_app.services.doctor.report import lines
from wa_app.wording import diagnoses

ADDRESS = "/admin/diagnostics"


@pytest.fixture
def app(tmp_path: Path, trust: ssl.SSLContext) -> Iterator[Flask]:
    """Its own runtime stands by: there is no owner, no migration, and the key lies beside."""
    with closed_door() as free, door(http_proxy(whatsapp(trust), [])) as port:
        proxy = f"http://ana:hunter2@127.0.0.1:{port}"
        app = make_app(tmp_path / "data", WHATSAPP_PROXY=proxy, PORT=str(free))
        create_runtime(app)
        yield app
        with app.app_context():
            db.engine.dispose()


def check_of(page: str, check: str) -> str:
    return page.partition(f'data-check="{check}"')[2].partition("</li>")[0]


def test_nothing_is_looked_for_before_somebody_asks(carla: Person) -> None:
    page = carla.get(ADDRESS).text
    assert 'data-testid="run-checks"' in page
    assert "data-check" not in page


def test_the_page_shows_what_is_wrong_first_and_what_to_do(carla: Person) -> None:
    assert carla.post(ADDRESS).location == ADDRESS
    page = carla.get(ADDRESS).text
    troubles, _, well = page.partition('data-testid="well"')
    assert "BACKUP_KEY" in check_of(troubles, "key")
    assert "flask db upgrade" in check_of(troubles, "migrations")
    assert "Nobody looks after the numbers." in check_of(troubles, "owner")
    assert "WhatsApp can be reached through 127.0.0.1" in check_of(well, "whatsapp")
    assert "3 things need you." in page
    assert page.count("data-check") == len(CHECKS)


def test_the_page_is_in_the_readers_language(carla: Person) -> None:
    carla.post(ADDRESS)
    with carla.http.session_transaction() as session:
        session["locale"] = "es"
    page = carla.get(ADDRESS).text
    assert "Lo que te necesita" in page
    assert "Nadie cuida de los números." in page


def test_programs_are_told_the_same(carla: Person) -> None:
    told = carla.get("/api/admin/diagnostics").json
    assert (told["success"], told["ok"], told["message"]) == (True, False, "Something needs you.")
    found = {one["check"]: one for one in told["checks"]}
    assert list(found) == list(CHECKS)
    assert found["key"]["ok"] is False
    assert found["key"]["code"] == "beside"
    assert found["key"]["remedy"].startswith("Set BACKUP_KEY")
    assert found["disk"]["remedy"] is None


def test_nobody_is_named_in_the_text_for_those_who_help(
    carla: Person, connection: Connection
) -> None:
    observe(connection, phone="+34600111222")
    connection.proxy = "socks5://ana:hunter2@127.0.0.1:9"
    db.session.add(JobRun(name="mails", error="550 ana@example.com +34 600 111 222 unknown"))
    db.session.commit()
    carla.post(ADDRESS)
    page = carla.get(ADDRESS).text
    text = page.partition('data-testid="report"')[2].partition("</pre>")[0]
    assert "✗ jobs failed: The job mails failed: 550 … … unknown" in text
    assert "✗ whatsapp proxy_failed" in text
    for private in ("ana@", "hunter2", "600 111", "example.com"):
        assert private not in text, private


# ---- words


def _codes() -> set[tuple[str, str, bool]]:
    """(check, code, whether that is well) of everything that is written in a check, or in a
    function that it calls."""
    modules = (doctor, *(sys.modules[check.__module__] for check in CHECKS.values()))
    functions = {
        node.name: node
        for module in modules
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.FunctionDef)
    }

    def found_in(name: str) -> Iterator[tuple[str, bool]]:
        for call in [node for node in ast.walk(functions[name]) if isinstance(node, ast.Call)]:
            called = getattr(call.func, "id", "")
            if called in ("well", "ill"):
                code = call.args[0]
                if isinstance(code, ast.Constant):
                    yield str(code.value), called == "well"
                else:
                    yield from ((f"{stage}_failed", False) for stage in Stage)
            elif called in functions:
                yield from found_in(called)

    whatever = {("", code, well) for code, well in (*found_in("_look"), *found_in("_end"))}
    return whatever | {
        (check, code, well)
        for check, function in CHECKS.items()
        for code, well in found_in(function.__name__)
    }


def test_every_finding_has_words_and_every_trouble_a_remedy() -> None:
    codes = _codes()
    assert len(codes) > 60
    assert {(check, code) for check, code, _ in codes} == set(diagnoses.WORDS)
    for check, code, well in codes:
        assert (diagnoses.WORDS[check, code].remedy is None) == well, (check, code)


def test_every_check_is_in_one_group() -> None:
    grouped = [check for _, checks in diagnoses.GROUPS for check in checks]
    assert sorted(grouped) == sorted(CHECKS)


def test_times_are_told_in_utc(app: Flask) -> None:
    at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    report = Report(at, (("scheduler", Finding(True, "runs", {"at": at})),))
    with app.test_request_context():
        assert "2026-11-21 09:00:00 UTC" in "\n".join(lines(report))
