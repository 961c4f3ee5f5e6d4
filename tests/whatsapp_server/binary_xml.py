"""WhatsApp's binary XML: nodes and JIDs to bytes and back.

Source: whatsmeow, packages binary (encoder, decoder, node) and types (JID). A frame is one flag
byte and one node; strings are written as tokens, packed digits or raw, whichever comes first.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .library import SINGLE_TOKENS, dictionary

COMPRESSED = 2  # flag of a frame whose rest is zlib data

LIST_EMPTY, LIST_8, LIST_16 = 0, 248, 249
DEVICE_JID, JID_PAIR = 247, 250
HEX, NIBBLE = 251, 255
BYTES_8, BYTES_20, BYTES_32 = 252, 253, 254
EMPTY = b"\x00"
LIST_WIDTHS: Mapping[int, int] = {LIST_EMPTY: 0, LIST_8: 1, LIST_16: 2}  # bytes of the size
LENGTH_WIDTHS: Mapping[int, int] = {BYTES_8: 1, BYTES_20: 3, BYTES_32: 4}

NIBBLES = "0123456789-."
HEXES = "0123456789ABCDEF"
PACKED_LIMIT = 128
ODD_END = 15
ALPHABETS: Mapping[int, str] = {NIBBLE: NIBBLES, HEX: HEXES}  # tried in this order

PHONE_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"
DOMAINS: Mapping[int, str] = {0: PHONE_SERVER, 1: LID_SERVER, 128: "hosted", 129: "hosted.lid"}
DOMAIN_OF: Mapping[str, int] = {server: domain for domain, server in DOMAINS.items()}


@dataclass(frozen=True)
class Jid:
    """An address: a user (by phone number or by LID), one of its devices, a group, a server."""

    user: str
    server: str = PHONE_SERVER
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Jid:
        user, _, server = text.rpartition("@")
        name, _, device = user.partition(":")
        return cls(name, server, int(device or 0))

    def __str__(self) -> str:
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}" if self.user else self.server

    def of_device(self, number: int) -> Jid:
        return Jid(self.user, self.server, number)

    @property
    def of_user(self) -> Jid:
        return self.of_device(0)


SERVER = Jid("")  # the server itself

Value = str | Jid
Attributes = Mapping[str, Value | int | None]  # empty ones and None are not written at all


@dataclass(frozen=True)
class Node:
    tag: str
    attributes: Attributes = field(default_factory=dict)
    content: bytes | Sequence[Node] | None = None

    @property
    def children(self) -> Sequence[Node]:
        return () if self.content is None or isinstance(self.content, bytes) else self.content

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else b""

    def child(self, *path: str) -> Node | None:
        """The first descendant on this path of tags."""
        node: Node | None = self
        for tag in path:
            node = next((c for c in node.children if c.tag == tag), None) if node else None
        return node

    def need(self, *path: str) -> Node:
        found = self.child(*path)
        if found is None:
            raise ValueError(f"no {'/'.join(path)} in {self}")
        return found

    def all(self, tag: str) -> list[Node]:
        return [child for child in self.children if child.tag == tag]

    def text(self, name: str) -> str:
        """An attribute as text; missing ones are empty."""
        value = self.attributes.get(name)
        return "" if value is None else str(value)

    def jid(self, name: str) -> Jid:
        value = self.attributes[name]
        return value if isinstance(value, Jid) else Jid.parse(str(value))

    def __str__(self) -> str:
        attributes = "".join(f' {k}="{v}"' for k, v in self.attributes.items() if v is not None)
        inner = "".join(map(str, self.children)) or _shown(self.data)
        return f"<{self.tag}{attributes}>{inner}</{self.tag}>"


def _shown(data: bytes) -> str:
    return f"{data[:12].hex()}…({len(data)})" if len(data) > 12 else data.hex()


# --- writing -----------------------------------------------------------------


def encode(node: Node) -> bytes:
    """A frame, uncompressed."""
    return b"\x00" + _node(node)


def _node(node: Node) -> bytes:
    written = {k: v for k, v in node.attributes.items() if v is not None and v != ""}
    size = 1 + 2 * len(written) + (node.content is not None)
    attributes = b"".join(_string(k) + _value(v) for k, v in written.items())
    return _list_header(size) + _string(node.tag) + attributes + _content(node.content)


def _content(content: bytes | Sequence[Node] | None) -> bytes:
    if content is None:
        return b""
    if isinstance(content, bytes):
        return _raw(content)
    return _list_header(len(content)) + b"".join(map(_node, content))


def _value(value: Value | int) -> bytes:
    return _jid(value) if isinstance(value, Jid) else _string(str(value))


def _jid(jid: Jid) -> bytes:
    if jid.device:
        return bytes([DEVICE_JID, DOMAIN_OF[jid.server], jid.device]) + _string(jid.user)
    return bytes([JID_PAIR]) + (_string(jid.user) if jid.user else EMPTY) + _string(jid.server)


def _string(text: str) -> bytes:
    token = dictionary().codes.get(text)
    if token:
        return token
    for tag, alphabet in ALPHABETS.items():
        if 0 < len(text) < PACKED_LIMIT and set(text) <= set(alphabet):
            return _packed(tag, alphabet, text)
    return _raw(text.encode(errors="surrogateescape"))  # what is no UTF-8 passes, both ways


def _packed(tag: int, alphabet: str, text: str) -> bytes:
    digits = [alphabet.index(character) for character in text]
    odd = len(digits) % 2
    digits += [ODD_END] * odd
    pairs = bytes(high << 4 | low for high, low in zip(digits[::2], digits[1::2], strict=True))
    return bytes([tag, odd << 7 | len(pairs)]) + pairs


def _raw(data: bytes) -> bytes:
    if len(data) < 1 << 8:
        return bytes([BYTES_8, len(data)]) + data
    if len(data) < 1 << 20:
        return bytes([BYTES_20]) + len(data).to_bytes(3, "big") + data
    return bytes([BYTES_32]) + len(data).to_bytes(4, "big") + data


def _list_header(size: int) -> bytes:
    if size == 0:
        return EMPTY
    if size < 1 << 8:
        return bytes([LIST_8, size])
    return bytes([LIST_16]) + size.to_bytes(2, "big")


# --- reading -----------------------------------------------------------------


def decode(frame: bytes) -> Node:
    compressed = frame[0] & COMPRESSED
    return _Reader(zlib.decompress(frame[1:]) if compressed else frame[1:]).node()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def node(self) -> Node:
        size = self._list_size(self._number(1))
        tag = str(self._value(self._number(1)))
        attributes = {}
        for _ in range((size - 1) // 2):
            name = str(self._value(self._number(1)))
            attributes[name] = self._value(self._number(1))
        return Node(tag, attributes, self._content() if size % 2 == 0 else None)

    def _content(self) -> bytes | list[Node]:
        tag = self._number(1)
        if tag in LIST_WIDTHS:
            return [self.node() for _ in range(self._list_size(tag))]
        if tag in LENGTH_WIDTHS:
            return self._raw(tag)
        return str(self._value(tag)).encode()

    def _value(self, tag: int) -> Value:
        if tag == LIST_EMPTY:
            return ""
        if tag == JID_PAIR:
            user, server = self._value(self._number(1)), self._value(self._number(1))
            return Jid(str(user), str(server))
        if tag == DEVICE_JID:
            domain, device = self._number(1), self._number(1)
            return Jid(str(self._value(self._number(1))), DOMAINS[domain], device)
        if tag in ALPHABETS:
            return self._packed(ALPHABETS[tag])
        if tag in LENGTH_WIDTHS:
            return self._raw(tag).decode(errors="surrogateescape")
        return self._token(tag)

    def _token(self, tag: int) -> str:
        if tag < SINGLE_TOKENS:
            return dictionary().single[tag]
        return dictionary().double[tag - SINGLE_TOKENS][self._number(1)]

    def _packed(self, alphabet: str) -> str:
        header = self._number(1)
        digits = [half for byte in self._take(header & 0x7F) for half in (byte >> 4, byte & 15)]
        return "".join(alphabet[d] for d in (digits[:-1] if header & 0x80 else digits))

    def _raw(self, tag: int) -> bytes:
        size = self._number(LENGTH_WIDTHS[tag])
        return self._take(size & 0xFFFFF if tag == BYTES_20 else size)

    def _list_size(self, tag: int) -> int:
        return self._number(LIST_WIDTHS[tag])

    def _number(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _take(self, count: int) -> bytes:
        start, self._position = self._position, self._position + count
        if self._position > len(self._data):
            raise ValueError("frame is cut short")
        return self._data[start : self._position]
