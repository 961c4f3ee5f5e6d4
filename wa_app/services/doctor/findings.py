"""What a check is handed, and what it finds."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wa_app.config import Settings
from wa_app.gateways.base import Gateways
from wa_app.services.operations.context import Context

PATIENCE = 7.0
"""Seconds for each check; longer than a way to WhatsApp takes to be given up (5 s)."""

PERSONAL = re.compile(r"\S*@\S+|\+?\d[\d ]{6,}\d")
"""Addresses, logins in URLs, numbers of phones."""


@dataclass(frozen=True)
class Finding:
    """`code` is the stable word of what was found; `values` are for its sentence, and hold nothing
    that must not be shown to a stranger who helps."""

    ok: bool
    code: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """`serving`: asked by a server, not by a command that may be alone."""

    context: Context
    serving: bool

    @property
    def settings(self) -> Settings:
        return self.context.settings

    @property
    def now(self) -> datetime:
        return self.context.clock()

    @property
    def gateways(self) -> Gateways:
        return self.context.gateways


Check = Callable[[Case], Iterator[Finding]]


def well(code: str, **values: object) -> Finding:
    return Finding(True, code, values)


def ill(code: str, **values: object) -> Finding:
    return Finding(False, code, values)


def without_people(text: object) -> str:
    """What somebody else's software said, without what a report must not carry on."""
    lines = str(text).splitlines() or [""]  # the database's own second line tells the statement
    return PERSONAL.sub("…", lines[0])[:200]
