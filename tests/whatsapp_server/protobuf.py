"""Protocol Buffers without schemas: numbered fields in, numbered fields out.

Enough for the handful of messages a server needs, so that no generated module (and with it
the library under test) is imported here. Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

Value = int | bytes | str

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def encode(*fields: tuple[int, Value]) -> bytes:
    """Fields in the order given; numbers become varints, text and bytes become bytes."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    payload = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    return _varint(number << 3 | BYTES) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


class Fields:
    """The decoded fields of one message; of a repeated field the last one counts."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._position = 0
        self._values: dict[int, int | bytes] = {}
        while self._position < len(payload):
            key = self._read_varint()
            self._values[key >> 3] = self._read_value(key & 7)

    def __contains__(self, number: int) -> bool:
        return number in self._values

    def number(self, number: int, default: int = 0) -> int:
        value = self._values.get(number, default)
        if not isinstance(value, int):
            raise ValueError(f"field {number} is not a number")
        return value

    def data(self, number: int) -> bytes:
        value = self._values.get(number, b"")
        if isinstance(value, int):
            raise ValueError(f"field {number} is not bytes")
        return value

    def text(self, number: int) -> str:
        return self.data(number).decode()

    def message(self, number: int) -> Fields:
        return Fields(self.data(number))

    def _read_value(self, wire: int) -> int | bytes:
        match wire:
            case 0:
                return self._read_varint()
            case 1:
                return int.from_bytes(self._take(8), "little")
            case 2:
                return self._take(self._read_varint())
            case 5:
                return int.from_bytes(self._take(4), "little")
        raise ValueError(f"unknown wire type {wire}")

    def _read_varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _take(self, count: int) -> bytes:
        start, self._position = self._position, self._position + count
        if self._position > len(self._payload):
            raise ValueError("message is cut short")
        return self._payload[start : self._position]
