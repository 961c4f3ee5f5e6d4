"""Starting: what `make run` says, the first time and every other, and why it may refuse."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wa_app import config

from .conftest import ANA, CARLA, Start
from .server import GUNICORN, RUN, Server, serving
from .visitor import PASSWORD, Visitor

TAKEN = "http://127.0.0.1:1"  # nobody listens there


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Server]:
    """A server that was never started; its way out leads to a proxy that is not there."""
    astray = {"HTTP_PROXY": TAKEN, "http_proxy": TAKEN, "PIP_INDEX_URL": f"{TAKEN}/simple"}
    with serving(Server(tmp_path / "data", astray)) as server:
        yield server


def test_the_first_login_is_printed_last_and_works(new: Server) -> None:
    new.start(RUN).wait_for_log("shown only this once")
    *_, address, login, password, once = new.log().strip().splitlines()
    assert address == f"  Vigía is at {new.address}"
    assert login == "  login     admin@localhost"
    assert once == "  The password is shown only this once."
    with Visitor(new, "admin@localhost", password.removeprefix("  password  ")) as admin:
        assert admin.ask("GET", "/api/whatsapp/status")["owner"]["pid"] == new.worker.pid
    new.secrets.clear()  # this one is printed on purpose


def test_a_second_start_prints_no_password(prepare: Start) -> None:
    server = prepare().start(RUN)
    server.wait_for_log("Vigía is at")
    assert server.log().strip().splitlines()[-1] == f"  Vigía is at {server.address}"
    assert "password" not in server.log()


def test_the_first_line_of_the_log_says_what_runs_on_which_data(prepare: Start) -> None:
    server = prepare().start()
    first = server.log().splitlines()[0]
    for part in ("vigia", "version=", "database=sqlite", f"data={server.data_dir}", "role=owner"):
        assert part in first


def test_only_the_first_make_run_asks_a_package_index(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(config.ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    python.chmod(0o755)

    def run() -> list[str]:
        (tmp_path / "calls").write_text("")
        subprocess.run(["make", "run"], cwd=tmp_path, check=True, capture_output=True)
        return (tmp_path / "calls").read_text().splitlines()

    assert any("pip install" in call for call in run())
    assert run() == ["scripts/run.py"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("MONITOR_INTERVAL", "abc"),
        ("PORT", "99999"),
        ("PRACTICE_PHONE", "perhaps"),
        ("WHATSAPP_PROXY", "ftp://somewhere"),
        ("DATA_DIR", "/dev/null/data"),
    ],
)
def test_a_setting_that_makes_no_sense_stops_the_start_by_name(
    new: Server, setting: str, value: str
) -> None:
    new.environment[setting] = value
    assert new.launch(RUN).wait_for_end() != 0
    [sentence] = new.log().splitlines()
    assert re.match(rf"Vigía cannot start: {setting}\b.+\.$", sentence), sentence


def test_gunicorn_and_the_command_line_say_it_in_one_sentence_too(new: Server) -> None:
    new.environment["MONITOR_INTERVAL"] = "abc"
    assert new.launch().wait_for_end() != 0
    said = new.flask("wa", "status")
    assert said.returncode != 0
    for text in (new.log(), said.stderr):
        [sentence] = text.splitlines()
        assert "MONITOR_INTERVAL=abc makes no sense: it takes a time" in sentence


def test_a_port_that_is_taken_is_said_in_one_sentence_and_changes_nothing(new: Server) -> None:
    with socket.create_server(("127.0.0.1", new.port)):
        assert new.launch(RUN).wait_for_end() != 0
    waiting, sentence = new.log().splitlines()
    assert waiting == f"Port {new.port} is still in use; waiting for it, 10 s at most."
    place = f"HOST=127.0.0.1 with PORT={new.port}"
    assert sentence == f"Vigía cannot start: {place} cannot be listened on: Address already in use."
    assert not new.data_dir.exists()  # the first login is not made for nobody to read


@pytest.mark.parametrize("command", [RUN, GUNICORN])
def test_a_lost_database_beside_logins_is_said_in_one_sentence(
    prepare: Start, command: list[str]
) -> None:
    server = prepare()
    (server.data_dir / "sessions" / "a-number").mkdir(parents=True)
    (server.data_dir / "vigia.db").write_bytes(b"")
    assert server.launch(command).wait_for_end() != 0
    [sentence] = server.log().splitlines()
    assert sentence.startswith("Vigía cannot start: ")
    assert "vigia.db is empty or missing" in sentence
    said = server.flask("db", "upgrade")
    assert (said.returncode, "vigia.db is empty or missing" in said.stderr) == (1, True)
    assert (server.data_dir / "vigia.db").stat().st_size == 0


def test_a_port_that_is_given_up_soon_is_waited_for(new: Server) -> None:
    with socket.create_server(("127.0.0.1", new.port)):
        new.launch(RUN).wait_for_log("is still in use")
    new.wait_for_log("shown only this once")
    new.secrets.clear()


@pytest.mark.parametrize("ended", ["master", "worker and master"])
def test_a_start_right_after_a_killed_master_waits_for_its_worker(
    prepare: Start, ended: str
) -> None:
    server = prepare().start(RUN)
    worker = server.worker
    if ended == "master":
        worker.suspend()  # as one that is slow to end
    server.master.kill()
    if ended != "master":
        worker.kill()
    server.wait_for_end()
    server.launch(RUN)
    if ended == "master":
        server.wait_for_log("is still in use")
        worker.resume()
    server.wait_for_role("owner")
    server.wait_for_log("Vigía is at")


def test_another_vigia_on_the_port_is_not_taken_for_this_one(new: Server, start: Start) -> None:
    other = start()
    new.environment["PORT"] = str(other.port)
    assert new.launch(RUN).wait_for_end() != 0
    assert "Vigía is at" not in new.log()


def test_users_are_created_on_the_command_line(prepare: Start) -> None:
    server = prepare().start()
    email = "dora@example.org"
    created = server.flask("wa", "users", "create", email, "--password", PASSWORD)
    assert created.stdout == f"Created {email} (user).\n"
    with Visitor(server, email) as dora:
        assert dora.ask("GET", "/api/whatsapp/status")["status"] == "DISCONNECTED"
    again = server.flask("wa", "users", "create", email, "--password", PASSWORD)
    assert (again.returncode, again.stderr) == (
        1,
        "Error: There is already a user with this e-mail.\n",
    )
    known = server.flask("wa", "users", "list").stdout
    assert all(each in known for each in (ANA, CARLA, email))
