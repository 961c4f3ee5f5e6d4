"""Many sessions at once: what they take while nothing happens, and how fast they come back."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

import psutil

from bench.figures import Line, alone, alternating, compared
from bench.raw import Raw, raw
from bench.stage import (
    FEW_KEYS,
    count_connected,
    folder,
    last_connected,
    new_phone,
    product,
    whatsapp,
)
from tests.product.server import Server, wait_until
from tests.product.visitor import Number, Visitor
from tests.whatsapp_server import WhatsAppServer

SIZES = (1, 10, 25)
AT_ONCE = 4  # pairings
SETTLING = 5.0
WINDOW = 20.0
PATIENCE = 120.0
STABLE_AFTER = 1
STABLE = 4.0
"""So long after connecting, the last heartbeat of the worker finds every connection stable."""


@dataclass
class Fleet:
    """Equally many sessions of the product and of raw neonize, all paired before."""

    server: WhatsAppServer
    ana: Visitor
    numbers: list[Number]
    sessions: list[Path]

    @property
    def vigia(self) -> Server:
        return self.ana.server

    @contextmanager
    def raw_ones(self, count: int) -> Iterator[list[Raw]]:
        with ExitStack() as stack:
            clients = [
                stack.enter_context(raw(self.server, path)) for path in self.sessions[:count]
            ]
            for client in clients:
                client.wait_for("connected")
            yield clients


@contextmanager
def fleet(count: int) -> Iterator[Fleet]:
    """The product's are connected, the others have ended. Paired with 50 keys each."""
    with (
        whatsapp(FEW_KEYS) as server,
        product(server, STABLE_AFTER=str(STABLE_AFTER)) as ana,
        folder() as place,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        numbers = [ana.new_number() for _ in range(count)]
        list(pool.map(lambda number: number.pair(new_phone(server)), numbers))
        sessions = [place / f"{index}.db" for index in range(count)]
        list(pool.map(lambda path: pair_raw(server, path), sessions))
        yield Fleet(server, ana, numbers, sessions)


def pair_raw(server: WhatsAppServer, session: Path) -> None:
    with raw(server, session) as client:
        client.pair(new_phone(server))


def wait_for_connections(vigia: Server, count: int, since: float = 0) -> None:
    wait_until(lambda: count_connected(vigia, since) == count, f"{count} connected", PATIENCE)


# ---- memory and processor time


@dataclass(frozen=True)
class Use:
    """What each process takes: memory in MB, processor time in per cent of one core."""

    uss: list[float]
    pss: list[float]
    cpu: list[float]


def resources(_: int) -> list[Line]:
    """Both at the same time: so the pages of the library, which all share, are nobody's own."""
    lines = []
    with fleet(max(SIZES)) as ours:
        for number in ours.numbers:
            number.disconnect()
        for before, size in pairwise((0, *SIZES)):
            for number in ours.numbers[before:size]:
                number.reconnect()
            wait_for_connections(ours.vigia, size)
            sessions, everything = ours.vigia.sessions(), ours.vigia.processes()
            with ours.raw_ones(size) as clients:
                lines += compared_uses(
                    size, *uses(sessions, everything, [c.process for c in clients])
                )
    return lines


def compared_uses(size: int, sessions: Use, everything: Use, raw_ones: Use) -> list[Line]:
    """A share of the worker, the master and the forkserver belongs to every connection."""
    at = f"at {size} connection{'s' * (size > 1)}"
    whole_pss, whole_cpu = [sum(everything.pss) / size], [sum(everything.cpu) / size]
    cpu, raw_cpu = [sum(sessions.cpu) / size], [sum(raw_ones.cpu) / size]
    return [
        compared(f"USS of a session process {at}", sessions.uss, raw_ones.uss, 0.55, "MB"),
        compared(f"PSS of a session process {at}", sessions.pss, raw_ones.pss, unit="MB"),
        compared(
            f"PSS of everything, a connection {at}", whole_pss, [mean(raw_ones.pss)], unit="MB"
        ),
        compared(f"CPU of a session process {at}", cpu, raw_cpu, unit="%"),
        compared(f"CPU of everything, a connection {at}", whole_cpu, raw_cpu, unit="%"),
    ]


def uses(*groups: list[psutil.Process]) -> list[Use]:
    """Of idle ones, all groups over the same time."""
    time.sleep(SETTLING)
    before, began = [cpu_seconds(group) for group in groups], time.monotonic()
    time.sleep(WINDOW)
    passed = time.monotonic() - began
    return [
        Use(
            [process.memory_full_info().uss / 1e6 for process in group],
            [process.memory_full_info().pss / 1e6 for process in group],
            [
                100 * (now - then) / passed
                for now, then in zip(cpu_seconds(group), earlier, strict=True)
            ],
        )
        for group, earlier in zip(groups, before, strict=True)
    ]


def cpu_seconds(processes: list[psutil.Process]) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in processes]


# ---- restart


def restart(count: int) -> list[Line]:
    size = max(SIZES)
    stops: list[float] = []
    with fleet(size) as ours:
        wait_for_connections(ours.vigia, size)
        time.sleep(STABLE)
        ours.vigia.end()
        starts, raw_starts = alternating(
            count, lambda: start_and_stop(ours.vigia, size, stops), lambda: start_raw(ours, size)
        )
    return [
        compared(f"Start of the product until all {size} are connected again", starts, raw_starts),
        alone(f"Stop of the product with {size} connections", stops[1:]),
    ]


def start_and_stop(vigia: Server, size: int, stops: list[float]) -> float:
    started_at = time.time()
    vigia.launch()
    wait_for_connections(vigia, size, started_at)
    seconds = last_connected(vigia) - started_at
    time.sleep(STABLE)
    stopped_at = time.time()
    vigia.end()
    stops.append(time.time() - stopped_at)
    return seconds


def start_raw(ours: Fleet, size: int) -> float:
    started_at = time.time()
    with ours.raw_ones(size):
        return time.time() - started_at
