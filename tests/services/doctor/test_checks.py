"""Each trouble is made for real, and exactly the check that is for it finds it."""

import sqlite3
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import stamp
from sqlalchemy import text
from werkzeug.serving import make_server

from app import create_runtime
from tests.conftest import make_app
from tests.doors import closed_door, door, http_proxy, whatsapp
from tests.whatsapp_server.certificate import tls_context
from wa_app.config import Settings
from wa_app.domain import alerts as limits
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.gateways import mail
from wa_app.gateways.whatsapp.worker import reachability
from wa_app.models import Connection, JobRun, User, utc_now
from wa_app.services import ownership
from wa_app.services.doctor import check_service
from wa_app.services.doctor import checks as doctor
from wa_app.services.doctor.checks import CHECKS, Doctor, examine
from wa_app.services.doctor.findings import Case, Check, Finding, ill, well
from wa_app.services.notifications import alerts, mails
from wa_app.services.operations.context import Context
from wa_app.services.runtime import watchdog
from wa_app.services.sessions import backup_files

HANG = 60.0  # seconds; protection only
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


Make = Callable[..., Flask]


@pytest.fixture
def make(tmp_path: Path, trust: ssl.SSLContext, stack: ExitStack) -> Make:
    """An installation in which all is well, on a machine from which WhatsApp can be reached."""

    def make(*, date: datetime | None = None, **environ: str) -> Flask:
        header = f"Date: {format_datetime(date or utc_now(), usegmt=True)}"
        proxy = stack.enter_context(door(http_proxy(whatsapp(trust, more=header), [])))
        settings = {
            "PORT": str(stack.enter_context(closed_door())),
            "BACKUP_KEY": "kept somewhere else",
            "WHATSAPP_PROXY": f"http://ana:secret@127.0.0.1:{proxy}",
        }
        app = make_app(tmp_path / "data", **settings | environ)
        stack.enter_context(app.app_context())
        stack.callback(lambda: db.engine.dispose())
        stamp()
        (tmp_path / "data").chmod(0o700)
        owner_lives(utc_now())
        return app

    return make


@pytest.fixture
def closed_port() -> Iterator[int]:
    with closed_door() as port:
        yield port


def owner_lives(at: datetime, *, since: datetime | None = None, stopped: bool = False) -> None:
    ownership.beat(at, since or at, stopped=stopped)
    db.session.merge(JobRun(name="monitor", last_at=since or at, error=None))
    db.session.commit()


def case_of(app: Flask, **known: Any) -> Case:
    return Case(**{"context": create_runtime(app).context, "serving": False} | known)


def troubles(app: Flask, **known: Any) -> set[tuple[str, str]]:
    db.session.rollback()
    report = examine(app, case_of(app, **known))
    assert {check for check, _ in report.findings} == set(CHECKS)
    return {(check, one.code) for check, one in report.findings if not one.ok}


def codes(app: Flask, check: str) -> list[str]:
    """What one check finds."""
    report = examine(app, case_of(app), {check: CHECKS[check]})
    return [one.code for _, one in report.findings]


def number(app: Flask, **columns: Any) -> Connection:
    user = db.session.scalar(db.select(User)) or User(email="ana@example.org", password_hash="-")
    db.session.add(user)
    db.session.flush()
    row = Connection(user_id=user.id, channel=Channel.WHATSAPP, **columns)
    db.session.add(row)
    db.session.commit()
    return row


def data_dir(app: Flask) -> Path:
    settings: Settings = app.config["SETTINGS"]
    return settings.data_dir


@pytest.mark.parametrize("serving", [False, True])
def test_all_is_well(make: Make, serving: bool) -> None:
    app = make()
    report = examine(app, case_of(app, serving=serving))
    assert report.ok, report
    assert [check for check, _ in report.findings] == list(CHECKS)
    found = {check: one for check, one in report.findings}
    assert "secret" not in str(found["whatsapp"].values)
    assert found["owner"].code == "alive"
    assert found["library"].values["whatsmeow"].startswith("v0.")  # type: ignore[attr-defined]


# ---- the service


NEED_THE_DATABASE = {
    "migrations", "owner", "scheduler", "jobs", "restarts", "protocol", "orphans", "stale", "hung",
    "backups", "mail",
}  # fmt: skip


def test_a_broken_database_is_told_and_the_rest_is_checked_all_the_same(make: Make) -> None:
    app = make()
    db.session.rollback()
    db.engine.dispose()
    for file in data_dir(app).glob("vigia.db*"):
        file.write_bytes(b"no database" * 100)
    expected = {(check, "needs_database") for check in NEED_THE_DATABASE}
    assert troubles(app) == {("database", "away"), *expected}


