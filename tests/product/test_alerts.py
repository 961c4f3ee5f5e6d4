"""Trouble becomes a mail, through the whole product and a real mail server."""

from __future__ import annotations

import signal
import socket

from tests.doors import closed_door
from tests.mail_server import MailServer

from .conftest import ANA, CARLA, Start
from .server import PATIENCE, wait_until
from .visitor import Document, Visitor


def mailing_to(port: int) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "vigia@example.org",
    }


def look(administrator: Visitor) -> None:
    """Now, instead of within five seconds."""
    administrator.ask("POST", "/api/admin/jobs/alerts/run", wait="15")


def told(administrator: Visitor) -> Document:
    return administrator.ask("GET", "/api/admin/alerts")


def test_a_mail_server_that_is_away_delays_nothing_and_loses_no_alert(
    start: Start, sign_in
) -> None:
    with closed_door() as port:  # nobody listens there yet
        server = start(**mailing_to(port))
        ana, carla = sign_in(server), sign_in(server, CARLA)
        number = ana.practice_phone()
        number.link_practice_phone()
        number.fault("conflict")
        number.wait_for("CONFLICT")
        look(carla)
        wait_until(lambda: told(carla)["mail"]["error"], "a mail that could not be delivered")
        assert number.status()["hold"] == "CONFLICT"
        [alert] = told(carla)["alerts"]
        assert (alert["kind"], alert["mails"][0]["sentAt"]) == ("conflict", None)

        server.signal_group(signal.SIGKILL)
        server.wait_until_nothing_runs()
        server.start()
        ana.http.post("/language", data={"locale": "es"})
        with MailServer(port) as mails:
            number.reconnect()
            number.wait_for("CONNECTED")

            def over() -> bool:
                look(carla)
                return bool(told(carla)["alerts"][0]["endedAt"])

            wait_until(over, "the end of the alert")
            wait_until(lambda: len(mails.subjects_for(ANA)) == 2, "both mails")
            said = sorted(subject.rpartition(": ")[2] for subject in mails.subjects_for(ANA))
            assert said == ["Another device took over this number", "Conectado de nuevo"]
            assert mails.subjects_for(CARLA) == []  # it was a rehearsal


def test_a_mail_server_that_hangs_holds_up_neither_pages_nor_the_end(start: Start, sign_in) -> None:
    """It would be waited for 10 s, longer than gunicorn lets an end take: a worker that waited
    would be killed, and could not say that it has stopped."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        server = start(**mailing_to(silent.getsockname()[1]))
        carla = sign_in(server, CARLA)
        carla.ask("POST", "/api/admin/alerts/test-mail")
        hanging, _ = silent.accept()
        with hanging:
            assert told(carla)["mail"]["waiting"] == 1
            server.end()
            assert "stopped" in server.log()
