"""A device with a Signal identity that this server plays: a contact's phone, or the own phone.

It hands out its public keys, keeps one or more sessions with each device that writes to it, and
reads and writes the plaintexts that WhatsApp puts inside (padded protobuf messages).
Sources: libsignal's SessionCipher for trying older sessions; whatsmeow message.go for padding;
WhatsApp's Message protobuf (waE2E) as shipped in neonize for the field numbers.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from . import protobuf
from .binary_xml import Jid
from .curve import KeyPair, SignedKey
from .signal_session import Bundle, Chain, PrekeyMessage, Session, UndecryptableError

SIGNED_KEY_ID = 1

CONVERSATION, EXTENDED_TEXT, DEVICE_SENT = 1, 6, 31  # fields of Message
TEXT = 1  # of ExtendedTextMessage
DESTINATION, INNER = 1, 2  # of DeviceSentMessage


@dataclass(frozen=True)
class Envelope:
    """An `<enc>`: how it is wrapped (pkmsg with the opening keys, msg without) and its bytes."""

    kind: str
    data: bytes


@dataclass(frozen=True)
class Content:
    """A message's text and, when the own account sent it elsewhere, to which chat."""

    text: str
    chat: Jid | None = None
    extended: bool = False  # as texts with a link or a quotation are written
    field: int = 0  # of a Message, in place of the text's: another kind of message
    message: bytes = b""  # the whole Message instead, whatever is in it


class Party:
    def __init__(self, identity: KeyPair | None = None) -> None:
        self.identity = identity or KeyPair.new()
        self.registration_id = secrets.randbelow(1 << 14) + 1
        self._signed = SignedKey.new(SIGNED_KEY_ID, self.identity)
        self._one_time: dict[int, KeyPair] = {}
        self._sessions: dict[Jid, list[Session]] = {}  # the one last used first

    def bundle(self) -> Bundle:
        """Public keys for a new session, with a one-time key of its own."""
        number = secrets.randbelow(1 << 23) + 1
        self._one_time[number] = KeyPair.new()
        return Bundle(
            self.registration_id,
            self.identity.public,
            self._signed.id,
            self._signed.pair.public,
            self._signed.signature,
            (number, self._one_time[number].public),
        )

    def knows(self, peer: Jid) -> bool:
        return bool(self._sessions.get(peer))

    def start_session(self, peer: Jid, bundle: Bundle) -> None:
        self._keep(peer, Session.start(self.identity, self.registration_id, bundle))

    def encrypt(self, peer: Jid, content: Content) -> Envelope:
        return Envelope(*self._sessions[peer][0].encrypt(_pad(_message(content))))

    def decrypt(self, peer: Jid, envelope: Envelope) -> Content:
        plain = (
            self._open_first(peer, PrekeyMessage.parse(envelope.data))
            if envelope.kind == "pkmsg"
            else self._open(peer, envelope.data)
        )
        return _content(protobuf.Fields(_unpad(plain)))

    def forget_sessions(self) -> None:
        """As a phone that was set up anew: what comes next cannot be read."""
        self._sessions.clear()

    def spoil_sessions(self) -> None:
        """From now on nobody can read what this party writes, until the keys are asked for."""
        for session, *_ in self._sessions.values():
            # The counter goes on: one that was used before would pass for a repetition.
            session.sending = Chain(secrets.token_bytes(32), session.sending.index)

    def _open_first(self, peer: Jid, message: PrekeyMessage) -> bytes:
        for session in self._sessions.get(peer, []):
            if session.base_key == message.base_key:
                return session.decrypt(message.message)
        one_time = self._one_time.get(message.one_time_id) if message.one_time_id else None
        session = Session.answer(
            self.identity, self.registration_id, self._signed, one_time, message
        )
        plain = session.decrypt(message.message)
        self._keep(peer, session)
        return plain

    def _open(self, peer: Jid, message: bytes) -> bytes:
        for session in self._sessions.get(peer, []):
            try:
                plain = session.decrypt(message)
            except UndecryptableError:
                continue
            self._keep(peer, session)
            return plain
        raise UndecryptableError(f"no session with {peer} reads this")

    def _keep(self, peer: Jid, session: Session) -> None:
        others = [s for s in self._sessions.get(peer, []) if s is not session]
        self._sessions[peer] = [session, *others]


def _message(content: Content) -> bytes:
    if content.message:
        return content.message
    text = (
        protobuf.encode((EXTENDED_TEXT, protobuf.encode((TEXT, content.text))))
        if content.extended
        else protobuf.encode((content.field or CONVERSATION, content.text))
    )
    if content.chat is None:
        return text
    copy = protobuf.encode((DESTINATION, str(content.chat)), (INNER, text))
    return protobuf.encode((DEVICE_SENT, copy))


def _content(message: protobuf.Fields) -> Content:
    if DEVICE_SENT in message:
        copy = message.message(DEVICE_SENT)
        chat = Jid.parse(copy.text(DESTINATION))
        return Content(_content(copy.message(INNER)).text, chat)
    if EXTENDED_TEXT in message:
        return Content(message.message(EXTENDED_TEXT).text(TEXT), extended=True)
    return Content(message.text(CONVERSATION))


def _pad(plain: bytes) -> bytes:
    count = secrets.randbelow(15) + 1
    return plain + bytes([count]) * count


def _unpad(padded: bytes) -> bytes:
    return padded[: -padded[-1]]
