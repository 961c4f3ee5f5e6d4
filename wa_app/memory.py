"""How much memory is free for us, whether a container limits it or only the machine does."""

from pathlib import Path

MACHINE = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")


def available(machine: Path = MACHINE, container: Path = CONTAINER) -> int:
    """Bytes that processes can take before anything has to be pushed out or killed. What cannot
    be found out limits nothing."""
    return min(_of_machine(machine), _of_container(container))


def _of_machine(meminfo: Path) -> int:
    return _numbers(meminfo).get("MemAvailable:", 1 << 60) * 1024


def _of_container(folder: Path) -> int:
    """Version 2 of control groups. Its use counts cached files, which give way."""
    try:
        limit = int((folder / "memory.max").read_text())  # or the word max
        used = int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return 1 << 60
    return max(0, limit - used + _numbers(folder / "memory.stat").get("inactive_file", 0))


def _numbers(path: Path) -> dict[str, int]:
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}
