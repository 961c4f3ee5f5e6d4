"""A real SMTP server on loopback, with a mailbox to look into."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


class Mailbox:
    """What the server took. `refusals`: SMTP command → what it answers instead of yes."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        envelope.mail_from = address
        return self.refusals.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.refusals.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Envelope) -> str:
        return self.refusals.get("QUIT", "221 Bye")


class MailServer:
    """`with MailServer(port) as server:`; the options are aiosmtpd's."""

    def __init__(self, port: int, **options: Any) -> None:
        self.mailbox = Mailbox()
        self.port = port
        self._controller = Controller(self.mailbox, hostname="127.0.0.1", port=port, **options)

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def taken(self) -> list[EmailMessage]:
        return self.mailbox.taken

    def subjects_for(self, recipient: str) -> list[str]:
        """Of the mails that somebody got."""
        return [str(mail["Subject"]) for mail in self.taken if mail["To"] == recipient]
