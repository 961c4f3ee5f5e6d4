"""What the installed neonize itself tells: its token dictionary, read from the native library.

WhatsApp's binary XML abbreviates common strings by their place in a dictionary that changes with
the protocol. whatsmeow (package binary/token) carries it as Go arrays of strings; reading them
from the file keeps this server in step with whatever version is installed. The library is never
loaded for that: neonize must not be imported in the process of the tests.

Sources: the ELF-64 specification for headers and relocations; a Go string is (pointer, length),
a Go slice (pointer, length, capacity), each word 8 bytes.
"""

from __future__ import annotations

import functools
import importlib.util
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIRST_TOKENS = ("xmlstreamstart", "xmlstreamend", "s.whatsapp.net")
FIRST_OF_SECOND_TABLE = "read-self"
SINGLE_TOKENS, TABLES, TABLE_SIZE = 236, 4, 256

PT_LOAD, PT_DYNAMIC = 1, 2
DT_RELA, DT_RELASZ = 7, 8
RELATIVE = {62: 8, 183: 1027}  # ELF machine -> the relocation type "load base + addend"
STRING, SLICE = 16, 24


def native_library() -> Path:
    spec = importlib.util.find_spec("neonize")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("neonize is not installed: pip install -r requirements.txt")
    folder = Path(spec.submodule_search_locations[0])
    found = sorted(folder.glob("neonize-*.so"))
    if not found:
        raise RuntimeError(f"no native library in {folder}: pip install --force-reinstall neonize")
    return found[0]


@dataclass(frozen=True)
class Dictionary:
    """`single[i]` is written as byte i, `double[t][i]` as byte 236 + t and byte i."""

    single: tuple[str, ...]
    double: tuple[tuple[str, ...], ...]

    @functools.cached_property
    def codes(self) -> dict[str, bytes]:
        codes = {
            token: bytes([SINGLE_TOKENS + table, index])
            for table, tokens in enumerate(self.double)
            for index, token in enumerate(tokens)
        }
        return codes | {t: bytes([i]) for i, t in enumerate(self.single) if t}


@functools.cache
def dictionary() -> Dictionary:
    with native_library().open("rb") as file:
        image = Image(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return Dictionary(_single_tokens(image), _double_tokens(image))


def _single_tokens(image: Image) -> tuple[str, ...]:
    for slot in image.slots_of(FIRST_TOKENS[0]):
        if tuple(image.strings(slot, len(FIRST_TOKENS))) == FIRST_TOKENS:
            # Token 0 is the empty string before the first one.
            return ("", *image.strings(slot, SINGLE_TOKENS - 1))
    raise RuntimeError("the token dictionary is not where it was: neonize has changed")


def _double_tokens(image: Image) -> tuple[tuple[str, ...], ...]:
    for table in image.slots_of(FIRST_OF_SECOND_TABLE):
        for header in image.pointers_to(table):
            if image.word(header + 8) == image.word(header + 16) == TABLE_SIZE:
                starts = [image.pointers[header + SLICE * n] for n in range(TABLES)]
                return tuple(tuple(image.strings(start, TABLE_SIZE)) for start in starts)
    raise RuntimeError("the two-byte tokens are not where they were: neonize has changed")


class Image:
    """An ELF shared library as it will lie in memory, at load base 0."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        headers_at, self._machine = self._unpack("<Q", 32)[0], self._unpack("<H", 18)[0]
        size, count = self._unpack("<HH", 54)
        self._headers = [
            self._unpack("<IIQQQQQQ", headers_at + size * index) for index in range(count)
        ]
        self.pointers = dict(self._relative_relocations())

    def slots_of(self, text: str) -> list[int]:
        """Addresses of the Go strings that hold this text."""
        wanted = text.encode()
        places = set(self._occurrences(wanted))
        return [
            slot
            for slot, target in self.pointers.items()
            if target in places and self.word(slot + 8) == len(wanted)
        ]

    def strings(self, slot: int, count: int) -> Iterator[str]:
        """Consecutive Go strings."""
        for at in range(slot, slot + STRING * count, STRING):
            offset = self._offset(self.pointers[at])
            yield self._content[offset : offset + self.word(at + 8)].decode()

    def pointers_to(self, address: int) -> list[int]:
        return [slot for slot, target in self.pointers.items() if target == address]

    def word(self, address: int) -> int:
        return self._unpack("<Q", self._offset(address))[0]

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(layout, self._content, offset)

    def _occurrences(self, wanted: bytes) -> Iterator[int]:
        at = self._content.find(wanted)
        while at >= 0:
            yield from self._addresses(at)
            at = self._content.find(wanted, at + 1)

    def _addresses(self, offset: int) -> Iterator[int]:
        for kind, _, start, address, _, size, _, _ in self._headers:
            if kind == PT_LOAD and start <= offset < start + size:
                yield address + offset - start

    def _offset(self, address: int) -> int:
        for kind, _, start, base, _, size, _, _ in self._headers:
            if kind == PT_LOAD and base <= address < base + size:
                return start + address - base
        raise ValueError(f"address {address:#x} is not in the file")

    def _relative_relocations(self) -> Iterator[tuple[int, int]]:
        table = dict(self._dynamic_entries())
        start = self._offset(table[DT_RELA])
        entries = self._content[start : start + table[DT_RELASZ]]
        for slot, info, addend in struct.iter_unpack("<QQq", entries):
            if info == RELATIVE[self._machine]:
                yield slot, addend

    def _dynamic_entries(self) -> Iterator[tuple[int, int]]:
        for kind, _, start, _, _, size, _, _ in self._headers:
            if kind == PT_DYNAMIC:
                yield from struct.iter_unpack("<QQ", self._content[start : start + size])
