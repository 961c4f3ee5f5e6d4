"""Mails by SMTP, to any provider."""

import smtplib
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage

from wa_app.domain.mails import Letter, MailError

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
        raise MailError(_words(code, answer), permanent=code >= 500) from None
    except smtplib.SMTPDataError as refused:
        code = refused.smtp_code
        raise MailError(_words(code, refused.smtp_error), permanent=code >= 500) from None
    except smtplib.SMTPResponseException as refused:
        # Login or sender: a setting can be mended, and the mail then leaves.
        raise MailError(_words(refused.smtp_code, refused.smtp_error)) from None
    except OSError as error:  # all that smtplib and ssl raise besides
        raise MailError(_one_line(error.strerror or str(error))) from None


def _hand_over(smtp: smtplib.SMTP, server: SmtpServer, message: EmailMessage) -> None:
    if server.security == "starttls":
        smtp.starttls(context=ssl.create_default_context())
    if server.user:
        smtp.login(server.user, server.password)
    smtp.send_message(message)
    # It is delivered. Whatever goes wrong with the goodbye must not send it twice.
    with suppress(OSError):
        smtp.quit()


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


def _words(code: int, answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return _one_line(f"{code} {text}")


def _one_line(text: str) -> str:
    """A line break in a header would begin another one."""
    return " ".join(text.split())
