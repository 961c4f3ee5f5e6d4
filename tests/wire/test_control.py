"""The test server as a process of its own, driven over its control port."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from .driver import RawClient

ROOT = Path(__file__).parents[2]
Ask = Callable[..., Any]


@contextmanager
def standalone() -> Iterator[dict[str, str]]:
    """The environment that a server in its own process has printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.whatsapp_server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        printed: dict[str, str] = {}
        while "CONTROL" not in printed:
            name, _, value = next(lines).strip().partition("=")
            printed[name] = value
        try:
            yield printed
        finally:
            process.terminate()


@pytest.fixture
def printed() -> Iterator[dict[str, str]]:
    with standalone() as printed:
        yield printed


@pytest.fixture
def ask(printed: dict[str, str]) -> Ask:
    def ask(method: str, path: str, **body: Any) -> Any:
        request = Request(printed["CONTROL"] + path, json.dumps(body).encode(), method=method)
        with urlopen(request, timeout=60) as reply:
            return json.load(reply)

    return ask


def test_a_client_is_linked_and_spoken_with_over_the_control_port(
    printed: dict[str, str], ask: Ask, tmp_path: Path
) -> None:
    ask("POST", "/phones/34600000001", name="Ana")
    ask("POST", "/contacts/34600000002", name="Luis")
    with RawClient(printed, tmp_path / "session.db") as client:
        device = ask("POST", "/phones/34600000001/scan", qr_text=client.wait_for_qr())
        ask("POST", "/wait", kind="active", who=device["jid"])
        ask("POST", "/contacts/34600000002/send", to="34600000001", text="hola")
        client.wait_for("Message")
        client.call("send", "34600000002", "buenas")
        ask("POST", "/wait", kind="received", text="buenas")
        assert ask("GET", "/contacts/34600000002/inbox")["messages"][0]["text"] == "buenas"
        ask("POST", "/faults", name="device_removed", target=device["jid"])
        client.wait_for("LoggedOut")
    assert [d["removed"] for d in ask("GET", "/state")["devices"]] == [True]


def test_a_wrong_code_is_a_conflict_and_a_wrong_path_a_mistake(ask: Ask) -> None:
    ask("POST", "/phones/34600000001")
    with pytest.raises(HTTPError, match="409"):
        ask("POST", "/phones/34600000001/scan", qr_text="no QR code")
    with pytest.raises(HTTPError, match="400"):
        ask("POST", "/nowhere")


def test_it_tells_what_it_can_do(ask: Ask) -> None:
    told = ask("GET", "/")
    assert "POST /faults" in told["routes"]
    assert "replaced" in told["faults"]
