"""Copies of logins: which one a copy holds, and what it would take the place of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto


@dataclass(frozen=True)
class Login:
    """`device` is WhatsApp's name for it: another one for each linking, of the same number too.
    `phone` is E.164 with a plus."""

    device: str
    phone: str


class Newer(StrEnum):
    COPY = auto()
    IN_PLACE = auto()


@dataclass(frozen=True)
class Comparison:
    """What a restore would put in place of what. `used_at`: when the login in place was last up."""

    copy: Login
    copied_at: datetime
    in_place: Login | None
    used_at: datetime | None

    @property
    def is_same(self) -> bool:
        """A linking is one login, however often it was copied."""
        return self.copy == self.in_place

    @property
    def is_of_another_number(self) -> bool:
        return self.in_place is not None and self.in_place.phone != self.copy.phone

    @property
    def newer(self) -> Newer | None:
        """None: there is nothing to choose between."""
        if self.in_place is None or self.is_same:
            return None
        later = self.used_at is not None and self.used_at > self.copied_at
        return Newer.IN_PLACE if later else Newer.COPY
