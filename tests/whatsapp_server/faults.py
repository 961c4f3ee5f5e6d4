"""What can go wrong, as one table, and which of it is switched on for whom.

Stanzas: whatsmeow connectionevents.go (stream errors, failures) and types/events (their numbers),
observed with neonize 0.5.2. The client hands stanzas to a queue and drops that queue when the
socket closes, so a stanza needs a moment (`linger`) between itself and the close to be noticed;
`linger=0` makes the race.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .binary_xml import SERVER, Attributes, Node
from .transport import Ended

if TYPE_CHECKING:
    from .connection import Connection
    from .people import Device

LINGER = 0.25  # seconds between a last stanza and the close

Options = Mapping[str, Any]
# True: this took the place of what would have happened.
Act = Callable[["Connection", Options, Node | None], Coroutine[Any, Any, bool]]


class Moment(enum.StrEnum):
    """When a fault happens. All but NOW lie in wait until they are cleared or used up."""

    NOW = "at once, to the connections that are open"
    CONNECT = "when a connection asks the proxy to connect"
    TLS = "instead of the TLS handshake"
    UPGRADE = "instead of the websocket upgrade"
    HELLO = "before the answer to the client's hello"
    LOGIN = "instead of the answer to a login"
    CODE = "instead of giving a pairing code"
    IQ = "instead of the answer to an iq"
    MESSAGE = "instead of taking a message"
    ACK = "instead of confirming a message that was taken"


@dataclass(frozen=True)
class Fault:
    moment: Moment
    act: Act
    undo: Callable[[Connection], None] | None = None


# --- what can be done to a connection ----------------------------------------


def stream_error(code: int | None = None, conflict: str = "", *, removes: bool = False) -> Act:
    reason = [Node("conflict", {"type": conflict})] if conflict else None

    async def act(connection: Connection, options: Options, _: Node | None) -> bool:
        if removes and connection.device:
            connection.device.removed = True
        connection.send(Node("stream:error", {"code": code}, reason))
        return await _leave(connection, options)

    return act


def failure(reason: int, **defaults: int) -> Act:
    async def act(connection: Connection, options: Options, _: Node | None) -> bool:
        details = {name: options.get(name, default) for name, default in defaults.items()}
        connection.send(Node("failure", {"reason": reason, "location": "cln", **details}))
        return await _leave(connection, options)

    return act


async def any_failure(connection: Connection, options: Options, _: Node | None) -> bool:
    """With whatever attributes the test names; None leaves one out."""
    attributes = {name: value for name, value in options.items() if name != "linger"}
    connection.send(Node("failure", {"location": "cln", **attributes}))
    return await _leave(connection, options)


async def _leave(connection: Connection, options: Options) -> bool:
    await connection.linger(options.get("linger", LINGER))
    connection.transport.end()
    raise Ended("after a last stanza")


async def end_stream(connection: Connection, options: Options, _: Node | None) -> bool:
    connection.send(Node("xmlstreamend"))
    return await _leave(connection, options)


async def reset(connection: Connection, _: Options, __: Node | None) -> bool:
    connection.transport.reset()
    raise Ended("reset")


async def close(connection: Connection, options: Options, _: Node | None) -> bool:
    connection.transport.close(options.get("code", 1000).to_bytes(2, "big"))
    raise Ended("websocket closed")


async def end(connection: Connection, _: Options, __: Node | None) -> bool:
    connection.transport.end()
    raise Ended("end of stream")


async def fall_silent(connection: Connection, _: Options, __: Node | None) -> bool:
    await connection.transport.drain_until_end()
    raise Ended("the client left in the silence")


async def stall(connection: Connection, _: Options, __: Node | None) -> bool:
    connection.stall()
    return True


def resume(connection: Connection) -> None:
    connection.resume()


async def delay(_: Connection, options: Options, __: Node | None) -> bool:
    await asyncio.sleep(options.get("delay", 3.0))
    return False


async def stay_silent(_: Connection, __: Options, ___: Node | None) -> bool:
    return True


async def ask_for_passkey(connection: Connection, options: Options, _: Node | None) -> bool:
    """whatsmeow pair-passkey.go. The options are what a browser would hand to the passkey."""
    asked = Node(
        "passkey_request_options", {}, options.get("request", '{"challenge": "AA"}').encode()
    )
    attributes = {"from": SERVER, "type": "passkey_prologue_request", "id": connection.new_id()}
    connection.send(Node("notification", attributes, [asked]))
    return True


async def refuse_iq(connection: Connection, options: Options, node: Node | None) -> bool:
    assert node
    code, text = options.get("code", 429), options.get("text", "rate-overlimit")
    refusal: Attributes = {"from": SERVER, "id": node.text("id"), "type": "error"}
    connection.send(Node("iq", refusal, [Node("error", {"code": code, "text": text})]))
    return True


async def refuse_message(connection: Connection, options: Options, node: Node | None) -> bool:
    if node:
        connection.acknowledge(node, error=options.get("code", 463))
    return True


FAULTS: Mapping[str, Fault] = {
    "replaced": Fault(Moment.NOW, stream_error(conflict="replaced")),
    "device_removed": Fault(Moment.NOW, stream_error(401, conflict="device_removed", removes=True)),
    "conflict_unknown": Fault(Moment.NOW, stream_error(conflict="takeover")),
    "stream_error_440": Fault(Moment.NOW, stream_error(440)),
    "stream_error_401": Fault(Moment.NOW, stream_error(401)),
    "stream_error_500": Fault(Moment.NOW, stream_error(500)),
    "stream_error_503": Fault(Moment.NOW, stream_error(503)),
    "stream_error_515": Fault(Moment.NOW, stream_error(515)),
    "stream_end": Fault(Moment.NOW, end_stream),
    "reset": Fault(Moment.NOW, reset),
    "close": Fault(Moment.NOW, close),  # code=1011 for a server in trouble
    "end": Fault(Moment.NOW, end),
    "stall": Fault(Moment.NOW, stall, undo=resume),
    "refuse": Fault(Moment.CONNECT, reset),
    "silent_connect": Fault(Moment.CONNECT, fall_silent),
    "silent_tls": Fault(Moment.TLS, fall_silent),
    "silent_upgrade": Fault(Moment.UPGRADE, fall_silent),
    "silent_hello": Fault(Moment.HELLO, fall_silent),
    "silent_login": Fault(Moment.LOGIN, fall_silent),
    "slow_handshake": Fault(Moment.HELLO, delay),  # delay=seconds
    "failure": Fault(Moment.LOGIN, any_failure),  # reason=, code=, expire=, …
    "failure_400": Fault(Moment.LOGIN, failure(400)),
    "failure_401": Fault(Moment.LOGIN, failure(401)),
    "failure_402": Fault(Moment.LOGIN, failure(402, code=101, expire=3600)),
    "failure_403": Fault(Moment.LOGIN, failure(403)),
    "failure_405": Fault(Moment.LOGIN, failure(405)),
    "failure_406": Fault(Moment.LOGIN, failure(406)),
    "failure_409": Fault(Moment.LOGIN, failure(409)),
    "failure_500": Fault(Moment.LOGIN, failure(500)),
    "failure_503": Fault(Moment.LOGIN, failure(503)),
    "code_refused": Fault(Moment.CODE, refuse_iq),  # code=, text=
    "passkey": Fault(Moment.NOW, ask_for_passkey),  # request=
    "drop_iqs": Fault(Moment.IQ, stay_silent),  # xmlns: only these
    "refuse_iqs": Fault(Moment.IQ, refuse_iq),  # xmlns, code, text
    "drop_messages": Fault(Moment.MESSAGE, stay_silent),
    "drop_acks": Fault(Moment.ACK, stay_silent),
    "ack_463": Fault(Moment.MESSAGE, refuse_message),
}


# --- which of it is switched on ----------------------------------------------


@dataclass
class Standing:
    """A fault that lies in wait."""

    name: str
    target: Device | str | None  # a device, a proxy user's name, or everybody
    times: int | None  # how often it still happens
    until: float  # monotonic seconds
    options: Options = field(default_factory=dict)

    def meets(self, moment: Moment, connection: Connection, node: Node | None) -> bool:
        return (
            FAULTS[self.name].moment is moment
            and self.options.get("xmlns") in (None, node and node.text("xmlns"))
            and self.times != 0
            and time.monotonic() < self.until
            and connection.belongs_to(self.target)
        )


class Faults:
    def __init__(self) -> None:
        self._standing: list[Standing] = []

    def add(self, standing: Standing) -> None:
        self._standing.append(standing)

    def clear(self, name: str | None, target: Device | str | None) -> None:
        self._standing = [
            s
            for s in self._standing
            if name not in (None, s.name) or (target is not None and s.target != target)
        ]

    async def strike(
        self, moment: Moment, connection: Connection, node: Node | None = None
    ) -> bool:
        """Whether a fault took the place of what would have happened at this moment."""
        for standing in self._standing:
            if standing.meets(moment, connection, node):
                if standing.times:
                    standing.times -= 1
                connection.note("fault", name=standing.name)
                return await FAULTS[standing.name].act(connection, standing.options, node)
        return False
