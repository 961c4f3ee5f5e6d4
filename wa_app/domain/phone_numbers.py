"""Phone numbers and JIDs, WhatsApp's addresses."""

import re

from wa_app.domain.errors import WrongInput

USER_SERVER = "s.whatsapp.net"

_SEPARATORS = re.compile(r"[\s().\-/]")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_JID = re.compile(r"[0-9]{5,20}(-[0-9]+)?@(s\.whatsapp\.net|lid|g\.us)")


def e164(text: str, field: str = "phone") -> str:
    """`+34 600 111 222` → `+34600111222`. Raises `WrongInput` for what is no international
    number (ITU-T E.164: a plus, the country code, 15 digits at most)."""
    number = _SEPARATORS.sub("", text.strip())
    if number.startswith("00"):
        number = "+" + number[2:]
    if not _E164.fullmatch(number):
        raise WrongInput(field, "not_a_phone")
    return number


def jid_of(recipient: str, field: str = "to") -> str:
    """The chat of a phone number or a JID. Raises `WrongInput`."""
    recipient = recipient.strip()
    if "@" not in recipient:
        return f"{e164(recipient, field)[1:]}@{USER_SERVER}"
    if not _JID.fullmatch(recipient):
        raise WrongInput(field, "not_a_phone")
    return recipient


def phone_of(jid: str) -> str | None:
    """`34600111222@s.whatsapp.net` → `+34600111222`; None for a JID without a number."""
    user, _, server = jid.partition("@")
    return f"+{user}" if server == USER_SERVER else None


_TWO_SPELLINGS = (
    (re.compile(r"\+55(\d\d)9(\d{8})"), r"+55\1\2"),  # Brazil: mobiles with or without the 9
    (re.compile(r"\+521(\d{10})"), r"+52\1"),  # Mexico: mobiles with or without the 1
    (re.compile(r"\+549(\d{10})"), r"+54\1"),  # Argentina: mobiles with or without the 9
)
"""Countries whose mobile numbers people dial in one way and WhatsApp names in another."""


def same_number(one: str, other: str) -> bool:
    """Whether two E.164 numbers are one number, in whichever of its spellings."""
    return _plain(one) == _plain(other)


def same_address(one: str, other: str) -> bool:
    """Whether two JIDs are one address: the same, or one number in two spellings."""
    numbers = phone_of(one), phone_of(other)
    return one == other or (all(numbers) and same_number(numbers[0] or "", numbers[1] or ""))


def _plain(number: str) -> str:
    for spelling, plain in _TWO_SPELLINGS:
        if spelling.fullmatch(number):
            return spelling.sub(plain, number)
    return number
