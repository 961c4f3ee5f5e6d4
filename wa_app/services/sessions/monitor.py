"""The health monitor: every 30 s, is every connection up whose row says that it should be?

One pass reads all rows in one statement, however many there are; only what needs something is
handed to the manager, which looks again before it acts.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime, timedelta
from functools import partial
from itertools import compress
from typing import Any

import structlog
from sqlalchemy import Row, Select, select

from wa_app.config import Settings
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.monitor import lifted, may_lift, monitor_change, waits_for_disk
from wa_app.domain.sessions.policy import Moment
from wa_app.domain.sessions.reconcile import due_at
from wa_app.domain.sessions.states import Channel, Hold
from wa_app.extensions import db
from wa_app.gateways.base import Gateways
from wa_app.models import Connection, User
from wa_app.services.sessions.entries import Change
from wa_app.services.sessions.manager import Manager

log = structlog.get_logger()

OVERDUE = timedelta(seconds=5)
"""A timer this late was lost; the monitor is its safety net."""

_WANTED = [field.name for field in fields(Wanted)]
_OBSERVED = [field.name for field in fields(Observed)]


class Monitor:
    def __init__(
        self,
        settings: Settings,
        manager: Manager,
        gateways: Gateways,
        *,
        clock: Callable[[], datetime],
        dice: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._manager = manager
        self._gateways = gateways
        self._clock = clock
        self._dice = dice
        self._usable: set[str] = set()  # connections whose folder could be used at the last look

    def tick(self) -> None:
        """Find connections that died in silence, are down without a reason, or lost their timer.
        Needs an application context, like `lift_outages`."""
        now = self._clock()
        for row in db.session.execute(_enabled_rows().where(Connection.hold.is_(None))):
            wanted, observed = _halves(row)
            if self._change(row.id, wanted, observed) is not None:
                self._manager.submit(row.id, self._change_of(row.id))
            elif _is_overdue(observed, now, self._settings):
                self._manager.wake(row.id)

    def lift_outages(self) -> None:
        """Ask once per route whether WhatsApp answers again, and lift the holds of an outage. For
        those that wait for the disk, it is the disk that is looked at."""
        held = _enabled_rows().where(Connection.hold == Hold.RETRIES_EXHAUSTED)
        now = self._clock()
        waiting: dict[tuple[Channel, str | None], list[str]] = {}
        for_disk: list[str] = []
        for row in db.session.execute(held):
            observed = _halves(row)[1]
            if waits_for_disk(observed):
                for_disk.append(row.id)
            elif may_lift(observed, now):
                waiting.setdefault((row.channel, self._route(row)), []).append(row.id)
        if waiting:
            self._lift_what_reaches_whatsapp(waiting)
        if for_disk:
            self._lift_what_can_be_saved(for_disk)

    def _lift_what_reaches_whatsapp(
        self, waiting: Mapping[tuple[Channel, str | None], list[str]]
    ) -> None:
        with ThreadPoolExecutor(8, thread_name_prefix="probe") as pool:
            reaches = pool.map(lambda way: self._gateways.probes[way[0]].reach(way[1]), waiting)
        for reach, (way, connection_ids) in zip(reaches, waiting.items(), strict=True):
            if reach.failed is None:
                log.info("outage over", channel=str(way[0]), connections=len(connection_ids))
                for connection_id in connection_ids:
                    self._manager.submit(connection_id, self._lift)

    def _lift_what_can_be_saved(self, waiting: Sequence[str]) -> None:
        """Without a pause, where it could not be used at the last look."""
        with ThreadPoolExecutor(8, thread_name_prefix="probe") as pool:
            usable = set(compress(waiting, pool.map(self._gateways.store.is_usable, waiting)))
        for connection_id in usable:
            is_news = connection_id not in self._usable
            self._manager.submit(connection_id, partial(self._lift, is_news=is_news))
        self._usable = (self._usable - set(waiting)) | usable

    def _lift(
        self, wanted: Wanted, observed: Observed, *, is_news: bool = False
    ) -> Observed | None:
        moment = self._moment()
        if not wanted.enabled or not may_lift(observed, moment.now, is_news=is_news):
            return None
        return lifted(observed, moment)

    def _change_of(self, connection_id: str) -> Change:
        return lambda wanted, observed: self._change(connection_id, wanted, observed)

    def _change(self, connection_id: str, wanted: Wanted, observed: Observed) -> Observed | None:
        return monitor_change(
            wanted,
            observed,
            self._moment(),
            silent_for=self._manager.silent_for(connection_id),
            reconnects=self._settings.enable_connection_monitor,
        )

    def _moment(self) -> Moment:
        return Moment(self._clock(), self._dice(), self._settings.policy)

    def _route(self, row: Row[Any]) -> str | None:
        """Practice phones have a network of their own each; real ones share the proxy's."""
        if row.channel is Channel.PRACTICE:
            return str(row.id)
        return row.proxy or self._settings.whatsapp_proxy or None


def _enabled_rows() -> Select[Any]:
    columns = [getattr(Connection, name) for name in (*_WANTED, *_OBSERVED)]
    return (
        select(Connection.id, Connection.channel, Connection.proxy, *columns)
        .join(User)
        .where(
            Connection.enabled,
            Connection.deleted_at.is_(None),
            User.active,
            User.deleted_at.is_(None),
        )
    )


def _halves(row: Row[Any]) -> tuple[Wanted, Observed]:
    values = row[3:]
    return Wanted(*values[: len(_WANTED)]), Observed(*values[len(_WANTED) :])


def _is_overdue(observed: Observed, now: datetime, settings: Settings) -> bool:
    due = due_at(observed, settings.policy)
    return due is not None and now - due > OVERDUE
