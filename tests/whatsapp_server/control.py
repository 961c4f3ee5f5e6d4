"""The control port: the same cast, faults and journal over HTTP, for a server of its own process.

JSON in and out. One table: method and path → what is done; a `*` in a path is a number.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .environment import environment
from .faults import FAULTS
from .pairing import PairingRefused
from .people import Device, Person, Received
from .server import WhatsAppServer

POLL_INTERVAL = 0.05  # seconds until a stop is noticed

Body = dict[str, Any]
Reply = Mapping[str, Any]
Route = Callable[[WhatsAppServer, str, Body], Reply]


class ControlPort:
    """`with ControlPort(server, port) as control:`"""

    def __init__(self, server: WhatsAppServer, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"whatsapp": server})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(POLL_INTERVAL,), name="control port"
        )

    def __enter__(self) -> ControlPort:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    whatsapp: WhatsAppServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        try:
            status, reply = HTTPStatus.OK, self._reply(body)
        except PairingRefused as refusal:
            status, reply = HTTPStatus.CONFLICT, {"error": str(refusal)}
        except AssertionError as timeout:
            status, reply = HTTPStatus.REQUEST_TIMEOUT, {"error": str(timeout)}
        except (LookupError, TypeError, ValueError) as mistake:
            status, reply = HTTPStatus.BAD_REQUEST, {"error": repr(mistake)}
        content = json.dumps(reply, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reply(self, body: Body) -> Reply:
        parts = self.path.strip("/").split("/")
        number = parts[1] if len(parts) > 1 else ""
        pattern = "/".join(["*" if index == 1 else part for index, part in enumerate(parts)])
        return ROUTES[f"{self.command} /{pattern}"](self.whatsapp, number, body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads an access log of a test."""


# --- what can be asked -------------------------------------------------------


def describe(_: WhatsAppServer, __: str, ___: Body) -> Reply:
    return {"routes": list(ROUTES), "faults": {k: f.moment.value for k, f in FAULTS.items()}}


def state(server: WhatsAppServer, _: str, __: Body) -> Reply:
    return {
        "environment": environment(server),
        "connections": len(server.connections),
        "devices": [_device(device) for device in server.devices.values()],
        "phones": {number: _person(phone) for number, phone in server.phones.items()},
        "contacts": {number: _person(contact) for number, contact in server.contacts.items()},
        "entries": len(server.journal.entries),
    }


def journal(server: WhatsAppServer, _: str, body: Body) -> Reply:
    entries = server.journal.entries[body.get("since", 0) :]
    return {"entries": [vars(entry) for entry in entries]}


def wait(server: WhatsAppServer, _: str, body: Body) -> Reply:
    """{kind, who, count, timeout, and what its detail must say}"""
    server.wait_for(body.pop("kind"), body.pop("who", None), **body)
    return {}


def make_phone(server: WhatsAppServer, number: str, body: Body) -> Reply:
    return _person(server.phone(number, **body))


def scan(server: WhatsAppServer, number: str, body: Body) -> Reply:
    return _device(server.phones[number].scan(**body))


def type_code(server: WhatsAppServer, number: str, body: Body) -> Reply:
    return _device(server.phones[number].type_code(**body))


def send_from_phone(server: WhatsAppServer, number: str, body: Body) -> Reply:
    to = server.contacts[body.pop("to")]
    return {"id": server.phones[number].send(to, **body)}


def make_contact(server: WhatsAppServer, number: str, body: Body) -> Reply:
    return _person(server.contact(number, **body))


def send_from_contact(server: WhatsAppServer, number: str, body: Body) -> Reply:
    to = server.phones[body.pop("to")]
    return {"id": server.contacts[number].send(to, **body)}


def read_as_contact(server: WhatsAppServer, number: str, body: Body) -> Reply:
    server.contacts[number].read(*body.get("ids", []))
    return {}


def inbox(server: WhatsAppServer, number: str, _: Body) -> Reply:
    return {"messages": [_received(message) for message in server.contacts[number].inbox]}


def bring_fault(server: WhatsAppServer, _: str, body: Body) -> Reply:
    """{name, target, times, seconds, and the fault's own options}"""
    target = _target(server, body.pop("target", None))
    return {"struck": server.fault(body.pop("name"), target, **body)}


def clear_faults(server: WhatsAppServer, _: str, body: Body) -> Reply:
    server.clear(body.get("name"), _target(server, body.get("target")))
    return {}


def change_settings(server: WhatsAppServer, _: str, body: Body) -> Reply:
    server.refs = body.get("refs", server.refs)
    server.initial_key_count = body.get("initial_key_count", server.initial_key_count)
    return {"refs": server.refs, "initial_key_count": server.initial_key_count}


ROUTES: Mapping[str, Route] = {
    "GET /": describe,
    "GET /state": state,
    "POST /journal": journal,
    "POST /wait": wait,
    "POST /phones/*": make_phone,
    "POST /phones/*/scan": scan,
    "POST /phones/*/type_code": type_code,
    "POST /phones/*/send": send_from_phone,
    "POST /contacts/*": make_contact,
    "POST /contacts/*/send": send_from_contact,
    "POST /contacts/*/read": read_as_contact,
    "GET /contacts/*/inbox": inbox,
    "POST /faults": bring_fault,
    "DELETE /faults": clear_faults,
    "POST /settings": change_settings,
}


def _target(server: WhatsAppServer, name: str | None) -> Device | str | None:
    """A device by its JID; any other name is that of a proxy user."""
    devices = {str(device): device for device in server.devices.values()}
    return devices.get(name or "", name)


def _device(device: Device) -> Reply:
    return {
        "jid": str(device.jid),
        "lid": str(device.lid),
        "active": device.active,
        "removed": device.removed,
        "logins": device.logins,
        "sockets": device.open_sockets,
        "most_sockets": device.most_sockets,
        "pending": len(device.pending),
    }


def _person(person: Person) -> Reply:
    return {
        "number": person.number,
        "lid": str(person.lid),
        "name": person.name,
        "messages": len(person.inbox),
    }


def _received(message: Received) -> Reply:
    return {
        "id": message.id,
        "text": message.text,
        "device": str(message.device),
        "at": message.at,
        "duplicate": message.duplicate,
    }
