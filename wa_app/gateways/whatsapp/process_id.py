"""Which process: a pid alone names another one as soon as it is given out again."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """`started` is field 22 of /proc/<pid>/stat: clock ticks from boot to the process's start."""

    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.pid} {self.started}"

    @classmethod
    def parse(cls, text: str) -> "ProcessId | None":
        match text.split():
            case [pid, started] if pid.isdecimal() and started.isdecimal():
                return cls(int(pid), int(started))
        return None

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The living process with that pid; None when there is none (a zombie has ended)."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The name of the program, in brackets, may itself hold spaces and brackets.
        fields = stat[stat.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def ends_within(self, seconds: float) -> bool:
        with self._handle() as handle:
            return handle is None or _ended(handle, seconds)

    def kill(self, patience: float) -> bool:
        """Kill exactly this process and wait for its end; False when it was gone already."""
        with self._handle() as handle:
            if handle is None:
                return False
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except ProcessLookupError:
                return False
            _ended(handle, patience)
            return True

    @contextmanager
    def _handle(self) -> Iterator[int | None]:
        """Of exactly this process; None: it is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            yield None
            return
        try:
            yield handle if ProcessId.of(self.pid) == self else None
        finally:
            os.close(handle)


def _ended(handle: int, patience: float) -> bool:
    return bool(select.select([handle], [], [], patience)[0])
