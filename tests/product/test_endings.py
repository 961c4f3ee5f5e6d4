"""However the server ends, nothing is left running; whoever starts next goes on where it was."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.whatsapp_server import Contact, Phone, WhatsAppServer

from .conftest import QUICK, Start
from .server import PATIENCE, Server, wait_until
from .visitor import Document, Number, Visitor

SignIn = Callable[..., Visitor]
POLITE = "Ended: the client closed the websocket"


def stop_master(server: Server) -> None:
    server.master.terminate()


def stop_group(server: Server) -> None:
    server.signal_group(signal.SIGTERM)


def interrupt_group(server: Server) -> None:
    server.signal_group(signal.SIGINT)


ORDERLY = pytest.mark.parametrize(
    "stop",
    [
        pytest.param(stop_master, id="SIGTERM to the master"),
        pytest.param(stop_group, id="SIGTERM to all"),
        pytest.param(interrupt_group, id="Ctrl-C"),
    ],
)


def goodbyes(whatsapp: WhatsAppServer, since: int) -> list[object]:
    closed = whatsapp.journal.of("closed")[since:]
    return [entry.detail["reason"] for entry in closed]


@ORDERLY
def test_an_orderly_end_closes_every_socket_and_leaves_nothing(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone, stop: Callable[..., None]
) -> None:
    server = start(whatsapp)
    ana = sign_in(server)
    ana.new_number().pair(phone)
    ana.new_number().connect()  # shows a QR
    ana.new_number("practice").link_practice_phone()
    before = len(whatsapp.journal.of("closed"))
    stop(server)
    server.wait_until_nothing_runs()
    assert goodbyes(whatsapp, before) == [POLITE, POLITE]
    assert "stopped" in server.log()


def test_an_orderly_end_does_not_wait_for_whoever_waits_for_a_qr(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp)
    ana = sign_in(server)
    ana.new_number().pair(phone)
    before = len(whatsapp.journal.of("closed"))
    with whatsapp.faulty("silent_upgrade"), waiting_for_a_qr(ana):
        whatsapp.wait_for("fault", name="silent_upgrade")
        server.master.terminate()
        server.wait_until_nothing_runs()
    assert POLITE in goodbyes(whatsapp, before)
    assert "stopped" in server.log()


def test_an_orderly_restart_brings_every_number_back_at_once(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp)
    ana = sign_in(server)
    number, practice = ana.new_number(), ana.new_number("practice")
    device = number.pair(phone)
    practice.link_practice_phone()
    wait_until_stable(number, practice)
    server.end()
    server.start()
    for each in (number, practice):
        assert each.wait_for("CONNECTED")["attempt"] == 0
    assert (device.logins, device.most_sockets) == (2, 1)
    events = number.events()
    assert [event["attempt"] for event in events] == [0] * len(events)
    assert [wait for event in events if (wait := planned_wait(event)) > A_MOMENT] == []


def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone, luis: Contact
) -> None:
    server = start(whatsapp)
    ana = sign_in(server)
    number, practice = ana.new_number(), ana.new_number("practice")
    practice.answer_with("Abrimos a las nueve.")
    practice.link_practice_phone()
    device = number.pair(phone)
    wait_until_stable(number, practice)
    accepted = [number.send(f"+{luis.number}", f"Recordatorio {n}")["id"] for n in range(20)]
    luis.wait_for_text("Recordatorio 0")
    before = server.processes()
    practice.customer_writes("¿Abren hoy?")
    server.worker.kill()
    server.wait_for_role("owner")
    assert number.wait_for("CONNECTED")["attempt"] == 0
    for id in accepted:  # a receipt may be lost with the worker, a message never
        number.wait_for_message(id, "SENT", "DELIVERED")
    practice.wait_for("CONNECTED")
    practice.wait_for_answer("Abrimos a las nueve.")
    assert texts(luis) == {f"Recordatorio {n}" for n in range(20)}
    assert device.most_sockets == 1
    assert set(before) & set(server.processes()) == {server.master}


def test_what_customers_write_while_the_worker_is_killed_is_answered(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone, luis: Contact
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    number.answer_with("Ahora mismo.")
    number.pair(phone)
    for n in range(3):
        luis.send(phone, f"Pregunta {n}")
    server.worker.kill()
    for n in range(3, 6):
        luis.send(phone, f"Pregunta {n}")
    number.wait_for("CONNECTED")
    luis.wait_for_text(count=6)
    answered = {message.id for message in luis.inbox}
    assert len(answered) in (6, 7)  # one may be sent twice, rather than not at all


def test_a_killed_master_takes_everything_with_it(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp)
    ana = sign_in(server)
    number, practice = ana.new_number(), ana.new_number("practice")
    device = number.pair(phone)
    practice.link_practice_phone()
    server.master.kill()
    server.wait_until_nothing_runs()
    device.wait_for_logout()
    server.start()
    number.wait_for("CONNECTED")
    practice.wait_for("CONNECTED")
    assert device.most_sockets == 1


def test_everything_killed_at_once_comes_back(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    device = number.pair(phone)
    wait_until_stable(number)
    server.clean_up()
    server.start()
    assert number.wait_for("CONNECTED")["attempt"] == 0
    assert (device.logins, device.most_sockets) == (2, 1)


def test_a_reload_hands_the_numbers_to_a_new_worker(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    device = number.pair(phone)
    wait_until_stable(number)
    old, before = server.worker, len(whatsapp.journal.of("closed"))
    server.signal_group(signal.SIGHUP)
    device.wait_for_login(count=2)
    assert goodbyes(whatsapp, before) == [POLITE]
    assert number.wait_for("CONNECTED")["attempt"] == 0
    wait_until(lambda: not old.is_running(), "the old worker gone")
    assert device.most_sockets == 1


def test_a_qr_on_show_is_followed_by_a_new_one_after_a_crash(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp, RECONNECT_BASE_DELAY="0.2")
    number = sign_in(server).new_number()
    shown = number.connect()["qr"]
    server.worker.kill()
    again = number.wait_for(lambda seen: seen["qr"] not in (None, shown))
    phone.scan(again["qr"])
    number.wait_for("CONNECTED")


def test_a_cleanup_that_a_crash_interrupts_is_done_after_it(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp, SETTLE_DELAY="1")
    number = sign_in(server).new_number()
    number.pair(phone)
    [session] = server.sessions()
    session.suspend()  # so that the clean-up takes a while
    asked = number.ask("POST", "/api/whatsapp/force-cleanup", wait="0")
    server.worker.kill()
    operation = f"/api/whatsapp/operations/{asked['operationId']}"
    steps = wait_until(lambda: number.ask("GET", operation)["steps"], "the steps of the clean-up")
    assert len(steps) == 7
    assert server.session_files(number.id) == []
    number.wait_for(lambda seen: seen["explanation"]["title"] == "No number is linked yet.")


def test_a_killed_session_process_is_started_again(
    start: Start, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    server = start(whatsapp, RECONNECT_BASE_DELAY="0.2")
    number = sign_in(server).new_number()
    device = number.pair(phone)
    [session] = server.sessions()
    session.kill()
    device.wait_for_login(count=2)
    up = number.wait_for(lambda seen: seen["status"] == "CONNECTED" and seen["lastDisconnect"])
    assert up["lastDisconnect"]["reason"] == "process_died"


# ---- parts


A_MOMENT = timedelta(seconds=1)
"""By the product's own plan, whatever a busy machine makes of it: a start spreads its dials."""


