"""From a TCP connection to WhatsApp's frames: proxy, TLS, websocket.

The library dials wss://web.whatsapp.com/ws/chat through the HTTP proxy it was given; that proxy
is this server, which answers CONNECT and then plays web.whatsapp.com on the same socket.
Sources: RFC 9110 (CONNECT), RFC 7617 (proxy user), RFC 6455 (websocket); whatsmeow, package
socket (framesocket), for the three-byte length in front of every frame.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
import struct
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag

HOST = "web.whatsapp.com"
ACCEPT_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL = MASKED = 0x80
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST


class Ended(Exception):
    """The connection is over, by the client's will or ours."""


# What a client that leaves, or a fault that throws it out, looks like from here.
ENDINGS = (Ended, EOFError, OSError, InvalidTag)


class Transport:
    """One accepted connection, taken step by step from TCP to websocket messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._tcp = writer.transport  # stays the TCP transport after TLS has begun

    async def read_proxy_request(self) -> str:
        """The user name the client gave the proxy, if any."""
        _, headers = await self._read_request()
        _, _, credentials = headers.get("proxy-authorization", "").partition(" ")
        return base64.b64decode(credentials).decode().partition(":")[0]

    def accept_proxy(self) -> None:
        self._writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def accept_tls(self, context: ssl.SSLContext) -> None:
        await self._writer.start_tls(context)

    async def accept_websocket(self) -> None:
        _, headers = await self._read_request()
        if "sec-websocket-key" not in headers:  # somebody who only wants to know if we are there
            self._writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            raise ConnectionAbortedError
        digest = hashlib.sha1((headers["sec-websocket-key"] + ACCEPT_SALT).encode()).digest()
        self._writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    async def receive(self) -> bytes:
        """The next message; control frames are answered on the way."""
        message = b""
        while True:
            final, kind, payload = await self._read_frame()
            match kind:
                case 0 | 1 | 2:
                    message += payload
                    if final:
                        return message
                case 8:
                    self.close(payload)
                    raise Ended("the client closed the websocket")
                case 9:
                    self._write_frame(PONG, payload)

    def send(self, message: bytes) -> None:
        self._write_frame(BINARY, message)

    def close(self, reason: bytes = b"") -> None:
        """The websocket's farewell, then the end of the stream."""
        self._write_frame(CLOSE, reason)
        self.end()

    def end(self) -> None:
        """The end of the stream, with no word before it."""
        self._writer.close()

    def reset(self) -> None:
        """TCP RST, at once."""
        self._tcp.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
        )
        self._tcp.abort()

    async def drain_until_end(self) -> None:
        """Reads and forgets, so that the client's leaving is noticed."""
        while await self._reader.read(1 << 16):
            pass

    async def _read_request(self) -> tuple[str, Mapping[str, str]]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return first, {name.strip().lower(): value.strip() for name, _, value in pairs}

    async def _read_frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(await self._reader.readexactly(width), "big")
        mask = await self._reader.readexactly(4) if second & MASKED else b""
        payload = await self._reader.readexactly(size)
        return bool(first & FINAL), first & 15, _unmask(payload, mask) if mask else payload

    def _write_frame(self, kind: int, payload: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(bytes([FINAL | kind]) + _length(len(payload)) + payload)


def _length(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    if size < 1 << 16:
        return b"\x7e" + size.to_bytes(2, "big")
    return b"\x7f" + size.to_bytes(8, "big")


def _unmask(payload: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(payload), "big")


class Frames:
    """WhatsApp's frames in a stream of websocket messages: three bytes of length before each."""

    def __init__(self, transport: Transport, prologue: bytes) -> None:
        self._transport = transport
        self._prologue = prologue
        self._buffer = b""

    async def receive(self) -> bytes:
        await self._fill(len(self._prologue))
        if not self._buffer.startswith(self._prologue):
            raise Ended(f"wrong prologue: {self._buffer[:8].hex()}")
        self._take(len(self._prologue))
        self._prologue = b""  # it comes once
        await self._fill(3)
        size = int.from_bytes(self._take(3), "big")
        await self._fill(size)
        return self._take(size)

    def send(self, frame: bytes) -> None:
        self._transport.send(len(frame).to_bytes(3, "big") + frame)

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            self._buffer += await self._transport.receive()

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken
