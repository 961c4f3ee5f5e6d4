"""One Vigía, started as a user starts it: processes of their own, on a data folder and a port of
their own, with nothing of this machine's environment or `.env`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
from dotenv import dotenv_values

from tests.doors import port_of, reserved_port
from wa_app import config

BIN = config.ROOT / ".venv" / "bin"
RUN = [str(BIN / "python"), "scripts/run.py"]
GUNICORN = [str(BIN / "gunicorn"), "-c", "gunicorn.conf.py"]
FORKSERVER = "wa_app.gateways.whatsapp.forkserver"

PATIENCE = 60.0
LOOK = 0.03
T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str, timeout: float = PATIENCE) -> T:
    """The first true answer; `timeout` is only protection against waiting for ever."""
    deadline = time.monotonic() + timeout
    while True:
        if answer := look():
            return answer
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(LOOK)


class Server:
    """`environment` holds settings, and what else the processes shall find in theirs."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self._reserved = reserved_port()
        self.port = port_of(self._reserved)
        self.address = f"http://127.0.0.1:{self.port}"
        self.log_file = data_dir.parent / f"log-{self.port}.txt"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **dict.fromkeys(dotenv_values(config.ROOT / ".env"), ""),  # the environment beats it
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            **environment,
        }
        self.secrets: set[str] = set()
        self._popen: subprocess.Popen[bytes] | None = None

    # ---- life

    def launch(self, command: list[str] = GUNICORN) -> Server:
        """Start it, in a process group of its own, and do not wait for anything."""
        with self.log_file.open("ab") as log:
            self._popen = subprocess.Popen(
                command,
                cwd=config.ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def start(self, command: list[str] = GUNICORN) -> Server:
        self.launch(command)
        self.wait_for_role("owner")
        return self

    def wait_for_role(self, role: str) -> None:
        """Until `/readyz` says that it is the owner, or a standby."""

        def is_there() -> bool:
            assert self._running.poll() is None, f"it has ended: {self.log()}"
            return self.readiness().get("checks", {}).get("runtime") == role

        wait_until(is_there, f"{role} at {self.address}: {self.log()}")

    def readiness(self) -> dict[str, dict[str, str]]:
        with suppress(httpx.TransportError, ValueError):
            return httpx.get(f"{self.address}/readyz").json()
        return {}

    def end(self) -> None:
        """The orderly end: SIGTERM to the master, as systemd and Docker send it."""
        if self._popen is not None and self._popen.poll() is None:
            self.master.terminate()
            self.wait_for_end()

    def wait_for_end(self, timeout: float = PATIENCE) -> int:
        """Its exit status, once the process that was started has ended."""
        return self._running.wait(timeout)

    def wait_until_nothing_runs(self, timeout: float = PATIENCE) -> None:
        if self._popen is not None:
            wait_until(lambda: self._running.poll() is not None, "end of the master", timeout)
        wait_until(lambda: not self.processes(), f"end of {self.processes()}", timeout)

    def clean_up(self) -> None:
        """Whatever a test has left behind."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._popen is not None:
            self._popen.wait(PATIENCE)

    def give_up_port(self) -> None:
        """It is kept while the server is down as well: it will start again on the same one."""
        self._reserved.close()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None, "not started"
        return self._popen

    # ---- its processes

    @property
    def master(self) -> psutil.Process:
        return psutil.Process(self._running.pid)

    @property
    def worker(self) -> psutil.Process:
        [worker] = [child for child in self.master.children() if "gunicorn" in _words(child)]
        return worker

    def processes(self) -> list[psutil.Process]:
        """All that were started with this data folder and port, whoever their parent is now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def sessions(self) -> list[psutil.Process]:
        """The session processes: children of a forkserver."""
        return [process for process in self.processes() if _is_session(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            environ = process.environ()
            is_dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        ours = {name: self.environment[name] for name in ("DATA_DIR", "PORT")}
        return not is_dead and ours.items() <= environ.items()

    def signal_group(self, number: signal.Signals) -> None:
        os.killpg(self._running.pid, number)

    # ---- what it says and keeps

    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log(), f"{text!r} in the log: {self.log()}")

    def backups(self, connection_id: str) -> list[Path]:
        """The encrypted copies of a connection's login."""
        return list((self.data_dir / "backups" / connection_id).glob("*.session"))

    def session_files(self, connection_id: str) -> list[Path]:
        """Whatever else lies on the disk about it."""
        found = [p for p in self.data_dir.rglob("*") if p.is_file() and connection_id in str(p)]
        return [path for path in found if path not in self.backups(connection_id)]

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`flask …`, as a person types it beside the running server."""
        return subprocess.run(
            [BIN / "flask", *arguments],
            cwd=config.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


def _words(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def _is_session(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        parent = process.parent()
        return FORKSERVER in _words(process) and parent is not None and FORKSERVER in _words(parent)
    return False


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Nothing of it survives the test, and nothing secret is in its log."""
    try:
        yield server
        server.end()
        log = server.log()
        keys = {file.read_text().strip() for file in server.data_dir.glob("*_key")}
        told = {secret for secret in server.secrets | keys if secret in log}
        assert not told, f"secrets in the log: {told}"
        assert "Traceback" not in log, log
    finally:
        server.clean_up()
        server.give_up_port()


def copy_of(template: Path, place: Path) -> Path:
    return Path(shutil.copytree(template, place))
