"""Somebody with a login, and the numbers they connect: everything over HTTP, as a browser does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from tests.whatsapp_server import Device, Phone

from .server import PATIENCE, Server, wait_until

PASSWORD = "correct horse battery"
CSRF = re.compile(r'<meta name="csrf-token" content="([^"]+)"')

Document = dict[str, Any]


class Visitor:
    """`with Visitor(server, "ana@example.org") as ana:`; signed in, with a CSRF token."""

    def __init__(self, server: Server, email: str, password: str = PASSWORD) -> None:
        self.server = server
        self.email = email
        self.http = httpx.Client(base_url=server.address, timeout=PATIENCE)
        server.secrets.add(password)
        try:
            self.sign_in(password)
        except BaseException:
            self.http.close()
            raise

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self, password: str) -> None:
        form = {"email": self.email, "password": password, "csrf_token": self._token("/login")}
        answer = self.http.post("/login", data=form)
        assert answer.status_code == 302, f"{answer.status_code} {answer.text}"
        self.http.headers["X-CSRFToken"] = self._token("/")

    def _token(self, page: str) -> str:
        found = CSRF.search(self.http.get(page).text)
        assert found, f"no CSRF token on {page}"
        return found[1]

    def ask(self, method: str, path: str, body: Document | None = None, **query: str) -> Document:
        """What the API answers, if it says yes."""
        try:
            answer = self.http.request(method, path, json=body, params=query)
        except httpx.TransportError:
            if method != "GET":
                raise
            # The worker was killed meanwhile; a browser, too, reads again.
            answer = self.http.request(method, path, json=body, params=query)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def new_number(self, channel: str = "whatsapp") -> Number:
        created = self.ask("POST", "/api/whatsapp/connections", {"channel": channel})
        return Number(self, created["connectionId"])

    def practice_phone(self) -> Number:
        """A new one; everybody has one at a time, so the old one goes."""
        for document in self.ask("GET", "/api/whatsapp/connections")["connections"]:
            if document["channel"] == "practice":
                self.ask("DELETE", f"/api/whatsapp/connections/{document['connectionId']}")
        return self.new_number("practice")


def has_come_to_something(seen: Document) -> bool:
    return bool(seen["qr"] or seen["pairingCode"] or seen["connected"] or seen["hold"])


class Number:
    """One connection of somebody's."""

    def __init__(self, owner: Visitor, id: str) -> None:
        self.owner, self.id = owner, id

    def ask(self, method: str, path: str, body: Document | None = None, **query: str) -> Document:
        answer = self.owner.ask(method, path, body, connection=self.id, **query)
        self.owner.server.secrets |= {
            answer[name] for name in ("qr", "pairingCode") if answer.get(name)
        }
        return answer

    def via(self, other: Visitor) -> Number:
        """The same connection, seen by somebody else or through another server."""
        return Number(other, self.id)

    # ---- requests

    def connect(self, wait: float = 15, **body: object) -> Document:
        """With a `wait`: what came of it, though on a busy machine the answer comes before that."""
        answer = self.ask("POST", "/api/whatsapp/connect", body, wait=str(wait))
        return answer if not wait or has_come_to_something(answer) else self.wait_for_outcome()

    def wait_for_outcome(self) -> Document:
        return self.wait_for(has_come_to_something)

    def reconnect(self) -> Document:
        return self.ask("POST", "/api/whatsapp/reconnect")

    def disconnect(self) -> Document:
        return self.ask("POST", "/api/whatsapp/disconnect")

    def logout(self) -> Document:
        return self.ask("POST", "/api/whatsapp/logout")

    def choose_number(self, *, keep: bool) -> Document:
        return self.ask("POST", "/api/whatsapp/number", {"keep": keep})

    def force_cleanup(self) -> Document:
        return self.ask("POST", "/api/whatsapp/force-cleanup")

    def pair(self, phone: Phone) -> Device:
        """Connect and scan the QR with this phone; returns its new device when all is up."""
        device = phone.scan(self.connect()["qr"])
        self.wait_for("CONNECTED")
        device.wait_for_login()
        return device

    def link_practice_phone(self) -> None:
        self.connect()
        self.scan()
        self.wait_for("CONNECTED")

    # ---- reading

    def status(self) -> Document:
        return self.ask("GET", "/api/whatsapp/status")

    def events(self) -> list[Document]:
        """The history, oldest first."""
        found = self.ask("GET", "/api/whatsapp/events", limit="200")["events"]
        return list(reversed(found))

    def wait_for(
        self, wanted: str | Callable[[Document], object], timeout: float = PATIENCE
    ) -> Document:
        """The status document as soon as its status or hold is `wanted`, or `wanted` says so."""
        seen: list[Document] = []

        def look() -> Document | None:
            seen[:] = [self.status()]
            if callable(wanted):
                return seen[0] if wanted(seen[0]) else None
            return seen[0] if wanted in (seen[0]["status"], seen[0]["hold"]) else None

        try:
            return wait_until(look, str(wanted), timeout)
        except AssertionError as late:
            log = self.owner.server.log()[-3000:]
            raise AssertionError(f"{late}\nlast seen: {seen}\nlog: {log}") from None

    # ---- messages

    def send(self, to: str, text: str, **headers: str) -> Document:
        """Accepted into the outbox."""
        self.owner.server.secrets.add(text)
        return self.ask("POST", "/api/whatsapp/messages", {"to": to, "text": text})

    def wait_for_message(self, id: int, *states: str) -> Document:
        seen: list[str] = []

        def look() -> Document | None:
            message = self.ask("GET", f"/api/whatsapp/messages/{id}")
            seen.append(message["state"])
            return message if message["state"] in states else None

        try:
            return wait_until(look, f"message {id} {states}")
        except AssertionError as late:
            raise AssertionError(f"{late}, but {seen[-1]}") from None

    def answer_with(self, text: str) -> None:
        """Let the bot answer everybody with this."""
        self.owner.server.secrets.add(text)
        self.ask("PATCH", "/api/whatsapp/bot", {"enabled": True, "fallbackText": text})

    # ---- the practice phone

    def scan(self) -> Document:
        return self.ask("POST", "/api/practice/scan")

    def fault(self, kind: str, on: bool = True) -> Document:
        return self.ask("POST", "/api/practice/faults", {"kind": kind, "on": on})

    def customer_writes(self, text: str, customer: str = "Lucía") -> None:
        self.owner.server.secrets.add(text)
        self.ask("POST", "/api/practice/messages", {"text": text, "customer": customer})

    def customer_sees(self) -> list[str]:
        """What has arrived at the practice customers, oldest first."""
        messages = self.ask("GET", "/api/practice/messages")["messages"]
        return [message["text"] for message in messages if message["direction"] == "out"]

    def wait_for_answer(self, text: str) -> None:
        wait_until(lambda: text in self.customer_sees(), f"{text!r} in {self.customer_sees()}")
