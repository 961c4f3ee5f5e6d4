"""Force-cleanup in every state: seven steps, whatever hangs, and nothing left but the backup.

What hangs here would do so for longer than any test waits: a clean-up that ends has not waited for
it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.whatsapp_server import Phone, WhatsAppServer

from .conftest import ANA, Start
from .server import Server, wait_until
from .visitor import Number, Visitor

STEPS = [
    "close_socket",
    "drop_pairing",
    "drop_memory",
    "cancel_timers",
    "drain_and_back_up",
    "remove_files",
    "reset_row",
]


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"CONNECT_TIMEOUT": "1h"}


Situation = Callable[[Number, Phone, WhatsAppServer], None]


def never_connected(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    """As it was created."""


def qr_pending(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    assert number.connect()["hasQR"]


def connected(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    number.pair(phone)


def hung(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    whatsapp.fault("stall", number.pair(phone))


def hung_while_opening(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    with whatsapp.faulty("silent_upgrade"):
        number.connect(wait=0)
        whatsapp.wait_for("fault", name="silent_upgrade")


def frozen(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    """A session process that does not even hear that it should end."""
    number.pair(phone)
    [session] = number.owner.server.sessions()
    session.suspend()


def replaced(number: Number, phone: Phone, whatsapp: WhatsAppServer) -> None:
    whatsapp.fault("replaced", number.pair(phone))
    number.wait_for("CONFLICT")


@pytest.mark.parametrize(
    ("situation", "closed", "backed_up"),
    [
        (never_connected, "nothing", "nothing"),
        (qr_pending, "done", "nothing"),
        (connected, "done", "done"),
        (hung, "done", "done"),
        (hung_while_opening, "done", "nothing"),
        (frozen, "done", "done"),
        (replaced, "nothing", "done"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_cleanup_takes_seven_steps_and_leaves_only_the_backup(
    number: Number,
    phone: Phone,
    whatsapp: WhatsAppServer,
    server: Server,
    situation: Situation,
    closed: str,
    backed_up: str,
) -> None:
    situation(number, phone, whatsapp)
    asked = number.ask("POST", "/api/whatsapp/force-cleanup", wait="0")
    operation = f"/api/whatsapp/operations/{asked['operationId']}"
    steps = wait_until(lambda: number.ask("GET", operation)["steps"], "the end of the clean-up")
    assert [step["step"] for step in steps] == STEPS
    outcomes = {step["step"]: step["outcome"] for step in steps}
    assert (outcomes["close_socket"], outcomes["drain_and_back_up"]) == (closed, backed_up)
    assert "failed" not in outcomes.values()
    assert_as_new(number)
    assert server.sessions() == []
    assert server.session_files(number.id) == []
    assert len(server.backups(number.id)) == (backed_up == "done")


def test_the_backup_cannot_be_read_without_its_key(
    number: Number, phone: Phone, server: Server
) -> None:
    number.pair(phone)
    number.force_cleanup()
    [backup] = server.backups(number.id)
    assert b"SQLite format" not in backup.read_bytes()
    assert backup.stat().st_mode & 0o777 == 0o600


def test_after_a_cleanup_the_number_can_be_linked_again(number: Number, phone: Phone) -> None:
    old = number.pair(phone)
    number.force_cleanup()
    assert not old.removed  # on the phone: a backup could still be restored
    assert number.pair(phone) is not old


def test_cleaning_what_is_clean_is_a_success(number: Number) -> None:
    number.force_cleanup()
    again = number.force_cleanup()
    assert again["success"]
    assert {step["outcome"] for step in again["steps"]} == {"nothing", "done"}


def test_the_command_line_cleans_up_while_the_server_runs(
    number: Number, phone: Phone, server: Server
) -> None:
    device = number.pair(phone)
    done = server.flask("wa", "force-cleanup", ANA, "--connection", number.id)
    assert done.returncode == 0, done.stderr
    *steps, last = done.stdout.splitlines()
    assert [line.split()[0] for line in steps] == STEPS
    assert last == "DISCONNECTED: No number is linked yet."
    device.wait_for_logout()
    assert_as_new(number)
    assert server.session_files(number.id) == []


def test_the_command_line_cleans_up_where_no_server_runs(
    start: Start,
    sign_in: Callable[..., Visitor],
    whatsapp: WhatsAppServer,
    phone: Phone,
) -> None:
    server = start(whatsapp)
    number = sign_in(server).new_number()
    number.pair(phone)
    server.end()
    done = server.flask("wa", "force-cleanup", ANA)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:-1]] == STEPS
    assert server.session_files(number.id) == []
    assert len(server.backups(number.id)) == 1
    server.wait_until_nothing_runs()
    assert_as_new(Number(sign_in(server.start()), number.id))


def test_one_hung_session_holds_up_no_other_cleanup(
    ana: Visitor, whatsapp: WhatsAppServer, server: Server
) -> None:
    with whatsapp.faulty("silent_upgrade"):
        numbers = [ana.new_number() for _ in range(3)]
        for number in numbers:
            number.connect(wait=0)
        whatsapp.wait_for("fault", name="silent_upgrade", count=3)
        for number in numbers:
            number.ask("POST", "/api/whatsapp/force-cleanup", wait="0")
        wait_until(lambda: not server.sessions(), "no session process left")
    for number in numbers:
        number.wait_for(lambda seen: "No number is linked" in seen["explanation"]["title"])


def assert_as_new(number: Number) -> None:
    """As soon as it has settled."""
    seen = number.wait_for(lambda seen: seen["explanation"]["title"] == "No number is linked yet.")
    assert (seen["status"], seen["hold"], seen["attempt"]) == ("DISCONNECTED", None, 0)
    assert (seen["phone"], seen["qr"], seen["nextAttemptAt"]) == (None, None, None)
