"""What a request costs, beside one that does nothing."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from bench.figures import Line, alternating, compared
from bench.raw import environment_for
from bench.stage import product
from tests.doors import closed_door
from tests.product.server import BIN, wait_until
from tests.product.visitor import Visitor


def status(count: int) -> list[Line]:
    """Both under gunicorn, over one connection each that is kept open."""
    with product() as ana, bare_flask() as port:
        number = ana.practice_phone()
        number.link_practice_phone()
        ours, theirs = alternating(
            30 * count, get(*status_page(ana), expect=b"CONNECTED"), get(port, "/", {}, b"true")
        )
    what = "GET /api/whatsapp/status, against a Flask route that does nothing"
    return [compared(what, [1000 * t for t in ours], [1000 * t for t in theirs], unit="ms")]


def status_page(ana: Visitor) -> tuple[int, str, dict[str, str]]:
    cookies = "; ".join(f"{name}={value}" for name, value in ana.http.cookies.items())
    return ana.server.port, "/api/whatsapp/status", {"Cookie": cookies}


def get(port: int, path: str, headers: dict[str, str], expect: bytes) -> Callable[[], float]:
    """By hand, because a client that does more would cost more than what is measured."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)

    def take() -> float:
        started = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200 or expect not in content:
            raise AssertionError(f"{path}: {answer.status} {content[:300]!r}")
        return seconds

    return take


@contextmanager
def bare_flask() -> Iterator[int]:
    """With as many threads as the product has."""
    with closed_door() as port, _bare_flask(port):
        yield port


@contextmanager
def _bare_flask(port: int) -> Iterator[None]:
    gunicorn: list[str | Path] = [
        BIN / "gunicorn",
        "-b",
        f"127.0.0.1:{port}",
        "-k",
        "gthread",
        "--threads",
        "32",
    ]
    process = subprocess.Popen(
        [*gunicorn, "--log-level", "warning", "bare:app"],
        cwd=Path(__file__).parent,  # in the project's folder it would take the product's settings
        env=environment_for(None),
    )
    try:
        wait_until(lambda: answers(port), "the bare Flask")
        yield
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    try:
        get(port, "/", {}, b"true")()
    except OSError:
        return False
    return True
