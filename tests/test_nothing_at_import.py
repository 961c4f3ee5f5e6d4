"""Importing is reading definitions: no module of ours works before somebody calls it.

`wsgi.py` and `gunicorn.conf.py` are begun by a server and are left out, and so is whoever loads
the library: only a session process may.
"""

import hashlib
import importlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import argon2

from tests.test_architecture import FILES, ROOT, imports

WORK = ("open", "os.", "socket.", "sqlite3.", "subprocess.", "call.")
"""What an audit event begins with; `call.` is our own."""

SLOW = ("PIL", "neonize")
"""What is loaded when it is used first."""


def modules() -> list[str]:
    loaders = {
        name
        for name, path in FILES.items()
        if any(one.startswith("neonize") for one in imports(path))
    }
    ours = ("wa_app." + name for name in FILES if name not in loaders)
    return ["app", *(name.removesuffix(".__init__") for name in ours)]


def work_at_import(names: list[str], folder: Path = ROOT) -> list[str]:
    """Found in a process of its own, where none of them is imported yet."""
    command = [sys.executable, "-P", __file__, *names]
    path = {"PYTHONPATH": f"{folder}:{ROOT}"}
    done = subprocess.run(command, env=path, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_nothing_happens_at_import() -> None:
    assert work_at_import(modules()) == []


def test_work_at_import_would_be_seen(tmp_path: Path) -> None:
    """One call each, through a library or not."""
    lines = {
        "reads": "from pathlib import Path; Path('/dev/null').read_text()",
        "hashes": "import argon2; argon2.PasswordHasher().hash('x')",
        "derives": "import hashlib; hashlib.scrypt(b'x', salt=b'x', n=2, r=1, p=1)",
        "starts": "import threading; threading.Thread(target=int).start()",
        "dials": "import socket; socket.socket()",
        "asks": "from importlib.metadata import version; version('argon2-cffi')",
        "draws": "import PIL",
    }
    for name, line in lines.items():
        (tmp_path / f"{name}.py").write_text(line)
    found = work_at_import(list(lines), tmp_path)
    assert {line.split()[0] for line in found} == {*lines, "loaded:"} - {"draws"}


def watch(names: list[str]) -> None:
    """Print each piece of work and the module that was being imported, if it is one of these."""

    def hook(event: str, _arguments: object) -> None:
        if event.startswith(WORK) and (name := importing()) in names:
            sys.stdout.write(f"{name} {event}\n")

    announce(argon2.PasswordHasher, "hash")
    announce(hashlib, "scrypt")
    announce(threading.Thread, "start")
    sys.addaudithook(hook)


def importing() -> str | None:
    """The module whose body runs: what a library does in its own is its affair. None while Python
    itself looks for a module."""
    frame: FrameType | None = sys._getframe(2)
    while frame and frame.f_code.co_name != "<module>":
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return None
        frame = frame.f_back
    return frame.f_globals["__name__"] if frame else None


def announce(place: Any, name: str) -> None:
    """An audit event for what raises none of its own."""
    original: Callable[..., object] = getattr(place, name)

    def audited(*arguments: Any, **options: Any) -> object:
        sys.audit(f"call.{name}")
        return original(*arguments, **options)

    setattr(place, name, audited)


if __name__ == "__main__":
    watch(sys.argv[1:])
    for module in sys.argv[1:]:
        importlib.import_module(module)
    sys.stdout.writelines(f"loaded: {name}\n" for name in SLOW if name in sys.modules)
