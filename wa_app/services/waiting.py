"""Waiting for what the owner does, in whichever process that is; and work in threads that nobody
has to wait for, not even the end of the process."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from typing import TypeVar

from flask import current_app

from wa_app.extensions import db

T = TypeVar("T")

WAITING_ROOM = BoundedSemaphore(20)
"""So many requests may wait at a time; who comes when it is full is answered at once. The other
threads of the server are for those who want to know something now."""


def wait(look: Callable[[], tuple[T, bool]], seconds: float) -> T:
    """For a request: as `poll`, where there is room to wait."""
    has_a_place = WAITING_ROOM.acquire(blocking=False)
    try:
        return poll(look, seconds if has_a_place else 0.0)
    finally:
        if has_a_place:
            WAITING_ROOM.release()


def poll(look: Callable[[], tuple[T, bool]], seconds: float) -> T:
    """What `look` finds when it says that it is enough, or after `seconds`. Between two looks no
    database connection is held: it may be what the owner needs to get there."""
    started = time.monotonic()
    while True:
        db.session.rollback()
        found, enough = look()
        if enough or _waited_enough(started, seconds):
            return found
        db.session.rollback()
        _rest(started)


def _waited_enough(started: float, seconds: float) -> bool:
    """Or the service is being stopped: nobody here will see it change any more."""
    runtime = current_app.extensions.get("runtime")
    is_stopping = runtime is not None and runtime.is_stopping
    return is_stopping or time.monotonic() >= started + seconds


def _rest(started: float) -> None:
    """Between two looks: an eighth of the wait so far, so that what is quick is seen quickly and
    what takes long costs few looks."""
    waited = time.monotonic() - started
    time.sleep(min(max(waited / 8, 0.01), 0.1))


# ---- in the background


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
