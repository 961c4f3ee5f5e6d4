"""Senders choose the ids of their messages, so an id names a message only together with its chat
and its sender."""

from dataclasses import replace

import pytest

from tests.services.world import World
from wa_app.domain.messages import MAX_ID, MessageState
from wa_app.domain.sessions.socket_messages import Incoming, Sent
from wa_app.extensions import db
from wa_app.models import Chat, Connection, Message
from wa_app.services.messages import inbox, outbox

LUIS, LUIS_HIDDEN = "34600111222@s.whatsapp.net", "200000000000002@lid"
OWN = "34600999888@s.whatsapp.net"
EVA = "34600111333@s.whatsapp.net"
GROUP, OTHER_GROUP = "120363000000000001@g.us", "120363000000000002@g.us"
FIRST, SECOND = "+34600999888", "+34600999777"


def text(world: World, sender: str = LUIS, **facts: object) -> Incoming:
    message = Incoming(
        "3EB0", sender, sender, "", "text", "Hola", world.now, False, False, 0, FIRST
    )
    return replace(message, **facts)  # type: ignore[arg-type]


def store(world: World, *messages: Incoming) -> int:
    with world.app.app_context():
        return inbox.store(world.connection_id, messages)


def in_group(world: World, sender: str, group: str = GROUP) -> Incoming:
    return text(world, sender, chat=group, is_group=True)


@pytest.mark.parametrize(
    "facts",
    [
        {"sender": EVA, "chat": EVA},
        {"chat": GROUP, "is_group": True},  # the same person, elsewhere
        {"sender": EVA, "chat": GROUP, "is_group": True},
        {"own_phone": SECOND},  # the same person, at the shop's other number
        {"from_me": True, "sender": OWN, "chat": LUIS},
        {"wa_id": "3eb0"},
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_id_of_another_message_hides_none(
    world: World, facts: dict[str, object], at_once: bool
) -> None:
    both = [text(world), text(world, **facts)]  # type: ignore[arg-type]
    stored = [store(world, *both)] if at_once else [store(world, one) for one in both]
    assert sum(stored) == 2
    assert store(world, *both) == 0
    assert len(world.messages()) == 2


def test_two_who_use_one_id_in_a_group_are_two(world: World) -> None:
    spoken = [in_group(world, LUIS), in_group(world, EVA), in_group(world, LUIS, OTHER_GROUP)]
    assert store(world, *spoken) == 3
    assert store(world, *spoken) == 0


@pytest.mark.parametrize(
    ("first", "again"), [(LUIS, LUIS_HIDDEN), (LUIS_HIDDEN, LUIS)], ids=["number", "hidden"]
)
def test_a_message_that_comes_again_under_the_senders_other_address_is_one(
    world: World, first: str, again: str
) -> None:
    assert store(world, text(world, first)) == 1
    assert store(world, text(world, again, sender_alt=first)) == 0


def test_an_id_of_any_length_is_kept_and_known_again(world: World) -> None:
    long = [text(world, wa_id="X" * MAX_ID + end) for end in ("", "A", "B")]
    assert store(world, *long) == 3
    assert store(world, *long) == 0
    assert all(len(row.wa_id or "") <= MAX_ID for row in world.messages())


def accepted(world: World, to: str = LUIS) -> int:
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        message_id = outbox.accept(connection, to, "Sí, hasta las 8").id
        assert outbox.take(world.connection_id, world.now, world.settings.messages)
        return message_id


def own(world: World, message_id: int) -> Message:
    with world.app.app_context():
        return db.session.get_one(Message, message_id)


@pytest.fixture
def linked(world: World) -> World:
    world.link()
    return world


def facts_of(world: World) -> dict[str, dict[str, object]]:
    return {
        "its addressee": {"own_phone": None},
        "somebody else": {"own_phone": None, "sender": EVA, "chat": EVA},
        "a group": {"own_phone": None, "chat": GROUP, "is_group": True},
        "the phone": {"own_phone": None, "from_me": True, "sender": OWN, "chat": LUIS},
    }


@pytest.mark.parametrize("who", ["its addressee", "somebody else", "a group", "the phone"])
def test_nobody_who_has_used_our_next_id_keeps_our_message_from_being_sent(
    linked: World, who: str
) -> None:
    message_id = accepted(linked)
    store(linked, text(linked, **facts_of(linked)[who]))  # type: ignore[arg-type]
    with linked.app.app_context():
        outbox.sent(linked.connection_id, Sent(message_id, "3EB0", linked.now))
    assert own(linked, message_id).state is MessageState.SENT
    assert [row.text for row in linked.messages() if row.sender] == (
        [] if who == "the phone" else ["Hola"]
    )


def test_an_id_that_nobody_has_used_is_kept_with_what_was_sent(linked: World) -> None:
    message_id = accepted(linked)
    with linked.app.app_context():
        outbox.sent(linked.connection_id, Sent(message_id, "3EB0", linked.now))
        assert db.session.get_one(Message, message_id).wa_id == "3EB0"
        assert db.session.query(Chat).count() == 1
