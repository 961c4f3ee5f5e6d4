"""Alerts on the page and for programs, and the mail that shows whether mails arrive."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import make_app
from tests.web.conftest import Person
from wa_app.domain.alerts import AlertKind
from wa_app.domain.sessions.closes import Reason
from wa_app.extensions import db
from wa_app.models import Alert, Audit, Mail, utc_now


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = make_app(tmp_path / "data", SMTP_HOST="mail.example.org", MAIL_FROM="v@example.org")
    yield app
    with app.app_context():
        db.engine.dispose()


def tell(kind: AlertKind = AlertKind.CONFLICT, *, over: bool = False, **fields: object) -> Alert:
    began = utc_now() - timedelta(minutes=5)
    usual = {"connection_id": "c", "about": "+34600111222", "raised_at": began}
    row = Alert(kind=kind, began_at=began, **usual | fields)
    row.ended_at, row.recovered = (utc_now(), True) if over else (None, False)
    db.session.add(row)
    db.session.commit()
    return row


def mail(alert: Alert | None = None, to: str = "ana@example.com", **fields: object) -> None:
    row = Mail(alert_id=alert and alert.id, recipient=to, subject="S", text="T", **fields)
    db.session.add(row)
    db.session.commit()


def test_open_alerts_are_shown_first_with_who_was_told(carla: Person) -> None:
    ended = tell(AlertKind.BANNED, over=True, about="+34600111223")
    mail(ended, sent_at=utc_now())
    conflict = tell(cause=Reason.STREAM_REPLACED)
    mail(conflict, sent_at=utc_now())
    mail(conflict, to="bruno@example.com", given_up_at=utc_now(), error="550 no such user")
    mail(conflict, to="carla@example.com")
    tell(AlertKind.ATTEMPTS, raised_at=None)  # it may heal yet
    page = carla.get("/admin").text
    assert page.index("+34 600 111 222") < page.index("+34 600 111 223")
    assert page.count('data-testid="alert-open"') == 1
    assert "Another device took over this number." in page
    assert "Mail to ana@example.com." in page
    assert "Mails that wait: 1." in page
    assert "Refused for bruno@example.com." in page


def test_an_outage_is_said_with_its_cause(carla: Person) -> None:
    outage = {"connection_id": None, "about": "", "cause": Reason.UNREACHABLE}
    tell(AlertKind.OUTAGE, **outage)
    page = carla.get("/admin").text
    assert "WhatsApp cannot be reached." in page
    assert "The whole server" in page


def test_nothing_wrong_is_said_too(carla: Person) -> None:
    page = carla.get("/admin").text
    assert "Nothing has been wrong so far." in page
    assert "No mail has left yet." in page


def test_programs_read_the_same(carla: Person) -> None:
    conflict = tell()
    mail(conflict, given_up_at=utc_now(), error="550 no such user")
    answer = carla.get("/api/admin/alerts").json
    [alert] = answer["alerts"]
    assert (alert["kind"], alert["title"]) == ("conflict", "Another device took over this number.")
    assert alert["endedAt"] is None
    assert alert["mails"][0]["error"] == "550 no such user"
    assert answer["mail"] == {
        "setUp": True, "waiting": 0, "lastSentAt": None, "error": "550 no such user",
    }  # fmt: skip


def test_a_refusal_is_forgotten_when_a_later_mail_leaves(carla: Person) -> None:
    mail(given_up_at=utc_now() - timedelta(minutes=1), error="550 no such user")
    assert "550 no such user" in carla.get("/admin").text
    mail(sent_at=utc_now())
    page = carla.get("/admin").text
    assert "550 no such user" not in page
    assert "The last mail left" in page


@pytest.mark.parametrize("path", ["/admin/alerts/test-mail", "/api/admin/alerts/test-mail"])
def test_a_test_mail_goes_to_who_asks_and_is_recorded(carla: Person, path: str) -> None:
    assert carla.post(path).status_code in (200, 302)
    [row] = db.session.query(Mail).all()
    assert (row.recipient, row.subject, row.alert_id) == ("carla@example.com", "Test mail", None)
    assert "http://127.0.0.1:8000" in row.text
    recorded = db.session.query(Audit).filter_by(action="mail.test").one()
    assert (recorded.actor, recorded.outcome) == ("carla@example.com", "done")


def test_the_command_line_tells_them_open_ones_first(app: Flask, carla: Person) -> None:
    wa = app.test_cli_runner().invoke
    assert wa(args=["wa", "alerts"]).output == "Nothing is wrong.\n"
    mail(tell(AlertKind.BANNED, over=True, about="+34600111223"), sent_at=utc_now())
    tell(cause=Reason.STREAM_REPLACED)
    told = wa(args=["wa", "alerts"])
    conflict, ban = told.output.splitlines()
    assert told.exit_code == 0
    assert "  open  " in conflict and "+34 600 111 222  Nobody had a mail." in conflict
    assert "  until " in ban and "+34 600 111 223  Mail to ana@example.com." in ban


def test_the_command_line_sends_a_test_mail(app: Flask, carla: Person) -> None:
    wa = app.test_cli_runner().invoke
    sent = wa(args=["wa", "alerts", "test-mail", "carla@example.com"])
    assert sent.output == "A mail to carla@example.com is on its way.\n"
    [row] = db.session.query(Mail).all()
    assert (row.recipient, row.subject) == ("carla@example.com", "Test mail")
    assert db.session.query(Audit).filter_by(action="mail.test").one().actor == "command line"
    assert wa(args=["wa", "alerts", "test-mail", "nobody@example.com"]).exit_code == 1


class TestWithoutMailServer:
    @pytest.fixture
    def app(self, tmp_path: Path) -> Iterator[Flask]:
        app = make_app(tmp_path / "data")
        yield app
        with app.app_context():
            db.engine.dispose()

    def test_it_is_said_and_nothing_is_queued(self, app: Flask, carla: Person) -> None:
        tell()
        page = carla.get("/admin").text
        assert "Mail is not set up: alerts are shown here only." in page
        assert 'data-testid="test-mail"' not in page
        assert carla.post("/admin/alerts/test-mail").location.endswith("/admin#alerts")
        refused = carla.post("/api/admin/alerts/test-mail")
        assert (refused.status_code, refused.json["error"]) == (409, "mail_not_set_up")
        test_mail = ["wa", "alerts", "test-mail", "carla@example.com"]
        told = app.test_cli_runner().invoke(args=test_mail)
        assert (told.exit_code, told.output) == (1, "Error: Mail is not set up.\n")
        assert db.session.query(Mail).count() == 0
