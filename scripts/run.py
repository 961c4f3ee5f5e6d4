"""`make run`: migrate, create the first administrator, become gunicorn, say how to log in."""

import errno
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT))

from wa_app import config  # noqa: E402  the project is found only from here on

DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Without the proxy of the environment: that one leads out, not to ourselves."""


PORT_PATIENCE = 10.0
"""Seconds in which a worker that found its master gone has ended (`graceful_timeout`)."""


def main() -> int:
    os.chdir(ROOT)
    os.umask(0o077)
    try:
        settings = config.load()
        check_port(settings.host, settings.port)
    except config.SettingError as error:
        return complain(str(error))
    for command in (["db", "upgrade"], ["wa", "users", "first-admin"]):
        done = subprocess.run([BIN / "flask", *command], capture_output=True, text=True)
        if done.returncode:
            return complain(sentence_in(done.stderr))
    login = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    if os.fork() == 0:
        announce(f"http://{settings.host}:{settings.port}", login)
        return 0
    # This process becomes gunicorn, so that whoever stops `make run` stops the server itself.
    os.execv(BIN / "gunicorn", ["gunicorn", "-c", "gunicorn.conf.py"])


def check_port(host: str, port: int) -> None:
    """Before anything is made: a first login that nobody gets to read would be lost. The worker of
    a master that was killed is given the time to end."""
    if in_use(host, port):
        say(f"Port {port} is still in use; waiting for it, {PORT_PATIENCE:.0f} s at most.")
        deadline = time.monotonic() + PORT_PATIENCE
        while in_use(host, port) and time.monotonic() < deadline:
            time.sleep(0.2)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason, _, _ = str(error.strerror).partition(" (")  # Python adds the address to it
        why = f"cannot be listened on: {reason}"
        raise config.SettingError(f"HOST={host} with PORT={port} {why}.") from None


def in_use(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def announce(address: str, login: dict[str, str]) -> None:
    """Say it last, when the server answers, where the eye falls."""
    server = os.getppid()
    while not answers(address.replace("//0.0.0.0", "//127.0.0.1")):
        if os.getppid() != server:
            return
        time.sleep(0.1)
    say("", f"  Vigía is at {address}")
    if login:
        say(f"  login     {login['login']}", f"  password  {login['password']}")
        say("  The password is shown only this once.")
    say("")


def answers(address: str) -> bool:
    try:
        with DIRECTLY.open(f"{address}/readyz", timeout=1):
            return True
    except OSError:
        return False


def sentence_in(stderr: str) -> str:
    """What a failed command said last; of a traceback, the exception."""
    said = [line for line in stderr.strip().splitlines() if line[:1] not in {" ", "(", ""}]
    return said[-1].removeprefix("Error: ") if said else "nobody said why."


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def complain(sentence: str) -> int:
    sys.stderr.write(f"Vigía cannot start: {sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
