"""What the library reports as a message, and what of it is one.

The generated protobuf classes are real; the library they come with is not loaded.
"""

import importlib
import sys
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from wa_app.domain.messages import ONLY_ON_PHONE
from wa_app.domain.sessions.socket_messages import Incoming, Receipt, ReceiptKind
from wa_app.gateways.whatsapp.child.library_events import (
    KINDS,
    MOST_IDS,
    RECEIPTS,
    SILENT,
    TEXTS,
    kind_and_text,
    members,
    time_told,
    translate,
    translate_receipt,
    translate_unreadable,
)
from wa_app.gateways.whatsapp.preload import stand_in_for_neonize

OWN = "+34600000001"
LUIS, LUIS_HIDDEN = "34600000002@s.whatsapp.net", "200000000000002@lid"
ANA = "34600000001@s.whatsapp.net"
GROUP = "120363000000000001@g.us"


@pytest.fixture(scope="module")
def neonize() -> ModuleType:
    with stand_in_for_neonize():
        module = importlib.import_module("neonize.proto.Neonize_pb2")
    assert "neonize" not in sys.modules
    return module


@pytest.fixture(scope="module")
def message_type(neonize: ModuleType) -> Any:
    return neonize.Message.DESCRIPTOR.fields_by_name["Message"].message_type._concrete_class


def jid(neonize: ModuleType, text: str, device: int = 0) -> Any:
    user, _, server = text.partition("@")
    return neonize.JID(
        User=user, Server=server, Device=device, RawAgent=0, Integrator=0, IsEmpty=not text
    )


@pytest.fixture
def event(neonize: ModuleType, message_type: Any) -> Any:
    def make(chat: str, sender: str, *, alt: str = "", to_alt: str = "", **facts: bool) -> Any:
        source = neonize.MessageSource(
            Chat=jid(neonize, chat),
            Sender=jid(neonize, sender, device=3),
            SenderAlt=jid(neonize, alt, device=3),
            RecipientAlt=jid(neonize, to_alt),
            IsFromMe=facts.get("from_me", False),
            IsGroup=facts.get("is_group", False),
        )
        info = neonize.MessageInfo(
            ID="3EB0", Pushname="Luis", Timestamp=1_772_357_400_000, MessageSource=source
        )
        return neonize.Message(Info=info, Message=message_type(conversation="Hola"))

    return make


def nobody_knows(_: Any) -> None:
    return None


def test_a_text_becomes_a_message(event: Any) -> None:
    assert translate(event(LUIS, LUIS), nobody_knows, OWN) == Incoming(
        wa_id="3EB0",
        chat=LUIS,
        sender=LUIS,
        sender_name="Luis",
        kind="text",
        text="Hola",
        at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        is_group=False,
        from_me=False,
        spool_offset=0,
        own_phone=OWN,
    )


def people(message: Incoming | None) -> tuple[str, str]:
    assert message is not None
    return message.chat, message.sender


def test_a_hidden_number_gives_way_to_the_phone_number(event: Any) -> None:
    hidden = event(LUIS_HIDDEN, LUIS_HIDDEN, alt=LUIS)
    assert people(translate(hidden, nobody_knows, OWN)) == (LUIS, LUIS)


def test_an_empty_address_of_a_sender_is_none(neonize: ModuleType, event: Any) -> None:
    hidden = event(LUIS_HIDDEN, LUIS_HIDDEN)
    hidden.Info.MessageSource.SenderAlt.Server = "s.whatsapp.net"
    assert people(translate(hidden, lambda _: LUIS, OWN)) == (LUIS, LUIS)


def test_what_our_own_devices_say_to_each_other_is_no_message(event: Any) -> None:
    between = event(ANA, ANA, from_me=True)
    between.Info.Category = "peer"
    assert translate(between, nobody_knows, OWN) is None


def test_the_library_is_asked_for_a_phone_number_that_did_not_come_along(event: Any) -> None:
    hidden = event(LUIS_HIDDEN, LUIS_HIDDEN)
    assert people(translate(hidden, lambda _: LUIS, OWN)) == (LUIS, LUIS)


