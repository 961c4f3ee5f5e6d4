"""The session process's end of the pipe to the worker."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from wa_app.domain.sessions.closes import Close
from wa_app.domain.sessions.socket_messages import Closed, Command, End, News
from wa_app.gateways.whatsapp.launch import WITHOUT_WORKER, FolderInUse


def note(line: str) -> None:
    """To the file that the worker reads when this process dies."""
    os.write(sys.stderr.fileno(), f"{line}\n".encode())


def die(error: BaseException) -> NoReturn:
    """For threads without which this process would only seem to live."""
    note("".join(traceback.format_tb(error.__traceback__)))
    note(f"fatal error: {error!r}")
    os._exit(1)


class Pipe:
    """`obey` is called with every command, in a thread that does nothing else, and must return at
    once: the same thread notices that the worker has gone, and then sees that this process ends.
    News of which nobody hears any more are dropped; messages among them are in the spool."""

    def __init__(self, pipe: Connection, obey: Callable[[Command], None]) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self.obey = obey

    def listen(self) -> None:
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                command = self._pipe.recv()
            except (EOFError, OSError):
                break
            except Exception as error:
                die(error)
            self._obey(command)
        # Not in an instant: a message that the library has just decrypted cannot be decrypted
        # again, so it has to get into the spool.
        self._obey(End())
        time.sleep(WITHOUT_WORKER)
        os._exit(0)

    def _obey(self, command: Command) -> None:
        try:
            self.obey(command)
        except Exception as error:
            die(error)

    def tell(self, news: News | FolderInUse) -> None:
        with self._lock, suppress(OSError):
            self._pipe.send(news)

    def end(self, close: Close) -> NoReturn:
        """The last news, and the end: not by returning, for the library may hang in any thread."""
        self.tell(Closed(close))
        os._exit(0)
