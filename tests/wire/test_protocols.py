"""The parts of the test server that can be wrong without the library noticing."""

from __future__ import annotations

import pytest

from tests.whatsapp_server.binary_xml import SERVER, Jid, Node, decode, encode
from tests.whatsapp_server.curve import KeyPair, verify
from tests.whatsapp_server.signal_party import Content, Envelope, Party
from tests.whatsapp_server.signal_session import UndecryptableError

ANA, LUIS = Jid("1", "lid"), Jid("2", "lid")


@pytest.mark.parametrize(
    "node",
    [
        Node("iq", {"from": SERVER, "id": "17-4", "type": "set"}),
        Node("message", {"from": Jid("34600000002"), "notify": "José"}, b"\x00\xff"),
        Node("to", {"jid": Jid("2000", "lid", 3)}, [Node("enc", {"v": "2"}, b"x" * 70_000)]),
        Node("ref", {"code": "0123456789ABCDEF", "odd": "123", "raw": "x" * 300}, b""),
        Node("list", {}, [Node("item", {"id": str(n)}) for n in range(300)]),
    ],
    ids=lambda node: node.tag,
)
def test_a_node_survives_the_wire(node: Node) -> None:
    assert decode(encode(node)) == node


def test_a_signature_is_the_signers_alone() -> None:
    ana, luis = KeyPair.new(), KeyPair.new()
    signature = ana.sign(b"hola")
    assert verify(ana.public, b"hola", signature)
    assert not verify(ana.public, b"hole", signature)
    assert not verify(luis.public, b"hola", signature)


def conversation() -> tuple[Party, Party]:
    ana, luis = Party(), Party()
    ana.start_session(LUIS, luis.bundle())
    return ana, luis


def test_messages_may_overtake_each_other() -> None:
    ana, luis = conversation()
    sent = [ana.encrypt(LUIS, Content(text)) for text in ("uno", "dos", "tres")]
    assert [luis.decrypt(ANA, e).text for e in reversed(sent)] == ["tres", "dos", "uno"]


def test_a_message_can_be_read_once() -> None:
    ana, luis = conversation()
    envelope = ana.encrypt(LUIS, Content("hola"))
    luis.decrypt(ANA, envelope)
    with pytest.raises(UndecryptableError):
        luis.decrypt(ANA, envelope)


def test_a_spoilt_message_leaves_the_session_in_order() -> None:
    ana, luis = conversation()
    luis.decrypt(ANA, ana.encrypt(LUIS, Content("hola")))
    answer = luis.encrypt(ANA, Content("buenas"))
    spoilt = answer.data[:-1] + bytes([answer.data[-1] ^ 1])
    with pytest.raises(UndecryptableError):
        ana.decrypt(LUIS, Envelope(answer.kind, spoilt))
    assert ana.decrypt(LUIS, answer).text == "buenas"
