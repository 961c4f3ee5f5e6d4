"""The old pieces of advice, each as one action: from the page, the API and the command line, while
the server runs, and all of it in the audit."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.whatsapp_server import Phone
from wa_app import config

from .conftest import ANA, CARLA, Start
from .server import PATIENCE, Server, wait_until
from .visitor import Number, Visitor

Document = dict[str, Any]
Way = Callable[[Visitor, str], None]

COMMANDS = {
    "orphans": ["scripts/clean-sessions.sh"],
    "mark_disconnected": [".venv/bin/flask", "wa", "mark-disconnected"],
    "full_reset": ["scripts/reset-whatsapp.sh", "--yes"],
}


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """A cooldown that a test can wait for."""
    return {"RECONNECT_COOLDOWN": "1", "MONITOR_INTERVAL": "1"}


@pytest.fixture(scope="module")
def carla(server: Server) -> Iterator[Visitor]:
    with Visitor(server, CARLA) as carla:
        yield carla


# ---- the three ways


def by_page(carla: Visitor, name: str) -> None:
    form = {"kind": f"cleanup.{name}", "csrf_token": carla.http.headers["X-CSRFToken"]}
    answer = carla.http.post("/admin/maintenance/cleanup", data=form | {"confirm": "RESET"})
    assert answer.status_code == 302, answer.text
    operation_id = answer.headers["Location"].rpartition("/")[2]
    done = wait_until(lambda: operation(carla, operation_id, "DONE"), "end of the operation")
    assert done["counts"]["failed"] == 0, done
    assert " done." in carla.http.get(answer.headers["Location"]).text


def by_api(carla: Visitor, name: str) -> None:
    body = {"confirm": "RESET"} if name == "full_reset" else {}
    done = carla.ask("POST", f"/api/admin/cleanup/{name.replace('_', '-')}", body)
    assert (done["state"], done["counts"]["failed"]) == ("DONE", 0), done


def by_command(carla: Visitor, name: str) -> None:
    run(carla.server, COMMANDS[name])


def run(server: Server, command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=config.ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr


EVERY_WAY = pytest.mark.parametrize(
    ("way", "actor"),
    [(by_page, CARLA), (by_api, CARLA), (by_command, "command line")],
    ids=["page", "api", "command"],
)


def operation(carla: Visitor, operation_id: str | int, state: str = "") -> Document | None:
    found = carla.ask("GET", f"/api/admin/operations/{operation_id}")
    return found if state in ("", found["state"]) else None


def audited(carla: Visitor, action: str) -> Document:
    """The newest record of it."""
    return carla.ask("GET", "/api/admin/audit", q=action, limit="1")["records"][0]


# ---- orphans


class Orphans:
    """A row whose user is gone with its folder, a folder with no row, and a process that holds a
    session's folder with no row."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.row = f"row-{os.urandom(4).hex()}"
        self.folder = f"folder-{os.urandom(4).hex()}"
        self.held = f"held-{os.urandom(4).hex()}"
        for name in (self.row, self.folder, self.held):
            path = server.data_dir / "sessions" / name
            path.mkdir(mode=0o700, parents=True)
            (path / "session.db").write_bytes(b"no database")
        self._write_row()
        self.process = hold(server.data_dir / "sessions" / self.held / "lock")

    def _write_row(self) -> None:
        """As a database whose foreign keys were off has it."""
        with closing(sqlite3.connect(self.server.data_dir / "vigia.db", timeout=30)) as database:
            database.row_factory = sqlite3.Row
            row = dict(database.execute("SELECT * FROM connection LIMIT 1").fetchone())
            row |= {"id": self.row, "user_id": 987_654, "status": "CONNECTED", "enabled": 1}
            marks = ", ".join("?" * len(row))
            names = ", ".join(row)
            database.execute(
                f"INSERT INTO connection ({names}) VALUES ({marks})", list(row.values())
            )
            database.execute(
                "INSERT INTO connection_event (connection_id, at, status, attempt) "
                "VALUES ('nowhere', '2026-01-01', 'CONNECTED', 0)"
            )
            database.commit()

    def left(self) -> list[str]:
        """What still exists of them."""
        sessions = self.server.data_dir / "sessions"
        folders = [
            name for name in (self.row, self.folder, self.held) if (sessions / name).exists()
        ]
        with closing(sqlite3.connect(self.server.data_dir / "vigia.db", timeout=30)) as database:
            rows = database.execute(
                "SELECT id FROM connection WHERE id = ? UNION ALL "
                "SELECT connection_id FROM connection_event WHERE connection_id = 'nowhere'",
                [self.row],
            ).fetchall()
        return [*folders, *(row[0] for row in rows)]

    def end_of_process(self) -> int:
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