@pytest.mark.parametrize(
    ("revision", "code"), [("0001", "pending"), (None, "pending"), ("9999", "newer")]
)
def test_tables_that_do_not_fit_are_told(make: Make, revision: str | None, code: str) -> None:
    app = make()
    db.session.execute(text("DELETE FROM alembic_version"))
    if revision is not None:
        values = {"revision": revision}
        db.session.execute(text("INSERT INTO alembic_version VALUES (:revision)"), values)
    db.session.commit()
    assert troubles(app) == {("migrations", code)}


def test_without_its_tables_nothing_crashes(make: Make) -> None:
    app = make()
    db.drop_all()
    expected = {(check, "needs_database") for check in NEED_THE_DATABASE - {"migrations"}}
    assert troubles(app) == expected


def test_a_silent_owner_is_told(make: Make) -> None:
    app = make()
    owner_lives(utc_now() - MINUTE)
    assert troubles(app) == {("owner", "silent")}


def test_a_heartbeat_from_the_future_is_told(make: Make) -> None:
    app = make()
    owner_lives(utc_now() + MINUTE)
    assert troubles(app) == {("owner", "from_future")}


def test_a_stopped_service_is_trouble_only_where_one_is_asked(make: Make) -> None:
    app = make()
    owner_lives(utc_now(), stopped=True)
    assert troubles(app) == set()
    assert troubles(app, serving=True) == {("owner", "nobody")}


def serve(stack: ExitStack, app: Flask, port: int = 0) -> int:
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join)
    stack.callback(server.shutdown)
    return server.port


def test_our_own_port_is_known(make: Make, stack: ExitStack) -> None:
    app = make()
    serve(stack, app, app.config["SETTINGS"].port)
    assert codes(app, "port") == ["ours"]


def test_a_port_of_another_vigia_is_told(make: Make, stack: ExitStack, tmp_path: Path) -> None:
    port = serve(stack, make_app(tmp_path / "another"))
    assert troubles(make(PORT=str(port))) == {("port", "taken")}


def test_a_port_of_another_program_is_told(make: Make, stack: ExitStack) -> None:
    port = stack.enter_context(door(lambda one: one.sendall(b"220 ready\r\n")))
    assert troubles(make(PORT=str(port))) == {("port", "taken")}


def test_a_port_that_does_not_answer_is_told(
    make: Make, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_service, "ANSWER_WITHIN", 0.2)
    over = threading.Event()
    port = stack.enter_context(door(lambda _: over.wait() and None))
    stack.callback(over.set)
    assert troubles(make(PORT=str(port))) == {("port", "silent")}


def test_an_address_that_is_not_this_machines_is_told(make: Make) -> None:
    assert troubles(make(HOST="nowhere.invalid")) == {("port", "unusable")}


def test_a_monitor_that_stands_still_is_told(make: Make) -> None:
    app = make()
    owner_lives(utc_now(), since=utc_now() - 10 * MINUTE)
    assert troubles(app) == {("scheduler", "still")}


def test_a_service_that_has_just_started_has_time(make: Make) -> None:
    app = make()
    db.session.merge(JobRun(name="monitor", last_at=utc_now() - DAY))
    db.session.commit()
    assert troubles(app) == set()


def test_a_failed_job_is_told_without_naming_anybody(make: Make) -> None:
    app = make()
    error = "ValueError: ana@example.org +34 600 111 222 http://ana:secret@proxy\n[parameters: 1]"
    db.session.add(JobRun(name="mails", error=error))
    db.session.commit()
    assert troubles(app) == {("jobs", "failed")}
    [(_, finding)] = examine(app, case_of(app), {"jobs": CHECKS["jobs"]}).findings
    assert finding.values == {"job": "mails", "why": "ValueError: … … …"}


def test_a_restart_of_its_own_is_told_for_a_day(make: Make, tmp_path: Path) -> None:
    app = make()
    for ago, found in ((2 * DAY, set()), (MINUTE, {("restarts", "lately")})):
        report = tmp_path / "stood-still.json"
        at = (utc_now() - ago).isoformat()
        report.write_text(f'{{"what": "monitor stood still for 91 s", "at": "{at}"}}')
        watchdog.take_report(report, utc_now())
        assert troubles(app) == found


# ---- WhatsApp


def test_a_proxy_that_is_away_is_told(make: Make, closed_port: int) -> None:
    proxy = f"http://127.0.0.1:{closed_port}"
    assert troubles(make(WHATSAPP_PROXY=proxy)) == {("whatsapp", "proxy_failed")}


def test_a_proxy_of_one_connection_is_looked_at_too(make: Make, closed_port: int) -> None:
    app = make()
    number(app, proxy=f"socks5://127.0.0.1:{closed_port}")
    assert troubles(app) == {("whatsapp", "proxy_failed")}
    assert sorted(codes(app, "whatsapp")) == ["proxy_failed", "through_proxy"]


