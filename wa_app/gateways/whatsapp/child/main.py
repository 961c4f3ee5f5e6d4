"""The first moments of a session process: everything that must be right before the library may
touch the session file. The library itself is loaded last."""

import io
import logging
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.socket_messages import (
    Command,
    Dial,
    End,
    SendFailed,
    SendFailure,
    SendText,
)
from wa_app.gateways.whatsapp.child.pipe import Pipe
from wa_app.gateways.whatsapp.child.session import Session
from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.files.folder import Folder, FolderInUseError
from wa_app.gateways.whatsapp.files.session_file import FileState
from wa_app.gateways.whatsapp.files.spool import Spool
from wa_app.gateways.whatsapp.launch import FolderInUse, Settings

LOCK_PATIENCE = 2.0


def run(pipe: Connection, dial: Dial, settings: Settings) -> None:
    folder = Folder(Path(settings.sessions_dir) / dial.connection_id)
    worker = Pipe(pipe, lambda command: _obey_early(command, worker, folder))
    worker.listen()
    try:
        folder.prepare()
        folder.hold(LOCK_PATIENCE)
        _redirect_errors(folder.crash_report)
        spool = Spool(folder.spool)
    except FolderInUseError as error:
        worker.tell(FolderInUse(error.holder))
        return
    except OSError:
        worker.end(Close(None, Reason.FOLDER_UNUSABLE))
    _check_session_file(folder, worker, linked=dial.linked)
    _prepare_for_the_library()
    session = Session(worker, folder, spool, dial, settings)
    # Loads the native library.
    from wa_app.gateways.whatsapp.child.client import Client

    session.run(Client(folder.session_file, session))


def _obey_early(command: Command, worker: Pipe, folder: Folder) -> None:
    match command:
        case End():
            has_device = session_file.has_device(folder.session_file)
            worker.end(Close(None, Reason.REQUESTED, has_credentials=has_device))
        case SendText(message_id):
            worker.tell(SendFailed(message_id, SendFailure.NOT_SENT, "not connected yet"))


def _check_session_file(folder: Folder, worker: Pipe, *, linked: bool) -> None:
    if folder.is_sealed:  # the worker opens it before a dial; never pair over it
        worker.end(Close(None, Reason.FOLDER_UNUSABLE, has_credentials=True))
    match session_file.inspect(folder.session_file):
        case FileState.NEW if linked:  # never ask for a QR as if nothing had been there
            worker.end(Close(None, Reason.FILE_CORRUPT))
        case FileState.CORRUPT:
            worker.end(Close(None, Reason.FILE_CORRUPT, has_credentials=True))
        case FileState.UNUSABLE:
            has_device = session_file.has_device(folder.session_file)
            worker.end(Close(None, Reason.FOLDER_UNUSABLE, has_credentials=has_device))
        case FileState.HALF_PAIRED:
            for file in folder.session_files:
                file.unlink(missing_ok=True)


def _redirect_errors(path: Path) -> None:
    """The Go runtime writes what it dies of to the standard error; so that the worker can say it,
    and nothing of the library reaches the service's own log, that is a file in the folder."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(file, sys.stderr.fileno())
    os.close(file)


def _prepare_for_the_library() -> None:
    # Importing neonize sets up logging to the standard error, unless it is set up already.
    logging.getLogger().addHandler(logging.NullHandler())
    # It asks a shell for the system's name, twice, and leaves a zombie behind.
    os.popen = lambda *_: io.StringIO(" ".join(os.uname()))  # type: ignore[assignment]
