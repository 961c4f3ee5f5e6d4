"""What the product makes of every fault of a paired, connected number: one row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.product.visitor import Document
from tests.whatsapp_server import Contact
from wa_app.domain.sessions.policy import Policy

from .link import Link, NewLink


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "RECONNECT_BASE_DELAY": "0.02",
        "RECONNECT_JITTER": "0",
        "STABLE_AFTER": "10min",  # so the attempts can still be read afterwards
        "ENABLE_CONNECTION_MONITOR": "false",  # it would lift the holds again
    }


@dataclass(frozen=True)
class Row:
    """`attempts` is what the counter shows at the end; `redials` is how often WhatsApp is asked for
    a connection after the fault, by whomever. Without a hold, the number is connected at the end.
    A fault that lies `ahead` meets the next dials, and the line is reset so that there are some."""

    fault: str
    hold: str | None
    cause: str
    code: int | None
    attempts: int
    redials: int
    ahead: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.fault, *(f"{name}={value}" for name, value in self.options.items())])


def comes_back(fault: str, cause: str, code: int | None = None, **more: Any) -> Row:
    """The open connection is lost, and dialled again once."""
    return Row(fault, None, cause, code, attempts=1, redials=1, **more)


def is_held(fault: str, hold: str, cause: str, code: int) -> Row:
    """The open connection is lost, and not dialled again."""
    return Row(fault, hold, cause, code, attempts=0, redials=0)


def is_refused(
    fault: str, hold: str, cause: str, code: int | None, redials: int = 1, **more: Any
) -> Row:
    """The next login is refused, or that many."""
    return Row(fault, hold, cause, code, attempts=redials, redials=redials, ahead=True, **more)


TRIED = Policy().reconnect_max_attempts

ROWS = [
    comes_back("reset", "connection_lost"),
    comes_back("end", "connection_lost"),
    comes_back("close", "connection_lost", options={"code": 1000}),
    comes_back("close", "connection_lost", options={"code": 1011}),
    comes_back("stream_end", "connection_lost"),
    comes_back("stream_error_503", "connection_lost"),
    comes_back("stream_error_500", "server_error", 500),
    comes_back("stream_error_401", "connection_lost", 401),  # a bare 401 is no logout
    comes_back("stream_error_515", "restart_required", 515),
    is_held("replaced", "CONFLICT", "stream_replaced", 440),
    # Each number was paired a moment ago, so these are told as WhatsApp's doing.
    is_held("device_removed", "LOGGED_OUT", "removed_after_linking", 401),
    is_refused("failure_401", "LOGGED_OUT", "removed_after_linking", 401),
    is_refused("failure_403", "LOGGED_OUT", "removed_after_linking", 403),
    is_refused("failure_406", "LOGGED_OUT", "removed_after_linking", 406),
    is_refused("failure", "LOGGED_OUT", "removed_after_linking", 428, options={"reason": 428}),
    is_refused("failure_402", "BANNED", "banned", 402),
    is_refused("failure", "BANNED", "banned", 402, options={"reason": 402, "code": 107}),
    is_refused("failure_405", "CLIENT_OUTDATED", "client_outdated", 405),
    is_refused("failure_400", "REFUSED", "refused", 400, TRIED),
    is_refused("failure_409", "REFUSED", "refused", 409, TRIED),
    is_refused("failure", "REFUSED", "refused", 429, TRIED, options={"reason": 429}),
    is_refused("failure", "REFUSED", "refused", None, TRIED, options={"reason": 413}),
    is_refused("failure_500", "RETRIES_EXHAUSTED", "server_error", 500, TRIED),
    is_refused("failure_503", "RETRIES_EXHAUSTED", "server_error", 503, TRIED),
    is_refused("refuse", "RETRIES_EXHAUSTED", "unreachable", None, TRIED),
    Row("refuse", None, "unreachable", None, 4, 4, ahead=True, options={"times": 3}),
    Row("failure_503", None, "server_error", 503, 3, 3, ahead=True, options={"times": 2}),
]


def strike(link: Link, row: Row) -> None:
    if row.ahead:
        # Who is refused at the door has not yet said which device it is.
        target = link.line if row.fault == "refuse" else link.device
        link.whatsapp.fault(row.fault, target, **row.options)
        link.whatsapp.fault("reset", link.device)
    else:
        link.whatsapp.fault(row.fault, link.device, **row.options)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_fault_leads_where_the_table_says(link: Link, row: Row) -> None:
    dialled, device = len(link.dials), link.device
    strike(link, row)
    seen = link.wait_for_the_end_of_it(row.hold)
    assert outcome(seen) == (row.hold, row.cause, row.code, row.attempts), link.story()
    assert seen["nextAttemptAt"] is None
    assert len(link.dials) - dialled == row.redials, link.story()
    assert device.most_sockets == 1


def outcome(seen: Document) -> tuple[object, ...]:
    last = seen["lastDisconnect"]
    return seen["hold"], last["reason"], last["code"], seen["attempt"]


@pytest.mark.parametrize("fault", ["replaced", "device_removed"])
def test_a_last_word_that_is_cut_off_ends_as_safely(link: Link, fault: str) -> None:
    """The library may lose a stanza that the close follows at once. A conflict then looks like
    any lost line; a logout is told again at the next login."""
    link.whatsapp.fault(fault, link.device, linger=0)
    if fault == "device_removed":
        seen = link.wait_for_the_end_of_it("LOGGED_OUT")
        assert outcome(seen)[:3] == ("LOGGED_OUT", "removed_after_linking", 401)
    else:
        seen = link.number.wait_for(lambda seen: seen["hold"] or link.has_come_back(seen))
        assert outcome(seen)[:3] in [
            ("CONFLICT", "stream_replaced", 440),
            (None, "connection_lost", None),
        ]


def test_a_ban_tells_when_it_ends(link: Link) -> None:
    link.whatsapp.fault("failure_402", link.device, expire=3600)
    link.whatsapp.fault("reset", link.device)
    seen = link.number.wait_for("BANNED")
    left = datetime.fromisoformat(seen["holdUntil"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1)
    assert seen["explanation"]["action"] == "WAIT"


def test_a_ban_that_is_over_is_over(link: Link) -> None:
    link.whatsapp.fault("failure_402", link.device, times=1, expire=2)
    link.whatsapp.fault("reset", link.device)
    link.device.wait_for_login(count=2)
    link.number.wait_for(lambda seen: seen["connected"] and link.device.logins == 2)
    assert "BANNED" in [event["hold"] for event in link.number.events()]


def test_a_held_number_comes_back_when_its_person_asks(link: Link) -> None:
    link.whatsapp.fault("replaced", link.device)
    link.wait_for_the_end_of_it("CONFLICT")
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    assert link.device.logins == 2


def test_a_silence_that_ends_in_time_is_nobodys_business(link: Link, luis: Contact) -> None:
    with link.whatsapp.faulty("stall", link.device):
        id = luis.send(link.phone, "despacio")
        accepted = link.number.send(f"+{luis.number}", "Ya le atiendo.")
        link.number.wait_for_message(accepted["id"], "SENDING")
    luis.wait_for_receipt(id)
    luis.wait_for_text("Ya le atiendo.")
    link.number.wait_for_message(accepted["id"], "DELIVERED")
    assert link.device.logins == 1
    assert link.number.status()["lastDisconnect"] is None


# --- what takes its time: begun before all other tests, looked at after them ----


@pytest.fixture(scope="module", autouse=True)
def silent(new_link: NewLink) -> Link:
    """Nothing passes in either direction from now on. The library notices after 20 to 40 s."""
    silent = new_link()
    silent.pair()
    silent.whatsapp.fault("stall", silent.device)
    return silent


def show(link: Link, codes: int, **how: str) -> Document:
    """Connect, with so many codes from WhatsApp: each lasts 20 s, where six would last 160."""
    usual, link.whatsapp.refs = link.whatsapp.refs, codes
    try:
        return link.number.connect(**how)
    finally:
        link.whatsapp.refs = usual


@pytest.fixture(scope="module", autouse=True)
def unscanned(new_link: NewLink) -> tuple[Link, Document]:
    link = new_link()
    return link, show(link, codes=2)


@pytest.fixture(scope="module", autouse=True)
def untyped(new_link: NewLink) -> tuple[Link, Document]:
    link = new_link()
    return link, show(link, codes=1, phone=f"+{link.phone.number}")


def test_a_silence_that_lasts_is_a_lost_line(silent: Link) -> None:
    seen = silent.wait_for_the_end_of_it(None, timeout=120)
    assert outcome(seen) == (None, "keepalive_timeout", 408, 1), silent.story()
    assert silent.device.logins == 2
    assert silent.device.most_sockets == 1


def test_a_pairing_code_that_nobody_types_expires(untyped: tuple[Link, Document]) -> None:
    link, shown = untyped
    assert shown["pairingCode"] and not shown["qr"]
    assert_expired(link)


def test_when_nobody_scans_the_last_qr_expires_too(unscanned: tuple[Link, Document]) -> None:
    link, shown = unscanned
    assert shown["hasQR"]
    assert_expired(link)
    assert link.number.connect()["qr"] not in (None, shown["qr"])
    link.number.disconnect()


def assert_expired(link: Link) -> None:
    seen = link.wait_for_the_end_of_it("PAIRING_EXPIRED", timeout=120)
    assert outcome(seen) == ("PAIRING_EXPIRED", "pairing_timeout", None, 0)
    assert (seen["qr"], seen["pairingCode"], seen["nextAttemptAt"]) == (None, None, None)
    assert seen["explanation"]["action"] == "PAIR"
    assert len(link.whatsapp.journal.of("registered", link.line)) == 1
