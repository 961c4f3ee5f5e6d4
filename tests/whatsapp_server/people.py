"""The cast: phones, the devices linked to them, and the contacts they write with.

What is called here from a test runs in the server's loop (`@in_loop`), so nothing needs a lock.
Stanza layouts: whatsmeow message.go, receipt.go, retry.go, and observed with neonize 0.5.2.
"""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from .app_state import COLLECTION, AppState
from .binary_xml import GROUP_SERVER, LID_SERVER, PHONE_SERVER, Attributes, Jid, Node, Value
from .curve import KeyPair, typed
from .journal import DEFAULT_TIMEOUT
from .pairing import Registration
from .signal_party import Content, Envelope, Party
from .signal_session import Bundle, UndecryptableError

if TYPE_CHECKING:
    from .connection import Connection
    from .server import WhatsAppServer

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self", bound="Person | Device")


def in_loop(method: Callable[Concatenate[Self, P], R]) -> Callable[Concatenate[Self, P], R]:
    """Runs the method in the server's loop, whichever thread calls it."""

    @functools.wraps(method)
    def call(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.server.in_loop(lambda: method(self, *args, **kwargs))

    return call


def new_id() -> str:
    return "3EB0" + secrets.token_hex(9).upper()


@dataclass(frozen=True)
class Received:
    """A text that arrived at a contact, or a copy of it at the sender's own phone."""

    id: str
    text: str
    device: Device = field(repr=False)
    chat: Jid | None  # only in copies: to whom the text went
    at: float
    duplicate: bool  # the id had arrived before


@dataclass(frozen=True)
class Receipt:
    """What a linked device says about a message: '' delivered, inactive, read, retry."""

    id: str
    kind: str
    device: Device = field(repr=False)
    at: float


class Person:
    """Somebody with a number and a phone that this server plays."""

    def __init__(self, server: WhatsAppServer, number: str, lid: str, name: str) -> None:
        self.server = server
        self.name = name
        self.jid = Jid(number, PHONE_SERVER)
        self.lid = Jid(lid, LID_SERVER)
        self.party = Party()
        self.inbox: list[Received] = []
        self.receipts: list[Receipt] = []
        self.chat_states: list[str] = []  # composing, paused: what it sees of the other side
        self.sends_again = True  # switched off: what could not be read is not sent anew
        self.asks_again = True  # for what cannot be read
        self.devices_told: tuple[int, ...] = (0,)  # the phone; no other has keys
        self._sent: dict[str, Callable[[Device, int], Node]] = {}
        self._asked: dict[str, tuple[Device, Node]] = {}

    @property
    def number(self) -> str:
        return self.jid.user

    @in_loop
    def forget_sessions(self) -> None:
        """The next text sent here cannot be read; this phone will ask for it again."""
        self.party.forget_sessions()

    @in_loop
    def spoil_sessions(self) -> None:
        """The next text sent from here cannot be read; the device will ask for it again."""
        self.party.spoil_sessions()

    @in_loop
    def send_what_was_asked_for(self) -> None:
        """The phone is back: it sends anew what could not be read meanwhile."""
        self.sends_again = True
        for id, (device, node) in self._asked.items():
            self._send_again(device, id, node)

    def wait_for_text(
        self, text: str | None = None, *, count: int = 1, timeout: float = DEFAULT_TIMEOUT
    ) -> Received:
        """The count-th message that arrived here (of those with this text, if one is given)."""

        def found() -> list[Received]:
            matching = [m for m in list(self.inbox) if text in (None, m.text)]
            return matching[count - 1 : count]

        what = f"text {text!r} at {self.name}, which has {[m.text for m in self.inbox]}"
        return self.server.wait_until(found, timeout, what)[0]

    def wait_for_receipt(self, id: str, *kinds: str, timeout: float = DEFAULT_TIMEOUT) -> Receipt:
        """A receipt for a message sent from here; of these kinds, if any are given."""

        def found() -> list[Receipt]:
            return [r for r in list(self.receipts) if r.id == id and r.kind in (kinds or (r.kind,))]

        what = f"receipt {kinds} for {id} at {self.name}, which has {self.receipts}"
        return self.server.wait_until(found, timeout, what)[0]

    # --- what the server does on this phone's behalf ---

    def deliver_receipt(self, device: Device, id: str) -> None:
        """The phone says that the message has arrived."""
        self.send_receipt(device, id)

    def send_receipt(self, device: Device, id: str, kind: str = "") -> None:
        attributes: Attributes = {"from": self.lid, "id": id, "type": kind, "t": int(time.time())}
        device.deliver(Node("receipt", attributes))

    def _dispatch(
        self,
        devices: Iterable[Device],
        content: Content,
        attributes: Attributes,
        id: str | None = None,
        fail: str | None = None,
    ) -> str:
        """Sends one message to each device; remembers how, in case one asks for it again. The
        sender chooses its id, and what is to be shown (`fail`) when it cannot be read."""
        id = id or new_id()
        t = int(time.time() - self.server.behind)
        stanza: Attributes = {"id": id, "type": "text", "t": t, "notify": self.name}

        def message_for(device: Device, attempt: int) -> Node:
            envelope = self._encrypt(device, content)
            enc: Attributes = {
                "v": 2,
                "type": envelope.kind,
                "count": attempt or None,
                "decrypt-fail": fail,
            }
            return Node("message", {**stanza, **attributes}, [Node("enc", enc, envelope.data)])

        self._sent[id] = message_for
        for device in devices:
            device.deliver(message_for(device, 0))
        return id

    def _encrypt(self, device: Device, content: Content) -> Envelope:
        if not self.party.knows(device.lid):
            self.party.start_session(device.lid, device.take_bundle())
        return self.party.encrypt(device.lid, content)

    def read_envelope(self, device: Device, id: str, envelope: Envelope) -> Received | None:
        """A message has come for this phone; None if it must be sent again."""
        before = next((m for m in self.inbox if m.id == id), None)
        try:
            # A copy sent twice over the wire cannot be decrypted twice.
            content = (
                Content(before.text, before.chat)
                if before
                else self.party.decrypt(device.lid, envelope)
            )
        except UndecryptableError:
            return None
        received = Received(
            id, content.text, device, content.chat, time.time(), duplicate=before is not None
        )
        self.inbox.append(received)
        return received

    @in_loop
    def ask_for(self, device: Device, id: str, **attributes: Value) -> None:
        """Asks for a message again, however often and whether or not it could be read."""
        self.ask_again(device, id, attributes)

    def ask_again(self, device: Device, id: str, attributes: Attributes | None = None) -> None:
        """A retry receipt, with the keys for a new session; from the phone, if not from another."""
        retry: Attributes = {"count": 1, "id": id, "t": int(time.time()), "v": 1}
        bundle = self.party.bundle()
        device.deliver(
            Node(
                "receipt",
                {
                    "from": self.lid,
                    "id": id,
                    "type": "retry",
                    "t": int(time.time()),
                    **(attributes or {}),
                },
                [
                    Node("retry", retry),
                    Node("registration", {}, bundle.registration_id.to_bytes(4, "big")),
                    Node("keys", {}, bundle_nodes(bundle)),
                ],
            )
        )

    def take_receipt(self, device: Device, id: str, kind: str, node: Node) -> None:
        self.receipts.append(Receipt(id, kind, device, time.time()))
        if kind == "retry" and id in self._sent:
            self._asked[id] = device, node
            if self.sends_again:
                self._send_again(device, id, node)

    def _send_again(self, device: Device, id: str, node: Node) -> None:
        keys = node.child("keys")
        if keys:
            registration = node.need("registration").data
            self.party.start_session(device.lid, parse_bundle(registration, keys))
        attempt = int(node.need("retry").text("count") or 1)
        device.deliver(self._sent[id](device, attempt))


class Contact(Person):
    """Somebody the linked devices write with."""

    def __init__(self, server: WhatsAppServer, number: str, lid: str, name: str) -> None:
        super().__init__(server, number, lid, name)
        self.online = True  # switched off: what is sent to it is accepted, but not delivered

    @in_loop
    def send(
        self,
        phone: Phone,
        text: str,
        *,
        by_lid: bool = False,
        extended: bool = False,
        id: str | None = None,
        fail: str | None = None,
    ) -> str:
        """A text to every device linked to this phone; returns its id.

        WhatsApp names the sender by number or by LID, and writes a text with a link or a
        quotation in an extended form: a client must take all of them.
        """
        sender: Attributes = (
            {"from": self.lid, "sender_pn": self.jid}
            if by_lid
            else {"from": self.jid, "sender_lid": self.lid}
        )
        return self._post(phone, Content(text, extended=extended), sender, id, fail)

    @in_loop
    def send_to_list(self, phone: Phone, text: str, *, by_lid: bool = False) -> str:
        """A text to a broadcast list of theirs that the phone is on."""
        person: Attributes = (
            {"participant": self.lid, "participant_pn": self.jid}
            if by_lid
            else {"participant": self.jid, "participant_lid": self.lid}
        )
        return self._post(phone, Content(text), {"from": Jid("12345678", "broadcast"), **person})

    @in_loop
    def send_unavailable(
        self, phone: Phone, kind: str = "view_once", *, sender: Jid | None = None
    ) -> str:
        """A message that linked devices do not get: only that there is one."""
        id = new_id()
        person: Attributes = (
            {"from": sender} if sender else {"from": self.jid, "sender_lid": self.lid}
        )
        stanza: Attributes = {"id": id, "type": "media", "t": int(time.time()), **person}
        for device in phone.linked:
            device.deliver(Node("message", stanza, [Node("unavailable", {"type": kind})]))
        return id

    @in_loop
    def send_kind(self, phone: Phone, field: int, content: str = "") -> str:
        """A message of which the content is this field."""
        sender: Attributes = {"from": self.jid, "sender_lid": self.lid}
        return self._post(phone, Content(content, field=field), sender)

    @in_loop
    def send_to_group(self, phone: Phone, text: str, group: str = "120363000000000001") -> str:
        """A text in a group that the phone is in."""
        sender: Attributes = {
            "from": Jid(group, GROUP_SERVER),
            "participant": self.lid,
            "participant_pn": self.jid,
            "addressing_mode": "lid",
        }
        return self._post(phone, Content(text), sender)

    def _post(
        self,
        phone: Phone,
        content: Content,
        sender: Attributes,
        id: str | None = None,
        fail: str | None = None,
    ) -> str:
        id = self._dispatch(phone.linked, content, sender, id, fail)
        self.server.journal.add("sent", self.number, id=id, to=phone.number, text=content.text)
        return id

    @in_loop
    def confirm(
        self, phone: Phone, id: str, kind: str = "read", *, group: str = "", by_lid: bool = True
    ) -> None:
        """A receipt for any message, whether it has ever been here or not."""
        own = self.lid if by_lid else self.jid
        place: Attributes = (
            {"from": Jid(group, GROUP_SERVER), "participant": own} if group else {"from": own}
        )
        stanza: Attributes = {**place, "id": id, "type": kind, "t": int(time.time())}
        phone.device.deliver(Node("receipt", stanza))

    @in_loop
    def read(self, *ids: str) -> None:
        """Opens the chat: read receipts for these messages, or for all that arrived."""
        for message in {m.id: m for m in self.inbox}.values():
            if not ids or message.id in ids:
                self.send_receipt(message.device, message.id, "read")

    @in_loop
    def go_online(self) -> None:
        """Delivery receipts for what arrived meanwhile."""
        self.online = True
        for message in {m.id: m for m in self.inbox}.values():
            self.send_receipt(message.device, message.id)

    def deliver_receipt(self, device: Device, id: str) -> None:
        if self.online:
            self.send_receipt(device, id)


class Phone(Person):
    """The phone of an account: it links devices, gets copies of what they send, and writes."""

    def __init__(self, server: WhatsAppServer, number: str, lid: str, name: str) -> None:
        super().__init__(server, number, lid, name)
        self.devices: list[Device] = []
        self.app_state = AppState()

    @property
    def account(self) -> KeyPair:
        """Signs the devices in; it is the Signal identity of the phone too."""
        return self.party.identity

    @property
    def linked(self) -> list[Device]:
        return [device for device in self.devices if not device.removed]

    @property
    def device(self) -> Device:
        """The device linked last."""
        return self.linked[-1]

    def scan(self, qr_text: str) -> Device:
        """Scans the QR code that a client shows; PairingRefused if it is not valid."""
        return self.server.run(self.server.linking.by_qr(self, qr_text))

    def type_code(self, code: str) -> Device:
        """Types the code that a client shows; PairingRefused if it is not valid."""
        return self.server.run(self.server.linking.by_code(self, code))

    @in_loop
    def send(self, to: Person, text: str) -> str:
        """The owner writes on the phone itself: the linked devices get a copy."""
        content = Content(text, chat=to.jid)
        own: Attributes = {"from": self.jid, "recipient": to.jid, "peer_recipient_lid": to.lid}
        id = self._dispatch(self.linked, content, own)
        self.server.journal.add("sent", self.number, id=id, to=to.number, text=text)
        return id

    @in_loop
    def confirm(self, to: Person, id: str, kind: str) -> None:
        """The owner's phone, or another device of theirs, says what became of a message."""
        own: Attributes = {"from": self.jid, "recipient": to.jid}
        stanza: Attributes = {**own, "id": id, "type": kind, "t": int(time.time())}
        self.device.deliver(Node("receipt", stanza))

    @in_loop
    def rename(self, name: str) -> None:
        """The owner changes the name that others see; the linked devices learn it."""
        is_first = not self.app_state.version
        self.name = name
        self.app_state.set_name(name)
        if is_first:  # who gets the key asks for everything
            peer: Attributes = {"from": self.jid, "category": "peer"}
            share = Content("", message=self.app_state.key_share())
            self._dispatch(self.linked, share, peer)
            return
        changed = Node("collection", {"name": COLLECTION, "version": self.app_state.version})
        for device in self.linked:
            told: Attributes = {"from": Jid("", PHONE_SERVER), "type": "server_sync"}
            device.deliver(Node("notification", {**told, "id": new_id()}, [changed]))


class Device:
    """A linked device: a client that this server has paired."""

    def __init__(
        self, phone: Phone, number: int, noise_key: bytes, registration: Registration
    ) -> None:
        self.server = phone.server
        self.phone = phone
        self.number = number
        self.noise_key = noise_key
        self.registration = registration
        self.signed_key = (registration.signed_id, registration.signed_key, registration.signature)
        self.one_time: dict[int, bytes] | None = None  # None: none were uploaded yet
        self.connection: Connection | None = None  # logged in
        self.active = False  # the client has said that it is ready
        self.removed = False
        self.pending: dict[tuple[str, str, str], Node] = {}

    def __str__(self) -> str:
        return str(self.jid)

    @property
    def jid(self) -> Jid:
        return self.phone.jid.of_device(self.number)

    @property
    def lid(self) -> Jid:
        return self.phone.lid.of_device(self.number)

    @property
    def logins(self) -> int:
        return len(self.server.journal.of("login", self))

    @property
    def activations(self) -> int:
        """How often the client was ready for work; it reports Connected each time."""
        return len(self.server.journal.of("active", self))

    @property
    def open_sockets(self) -> int:
        return self.server.sockets.open[self.noise_key]

    @property
    def most_sockets(self) -> int:
        """The highest number of simultaneous connections: above 1 two clients share a session."""
        return self.server.sockets.most[self.noise_key]

    def wait_for_login(self, *, count: int = 1, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Until the client has been ready for work this often, and is so now."""
        what = f"login {count} of {self}"
        self.server.wait_until(lambda: self.active and self.activations >= count, timeout, what)

    def wait_for_logout(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Until no connection of this device is left."""
        self.server.wait_until(lambda: not self.open_sockets, timeout, f"{self} offline")

    @in_loop
    def remove(self) -> None:
        """Unlinks the device while it is away: the next login is refused with 401."""
        self.removed = True

    # --- what the server does for this device ---

    def deliver(self, node: Node) -> None:
        """Sends now, or as soon as the client is back, until the client has confirmed it."""
        self.pending[_key(node)] = node
        if self.connection:
            self.connection.send(node)

    def confirm(self, tag: str, id: str, kind: str = "") -> None:
        self.pending.pop((tag, id, kind), None)

    def take_bundle(self) -> Bundle:
        """The keys the client has uploaded; a one-time key is handed out once."""
        one_time = self.one_time.popitem() if self.one_time else None
        return Bundle(
            self.registration.registration_id,
            self.registration.identity,
            *self.signed_key,
            one_time,
        )


def _key(node: Node) -> tuple[str, str, str]:
    kind = "" if node.tag == "message" else node.text("type")
    return node.tag, node.text("id"), kind


def bundle_nodes(bundle: Bundle) -> list[Node]:
    """Type, identity, one-time key, signed key: as in prekey answers and retry receipts."""
    one_time = [_key_node("key", *bundle.one_time)] if bundle.one_time else []
    return [
        Node("type", {}, typed(b"")),
        Node("identity", {}, bundle.identity),
        *one_time,
        _key_node("skey", bundle.signed_id, bundle.signed_key, bundle.signature),
    ]


def _key_node(tag: str, id: int, value: bytes, signature: bytes | None = None) -> Node:
    signed = [Node("signature", {}, signature)] if signature else []
    return Node(tag, {}, [Node("id", {}, id.to_bytes(3, "big")), Node("value", {}, value), *signed])


def parse_bundle(registration: bytes, keys: Node) -> Bundle:
    one_time = keys.child("key")
    return Bundle(
        int.from_bytes(registration, "big"),
        keys.need("identity").data,
        *parse_signed_key(keys.need("skey")),
        parse_key(one_time) if one_time else None,
    )


def parse_signed_key(skey: Node) -> tuple[int, bytes, bytes]:
    return (*parse_key(skey), skey.need("signature").data)


def parse_key(key: Node) -> tuple[int, bytes]:
    return int.from_bytes(key.need("id").data, "big"), key.need("value").data
