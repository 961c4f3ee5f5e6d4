"""How a waiting client becomes a linked device: the server's conversation with it.

The phone's computations are in `pairing`. Stanzas: whatsmeow pair.go and pair-code.go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .binary_xml import SERVER, Node
from .faults import stream_error
from .pairing import CodeLink, DeviceIdentity, PairingRefused, QrCode, plain_code
from .people import Device, Phone

if TYPE_CHECKING:
    from .connection import Connection
    from .server import WhatsAppServer

ANSWER_TIMEOUT = 60.0
CODE_STANZA = "link_code_companion_reg"


class Linking:
    def __init__(self, server: WhatsAppServer) -> None:
        self._server = server
        self._codes: dict[str, tuple[Connection, CodeLink]] = {}  # by phone number
        self._bundles: dict[str, asyncio.Future[bytes]] = {}  # by ref

    # --- what the phone does ---

    async def by_qr(self, phone: Phone, text: str) -> Device:
        code = QrCode.parse(text)
        connection = self._showing(code)
        return await self._link(phone, connection, code.adv_secret)

    async def by_code(self, phone: Phone, shown: str) -> Device:
        code = plain_code(shown)
        if phone.number not in self._codes:
            raise PairingRefused(f"no client asked for a code for {phone.number}")
        connection, link = self._codes[phone.number]
        bundle = self._bundles[link.ref] = asyncio.get_running_loop().create_future()
        connection.send(_primary_hello(connection.new_id(), phone, link, code))
        async with asyncio.timeout(ANSWER_TIMEOUT):
            secret = link.adv_secret(code, phone.account, await bundle)
        del self._codes[phone.number]
        return await self._link(phone, connection, secret)

    def _showing(self, code: QrCode) -> Connection:
        for connection in self._server.connections:
            if connection.noise_key == code.noise_key and code.ref in connection.refs:
                return connection
        raise PairingRefused("no client shows this code any more")

    async def _link(self, phone: Phone, connection: Connection, adv_secret: bytes) -> Device:
        assert connection.registration
        number = len(phone.devices) + 1
        device = Device(phone, number, connection.noise_key, connection.registration)
        identity = DeviceIdentity(phone.account, connection.registration.identity, number)
        async with asyncio.timeout(ANSWER_TIMEOUT):
            answer = await connection.request(_pair_success(device, identity.sealed(adv_secret)))
        _check(answer, identity)
        phone.devices.append(device)
        self._server.devices[device.noise_key] = device
        self._server.journal.add("paired", device)
        # WhatsApp ends the pairing connection so; the client comes back to log in.
        self._server.spawn(stream_error(515)(connection, {}, None))
        return device

    # --- what the client says ---

    def take_code_stanza(self, connection: Connection, stanza: Node) -> Sequence[Node] | None:
        if stanza.text("stage") == "companion_hello":
            return self._offer_code(connection, stanza)
        ref = stanza.need("link_code_pairing_ref").data.decode()
        bundle = stanza.need("link_code_pairing_wrapped_key_bundle").data
        self._bundles.pop(ref).set_result(bundle)
        return None

    def _offer_code(self, connection: Connection, hello: Node) -> Sequence[Node]:
        assert connection.registration
        number = hello.jid("jid").user
        link = CodeLink(hello, connection.registration.identity)
        self._codes[number] = (connection, link)
        connection.note("code", phone=number)
        ref = Node("link_code_pairing_ref", {}, link.ref.encode())
        return [Node(CODE_STANZA, {"stage": "companion_hello"}, [ref])]


def _primary_hello(id: str, phone: Phone, link: CodeLink, code: str) -> Node:
    parts = {
        "link_code_pairing_wrapped_primary_ephemeral_pub": link.wrapped_ephemeral(code),
        "primary_identity_pub": phone.account.public,
        "link_code_pairing_ref": link.ref.encode(),
    }
    content = [Node(name, {}, data) for name, data in parts.items()]
    return Node(
        "notification",
        {"from": SERVER, "type": CODE_STANZA, "id": id, "t": int(time.time())},
        [Node(CODE_STANZA, {"stage": "primary_hello"}, content)],
    )


def _pair_success(device: Device, identity: bytes) -> Node:
    return Node(
        "pair-success",
        {},
        [
            Node("device-identity", {}, identity),
            Node("biz", {}),
            Node("device", {"jid": device.jid, "lid": device.lid}),
            Node("platform", {"name": "android"}),
        ],
    )


def _check(answer: Node, identity: DeviceIdentity) -> None:
    if answer.text("type") == "error":
        error = answer.need("error")
        raise PairingRefused(f"{error.text('code')} {error.text('text')}")
    identity.check(answer.need("pair-device-sign", "device-identity").data)
