"""A thousand texts in and answered, through ten kills: what may happen then, and what may not.

A killed session process takes along what the library had confirmed to WhatsApp, but not yet told
us: the text in its hand. Nobody can bring that back, so one for each such kill may be missing;
what else is missing is a mistake. A text answered twice has its answer marked as perhaps doubled.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import closing
from itertools import takewhile
from typing import Any

import pytest

from tests.product.server import Server, wait_until
from tests.whatsapp_server import WhatsAppServer

from .link import Link, NewLink

pytestmark = pytest.mark.timeout(900)  # protection only: it is a quarter of the suite's work

SEED = 20_260_301
CONTACTS, TEXTS_EACH = 200, 5
KILLS = {"worker": 3, "session": 4, "line": 3}
MOST_UNANSWERED = 50
"""With so many, the customers wait: else all texts would be in before the second kill."""


PATIENCE = 400
"""Protection only: after five attempts the pauses have grown to half a minute."""


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """As a shop has them, but for the pace of the answers."""
    return {"STABLE_AFTER": "30s", "SETTLE_DELAY": "1s", "HEARTBEAT": "2s"}


class Killer:
    def __init__(self, server: Server, link: Link, dice: random.Random) -> None:
        self._server, self._link, self._dice = server, link, dice
        self.lines_killed: set[object] = set()
        """Numbers of the connections whose session process was killed."""

    def kill(self, what: str) -> None:
        match what:
            case "worker":
                # gunicorn's master may not have started another one yet.
                wait_until(lambda: len(self._server.master.children()) == 1, "a worker")
                self._server.worker.kill()
            case "session":
                wait_until(self._link.process, "a session process").kill()
                self.lines_killed.update(self._link.dials[-1:])
            case "line":
                wait_until(lambda: self._link.device.connection, "a connection")
                fault = self._dice.choice(["reset", "end", "close", "stream_error_503"])
                self._link.whatsapp.fault(fault, self._link.device)


class Answers:
    """What the customers have received, counted as it comes: by customer, and each id once."""

    def __init__(self, whatsapp: WhatsAppServer) -> None:
        self._entries, self._read = whatsapp.journal.entries, 0
        self.by_customer: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many texts were answered: what a customer got beyond that is a double."""
        self._look()
        return sum(min(count, TEXTS_EACH) for count in self.by_customer.values())

    @property
    def doubles(self) -> int:
        return self.by_customer.total() - self.count

    def _look(self) -> None:
        while self._read < len(self._entries):
            entry = self._entries[self._read]
            self._read += 1
            if entry.kind == "received" and not entry.detail["duplicate"]:
                self.by_customer[entry.who] += 1


def query(server: Server, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(server.data_dir / "vigia.db", timeout=10)) as database:
        return database.execute(sql).fetchall()


def nothing_is_under_way(server: Server) -> bool:
    waiting = "bot_pending OR state IN ('PENDING', 'SENDING')"
    return query(server, f"SELECT count(*) FROM message WHERE {waiting}") == [(0,)]


def test_nothing_is_lost_through_ten_kills(
    server: Server,
    whatsapp: WhatsAppServer,
    new_link: NewLink,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dice = random.Random(SEED)
    link = new_link()
    link.number.answer_with("Abrimos a las nueve.")
    link.pair()
    killer, answers = Killer(server, link, dice), Answers(whatsapp)
    kinds = [kind for kind, times in KILLS.items() for _ in range(times)]
    moments = dice.sample(range(20, CONTACTS * TEXTS_EACH - 20), len(kinds))
    kills = dict(zip(moments, kinds, strict=True))
    customers = [whatsapp.contact(str(34_611_000_000 + n)) for n in range(CONTACTS)]
    order = customers * TEXTS_EACH
    dice.shuffle(order)

    sent: set[str] = set()
    for number, customer in enumerate(order):
        if number in kills:
            killer.kill(kills[number])
        sent.add(customer.send(link.phone, f"Pregunta {number}"))
        enough = len(sent) - MOST_UNANSWERED
        whatsapp.wait_until(lambda enough=enough: answers.count >= enough, PATIENCE, "answers")
    whatsapp.wait_until(lambda: not link.device.pending, PATIENCE, "all texts confirmed")
    whatsapp.wait_until(lambda: nothing_is_under_way(server), PATIENCE, "all answers on their way")

    link.number.wait_for("CONNECTED", PATIENCE)

    rows = query(server, "SELECT wa_id FROM message WHERE direction = 'in'")
    stored = Counter(id for (id,) in rows)
    lost = sent - stored.keys()
    in_hand = texts_in_hand(whatsapp, killer.lines_killed, stored.keys())
    marked = query(server, "SELECT count(*) FROM message WHERE unknown_ends > 0")[0][0]
    with capsys.disabled():
        sys.stderr.write(
            f"\ntexts {len(sent)}, stored {len(stored)}, in the hand of a killed process "
            f"{len(in_hand)}, answered {answers.count}, doubled {answers.doubles} of {marked} "
            f"marked, kills {KILLS}, most connections at once {link.device.most_sockets}\n"
        )
    assert lost == in_hand, link.story()
    assert len(lost) <= KILLS["session"]
    assert set(stored) <= sent and set(stored.values()) == {1}
    assert answers_missing(server, answers) == {}
    assert doubles_unmarked(server, answers) == {}
    assert link.device.most_sockets == 1


def texts_in_hand(
    whatsapp: WhatsAppServer, lines: Collection[object], stored: Collection[str]
) -> set[str]:
    """Those that a killed process had confirmed last, so that nothing after them was stored."""
    confirmed: dict[object, list[str]] = defaultdict(list)
    for entry in whatsapp.journal.of("receipt"):
        confirmed[entry.detail["connection"]].append(str(entry.detail["id"]))
    return {
        id
        for line in lines
        for id in takewhile(lambda id: id not in stored, reversed(confirmed[line]))
    }


def chats(server: Server) -> dict[str, tuple[int, int]]:
    """By customer: texts stored, answers marked as perhaps doubled."""
    rows = query(
        server,
        "SELECT jid, sum(direction = 'in'), sum(unknown_ends > 0) FROM message"
        " JOIN chat ON chat.id = chat_id GROUP BY jid",
    )
    return {jid.partition("@")[0]: (stored, marked) for jid, stored, marked in rows}


def answers_missing(server: Server, answers: Answers) -> dict[str, int]:
    return {
        customer: stored - answers.by_customer[customer]
        for customer, (stored, _) in chats(server).items()
        if answers.by_customer[customer] < stored
    }


def doubles_unmarked(server: Server, answers: Answers) -> dict[str, int]:
    return {
        customer: answers.by_customer[customer] - stored - marked
        for customer, (stored, marked) in chats(server).items()
        if answers.by_customer[customer] > stored + marked
    }
