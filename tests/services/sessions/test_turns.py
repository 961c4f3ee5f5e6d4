"""One connection's turns come one after the other; a request is never forgotten."""

import threading
from concurrent.futures import ThreadPoolExecutor

from wa_app.services.sessions.turns import Turns

HANG = 60.0  # seconds; protection only


def test_one_key_is_worked_on_by_one_thread_at_a_time_and_as_often_as_asked() -> None:
    inside = threading.Semaphore(1)
    overlaps, turns = [], []
    counted = threading.Event()

    def work(key: str) -> None:
        if not inside.acquire(blocking=False):
            overlaps.append(key)
            return
        turns.append(key)
        if asked[0] == 500:
            counted.set()
        inside.release()

    asked = [0]
    pool = ThreadPoolExecutor(8)
    queue = Turns(pool, work)
    for _ in range(500):
        asked[0] += 1
        queue.ask("ana")
    assert counted.wait(HANG), "the last request had no turn"
    queue.stop()
    assert not overlaps


def test_one_connections_turn_does_not_wait_for_anothers() -> None:
    release, done = threading.Event(), threading.Event()
    work = {"ana": lambda: release.wait(HANG), "bruno": done.set}
    queue = Turns(ThreadPoolExecutor(2), lambda key: work[key]())
    queue.ask("ana")
    queue.ask("bruno")
    assert done.wait(HANG)
    release.set()
    queue.stop()


def test_after_the_stop_nothing_begins() -> None:
    begun: list[str] = []
    queue = Turns(ThreadPoolExecutor(1), begun.append)
    queue.stop()
    queue.ask("ana")
    assert not begun
