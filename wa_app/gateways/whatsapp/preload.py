"""What every session process needs, imported once in the forkserver and shared by its children.

Everything neonize imports, and most of its own modules, but nothing that runs: the native library's
runtime does not survive a fork, and no more does the thread of neonize's log. So its packages and
that log have stand-ins meanwhile.
"""

import contextlib
import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from types import ModuleType

MODULES = (
    # the standard library, as far as neonize and we use it
    "asyncio",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "ctypes.util",
    "logging.handlers",
    "multiprocessing.connection",
    "sqlite3",
    "zipfile",
    # what neonize depends on
    "PIL.Image",
    "PIL.ImageSequence",
    "google.protobuf.internal.containers",
    "httpx",
    "linkpreview",
    "phonenumbers",
    "requests",
    "segno",
    "tqdm",
    # generated, and pulling in all the others
    "neonize.proto.Neonize_pb2",
    "neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2",
    "neonize.proto.waConsumerApplication.WAConsumerApplication_pb2",
    "neonize.proto.waE2E.WAWebProtobufsE2E_pb2",
    "neonize.proto.waMsgApplication.WAMsgApplication_pb2",
    # what the client imports and does not need the library
    "neonize.builder",
    "neonize.download",
    "neonize.events",
    "neonize.ext.interactive_message.base",
    "neonize.utils.calc",
    "neonize.utils.enum",
    "neonize.utils.ffmpeg",
    "neonize.utils.iofile",
    "neonize.utils.jid",
    "neonize.utils.message",
    "neonize.utils.sticker",
    "neonize.utils.thumbnail",
)


def preload() -> None:
    """A module that is missing is not missed here: the session process will say so."""
    sys.modules["magic"] = magic_stub()
    with stand_in_for_neonize():
        for name in MODULES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


def magic_stub() -> ModuleType:
    """neonize imports `magic` to guess the types of media, which we never send; the real one
    needs a system library that a bare machine does not have."""
    stub = ModuleType("magic")
    stub.from_buffer = lambda *_, **__: "application/octet-stream"  # type: ignore[attr-defined]
    stub.from_file = stub.from_buffer  # type: ignore[attr-defined]
    return stub


@contextlib.contextmanager
def stand_in_for_neonize() -> Iterator[None]:
    spec = importlib.util.find_spec("neonize")
    if spec is None:
        yield
        return
    stand_ins = _stand_ins(list(spec.submodule_search_locations or ()))
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _stand_ins(folders: list[str]) -> dict[str, ModuleType]:
    neonize, utils, log = map(ModuleType, ("neonize", "neonize.utils", "neonize.utils.log"))
    neonize.__path__ = folders
    utils.__path__ = [f"{folder}/utils" for folder in folders]
    # The same object as in the real one, for a logger's name is enough to get it.
    log.log = logging.getLogger(log.__name__)  # type: ignore[attr-defined]
    return {module.__name__: module for module in (neonize, utils, log)}
