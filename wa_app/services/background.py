"""Work in threads that nobody has to wait for, not even the end of the process."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def in_background(run: Callable[[], T]) -> Future[T]:
    """A pool's thread would hold up the end of the process for as long as it hangs."""
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(run())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=work, name="background", daemon=True).start()
    return outcome


def within(seconds: float, run: Callable[[], T]) -> T:
    """In a thread we can afford to lose: a disk or a network may hang for ever. Raises
    `TimeoutError`."""
    return in_background(run).result(timeout=seconds)