def test_somebody_else_on_the_way_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make()
    (tmp_path / "other").mkdir()
    _, another_authority = tls_context(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(another_authority))
    assert troubles(app) == {("whatsapp", "tls_failed")}


@pytest.mark.parametrize(("host", "code"), [("nowhere.invalid", "dns"), ("127.0.0.1", "tcp")])
def test_without_a_way_out_the_stage_is_told(
    make: Make, closed_port: int, monkeypatch: pytest.MonkeyPatch, host: str, code: str
) -> None:
    app = make(WHATSAPP_PROXY="")
    monkeypatch.setattr(reachability, "HOST", host)
    monkeypatch.setattr(reachability, "PORT", closed_port)
    assert troubles(app) == {("whatsapp", f"{code}_failed")}


def test_silence_behind_the_proxy_is_told(make: Make, stack: ExitStack, trust: Any) -> None:
    def close_at_once(connection: Any) -> None:
        trust.wrap_socket(connection, server_side=True).close()

    proxy = stack.enter_context(door(http_proxy(close_at_once, [])))
    found = troubles(make(WHATSAPP_PROXY=f"http://127.0.0.1:{proxy}"))
    assert found == {("whatsapp", "http_failed")}


def test_a_wrong_clock_is_told(make: Make) -> None:
    app = make(date=datetime.now(UTC) - timedelta(minutes=2))
    assert troubles(app) == {("clock", "off")}
    assert troubles(make(date=datetime.now(UTC) + timedelta(seconds=10))) == set()


