"""An event of the library made into a message of ours."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from wa_app.domain.messages import ONLY_ON_PHONE
from wa_app.domain.sessions.socket_messages import Incoming, Receipt, ReceiptKind

TEXTS = {
    "conversation": "",
    "extendedTextMessage": "text",
    # What a customer chose from what a business offered is an answer in words.
    "buttonsResponseMessage": "selectedDisplayText",
    "templateButtonReplyMessage": "selectedDisplayText",
    "listResponseMessage": "title",
}
"""Fields that are text, and where in them it stands."""

KINDS = {
    "imageMessage": ("image", "caption"),
    "videoMessage": ("video", "caption"),
    "ptvMessage": ("video", "caption"),
    "audioMessage": ("audio", None),
    "documentMessage": ("document", "caption"),
    "stickerMessage": ("sticker", None),
    "locationMessage": ("location", "name"),
    "liveLocationMessage": ("location", "caption"),
    "contactMessage": ("contact", "displayName"),
    "contactsArrayMessage": ("contact", "displayName"),
    "reactionMessage": ("reaction", "text"),
    "pollCreationMessage": ("poll", "name"),
    "pollCreationMessageV2": ("poll", "name"),
    "pollCreationMessageV3": ("poll", "name"),
    "pollCreationMessageV5": ("poll", "name"),
    "pollCreationMessageV6": ("poll", "name"),
    "placeholderMessage": (ONLY_ON_PHONE, None),
}
"""Fields that are something else: what, and where in them its caption stands."""

OTHER = "other"
"""Something a person sent that has no kind of its own here: an order, an invitation, …"""

SILENT = frozenset(
    {
        "albumMessage",  # announces the pictures that follow
        "editedMessage",
        "encCommentMessage",
        "encEventResponseMessage",
        "encReactionMessage",
        "fastRatchetKeySenderKeyDistributionMessage",
        "groupRootKeyShare",
        "keepInChatMessage",
        "messageContextInfo",
        "messageHistoryBundle",
        "messageHistoryNotice",
        "pinInChatMessage",
        "pollUpdateMessage",
        "protocolMessage",
        "rootSecretDistributeMessage",
        "secretEncryptedMessage",
        "senderKeyDistributionMessage",
        "stickerSyncRmrMessage",
    }
)
"""Between programs, or about an earlier message: nothing anybody wrote."""

CARRIED = frozenset({"messageContextInfo", "senderKeyDistributionMessage"})
"""Comes along with what somebody wrote."""

HIDE = 2
"""neonize's number for a message whose sender wants nothing shown in its place."""

RECEIPTS = {
    1: ReceiptKind.DELIVERED,
    9: ReceiptKind.DELIVERED,  # to a device that sleeps ("inactive")
    4: ReceiptKind.READ,
    6: ReceiptKind.READ,  # played: nobody plays what they have not opened
}
"""By neonize's numbers. Others are about keys, or come from our own devices."""

MOST_IDS = 1000
"""Of one receipt: anybody can send one with more than a database takes in one question."""

PhoneOf = Callable[[Any], str | None]

PHONE_NUMBERS = "s.whatsapp.net"
HIDDEN_NUMBERS = "lid"
LISTS = "broadcast"
HOSTED_DEVICE = 99


def translate(event: Any, phone_of: PhoneOf, own_phone: str | None) -> Incoming | None:
    """None for what nobody wrote, and for status updates and channels, which nobody can answer.
    `phone_of` is asked for the phone number's JID of a LID that came without; `own_phone` is the
    number of this session."""
    content = kind_and_text(event.Message)
    return _incoming(event.Info, *content, phone_of, own_phone) if content else None


def translate_unreadable(event: Any, phone_of: PhoneOf, own_phone: str | None) -> Incoming | None:
    """What came without its content: it could not be decrypted, or WhatsApp gives it to the phone
    alone. None for what is about another message."""
    info = event.Info
    if event.DecryptFailMode == HIDE or info.Edit or info.Type == "reaction":
        return None
    return _incoming(info, ONLY_ON_PHONE, "", phone_of, own_phone)


def _incoming(
    info: Any, kind: str, text: str, phone_of: PhoneOf, own_phone: str | None
) -> Incoming | None:
    source = info.MessageSource
    if source.Chat.Server == "newsletter" or source.Chat.User == "status":
        return None
    if info.Category == "peer":  # between our own devices
        return None
    sender, sender_alt = _addresses(source.Sender, source.SenderAlt, phone_of)
    return Incoming(
        wa_id=plain(info.ID),
        chat=_chat(source, sender, phone_of),
        sender=_hosted(sender) if source.Sender.Device == HOSTED_DEVICE else sender,
        sender_name=plain(info.Pushname),
        kind=kind,
        text=plain(text),
        at=time_told(info.Timestamp),
        is_group=_is_group(source),
        from_me=source.IsFromMe,
        spool_offset=0,
        own_phone=own_phone,
        sender_alt=sender_alt,
    )