def planned_wait(event: Document) -> timedelta:
    at, until = (
        datetime.fromisoformat(event[name] or event["at"]) for name in ("at", "nextAttemptAt")
    )
    return until - at


def wait_until_stable(*numbers: Number) -> None:
    """Up for longer than STABLE_AFTER when the heart last beat: attempts start from 0 again."""
    for number in numbers:
        up = datetime.fromisoformat(number.wait_for("CONNECTED")["connectedAt"])
        stable = up + timedelta(seconds=float(QUICK["STABLE_AFTER"]))
        server = number.owner.server
        wait_until(lambda server=server, at=stable: last_heartbeat(server) >= at, "a heartbeat")


def last_heartbeat(server: Server) -> datetime:
    with closing(sqlite3.connect(server.data_dir / "vigia.db", timeout=PATIENCE)) as database:
        [(at,)] = database.execute("SELECT heartbeat_at FROM owner")
    return datetime.fromisoformat(at).replace(tzinfo=UTC)


@contextmanager
def waiting_for_a_qr(ana: Visitor) -> Iterator[None]:
    """Somebody whose request is under way meanwhile, and answered before it is over: gunicorn would
    break off one that goes on waiting."""
    number = ana.new_number()
    with ThreadPoolExecutor(1) as one:
        waiter = one.submit(number.ask, "POST", "/api/whatsapp/connect", wait="15")
        yield
        assert not waiter.result(PATIENCE)["hasQR"]


def texts(contact: Contact) -> set[str]:
    return {message.text for message in contact.inbox}