HOLDER = """
import sys
from pathlib import Path
from wa_app.gateways.whatsapp.files.folder import Folder
Folder(Path(sys.argv[1]).parent).hold(0)
print("held", flush=True)
sys.stdin.read()
"""


def hold(lock: Path) -> subprocess.Popen[str]:
    """A process that holds the folder, as a left-over session process would."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        cwd=config.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def bystander(ana: Visitor, phone: Phone) -> Iterator[tuple[Number, dict[Path, bytes]]]:
    """A valid connection that is switched off, with every byte of its files."""
    number = ana.new_number()
    number.pair(phone)
    number.disconnect()
    number.wait_for("DISCONNECTED")
    wait_until(lambda: not ana.server.sessions(), "end of its session process")
    yield number, bytes_of(ana.server, number)


def bytes_of(server: Server, number: Number) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in server.session_files(number.id)}


@EVERY_WAY
def test_orphans_are_removed_and_nothing_else(
    server: Server,
    carla: Visitor,
    bystander: tuple[Number, dict[Path, bytes]],
    way: Way,
    actor: str,
) -> None:
    number, files = bystander
    orphans, before = Orphans(server), number.status()
    assert len(orphans.left()) == 5
    way(carla, "orphans")
    assert orphans.left() == []
    assert orphans.end_of_process() == -signal.SIGKILL
    assert bytes_of(server, number) == files
    assert {**number.status(), "timestamp": None} == {**before, "timestamp": None}
    record = audited(carla, "cleanup.orphans")
    assert (record["actor"], record["outcome"]) == (actor, "5 done")


def test_a_dry_run_shows_exactly_what_would_go_and_touches_nothing(
    server: Server, carla: Visitor, ana: Visitor
) -> None:
    ana.new_number()
    orphans = Orphans(server)
    there = orphans.left()
    plan = carla.ask("POST", "/api/admin/cleanup/orphans", {"dryRun": True})
    assert {(step["what"], step["target"]) for step in plan["steps"]} == {
        ("row", orphans.row),
        ("folder", orphans.folder),
        ("folder", orphans.held),
        ("process", orphans.held),
        ("records", "connection_event.connection_id"),
    }
    assert plan["counts"] == {"done": 0, "nothing": 0, "failed": 0, "waiting": 5}
    assert orphans.left() == there
    assert orphans.process.poll() is None
    by_api(carla, "orphans")
    assert orphans.left() == []
    assert orphans.end_of_process() == -signal.SIGKILL


# ---- all at once


@EVERY_WAY
def test_all_marked_disconnected_come_back_cleanly(
    carla: Visitor, ana: Visitor, phone: Phone, way: Way, actor: str
) -> None:
    number = ana.new_number()
    device = number.pair(phone)
    logins = device.logins
    way(carla, "mark_disconnected")
    number.wait_for(lambda seen: seen["connected"] and device.logins > logins)
    assert device.logins == logins + 1, "no QR, no second try"
    assert device.most_sockets == 1
    told = [(event["status"], event["reason"]) for event in number.events()]
    assert ("DISCONNECTED", "requested") in told
    record = audited(carla, "cleanup.mark_disconnected")
    assert (record["actor"], record["outcome"]) == (actor, "1 done")
    number.force_cleanup()


@EVERY_WAY
def test_after_a_full_reset_every_number_gets_a_new_qr(
    server: Server, carla: Visitor, ana: Visitor, phone: Phone, way: Way, actor: str
) -> None:
    number = ana.new_number()
    device = number.pair(phone)
    way(carla, "full_reset")
    assert server.sessions() == []
    assert server.session_files(number.id) == []
    assert len(server.backups(number.id)) == 1
    seen = number.status()
    assert (seen["status"], seen["hold"], seen["phone"]) == ("DISCONNECTED", None, None)
    assert number.connect()["hasQR"]
    assert not device.removed  # on the phone: the backup could still be restored
    record = audited(carla, "cleanup.full_reset")
    assert record["actor"] == actor
    assert record["outcome"].endswith(" done")
    number.force_cleanup()


def test_a_full_reset_needs_the_word(carla: Visitor) -> None:
    for body in ({}, {"confirm": "reset"}, {"confirm": "yes"}):
        answer = carla.http.post("/api/admin/cleanup/full-reset", json=body)
        assert (answer.status_code, answer.json()["error"]) == (409, "confirm_first")
    asked = carla.server.flask("wa", "reset")  # nobody there to type it
    assert asked.returncode == 1


def test_where_no_server_runs_the_command_does_it_itself(
    prepare: Start, sign_in: Callable[..., Visitor]
) -> None:
    """It takes the lock, does what it is about, and dials nobody."""
    server = prepare()
    server.start()
    number = sign_in(server).practice_phone()
    number.link_practice_phone()
    server.end()
    (server.data_dir / "sessions" / "left-over").mkdir(parents=True)
    plan = server.flask("wa", "clean", "orphans", "--dry-run")
    assert (plan.returncode, plan.stdout.splitlines()[-1]) == (0, "1 thing would be done.")
    assert (server.data_dir / "sessions" / "left-over").exists()
    run(server, COMMANDS["orphans"])
    assert not (server.data_dir / "sessions" / "left-over").exists()
    reset = server.flask("wa", "reset", "--yes")
    assert (reset.returncode, reset.stdout.splitlines()[-1]) == (0, "1 done."), reset.stderr
    refused = server.flask("wa", "jobs", "run", "clean-stale")
    assert refused.returncode == 1
    assert "No server is running" in refused.stderr
    server.wait_until_nothing_runs()
    seen = number.via(sign_in(server.start())).status()
    assert (seen["status"], seen["explanation"]["title"]) == (
        "DISCONNECTED",
        "No number is linked yet.",
    )


def test_a_command_right_after_the_death_of_the_server_does_it_itself(prepare: Start) -> None:
    """Its last heartbeat is fresh, but the kernel has freed its lock."""
    server = prepare(HEARTBEAT="60")
    server.start()
    (server.data_dir / "sessions" / "left-over").mkdir(parents=True)
    server.signal_group(signal.SIGKILL)
    server.wait_until_nothing_runs()
    run(server, ["scripts/clean-sessions.sh"])
    assert not (server.data_dir / "sessions" / "left-over").exists()


# ---- crashes


POOL = 32
"""So many connections the owner can work on at a time."""

KILLS = 3


def test_a_reset_that_is_killed_again_and_again_is_finished(
    start: Start, sign_in: Callable[..., Visitor]
) -> None:
    """Whoever has cleaned a connection rests after it, here for longer than the test lasts. So no
    worker can clean more than its pool has threads, and however fast it is and whenever the kill
    comes, some are left for the one that is started after the kills, which may do all."""
    server = start(SETTLE_DELAY="1h")
    ana, carla = sign_in(server, ANA), sign_in(server, CARLA)
    numbers = [ana.new_number() for _ in range(KILLS * POOL + 1)]
    asked = {"confirm": "RESET"}
    reset = carla.ask("POST", "/api/admin/cleanup/full-reset", asked, wait="0")["operationId"]
    seen = 0
    for _ in range(KILLS):
        seen = wait_until(lambda seen=seen: more_than(carla, reset, seen), "more of it done")
        server.worker.send_signal(signal.SIGKILL)
        server.wait_for_role("owner")
    server.signal_group(signal.SIGKILL)
    server.wait_until_nothing_runs()
    server.environment["SETTLE_DELAY"] = "0"
    server.start()
    done = wait_until(lambda: operation(carla, reset, "DONE"), "end of the reset")
    assert {step["target"] for step in done["steps"]} == {number.id for number in numbers}
    assert done["counts"] == {"done": len(numbers), "nothing": 0, "failed": 0, "waiting": 0}
    cleanups = carla.ask("GET", "/api/admin/audit", q="connection.force_cleanup", limit="500")
    assert len(cleanups["records"]) == len(numbers), "each was asked for once, kills or not"


def more_than(carla: Visitor, operation_id: int, seen: int) -> int:
    """How many steps are done, once that is more."""
    found = operation(carla, operation_id)
    assert found and found["state"] != "DONE", found
    done = len(found["steps"]) - found["counts"]["waiting"]
    return done if done > seen else 0
