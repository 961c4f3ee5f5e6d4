"""One connection of a client, from the first byte to the last.

Order of things: whatsmeow client.go, handshake.go, connectionevents.go; observed with neonize
0.5.2. What the iqs are answered with stands in `answers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import protobuf
from .answers import answer
from .binary_xml import SERVER, Attributes, Jid, Node, decode, encode
from .faults import Moment, failure, stream_error
from .noise import PROLOGUE, Handshake, Introduction
from .pairing import Registration
from .people import Device, Person
from .signal_party import Envelope
from .transport import ENDINGS, Frames, Transport

if TYPE_CHECKING:
    from .server import WhatsAppServer

log = logging.getLogger(__name__)

USERNAME, DEVICE_NUMBER, PAIRING_DATA = 1, 18, 19  # fields of ClientPayload


class Connection:
    def __init__(self, server: WhatsAppServer, transport: Transport, number: int) -> None:
        self.server = server
        self.transport = transport
        self.number = number
        self.line = ""  # the proxy user's name, with which a test can tell clients apart early
        self.noise_key = b""
        self.device: Device | None = None
        self.registration: Registration | None = None  # of a client that wants to be linked
        self.refs: list[str] = []
        self.is_open = False  # the handshake is done
        self._frames = Frames(transport, PROLOGUE)
        self._ids = 0
        self._answers: dict[str, asyncio.Future[Node]] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held: list[Node] = []
        self._unread: deque[bytes] = deque()
        self._reading = asyncio.Lock()
        self._is_served = False

    def __str__(self) -> str:
        return str(self.device or self.line or f"connection {self.number}")

    def belongs_to(self, target: Device | str | None) -> bool:
        return target is None or target in (self.device, self.line)

    def note(self, kind: str, **detail: object) -> None:
        self.server.journal.add(kind, self, connection=self.number, **detail)

    # --- from the first byte to the last ---

    async def run(self) -> None:
        self.note("connection")
        reason = "the server stopped"
        try:
            with self.server.keep(self):
                await self._open()
                introduction = await self._shake_hands()
                with self.server.sockets.counted(introduction.static_key):
                    await self._enter(introduction)
                    await self._serve()
        except ENDINGS as ending:
            reason = f"{type(ending).__name__}: {ending}"
        finally:
            self._leave()
            self.note("closed", reason=reason)

    async def _open(self) -> None:
        self.line = await self.transport.read_proxy_request()
        await self._strike(Moment.CONNECT)
        self.transport.accept_proxy()
        await self._strike(Moment.TLS)
        await self.transport.accept_tls(self.server.tls)
        await self._strike(Moment.UPGRADE)
        await self.transport.accept_websocket()

    async def _shake_hands(self) -> Introduction:
        handshake = Handshake(self.server.authority)
        hello = handshake.hello(await self._frames.receive())
        await self._strike(Moment.HELLO)
        self._frames.send(hello)
        introduction = handshake.finish(await self._frames.receive())
        self.noise_key = introduction.static_key
        self._reads, self._writes = handshake.channel()
        self.is_open = True
        return introduction

    async def _enter(self, introduction: Introduction) -> None:
        payload = introduction.payload
        if PAIRING_DATA in payload:
            self._register(payload.message(PAIRING_DATA))
        else:
            await self._log_in(payload)

    async def _serve(self) -> None:
        self._is_served = True
        while True:
            self._unread.append(await self._frames.receive())
            await self._read_on()

    async def _read_on(self) -> None:
        """In order, and not while stalled; but that the client leaves is noticed even then."""
        async with self._reading:
            while self._unread and self._flowing.is_set():
                node = decode(self._reads.open(self._unread.popleft()))
                log.debug("%s > %s", self, node)
                await self._handle(node)

    async def linger(self, seconds: float) -> None:
        """Until the client has left, or for so long."""
        if self._is_served:  # then its leaving is noticed there
            await asyncio.sleep(seconds)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.transport.drain_until_end(), seconds)

    def _leave(self) -> None:
        for future in self._answers.values():
            future.cancel()
        if self.device and self.device.connection is self:
            self.device.connection, self.device.active = None, False
        with contextlib.suppress(OSError):
            self.transport.end()

    async def _strike(self, moment: Moment, node: Node | None = None) -> bool:
        return await self.server.faults.strike(moment, self, node)

    # --- writing ---

    def send(self, node: Node) -> None:
        if not self._flowing.is_set():
            self._held.append(node)
            return
        log.debug("%s < %s", self, node)
        self._frames.send(self._writes.seal(encode(node)))

    async def request(self, content: Node) -> Node:
        """Sends an iq and waits for the client's answer."""
        id = self.new_id()
        future: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._answers[id] = future
        self.send(Node("iq", {"from": SERVER, "type": "set", "id": id}, [content]))
        try:
            return await future
        finally:
            del self._answers[id]

    def new_id(self) -> str:
        self._ids += 1
        return f"{self.number}-{self._ids}"

    def stall(self) -> None:
        """As a network that has stopped: nothing comes through, in either direction."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()
        held, self._held = self._held, []
        for node in held:
            self.send(node)
        self.server.spawn(self._read_on())

    # --- pairing and login ---

    def _register(self, data: protobuf.Fields) -> None:
        self.registration = Registration.parse(data)
        self.refs = self.server.new_refs()
        refs = [Node("ref", {}, ref.encode()) for ref in self.refs]
        self.send(
            Node(
                "iq",
                {"from": SERVER, "type": "set", "id": self.new_id()},
                [Node("pair-device", {}, refs)],
            )
        )
        self.note("registered", refs=len(refs))

    async def _log_in(self, payload: protobuf.Fields) -> None:
        device = self.server.devices.get(self.noise_key)
        self.device = device
        if await self._strike(Moment.LOGIN):
            return
        if device is None or device.removed or not _names(payload, device):
            self.note("refused")
            await failure(401)(self, {}, None)
        assert device
        self._replace_other(device)
        device.connection = self
        self.send(Node("success", {"t": int(time.time()), "lid": device.lid, "location": "cln"}))
        self.note("login")
        self._send_waiting(device)

    def _replace_other(self, device: Device) -> None:
        """One device, one connection: the older one is told that it has been replaced."""
        if device.connection:
            device.connection.note("replaced", by=self.number)
            self.server.spawn(stream_error(conflict="replaced")(device.connection, {}, None))

    def _send_waiting(self, device: Device) -> None:
        waiting = list(device.pending.values())
        messages = sum(node.tag == "message" for node in waiting)
        preview = {
            "count": len(waiting),
            "message": messages,
            "receipt": len(waiting) - messages,
            "appdata": 0,
            "notification": 0,
        }
        self._send_info(Node("offline_preview", preview))
        for node in waiting:
            self.send(Node(node.tag, {**node.attributes, "offline": 0}, node.content))
        self._send_info(Node("offline", {"count": len(waiting)}))

    def _send_info(self, content: Node) -> None:
        self.send(Node("ib", {"from": SERVER}, [content]))

    # --- reading ---

    async def _handle(self, node: Node) -> None:
        match node.tag:
            case "iq" if node.text("type") in ("result", "error"):
                self._take_answer(node)
            case "iq":
                await self._answer_iq(node)
            case "message":
                await self._take_message(node)
            case "receipt":
                self._take_receipt(node)
            case "ack" if self.device:
                self.device.confirm(node.text("class"), node.text("id"), node.text("type"))
            case "chatstate":
                self._take_chat_state(node)
            case "presence":
                self.note("presence", type=node.text("type"))
            case other:
                log.debug("%s: nothing to do for %s", self, other)

    def _take_answer(self, node: Node) -> None:
        future = self._answers.get(node.text("id"))
        if future and not future.done():
            future.set_result(node)

    async def _answer_iq(self, node: Node) -> None:
        if await self._strike(Moment.IQ, node):
            return
        asks_for_code = node.children and node.children[0].text("stage") == "companion_hello"
        if asks_for_code and await self._strike(Moment.CODE, node):
            return
        result: Attributes = {"from": SERVER, "id": node.text("id"), "type": "result"}
        self.send(Node("iq", result, answer(self, node)))

    async def _take_message(self, node: Node) -> None:
        if await self._strike(Moment.MESSAGE, node):
            return
        if not await self._strike(Moment.ACK, node):
            self.acknowledge(node)
        for jid, enc in _copies(node):
            person = self.server.person(jid)
            if person:
                self._hand_over(person, node, Envelope(enc.text("type"), enc.data))

    def _hand_over(self, person: Person, node: Node, envelope: Envelope) -> None:
        assert self.device
        id = node.text("id")
        received = person.read_envelope(self.device, id, envelope)
        if received is None:
            self.note("unreadable", id=id, at=person.number)
            if person.asks_again:
                person.ask_again(self.device, id)
            return
        addressee = self.server.person(node.jid("to"))
        if person is addressee:
            person.deliver_receipt(self.device, id)
        self.server.journal.add(
            "received" if person is addressee else "copied",
            person.number,
            id=id,
            device=str(self.device),
            text=received.text,
            duplicate=received.duplicate,
        )

    def acknowledge(self, node: Node, *, error: int | None = None) -> None:
        attributes: Attributes = {
            "class": "message",
            "id": node.text("id"),
            "from": node.jid("to"),
            "t": int(time.time() - self.server.behind),
            "error": error,
        }
        self.send(Node("ack", attributes))

    def _take_receipt(self, node: Node) -> None:
        assert self.device
        kind = node.text("type")
        sender = node.jid("participant" if "participant" in node.attributes else "to")
        for id in _ids(node):
            self.device.confirm("message", id)
            self.note("receipt", id=id, type=kind, to=str(sender))
            person = self.server.person(sender)
            if person:
                person.take_receipt(self.device, id, kind, node)
        self._confirm(node, kind)

    def _confirm(self, receipt: Node, kind: str) -> None:
        attributes: Attributes = {
            "class": "receipt",
            "id": receipt.text("id"),
            "from": receipt.jid("to"),
            "type": kind,
        }
        self.send(Node("ack", attributes))

    def _take_chat_state(self, node: Node) -> None:
        state = node.children[0].tag
        person = self.server.person(node.jid("to"))
        if person:
            person.chat_states.append(state)
        self.note("chatstate", to=node.text("to"), state=state)


def _names(payload: protobuf.Fields, device: Device) -> bool:
    """The payload of a login names the device that the Noise key belongs to."""
    named = str(payload.number(USERNAME)), payload.number(DEVICE_NUMBER)
    return named == (device.phone.number, device.number)


def _copies(message: Node) -> Iterator[tuple[Jid, Node]]:
    """To whom a message goes: to several devices at first, to one when it is sent again."""
    participants = message.child("participants")
    if participants is None:
        yield message.jid("to"), message.need("enc")
    for copy in participants.all("to") if participants else ():
        yield copy.jid("jid"), copy.need("enc")


def _ids(receipt: Node) -> Iterator[str]:
    yield receipt.text("id")
    items = receipt.child("list")
    for item in items.children if items else ():
        yield item.text("id")
