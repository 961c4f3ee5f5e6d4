"""The session file while no socket uses it: sealed with a key, in place of the open one.

A change from one to the other writes the new file whole before it removes the old one, so a crash
leaves one or both. Where both are, the open one counts: sealing had not come to its end, and
neither had the restoring of a backup, so it is as new as the sealed one or was not to be replaced
yet. An open one without a device never counts beside a sealed one. All of this is only for the
holder of the folder's lock.
"""

from wa_app import disk
from wa_app.gateways.whatsapp.files import session_file
from wa_app.gateways.whatsapp.files.folder import Folder
from wa_app.sealing import Sealer


def seal(folder: Folder, sealer: Sealer, about: str) -> None:
    """Leave nothing open. A file without a device is no secret and stays as it is. Raises OSError,
    and then everything is as it was."""
    image = session_file.export(folder.session_file)
    if image is not None:
        put(folder, sealer.seal(image, about))
    elif folder.is_sealed:
        _drop_leftovers(folder)


def put(folder: Folder, sealed: bytes) -> None:
    """Make this the session, in place of whatever is there. Raises OSError."""
    disk.write(folder.sealed_file, sealed)
    if folder.session_file.exists():
        folder.session_file.unlink()  # this is the moment from which the sealed one counts
        disk.flush_folder(folder.path)
    _drop_leftovers(folder)


def unseal(folder: Folder, sealer: Sealer, about: str) -> None:
    """Make it a file the library can use. Raises OSError and `sealing.Unreadable`, and then
    everything is as it was."""
    if folder.is_sealed:
        image = sealer.unseal(folder.sealed_file.read_bytes(), about)
        # A write-ahead log that is left of another file would be taken for this one's.
        _drop_leftovers(folder)
        disk.write(folder.session_file, image)
    folder.sealed_file.unlink(missing_ok=True)
    disk.flush_folder(folder.path)


def _drop_leftovers(folder: Folder) -> None:
    """Of the open file, and of one that a crash kept from becoming whole."""
    for file in (*folder.session_files, folder.session_file.with_suffix(".part")):
        file.unlink(missing_ok=True)
