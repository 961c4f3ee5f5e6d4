"""A receipt counts only from where its message is: whoever knows an id can send one."""

import pytest

from tests.services.world import World
from wa_app.domain.messages import MessageState
from wa_app.domain.sessions.socket_messages import Receipt, ReceiptKind, Sent
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message, MessageRecipient
from wa_app.services.messages import outbox, receipts

LUIS, LUIS_HIDDEN = "34600111222@s.whatsapp.net", "200000000000002@lid"
EVA, EVA_HIDDEN = "34600111333@s.whatsapp.net", "200000000000003@lid"
JUAN = "34600111444@s.whatsapp.net"
GROUP, OTHER_GROUP = "120363000000000001@g.us", "120363000000000002@g.us"
DELIVERED, READ = ReceiptKind.DELIVERED, ReceiptKind.READ


@pytest.fixture
def linked(world: World) -> World:
    world.link()
    return world


def sent(world: World, to: str, members: tuple[str, ...] | None = None) -> int:
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        message_id = outbox.accept(connection, to, "Su pedido está listo.").id
        assert outbox.take(world.connection_id, world.now, world.settings.messages)
        outbox.sent(world.connection_id, Sent(message_id, "3EB0", world.now, members))
        return message_id


def told(world: World, kind: ReceiptKind, *chat: str, reader: str = "", at: str = "") -> None:
    of = (reader,) if reader else chat
    with world.app.app_context():
        receipts.arrived(world.connection_id, Receipt(("3EB0",), kind, chat, of, at or None))


def state(world: World, message_id: int) -> MessageState:
    with world.app.app_context():
        return db.session.get_one(Message, message_id).state


@pytest.mark.parametrize(
    ("chat", "reader"),
    [(EVA, ""), (EVA_HIDDEN, ""), (GROUP, LUIS), (GROUP, EVA), (LUIS_HIDDEN, "")],
    ids=["another", "another's LID", "in a group", "another in a group", "an unknown LID"],
)
def test_a_receipt_from_elsewhere_says_nothing(linked: World, chat: str, reader: str) -> None:
    message_id = sent(linked, LUIS)
    told(linked, READ, chat, reader=reader)
    assert state(linked, message_id) is MessageState.SENT


@pytest.mark.parametrize(
    ("to", "chat"),
    [
        (LUIS, (LUIS,)),
        (LUIS, (LUIS_HIDDEN, LUIS)),
        (LUIS_HIDDEN, (LUIS, LUIS_HIDDEN)),
        ("525512345678@s.whatsapp.net", ("5215512345678@s.whatsapp.net",)),
        ("5511987654321@s.whatsapp.net", (LUIS_HIDDEN, "551187654321@s.whatsapp.net")),
    ],
)
def test_a_receipt_counts_by_any_address_of_its_chat(
    linked: World, to: str, chat: tuple[str, ...]
) -> None:
    message_id = sent(linked, to)
    told(linked, DELIVERED, *chat)
    assert state(linked, message_id) is MessageState.DELIVERED
    told(linked, READ, *chat)
    told(linked, DELIVERED, *chat)
    assert state(linked, message_id) is MessageState.READ


def test_a_receipt_at_another_number_of_the_connection_says_nothing(linked: World) -> None:
    message_id = sent(linked, LUIS)
    told(linked, READ, LUIS, at="+34600999777")
    assert state(linked, message_id) is MessageState.SENT
    told(linked, READ, LUIS, at=linked.connection.linked_phone or "")
    assert state(linked, message_id) is MessageState.READ


def test_one_reader_of_three_is_not_read(linked: World) -> None:
    message_id = sent(linked, GROUP, (LUIS, EVA, JUAN))
    for reader in (LUIS, EVA, JUAN):
        assert state(linked, message_id) is MessageState.SENT
        told(linked, DELIVERED, GROUP, reader=reader)
    for reader in (LUIS, LUIS, EVA):
        told(linked, READ, GROUP, reader=reader)
        assert state(linked, message_id) is MessageState.DELIVERED
    told(linked, READ, GROUP, reader=JUAN)
    assert state(linked, message_id) is MessageState.READ


def test_read_by_some_and_not_delivered_to_others_is_only_sent(linked: World) -> None:
    message_id = sent(linked, GROUP, (LUIS, EVA))
    told(linked, READ, GROUP, reader=LUIS)
    assert state(linked, message_id) is MessageState.SENT
    with linked.app.app_context():
        states = {one.jid: one.state for one in db.session.query(MessageRecipient)}
    assert states == {LUIS: MessageState.READ, EVA: MessageState.SENT}
    told(linked, DELIVERED, GROUP, reader=EVA)
    assert state(linked, message_id) is MessageState.DELIVERED


@pytest.mark.parametrize(
    ("chat", "reader"),
    [(GROUP, EVA), (OTHER_GROUP, LUIS), (LUIS, LUIS)],
    ids=["who is not in it", "in another group", "in the direct chat"],
)
def test_only_those_in_the_group_and_there_count(linked: World, chat: str, reader: str) -> None:
    message_id = sent(linked, GROUP, (LUIS,))
    told(linked, READ, chat, reader=reader)
    assert state(linked, message_id) is MessageState.SENT


@pytest.mark.parametrize("members", [None, ()])
def test_nobody_knows_all_of_a_group_that_told_no_members(
    linked: World, members: tuple[str, ...] | None
) -> None:
    message_id = sent(linked, GROUP, members)
    told(linked, READ, GROUP, reader=LUIS)
    assert state(linked, message_id) is MessageState.SENT


def test_a_text_that_left_twice_went_to_those_who_are_there_the_second_time(linked: World) -> None:
    message_id = sent(linked, GROUP, (LUIS, EVA))
    with linked.app.app_context():
        db.session.get_one(Message, message_id).state = MessageState.SENDING
        db.session.commit()
        again = Sent(message_id, "3EB0", linked.now, (LUIS,))
        outbox.sent(linked.connection_id, again)
    told(linked, READ, GROUP, reader=LUIS)
    assert state(linked, message_id) is MessageState.READ


def test_a_group_that_we_write_to_first_is_one(linked: World) -> None:
    sent(linked, GROUP, (LUIS,))
    sent(linked, LUIS)
    with linked.app.app_context():
        groups = {chat.jid: chat.is_group for chat in db.session.query(Chat)}
    assert groups == {GROUP: True, LUIS: False}


def test_what_was_sent_goes_with_its_recipients(linked: World) -> None:
    sent(linked, GROUP, (LUIS, EVA))
    with linked.app.app_context():
        db.session.delete(db.session.query(Chat).one())
        db.session.commit()
        assert db.session.query(MessageRecipient).count() == 0
