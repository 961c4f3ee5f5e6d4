"""What the practice phone shows, worked out for its templates."""

from dataclasses import dataclass
from datetime import timedelta

from flask import request

from wa_app.domain.messages import Direction
from wa_app.domain.practice import EVENTS, SWITCHES
from wa_app.domain.sessions.states import Status
from wa_app.models import Connection, PracticeMessage
from wa_app.services.connections import practice
from wa_app.web.http import times
from wa_app.web.pages.cards import FAST, SLOW
from wa_app.wording.practice import FAULTS, FaultWords

EXPECTING = timedelta(seconds=60)
"""How long after a customer's message an answer is looked for every second."""


@dataclass(frozen=True)
class Fault:
    kind: str
    words: FaultWords
    is_switch: bool
    on: bool


@dataclass(frozen=True)
class Phone:
    """`customer` is whose chat is open, `customers` all who have one."""

    connection: Connection
    customer: str
    customers: list[str]
    messages: list[PracticeMessage]
    faults: list[Fault]
    every: int

    @property
    def is_connected(self) -> bool:
        return self.connection.status is Status.CONNECTED

    @property
    def faults_on(self) -> int:
        return sum(fault.on for fault in self.faults)


def phone_of(connection: Connection) -> Phone:
    everything = practice.messages(connection)
    customer = _named(request.args.get("customer", "")) or _last_customer(everything)
    customers = sorted({message.customer for message in everything} | {customer})
    return Phone(
        connection,
        customer,
        customers,
        [message for message in everything if message.customer == customer],
        _faults(connection),
        FAST if _expects_answer(everything) else SLOW,
    )


def _named(name: str) -> str:
    return name.replace("\0", "").strip()[: practice.MAX_CUSTOMER]


def _last_customer(messages: list[PracticeMessage]) -> str:
    return messages[-1].customer if messages else practice.DEFAULT_CUSTOMER


def _expects_answer(messages: list[PracticeMessage]) -> bool:
    if not messages or messages[-1].direction is Direction.OUT:
        return False
    return times.now() - messages[-1].at < EXPECTING


def _faults(connection: Connection) -> list[Fault]:
    account = practice.peek(connection)
    return [
        Fault(kind, FAULTS[kind], kind in SWITCHES, account is not None and getattr(account, kind))
        for kind in (*EVENTS, *SWITCHES)
    ]
