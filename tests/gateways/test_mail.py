"""Mails to a real SMTP server on loopback, which encrypts, refuses, hangs, or is not there."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from tests.doors import closed_door
from tests.mail_server import MailServer
from tests.whatsapp_server.certificate import tls_context
from wa_app.domain.mails import Letter, MailError
from wa_app.gateways.mail import NO_PLAIN, SmtpServer, send

LETTER = Letter(
    7,
    datetime(2026, 3, 1, 12, tzinfo=UTC),
    "ana@example.org",
    "+34 600 111 222: Otro dispositivo ha tomado este número",
    "Cierra WhatsApp Web allí.\n\n· Vigía\n",
)
PASSWORD = "a secret of the mail server"
HANG = 60.0  # seconds; protection only

Serve = Callable[..., MailServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def serve(**options: Any) -> MailServer:
            port = stack.enter_context(closed_door())
            return stack.enter_context(MailServer(port, **options))

        yield serve


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return tls_context(tmp_path_factory.mktemp("certificate"), "localhost")


@pytest.fixture
def trusted(
    certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """The server's side; the client's side trusts who signed it."""
    context, authority = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return context


def reach(port: int, security: str = "none", **options: Any) -> SmtpServer:
    server = SmtpServer("localhost", port, security, "", "", "vigia@example.org", timeout=HANG)
    return replace(server, **options)


def refusal(server: SmtpServer, letter: Letter = LETTER) -> MailError:
    with pytest.raises(MailError) as refused:
        send(server, letter)
    return refused.value


# ---- what arrives


def test_a_mail_arrives_as_it_was_written(serve: Serve) -> None:
    server = serve()
    send(reach(server.port), LETTER)
    [mail] = server.taken
    assert mail["To"] == LETTER.recipient
    assert mail["From"] == "Vigía <vigia@example.org>"
    assert mail["Subject"] == LETTER.subject
    assert mail["Date"].datetime == LETTER.written_at
    assert mail.get_content().splitlines() == LETTER.text.splitlines()
    assert (mail.get_content_type(), mail.get_content_charset()) == ("text/plain", "utf-8")


def test_a_mail_that_is_sent_twice_is_known_by_its_id(serve: Serve) -> None:
    server = serve()
    send(reach(server.port), LETTER)
    send(reach(server.port), LETTER)
    send(reach(server.port), replace(LETTER, id=8))
    first, again, other = [mail["Message-ID"] for mail in server.taken]
    assert first == again != other
    assert first.endswith("@example.org>")


def test_a_line_break_in_a_subject_makes_no_header(serve: Serve) -> None:
    server = serve()
    send(reach(server.port), replace(LETTER, subject="Ana\r\nBcc: x@example.org\n\nText"))
    [mail] = server.taken
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Ana Bcc: x@example.org Text"


# ---- encryption and login


def test_starttls_and_login(serve: Serve, trusted: ssl.SSLContext) -> None:
    logins = []

    def check(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    server = serve(
        tls_context=trusted, require_starttls=True, auth_required=True, authenticator=check
    )
    send(reach(server.port, "starttls", user="vigia", password=PASSWORD), LETTER)
    assert len(server.taken) == 1
    refused = refusal(reach(server.port, "starttls", user="vigia", password="wrong"))
    # The setting can be mended: the mail waits for that.
    assert (refused.permanent, refused.reason[:3]) == (False, "535")
    assert len(server.taken) == 1
    assert (b"vigia", PASSWORD.encode()) in logins


@pytest.mark.parametrize("user", ["vigia", "señal"])
def test_a_login_in_any_letters_is_written_in_utf_8(
    serve: Serve, trusted: ssl.SSLContext, user: str
) -> None:
    logins = []

    def check(_server: Any, _session: Any, _envelope: Any, way: str, data: Any) -> AuthResult:
        logins.append((way, data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == "contraseña".encode(), handled=False)

    options = {"tls_context": trusted, "require_starttls": True, "auth_required": True}
    server = serve(authenticator=check, **options)
    send(reach(server.port, "starttls", user=user, password="contraseña"), LETTER)
    assert logins == [("PLAIN", user, "contraseña")]
    assert len(server.taken) == 1
    refused = refusal(reach(server.port, "starttls", user=user, password="español"))
    assert (refused.permanent, refused.reason[:3]) == (False, "535")


def test_a_login_the_server_has_no_letters_for_is_told(
    serve: Serve, trusted: ssl.SSLContext
) -> None:
    server = serve(tls_context=trusted, auth_exclude_mechanism=["PLAIN"])
    refused = refusal(reach(server.port, "starttls", user="vigia", password="contraseña"))
    assert (refused.permanent, refused.reason) == (False, NO_PLAIN)


@pytest.mark.parametrize(
    "setting",
    [
        {"sender": "a..b@example.org"},
        {"sender": "vigia@exam..ple.org"},
        {"host": "a" * 64 + ".example.org"},
    ],
)
def test_a_setting_that_cannot_be_written_is_no_end_of_the_mail(
    serve: Serve, setting: dict[str, str]
) -> None:
    refused = refusal(reach(serve().port, **setting))
    assert not refused.permanent
    assert refused.reason.startswith("a setting for mails cannot be used: ")


def test_tls_from_the_first_byte(serve: Serve, trusted: ssl.SSLContext) -> None:
    server = serve(ssl_context=trusted)
    send(reach(server.port, "tls"), LETTER)
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("security", "option"), [("tls", "ssl_context"), ("starttls", "tls_context")]
)
def test_a_certificate_nobody_vouches_for_is_refused(
    serve: Serve, certificate: tuple[ssl.SSLContext, Path], security: str, option: str
) -> None:
    server = serve(**{option: certificate[0]})
    refused = refusal(reach(server.port, security))
    assert "certificate verify failed" in refused.reason
    assert not refused.permanent
    assert server.taken == []


def test_a_certificate_of_another_host_is_refused(serve: Serve, trusted: ssl.SSLContext) -> None:
    server = serve(ssl_context=trusted)
    assert "certificate" in refusal(reach(server.port, "tls", host="127.0.0.1")).reason
    assert server.taken == []


def test_without_encryption_nothing_leaves_where_it_was_asked_for(serve: Serve) -> None:
    server = serve()
    refused = refusal(reach(server.port, "starttls", user="vigia", password=PASSWORD))
    assert "STARTTLS" in refused.reason
    assert not refused.permanent
    assert server.taken == []


def test_the_password_is_in_no_text() -> None:
    assert PASSWORD not in repr(reach(1, password=PASSWORD))


# ---- refusals


@pytest.mark.parametrize(
    ("command", "answer", "permanent"),
    [
        ("RCPT", "550 5.1.1 No such user", True),
        ("RCPT", "550 No such user here", True),
        ("RCPT", "554 5.1.1 Unknown", True),
        ("RCPT", "551 User not local", True),
        ("RCPT", "450 4.7.1 Greylisted, come back later", False),
        ("RCPT", "452 4.2.2 Mailbox full", False),
        ("RCPT", "530 5.7.0 Authentication required", False),
        ("RCPT", "550 5.7.1 Unable to relay", False),
        ("RCPT", "550 relay not permitted", False),
        ("RCPT", "550 5.1.8 Sender address rejected: Domain not found", False),
        ("RCPT", "554 5.7.1 Relay access denied", False),
        ("RCPT", "554 Relay access denied", False),
        ("DATA", "554 5.7.1 This looks like spam", True),
        ("DATA", "452 4.3.1 Disk full", False),
        ("MAIL", "553 5.1.8 Sender not yours", False),  # MAIL_FROM can be mended
    ],
)
def test_what_the_server_refuses(serve: Serve, command: str, answer: str, permanent: bool) -> None:
    server = serve()
    server.mailbox.refusals[command] = answer
    refused = refusal(reach(server.port))
    assert (refused.reason, refused.permanent) == (answer, permanent)


def test_a_bad_goodbye_does_not_send_a_mail_twice(serve: Serve) -> None:
    server = serve()
    server.mailbox.refusals["QUIT"] = "421 4.3.0 Out of order"
    send(reach(server.port), LETTER)
    assert len(server.taken) == 1


def test_nobody_there() -> None:
    with closed_door() as port:
        refused = refusal(reach(port))
    assert "refused" in refused.reason
    assert not refused.permanent


def test_a_name_nobody_knows() -> None:
    assert not refusal(reach(25, host="mail.invalid")).permanent


def test_a_server_that_says_nothing_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused = refusal(reach(silent.getsockname()[1], timeout=0.2))
    assert "timed out" in refused.reason
    assert not refused.permanent


def test_a_server_that_hangs_up_is_no_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        rude.settimeout(HANG)
        port = rude.getsockname()[1]
        hang_up = threading.Thread(target=lambda: rude.accept()[0].close())
        hang_up.start()
        refused = refusal(reach(port))
        hang_up.join()
    assert not refused.permanent
