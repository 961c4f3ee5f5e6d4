"""The worker's hand on the forkserver: starts it, asks it for session processes, ends it."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from wa_app.gateways.whatsapp.launch import IGNORED, MAX_REQUEST, Kill, Report, Request, Start

PROJECT = Path(__file__).parents[4]

LIBRARY_SETTINGS = {
    "NEONIZE_BOT_TAG": "off",  # else it marks every text, a person's too, as written by a bot
}


class Launcher:
    """One forkserver. Its socket becomes readable when it reports, or has ended."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = _start(theirs.fileno(), environment)

    def start(self, start: Start, pipe: int) -> None:
        """Raises OSError when the forkserver has ended."""
        socket.send_fds(self.socket, [pickle.dumps(start)], [pipe])

    def kill(self, ticket: int) -> None:
        self._send(Kill(ticket))

    def _send(self, request: Request) -> None:
        self.socket.send(pickle.dumps(request))

    def report(self) -> Report | None:
        """The next report; None when there will be none, because the forkserver has ended."""
        try:
            data = self.socket.recv(MAX_REQUEST)
        except OSError:
            return None
        if not data:
            return None
        report: Report = pickle.loads(data)  # noqa: S301  only our forkserver has the other end
        return report

    def end(self, patience: float) -> None:
        """It kills what it has started, and goes."""
        self.socket.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _start(descriptor: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # Signals stay blocked across the start, until it has said that it ignores them.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
    try:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "wa_app.gateways.whatsapp.forkserver", str(descriptor)],
            cwd=PROJECT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[descriptor],
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def environment_without(names: tuple[str, ...]) -> dict[str, str]:
    """Ours, for the forkserver. The library reads the environment that a process was started
    with, so it could not be changed later."""
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | LIBRARY_SETTINGS