def translate_receipt(
    event: Any, phone_of: PhoneOf, lid_of: PhoneOf, own_phone: str | None
) -> Receipt | None:
    """None for what says nothing of somebody else. WhatsApp names whoever sent it by number or by
    LID, mostly without the other form."""
    source = event.MessageSource
    kind = RECEIPTS.get(event.Type)
    if kind is None or source.IsFromMe:
        return None
    hidden = lid_of(source.Sender) if source.Sender.Server == PHONE_NUMBERS else None
    known = (*_addresses(source.Sender, source.SenderAlt, phone_of), hidden)
    reader = tuple(dict.fromkeys(address for address in known if address))
    chat = (_spelled(source.Chat),) if _is_group(source) else reader
    wa_ids = tuple(map(plain, event.MessageIDs[:MOST_IDS]))
    return Receipt(wa_ids, kind, chat, reader, own_phone)


def members(
    participants: Iterable[Any], own_users: Collection[str], phone_of: PhoneOf
) -> list[str]:
    """Everybody in a group but ourselves, who are in it under our number or our LID."""
    others = [one for one in participants if one.JID.User not in own_users]
    return [_addresses(one.JID, one.PhoneNumber, phone_of)[0] for one in others]


def kind_and_text(message: Any) -> tuple[str, str] | None:
    fields = {field.name: value for field, value in message.ListFields()}
    for name, value in fields.items():
        if name in TEXTS:
            return "text", getattr(value, TEXTS[name]) if TEXTS[name] else value
        if name in KINDS:
            kind, caption = KINDS[name]
            return kind, getattr(value, caption) if caption else ""
    for name, value in fields.items():
        # "disappearing", "view once" and the like are wrapped around the message itself.
        if name not in SILENT and hasattr(value, "message"):
            return kind_and_text(value.message)
    if fields.keys() <= CARRIED and len(UnknownFieldSet(message)) > 0:
        return OTHER, ""  # of a kind that is newer than the library
    return (OTHER, "") if fields.keys() - SILENT else None


def _hosted(sender: str) -> str:
    """What a business sends through the Cloud API comes from a device of its number; neonize 0.5.2
    takes off the server's name that says so, and leaves the device's number (seen on the wire)."""
    user, _, server = sender.partition("@")
    return f"{user}@hosted.lid" if server == HIDDEN_NUMBERS else f"{user}@hosted"


def _is_group(source: Any) -> bool:
    """The library calls broadcast lists groups too."""
    return bool(source.IsGroup) and source.Chat.Server != LISTS


def _chat(source: Any, sender: str, phone_of: PhoneOf) -> str:
    if source.Chat.Server == LISTS and not source.IsFromMe:
        return sender  # somebody's broadcast list: to us, a message from them
    if source.Chat.Server == LISTS or source.IsGroup:
        return _spelled(source.Chat)
    other = source.RecipientAlt if source.IsFromMe else source.SenderAlt
    return _addresses(source.Chat, other, phone_of)[0]


def _addresses(jid: Any, other: Any, phone_of: PhoneOf) -> tuple[str, str | None]:
    """The phone number's JID where it is known, then the LID's: without the device, for a person
    is one person on all of them."""
    came = _spelled(other) if other.User else None
    if jid.Server == HIDDEN_NUMBERS:
        number = came if came and other.Server == PHONE_NUMBERS else phone_of(jid)
        return (number, _spelled(jid)) if number else (_spelled(jid), None)
    return _spelled(jid), came if other.Server == HIDDEN_NUMBERS else None


def _spelled(jid: Any) -> str:
    return f"{plain(jid.User)}@{plain(jid.Server)}"


MILLISECONDS = 10**11
POSSIBLE = range(10**9, 10**10)
"""Seconds: from 2001 to 2286."""


def time_told(stamp: int) -> datetime:
    """WhatsApp's time; the library is not of one mind about seconds and milliseconds. Where it can
    be none (one that is missing is spelled as of the year 1), ours: a message does not get lost
    for it, nor a text that has left."""
    seconds = stamp / 1000 if stamp > MILLISECONDS else stamp
    if POSSIBLE.start <= seconds < POSSIBLE.stop:
        return datetime.fromtimestamp(seconds, UTC)
    return datetime.now(UTC)


def plain(text: str | bytes) -> str:
    """As it can be kept. Senders choose ids, names and texts: protobuf gives as bytes what is no
    UTF-8, and a database takes no NUL."""
    known = text.decode(errors="backslashreplace") if isinstance(text, bytes) else text
    return known.replace("\0", "\ufffd")
