"""What was measured, as lines of a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Times = list[float]


@dataclass(frozen=True)
class Line:
    """`ratio` is ours to theirs; `met` is None where there is no target."""

    what: str
    ours: str
    theirs: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def alternating(count: int, *takes: Callable[[], float]) -> tuple[Times, ...]:
    """Each in turn, A B A B, so that whatever else the machine does hits all alike. The first
    round only warms up caches."""
    rounds = [[take() for take in takes] for _ in range(count + 1)]
    return tuple(list(times) for times in zip(*rounds[1:], strict=True))


def compared(
    what: str, ours: Times, theirs: Times, at_most: float | None = None, unit: str = "s"
) -> Line:
    beside = median(theirs)
    ratio = median(ours) / beside if beside else None  # too little to be measured
    target = f"ratio ≤ {at_most:.2g}" if at_most else ""
    met = ratio <= at_most if at_most and ratio is not None else None
    return Line(what, spelled(ours, unit), spelled(theirs, unit), ratio, target, met)


def alone(what: str, ours: Times, below: float | None = None, unit: str = "s") -> Line:
    target = f"< {number(below, unit)}" if below else ""
    return Line(
        what, spelled(ours, unit), target=target, met=median(ours) < below if below else None
    )


def spelled(values: Sequence[float], unit: str = "s") -> str:
    """The median, and between what the values lie."""
    middle = number(median(values), unit)
    if len(values) < 2:
        return middle
    return f"{middle} ({bare(min(values), unit)} to {bare(max(values), unit)}, {len(values)}×)"


def number(value: float, unit: str) -> str:
    return f"{bare(value, unit)} {unit}"


def bare(value: float, unit: str) -> str:
    return f"{value:.3f}" if unit == "s" else f"{value:.4g}"
