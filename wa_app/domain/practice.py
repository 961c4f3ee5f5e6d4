"""The practice phone: what can be made to go wrong with it, and how its customers are addressed."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

SWITCHES = ("network_loss", "slow_handshake", "hang", "send_failure")
"""Faults that stay on until switched off."""

EVENTS = ("conflict", "logout", "ban", "drop_once")
"""Faults that happen once."""

FAULTS = (*EVENTS, *SWITCHES)


@dataclass(frozen=True)
class PracticeState:
    """A practice account as the owner reads it. `phone` is the number it was linked as, `scanned`
    what its phone has scanned or typed; `events` are the faults that are to happen now."""

    linked: bool = False
    phone: str | None = None
    scanned: str | None = None
    banned_until: datetime | None = None
    switches: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PracticeText:
    """What a practice customer wrote and the owner has not stored yet."""

    id: int
    connection_id: str
    customer: str
    text: str
    at: datetime


def customer_jid(customer: str) -> str:
    """A number no real phone has (there is no country code 999), the same for the same name."""
    digits = int.from_bytes(sha256(customer.encode()).digest()[:6], "big") % 10**9
    return f"999{digits:09d}@s.whatsapp.net"
