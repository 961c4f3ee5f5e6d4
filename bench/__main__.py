"""`python -m bench [NAME…]`: measure all, or only what is named.

Everything is started here and stopped here, on 127.0.0.1. Only a run of everything is written to
docs/performance.md.
"""

import argparse
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bench import answering, fleet, opening, report, serving, watching
from bench.figures import Line

MEASUREMENTS: Mapping[str, Callable[[int], list[Line]]] = {
    "qr": opening.qr,
    "ready": opening.ready,
    "pairing": opening.pairing,
    "login": opening.login,
    "answer": answering.answer,
    "resources": fleet.resources,
    "restart": fleet.restart,
    "monitor": watching.monitor,
    "overview": watching.overview,
    "status": serving.status,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--count", type=int, default=10, help="of each thing (default: 10)")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    began, load_before = datetime.now(UTC), report.load()
    lines, failed = measure(asked.names or list(MEASUREMENTS), asked.count)
    print(f"\n{report.machine()}\nload before: {load_before}\n\n{report.as_text(lines)}")
    if not asked.names and not failed:
        report.write(lines, began, load_before)
    return 1 if failed else 0


def measure(names: list[str], count: int) -> tuple[list[Line], list[str]]:
    """One that fails does not take the others with it."""
    lines, failed = [], []
    for name in names:
        print(f"{name} …", flush=True)
        try:
            lines += MEASUREMENTS[name](count)
        except Exception:
            traceback.print_exc()
            failed.append(name)
            lines.append(Line(f"{name}: could not be measured", ""))
    return lines, failed


if __name__ == "__main__":
    sys.exit(main())