def test_another_version_of_the_library_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make()
    note = tmp_path / "elsewhere" / "neonize-0.0.1.dist-info" / "METADATA"
    note.parent.mkdir(parents=True)
    note.write_text("Metadata-Version: 2.1\nName: neonize\nVersion: 0.0.1\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert troubles(app) == {("library", "other")}


def test_a_missing_library_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make()
    monkeypatch.setattr(sys, "path", [one for one in sys.path if "site-packages" not in one])
    assert codes(app, "library") == ["missing"]


def test_a_number_held_for_a_newer_library_is_told(make: Make) -> None:
    app = make()
    number(app, hold=Hold.CLIENT_OUTDATED)
    assert troubles(app) == {("protocol", "outdated")}


# ---- sessions


def folder_is_a_file(folder: Path) -> None:
    folder.write_text("")


def folder_is_read_only(folder: Path) -> None:
    folder.symlink_to("/proc")  # where root cannot write either


def folder_is_open(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o750)


def a_file_is_open(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "session.db").touch()
    (folder / "session.db").chmod(0o604)


@pytest.mark.parametrize(
    ("make_trouble", "code"),
    [
        (folder_is_a_file, "no_folder"),
        (folder_is_read_only, "not_writable"),
        (folder_is_open, "open_to_others"),
        (a_file_is_open, "open_to_others"),
        (lambda folder: folder.parent.chmod(0o711), "open_to_others"),
    ],
)
def test_a_session_folder_that_cannot_be_used_is_told(
    make: Make, make_trouble: Callable[[Path], None], code: str
) -> None:
    app = make()
    make_trouble(data_dir(app) / "sessions")
    if code == "open_to_others":
        assert troubles(app) == {("folders", code)}
    else:  # what lies in there cannot be looked at either
        assert codes(app, "folders") == [code]


def test_orphans_are_told(make: Make) -> None:
    app = make()
    user_id = number(app).user_id
    # A database whose foreign keys are off, as they are unless somebody says otherwise.
    with sqlite3.connect(data_dir(app) / "vigia.db") as loose:
        loose.execute("DELETE FROM user WHERE id = ?", (user_id,))
    (data_dir(app) / "sessions" / "nobodys").mkdir(parents=True)
    for folder in ("sessions", "sessions/nobodys"):
        (data_dir(app) / folder).chmod(0o700)
    assert troubles(app) == {("orphans", "some")}
    [(_, finding)] = examine(app, case_of(app), {"orphans": CHECKS["orphans"]}).findings
    assert finding.values == {"count": 2}


def test_stale_connections_are_told(make: Make) -> None:
    app = make()
    number(app, socket_version=1, status_since=utc_now() - 2 * DAY)
    assert troubles(app) == {("stale", "some")}


def test_hung_connections_are_told(make: Make) -> None:
    app = make()
    number(app, status=Status.CONNECTING, opening_since=utc_now() - 5 * MINUTE)
    assert troubles(app) == {("hung", "some")}


# ---- what must not be lost


def test_a_key_beside_the_backups_is_told(make: Make) -> None:
    assert troubles(make(BACKUP_KEY="")) == {("key", "beside")}


@pytest.mark.parametrize(
    ("linked", "made", "found"),
    [
        (MINUTE, None, set()),
        (3 * DAY, None, {("backups", "never")}),
        (3 * DAY, MINUTE, set()),
        (9 * DAY, 3 * DAY, {("backups", "old")}),
        (9 * DAY, -DAY, {("backups", "future")}),
    ],
)
def test_backups_that_are_not_made_are_told(
    make: Make, linked: timedelta, made: timedelta | None, found: set[tuple[str, str]]
) -> None:
    app = make()
    one = number(app, has_credentials=True, created_at=utc_now() - linked)
    if made is not None:
        backup_files.save(
            data_dir(app), "kept somewhere else", one.id, b"session", utc_now() - made
        )
    assert troubles(app) == found


def test_one_backup_hides_no_number_that_has_none(make: Make) -> None:
    app = make()
    for made in (MINUTE, None):
        one = number(app, has_credentials=True, created_at=utc_now() - 9 * DAY)
        if made is not None:
            backup_files.save(
                data_dir(app), "kept somewhere else", one.id, b"session", utc_now() - made
            )
    assert troubles(app) == {("backups", "never")}


def test_backups_that_the_key_does_not_open_are_told(make: Make) -> None:
    app = make()
    one = number(app, has_credentials=True, created_at=utc_now())
    backup_files.save(data_dir(app), "the key of long ago", one.id, b"session", utc_now())
    assert troubles(app) == {("key", "another")}


def test_a_failed_backup_is_told(make: Make) -> None:
    app = make()
    alerts.backup_failed("No space left on device", utc_now())
    db.session.commit()
    assert troubles(app) == {("backups", "failed")}
    alerts.backup_works()
    db.session.commit()
    assert troubles(app) == set()


def test_a_key_that_others_can_read_is_told(make: Make) -> None:
    app = make()
    (data_dir(app) / "secret_key").chmod(0o640)
    assert troubles(app) == {("secret", "readable")}
    assert troubles(make(SECRET_KEY="set by somebody else")) == set()


def test_a_full_disk_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make()
    monkeypatch.setattr(limits, "LITTLE_SPACE", 10**18)
    monkeypatch.setattr(limits, "LITTLE_SHARE", 1.0)
    assert troubles(app) == {("disk", "low")}


def test_mails_that_do_not_get_through_are_told(make: Make, closed_port: int) -> None:
    server = ("127.0.0.1", closed_port, "none", "", "", "vigia@example.org")
    app = make(SMTP_HOST=server[0], MAIL_FROM=server[-1])
    assert codes(app, "mail") == ["ready"]
    mails.queue("ana@example.org", "a subject", "a text")
    db.session.commit()
    mails.deliver(partial(mail.send, mail.SmtpServer(*server)), utc_now)
    assert troubles(app) == {("mail", "failed")}


# ---- all of them


def test_a_check_that_hangs_or_fails_costs_the_others_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(_: Case) -> Iterator[Finding]:
        over.wait()
        yield well("too_late")

    def fails(_: Case) -> Iterator[Finding]:
        yield ill("found")
        raise RuntimeError("no way to 34600111222")

    app = make()
    monkeypatch.setattr(doctor, "PATIENCE", 0.5)
    checks = BegunAndWaitedFor({"hangs": hangs, "fails": fails, "disk": CHECKS["disk"]})
    report = examine(app, case_of(app), checks)
    over.set()
    assert [(check, one.code) for check, one in report.findings] == [
        ("hangs", "too_slow"), ("fails", "found"), ("fails", "failed_to_look"), ("disk", "enough"),
    ]  # fmt: skip
    assert report.findings[2][1].values["why"] == "RuntimeError: no way to …"


class BegunAndWaitedFor(dict[str, Check]):
    """The doctor begins one after the other, and then its patience counts. So that no busy machine
    is taken for a check that hangs, that moment comes when all but the one that does have ended."""

    def items(self) -> Iterator[tuple[str, Check]]:  # type: ignore[override]
        ends = {name: threading.Event() for name in self if name != "hangs"}
        for name, check in super().items():
            yield name, told_of(check, ends[name]) if name in ends else check
        assert all(end.wait(HANG) for end in ends.values())


def told_of(check: Check, end: threading.Event) -> Check:
    def checked(case: Case) -> Iterator[Finding]:
        try:
            yield from check(case)
        finally:
            end.set()

    checked.__name__ = getattr(check, "__name__", "check")
    return checked


def test_clicks_in_a_row_are_one_look(make: Make) -> None:
    app, one_doctor = make(), Doctor()
    context = create_runtime(app).context
    first = one_doctor.look(app, context)
    assert one_doctor.look(app, context) is first
    later = Context(context.settings, context.manager, context.gateways, lambda: first.at + MINUTE)
    assert one_doctor.look(app, later) is not first