def test_a_number_that_nobody_knows_stays_hidden(event: Any) -> None:
    hidden = event(LUIS_HIDDEN, LUIS_HIDDEN)
    assert people(translate(hidden, nobody_knows, OWN)) == (LUIS_HIDDEN, LUIS_HIDDEN)


def test_what_the_owner_writes_belongs_to_the_chat_of_the_other(event: Any) -> None:
    own = event(LUIS_HIDDEN, ANA, to_alt=LUIS, from_me=True)
    assert people(translate(own, nobody_knows, OWN)) == (LUIS, ANA)


def test_a_group_is_the_chat_of_all_in_it(event: Any) -> None:
    spoken = event(GROUP, LUIS_HIDDEN, alt=LUIS, is_group=True)
    assert people(translate(spoken, nobody_knows, OWN)) == (GROUP, LUIS)


@pytest.mark.parametrize(("sender", "alt"), [(LUIS, ""), (LUIS, LUIS_HIDDEN), (LUIS_HIDDEN, LUIS)])
def test_somebodys_broadcast_list_is_a_message_from_them(event: Any, sender: str, alt: str) -> None:
    """The library says that it is a group."""
    listed = event("1234@broadcast", sender, alt=alt, is_group=True)
    message = translate(listed, nobody_knows, OWN)
    assert people(message) == (LUIS, LUIS)
    assert message is not None
    assert not message.is_group


def test_what_the_owner_sends_to_a_list_is_no_word_of_anybody_to_us(event: Any) -> None:
    own = event("1234@broadcast", ANA, from_me=True, is_group=True)
    message = translate(own, nobody_knows, OWN)
    assert people(message) == ("1234@broadcast", ANA)
    assert message is not None
    assert not message.is_group


@pytest.mark.parametrize("chat", ["status@broadcast", "120363000000000002@newsletter"])
def test_status_updates_and_channels_are_dropped(event: Any, chat: str) -> None:
    assert translate(event(chat, LUIS), nobody_knows, OWN) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"conversation": "Hola"}, ("text", "Hola")),
        ({"extendedTextMessage": {"text": "Hola https://example.org"}}, None),
        ({"imageMessage": {"caption": "mi perro"}}, ("image", "mi perro")),
        ({"videoMessage": {}}, ("video", "")),
        ({"audioMessage": {"PTT": True}}, ("audio", "")),
        ({"documentMessage": {"caption": "la factura"}}, ("document", "la factura")),
        ({"stickerMessage": {}}, ("sticker", "")),
        ({"locationMessage": {"name": "Casa"}}, ("location", "Casa")),
        ({"contactMessage": {"displayName": "Luis"}}, ("contact", "Luis")),
        ({"reactionMessage": {"text": "👍"}}, ("reaction", "👍")),
        ({"pollCreationMessageV3": {"name": "¿Cuándo?"}}, ("poll", "¿Cuándo?")),
        ({"listResponseMessage": {"title": "Corte"}}, ("text", "Corte")),
        ({"placeholderMessage": {}}, (ONLY_ON_PHONE, "")),  # many adverts' first messages
        ({"ephemeralMessage": {"message": {"placeholderMessage": {}}}}, (ONLY_ON_PHONE, "")),
        ({"groupInviteMessage": {}}, ("other", "")),
        ({"ephemeralMessage": {"message": {"conversation": "pst"}}}, ("text", "pst")),
        ({"viewOnceMessageV2": {"message": {"imageMessage": {}}}}, ("image", "")),
        (
            {"senderKeyDistributionMessage": {}, "messageContextInfo": {}, "conversation": "Hola"},
            ("text", "Hola"),
        ),
    ],
)
def test_every_kind_is_told_apart(message_type: Any, content: Any, expected: Any) -> None:
    expected = expected or ("text", content["extendedTextMessage"]["text"])
    assert kind_and_text(message_type(**content)) == expected


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"protocolMessage": {}},
        {"senderKeyDistributionMessage": {}, "messageContextInfo": {}},
        {"editedMessage": {"message": {"conversation": "corrected"}}},
        {"pollUpdateMessage": {}},
        {"ephemeralMessage": {"message": {"protocolMessage": {}}}},
    ],
)
def test_what_nobody_wrote_is_dropped(message_type: Any, content: Any) -> None:
    assert kind_and_text(message_type(**content)) is None


