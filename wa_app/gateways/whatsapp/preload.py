"""What every session process needs, imported once in the forkserver and shared by its children.

Everything neonize imports, except neonize itself: that would load the native library, whose
runtime does not survive a fork, and start a thread. Its generated protobuf modules are the
largest part, so they are imported under a stand-in for the package that runs none of its code.
"""

import contextlib
import importlib
import importlib.util
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
    stand_in = ModuleType("neonize")
    stand_in.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["neonize"] = stand_in
    try:
        yield
    finally:
        del sys.modules["neonize"]
