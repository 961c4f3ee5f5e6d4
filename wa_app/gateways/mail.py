"""Mails by SMTP, to any provider."""

import base64
import smtplib
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage

from wa_app.domain.mails import Letter, MailError, is_no_mailbox

TIMEOUT = 10.0  # seconds, for each answer


@dataclass(frozen=True)
class SmtpServer:
    """`security` is starttls, tls or none; `user` may be empty."""

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str
    timeout: float = TIMEOUT


def send(server: SmtpServer, letter: Letter) -> None:
    """Returns when the server has taken the mail. Raises `MailError`."""
    try:
        message = _message(server, letter)
        smtp = CONNECTORS[server.security](server)
        try:
            _hand_over(smtp, server, message)
        finally:
            smtp.close()
    except smtplib.SMTPRecipientsRefused as refused:
        [(code, answer)] = refused.recipients.values()
        words = _text(answer)
        raise MailError(f"{code} {words}", permanent=is_no_mailbox(code, words)) from None
    except smtplib.SMTPDataError as refused:
        code = refused.smtp_code
        raise MailError(f"{code} {_text(refused.smtp_error)}", permanent=code >= 500) from None
    except smtplib.SMTPResponseException as refused:
        # Login or sender: a setting can be mended, and the mail then leaves.
        raise MailError(f"{refused.smtp_code} {_text(refused.smtp_error)}") from None
    except OSError as error:  # all that smtplib and ssl raise besides
        raise MailError(_one_line(error.strerror or str(error))) from None
    except (ValueError, MessageError) as error:  # a host or sender that cannot be written
        raise MailError(f"a setting for mails cannot be used: {_one_line(str(error))}") from None


def _hand_over(smtp: smtplib.SMTP, server: SmtpServer, message: EmailMessage) -> None:
    if server.security == "starttls":
        smtp.starttls(context=ssl.create_default_context())
    if server.user:
        _log_in(smtp, server)
    smtp.send_message(message)
    # It is delivered. Whatever goes wrong with the goodbye must not send it twice.
    with suppress(OSError):
        smtp.quit()


def _log_in(smtp: smtplib.SMTP, server: SmtpServer) -> None:
    """smtplib writes logins in ASCII. Only one way to log in says how other letters are written:
    PLAIN, in UTF-8 (RFC 4616)."""
    if (server.user + server.password).isascii():
        smtp.login(server.user, server.password)
        return
    smtp.ehlo_or_helo_if_needed()
    if "PLAIN" not in smtp.esmtp_features.get("auth", "").split():
        raise MailError(NO_PLAIN)
    login = base64.b64encode(f"\0{server.user}\0{server.password}".encode())
    code, answer = smtp.docmd("AUTH", f"PLAIN {login.decode()}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, answer)


NO_PLAIN = "the mail server takes a login in plain letters only (it offers no AUTH PLAIN)"


def _tls(server: SmtpServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=context)


def _plain(server: SmtpServer) -> smtplib.SMTP:
    return smtplib.SMTP(server.host, server.port, timeout=server.timeout)


CONNECTORS: Mapping[str, Callable[[SmtpServer], smtplib.SMTP]] = {
    "starttls": _plain,  # encrypted before anything of worth is said
    "tls": _tls,
    "none": _plain,
}


def _message(server: SmtpServer, letter: Letter) -> EmailMessage:
    domain = server.sender.rpartition("@")[2]
    message = EmailMessage()
    message["From"] = Address("Vigía", addr_spec=server.sender)
    message["To"] = letter.recipient
    message["Subject"] = _one_line(letter.subject)
    message["Date"] = letter.written_at
    # The same each time, so that a mailbox knows a mail that came twice.
    message["Message-ID"] = f"<vigia-{letter.id}-{letter.written_at.timestamp():.0f}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # no holiday notes in answer, please
    message.set_content(letter.text)
    return message


def _text(answer: bytes | str) -> str:
    return _one_line(answer.decode(errors="replace") if isinstance(answer, bytes) else answer)


def _one_line(text: str) -> str:
    """A line break in a header would begin another one."""
    return " ".join(text.split())
