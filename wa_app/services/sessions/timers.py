"""One timer for each connection: when to look at it again without any news."""

from collections.abc import Callable
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler


class Timers:
    """Only a connection's own turn sets its timer."""

    def __init__(self, scheduler: BackgroundScheduler, wake: Callable[[str], None]) -> None:
        self._scheduler = scheduler
        self._wake = wake
        self._set: dict[str, datetime] = {}

    def set(self, connection_id: str, at: datetime | None) -> None:
        """`None`: none. Setting it again to the same time costs nothing."""
        if at == self._set.get(connection_id):
            return
        timer = f"timer {connection_id}"
        if at is not None:
            self._set[connection_id] = at
            self._scheduler.add_job(
                self._rang,
                "date",
                run_date=at,
                args=[connection_id],
                id=timer,
                replace_existing=True,
            )
        elif self._set.pop(connection_id, None) and self._scheduler.get_job(timer) is not None:
            self._scheduler.remove_job(timer)

    def _rang(self, connection_id: str) -> None:
        self._set.pop(connection_id, None)
        self._wake(connection_id)