NEWER = b"\xc2\xbb\x01\x00"
"""Field 3000, empty: a kind that no library knows yet."""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, ("other", "")),
        ({"messageContextInfo": {}}, ("other", "")),
        ({"senderKeyDistributionMessage": {}, "messageContextInfo": {}}, ("other", "")),
        ({"conversation": "Hola"}, ("text", "Hola")),
        ({"protocolMessage": {}}, None),
    ],
)
def test_a_kind_newer_than_the_library_is_a_message(
    message_type: Any, content: Any, expected: Any
) -> None:
    message = message_type(**content)
    message.MergeFromString(NEWER)
    assert kind_and_text(message) == expected


def test_the_tables_name_fields_that_exist(message_type: Any) -> None:
    fields = message_type.DESCRIPTOR.fields_by_name
    assert set(fields) >= TEXTS.keys() | KINDS.keys() | SILENT
    places = {**TEXTS, **{name: place for name, (_, place) in KINDS.items()}}
    for name, place in places.items():
        assert not place or place in fields[name].message_type.fields_by_name


# ---- what came without its content


@pytest.fixture
def unreadable(neonize: ModuleType, event: Any) -> Any:
    def make(*, mode: int = 1, chat: str = LUIS, from_me: bool = False, **info: str) -> Any:
        came = event(chat, LUIS, from_me=from_me).Info
        for name, value in info.items():
            setattr(came, name, value)
        return neonize.UndecryptableMessage(Info=came, IsUnavailable=False, DecryptFailMode=mode)

    return make


@pytest.mark.parametrize("info", [{}, {"Type": "text"}, {"Type": "media"}, {"Type": "poll"}])
def test_what_cannot_be_read_is_a_message_that_says_so(unreadable: Any, info: Any) -> None:
    message = translate_unreadable(unreadable(**info), nobody_knows, OWN)
    assert message is not None
    assert (message.wa_id, message.kind, message.text) == ("3EB0", ONLY_ON_PHONE, "")
    assert people(message) == (LUIS, LUIS)


@pytest.mark.parametrize(
    "facts",
    [
        {"mode": 2},  # its sender wants nothing shown: a reaction, a vote
        {"Edit": "1"},
        {"Edit": "7"},
        {"Edit": "8"},
        {"Type": "reaction"},
        {"Category": "peer", "from_me": True},  # between our own devices
        {"chat": "status@broadcast"},
        {"chat": "120363000000000002@newsletter"},
    ],
)
def test_what_stands_for_no_message_is_dropped(unreadable: Any, facts: Any) -> None:
    assert translate_unreadable(unreadable(**facts), nobody_knows, OWN) is None


# ---- receipts


@pytest.fixture
def receipt(neonize: ModuleType) -> Any:
    def make(kind: int, chat: str, sender: str, alt: str = "", **facts: bool) -> Any:
        source = neonize.MessageSource(
            Chat=jid(neonize, chat),
            Sender=jid(neonize, sender, device=3),
            SenderAlt=jid(neonize, alt),
            RecipientAlt=jid(neonize, ""),
            IsFromMe=facts.get("from_me", False),
            IsGroup=facts.get("is_group", False),
        )
        return neonize.Receipt(MessageSource=source, MessageIDs=["A", "B"], Timestamp=1, Type=kind)

    return make


def told(event: Any, phone: str | None = None, lid: str | None = None) -> Receipt | None:
    return translate_receipt(event, lambda _: phone, lambda _: lid, OWN)


