"""Lets the neonize of this process trust a test server instead of WhatsApp. Tests only.

Python runs this file at start when its folder is on PYTHONPATH. WhatsApp's root of trust is one
public key, a variable of the native library (whatsmeow handshake.go, WACertPubKey). As soon as
neonize has loaded that library, the key is overwritten in the memory of this process with the one
in VIGIA_TEST_ROOT_KEY. The import hook survives a fork, so it works in children of a forkserver
that was started with this folder on PYTHONPATH. Without the variable nothing happens.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

TYPE_CHECKING = False  # as in `typing`, whose import every start would pay for
if TYPE_CHECKING:
    import importlib.abc

ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
LOADS_THE_LIBRARY = "neonize._binder"


def replace_root_key(own: bytes) -> None:
    places = [place for start, end in _data_segments() for place in _find(start, end)]
    if len(places) != 1:
        raise ImportError(f"WhatsApp's root key is {len(places)} times in neonize's library")
    ctypes.memmove(places[0], own, len(own))


def _data_segments() -> list[tuple[int, int]]:
    """The writable parts of the library, as the kernel has mapped them."""
    with open("/proc/self/maps") as maps:
        fields = [line.split() for line in maps]
    ranges = [f[0].split("-") for f in fields if f[1].startswith("rw") and _is_library(f[-1])]
    return [(int(start, 16), int(end, 16)) for start, end in ranges]


def _is_library(path: str) -> bool:
    return os.path.basename(path).startswith("neonize-")


def _find(start: int, end: int) -> list[int]:
    content = ctypes.string_at(start, end - start)
    places, at = [], content.find(ROOT_KEY)
    while at >= 0:
        places.append(start + at)
        at = content.find(ROOT_KEY, at + 1)
    return places


class _AfterLoading:
    """A finder that takes part in one import only, to act when the module has been executed."""

    def __init__(self, own: bytes) -> None:
        self._own = own

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != LOADS_THE_LIBRARY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: importlib.abc.Loader) -> None:
        execute = loader.exec_module

        def execute_and_replace(module: ModuleType) -> None:
            execute(module)
            replace_root_key(self._own)

        loader.exec_module = execute_and_replace  # type: ignore[method-assign]


def _run_the_next_sitecustomize() -> None:
    """This file hides any other of its name further down the path."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec and spec.loader:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if key := os.environ.get("VIGIA_TEST_ROOT_KEY"):
    sys.meta_path.insert(0, _AfterLoading(bytes.fromhex(key)))
_run_the_next_sitecustomize()
