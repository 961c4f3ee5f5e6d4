"""What the connection card and the pairing dialog show, worked out for their templates."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from wa_app.domain.sessions.connection import is_under_way, shown_status
from wa_app.domain.sessions.policy import QR_TOTAL, qr_lifetime
from wa_app.domain.sessions.states import Action, Channel, Hold, Status
from wa_app.models import Connection, ConnectionEvent, OperationStep, User
from wa_app.services import ownership
from wa_app.services.connections import registry
from wa_app.services.connections import status as connection_status
from wa_app.services.ownership import owner_is_alive
from wa_app.web.http import times
from wa_app.web.http.access import practice_offered
from wa_app.wording.closes import REASONS
from wa_app.wording.connections import (
    IN_THE_DIALOG,
    ON_THE_CARD,
    TABS,
    Badge,
    Explanation,
    badge_of,
    explain,
)

FAST, SLOW = 1000, 5000
"""Milliseconds between two looks of a live part: while something happens, and otherwise."""

LATELY = 3


@dataclass(frozen=True)
class Button:
    endpoint: str
    word: str
    kind: str = "primary"

    @property
    def testid(self) -> str:
        return self.endpoint.partition(".")[2]


BUTTONS: Mapping[Action, tuple[Button, ...]] = {
    Action.NONE: (),
    Action.RECONNECT: (Button("home.reconnect", ON_THE_CARD[Action.RECONNECT]),),
    Action.PAIR: (Button("home.connect", ON_THE_CARD[Action.PAIR]),),
    Action.WAIT: (),
    Action.UPGRADE: (),
    Action.TAKE_BACK: (
        Button("home.take_back", _("Take it back")),
        Button("home.connect", _("Connect"), kind="quiet"),
    ),
    Action.CHOOSE_NUMBER: (
        Button("home.accept_number", _("It is the new number of this shop")),
        Button("home.unlink_number", _("Unlink it"), kind="quiet"),
    ),
}

STOP_BUTTONS: Mapping[Status, str | None] = {
    Status.DISCONNECTED: None,
    Status.CONNECTING: _("Stop"),
    Status.QR_PENDING: _("Cancel"),
    Status.CONNECTED: _("Disconnect"),
}

EMPTY: Mapping[Channel, Explanation] = {
    Channel.WHATSAPP: Explanation(
        _("Link your WhatsApp number."),
        _(
            "Press Connect and scan a code with the phone of your shop. The phone keeps working "
            "as before."
        ),
        Action.PAIR,
    ),
    Channel.PRACTICE: Explanation(
        _("Try everything without a real number."),
        _(
            "The practice phone behaves like a phone with WhatsApp. Link it, write to your shop as "
            "a customer, and see what happens when something goes wrong."
        ),
        Action.PAIR,
    ),
}


@dataclass(frozen=True)
class Card:
    channel: Channel
    connection: Connection | None
    badge: Badge
    explanation: Explanation
    status: Status
    alive: bool
    buttons: tuple[Button, ...]
    stop: str | None
    countdown: datetime | None
    every: int
    lately: list[ConnectionEvent]
    cleanup: list[OperationStep]

    @property
    def word(self) -> str:
        """What its tab says: its own name, if it has one."""
        named = self.connection.name if self.connection else ""
        return named or str(TABS[self.channel])

    @property
    def is_quiet(self) -> bool:
        """Nothing to explain: it works."""
        return self.explanation.action is Action.NONE

    @property
    def dials_now(self) -> bool:
        """It waits out the backoff, and a click would save the wait."""
        return self.alive and self.countdown is not None and self.status is Status.CONNECTING

    @property
    def countdown_words(self) -> tuple[str, str]:
        """What comes before the time, and before the seconds left."""
        hold = self.connection.hold if self.connection else None
        if hold is not Hold.REFUSED and self.status in (Status.CONNECTED, Status.DISCONNECTED):
            return gettext("It ends at"), gettext("It ends in {n}")  # limited, or blocked
        if hold is None and self.connection is not None and self.connection.attempt:
            return gettext("at"), gettext("in {n}")  # after "Attempt 2 of 5"
        return gettext("Next attempt at"), gettext("Next attempt in {n}")

    @property
    def small_print(self) -> str | None:
        """The cause beside its code, for those who search."""
        seen = self.connection
        if (
            seen is None
            or seen.status is Status.CONNECTED
            or is_under_way(seen.wanted, seen.observed)
        ):
            return None
        cause = seen.hold_cause or (seen.last_reason if seen.next_attempt_at else None)
        return str(REASONS[cause]) if cause else None

    @property
    def code(self) -> int | None:
        return self.connection.last_code if self.connection and self.small_print else None


def card_of(connection: Connection | None, channel: Channel) -> Card:
    now = times.now()
    alive = owner_is_alive(ownership.owner(), now)
    status = shown_status(connection and connection.status, alive=alive)
    explanation = (
        EMPTY[channel] if connection is None else explain(connection, alive=alive, now=now)
    )
    return Card(
        channel=channel,
        connection=connection,
        badge=badge_of(connection, alive=alive),
        explanation=explanation,
        status=status,
        alive=alive,
        buttons=() if status is Status.QR_PENDING else BUTTONS[explanation.action],
        stop=STOP_BUTTONS[status],
        countdown=_countdown(connection, now) if alive else None,
        every=FAST if connection is not None and _moves(connection, status) else SLOW,
        lately=connection_status.history(connection, before=None, limit=LATELY)
        if connection
        else [],
        cleanup=connection_status.last_cleanup(connection) if connection else [],
    )


def tabs_of(user: User) -> list[Card]:
    """One per connection, and one per channel that has none yet."""
    known = registry.of_user(user)
    offered = [Channel.WHATSAPP, *([Channel.PRACTICE] if practice_offered() else [])]
    return [
        card_of(connection, channel)
        for channel in offered
        for connection in tuple(one for one in known if one.channel is channel) or (None,)
    ]


def _moves(connection: Connection, status: Status) -> bool:
    return status in (Status.CONNECTING, Status.QR_PENDING) or is_under_way(
        connection.wanted, connection.observed
    )


def _countdown(connection: Connection | None, now: datetime) -> datetime | None:
    """When something happens by itself."""
    if connection is None or connection.waits_to_link:
        return None
    if connection.hold in (Hold.BANNED, Hold.REFUSED):
        return connection.hold_until
    if connection.status is Status.CONNECTED:
        limited = connection.restricted_until
        return limited if limited is not None and limited > now else None
    return connection.next_attempt_at


# ---- the pairing dialog


@dataclass(frozen=True)
class Pairing:
    """`stage` is what the dialog shows: starting, qr, code, linked, ready, stopped."""

    connection: Connection
    stage: str
    explanation: Explanation
    countdown: datetime | None
    every: int

    @property
    def picture(self) -> str | None:
        """Names the code on show, so that the browser fetches the next one; tells nothing of it."""
        shown = self.connection.qr_payload
        return hashlib.sha256(shown.encode()).hexdigest()[:8] if shown else None

    @property
    def offers_new_code(self) -> bool:
        """Not where something else helps: a new code would cost the number its login."""
        return self.stage != "stopped" or self.explanation.action is Action.PAIR

    @property
    def buttons(self) -> tuple[Button, ...]:
        return () if self.offers_new_code else BUTTONS[self.explanation.action]

    @property
    def number(self) -> int:
        return self.connection.qr_number or 1

    @property
    def total(self) -> int:
        return max(QR_TOTAL, self.number)

    @property
    def seconds(self) -> int:
        return int(qr_lifetime(self.number).total_seconds())


def pairing_of(connection: Connection) -> Pairing:
    now = times.now()
    alive = owner_is_alive(ownership.owner(), now)
    stage = _stage(connection, alive)
    return Pairing(
        connection,
        stage,
        explain(connection, alive=alive, now=now, buttons=IN_THE_DIALOG),
        connection.next_attempt_at if alive and not connection.waits_to_link else None,
        SLOW if stage in ("ready", "stopped") else FAST,
    )


def _stage(connection: Connection, alive: bool) -> str:
    if not alive or is_under_way(connection.wanted, connection.observed):
        return "starting"
    if connection.status is Status.CONNECTED:
        return "ready"
    if connection.status is Status.DISCONNECTED:
        return "stopped"
    if connection.status is Status.CONNECTING:
        return "linked" if connection.has_credentials else "starting"
    if connection.pairing_code:
        return "code"
    return "qr" if connection.qr_payload else "starting"