@pytest.mark.parametrize(
    ("sender", "alt", "phone", "lid", "known"),
    [
        (LUIS, "", None, None, {LUIS}),
        (LUIS, "", None, LUIS_HIDDEN, {LUIS, LUIS_HIDDEN}),
        (LUIS, LUIS_HIDDEN, None, None, {LUIS, LUIS_HIDDEN}),
        (LUIS_HIDDEN, "", LUIS, None, {LUIS, LUIS_HIDDEN}),
        (LUIS_HIDDEN, LUIS, None, None, {LUIS, LUIS_HIDDEN}),
        (LUIS_HIDDEN, "", None, None, {LUIS_HIDDEN}),
    ],
)
def test_a_receipt_is_from_somebody_by_all_their_addresses(
    receipt: Any, sender: str, alt: str, phone: str | None, lid: str | None, known: set[str]
) -> None:
    said = told(receipt(4, sender, sender, alt), phone, lid)
    assert said is not None
    assert (said.wa_ids, said.kind, said.own_phone) == (("A", "B"), ReceiptKind.READ, OWN)
    assert set(said.chat) == set(said.reader) == known
    spoken = told(receipt(4, GROUP, sender, alt, is_group=True), phone, lid)
    assert spoken is not None
    assert (spoken.chat, set(spoken.reader)) == ((GROUP,), known)


@pytest.mark.parametrize("kind", range(1, 12))
def test_only_some_receipts_say_something(receipt: Any, kind: int) -> None:
    said = told(receipt(kind, LUIS, LUIS))
    assert (said and said.kind) == RECEIPTS.get(kind)
    assert told(receipt(kind, LUIS, ANA, from_me=True)) is None


def test_a_receipt_of_any_length_is_bearable(receipt: Any) -> None:
    event = receipt(4, LUIS, LUIS)
    event.MessageIDs.extend(["X"] * 100_000)
    said = told(event)
    assert said is not None
    assert said.wa_ids[:2] == ("A", "B")
    assert len(said.wa_ids) == MOST_IDS


def test_everybody_in_a_group_but_ourselves(neonize: ModuleType) -> None:
    def member(one: str, number: str = "") -> Any:
        return neonize.GroupParticipant(JID=jid(neonize, one), PhoneNumber=jid(neonize, number))

    people = [
        member(LUIS_HIDDEN, LUIS),
        member("200000000000001@lid", ANA),  # ourselves
        member(ANA),
        member("34600000003@s.whatsapp.net"),
        member("200000000000004@lid"),
    ]
    own = ("34600000001", "200000000000001")
    assert members(people, own, nobody_knows) == [
        LUIS,
        "34600000003@s.whatsapp.net",
        "200000000000004@lid",
    ]


# ---- what is no UTF-8


def with_bytes(event: Any, was: str, now: bytes) -> Any:
    """As the library hands it on: Go looks at no encoding of such a text."""
    data = event.SerializePartialToString()
    assert was.encode() in data
    assert len(was) == len(now)
    changed = type(event)()
    changed.MergeFromString(data.replace(was.encode(), now))
    return changed


@pytest.mark.parametrize(
    ("was", "now", "place", "kept"),
    [
        ("3EB0", b"\xff\xfeA\x00", "wa_id", "\\xff\\xfeA\ufffd"),
        ("Luis", b"Lu\xc3s", "sender_name", "Lu\\xc3s"),
        ("Hola", b"\xf0\x9fol", "text", "\\xf0\\x9fol"),
        ("Hola", b"H\x00la", "text", "H\ufffdla"),
    ],
)
def test_what_is_no_text_is_kept_as_it_can_be(
    event: Any, was: str, now: bytes, place: str, kept: str
) -> None:
    message = translate(with_bytes(event(LUIS, LUIS), was, now), nobody_knows, OWN)
    assert getattr(message, place) == kept


@pytest.mark.parametrize("stamp", [1_772_357_400, 1_772_357_400_000])
def test_a_time_is_told_in_seconds_or_in_milliseconds(stamp: int) -> None:
    assert time_told(stamp) == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("stamp", [0, 1, -62135596800, -62135596800000, 10**11, 10**14, 2**63 - 1])
def test_a_time_that_can_be_none_is_now(stamp: int) -> None:
    before = datetime.now(UTC)
    assert before <= time_told(stamp) <= datetime.now(UTC)
