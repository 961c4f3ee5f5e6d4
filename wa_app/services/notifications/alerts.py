"""Alerts: trouble is noticed, people are told once, and once more when it is over.

One look asks the database equally often however many connections there are, and writes alerts and
their mails in one commit. What else can go wrong reports here and is told at the next look.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import and_, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import joinedload

from wa_app.config import Settings
from wa_app.domain.alerts import (
    NO_NEWS_FOR,
    OVER_WHEN_TOLD,
    AlertKind,
    Course,
    cause_of,
    course,
    disk_is_low,
    is_due,
    is_outage,
    trouble,
)
from wa_app.domain.sessions.states import Channel, Hold
from wa_app.extensions import db
from wa_app.models import Alert, Connection, User
from wa_app.models.notifications import OPEN_OF_SERVER
from wa_app.services.notifications import mails
from wa_app.services.notifications.mails import Mailer
from wa_app.services.notifications.notices import Case, Post, about

log = structlog.get_logger()

DiskUsage = Callable[[Path], tuple[int, int, int]]
"""Total, used and free bytes, as `shutil.disk_usage` tells them."""


class Alerts:
    """All of it needs an application context, and belongs to the owner."""

    def __init__(
        self,
        settings: Settings,
        *,
        mailer: Mailer,
        clock: Callable[[], datetime],
        disk_usage: DiskUsage = shutil.disk_usage,
    ) -> None:
        self._settings = settings
        self._policy = settings.policy
        self._mailer = mailer
        self._clock = clock
        self._disk_usage = disk_usage

    def send_mails(self) -> None:
        mails.deliver(self._mailer, self._clock)

    def look(self) -> None:
        now = self._clock()
        known = db.session.scalars(select(Alert).where(Alert.ended_at.is_(None))).all()
        post = Post(now, known)
        cases = self._follow_connections(known, now)
        servers = self._follow_server([one for one in known if one.connection_id is None], now)
        db.session.flush()  # what has begun has an id from here on
        outage = next((one for one in servers if one.kind is AlertKind.OUTAGE), None)
        covered = self._follow_outage(post, outage, cases, now)
        for case in cases:
            self._tell_of_connection(post, case, covered, now)
        for alert in servers:
            self._tell_of_server(post, alert, now)
        db.session.commit()

    # ---- connections

    def _follow_connections(self, known: Sequence[Alert], now: datetime) -> list[Case]:
        alerts = {one.connection_id: one for one in known if one.connection_id is not None}
        in_alert = select(Alert.connection_id).where(Alert.ended_at.is_(None))
        noteworthy = or_(
            Connection.hold != Hold.PAIRING_EXPIRED,
            Connection.attempt > 0,
            Connection.deaf.is_not(None),
            Connection.falls.is_not(None),
        )
        rows = db.session.scalars(
            select(Connection)
            .where(or_(and_(Connection.enabled, noteworthy), Connection.id.in_(in_alert)))
            .options(joinedload(Connection.user))
        ).all()
        cases = [self._follow(row, alerts.pop(row.id, None), now) for row in rows]
        for of_removed in alerts.values():
            of_removed.ended_at = now
        return cases

    def _follow(self, connection: Connection, alert: Alert | None, now: datetime) -> Case:
        wanted, observed = connection.effective, connection.observed
        kind = trouble(wanted, observed, now=now, policy=self._policy)
        step = course(alert and alert.kind, wanted, observed, now=now, policy=self._policy)
        if alert is not None and step in (Course.REPLACED, Course.RECOVERED, Course.DROPPED):
            alert.ended_at, alert.recovered = now, step is Course.RECOVERED
        if kind is not None and step is Course.BEGINS:
            return Case(connection, _begin(connection, kind, now), kind)
        if kind is not None and alert is not None and step is Course.REPLACED:
            # The number has been in trouble since then, whatever its kind was.
            begun = _begin(connection, kind, alert.began_at)
            return Case(connection, begun, kind, was_told=alert.raised_at is not None)
        if alert is not None and kind is alert.kind:
            alert.cause = cause_of(observed)
        return Case(connection, alert, kind)

    def _tell_of_connection(self, post: Post, case: Case, covered: set[str], now: datetime) -> None:
        alert = case.alert
        if alert is None:
            return
        if alert.ended_at is not None:
            if alert.recovered and alert.raised_at is not None:
                post.recovered(alert, case)
        elif alert.raised_at is None and case.kind and alert.connection_id not in covered:
            if case.was_told or self._is_due(alert, now):
                _raise(alert, now)
                post.tell(alert, post.concerned(case), case)

    def _is_due(self, alert: Alert, now: datetime) -> bool:
        return is_due(alert.kind, alert.cause, alert.began_at, now=now, policy=self._policy)

    # ---- the outage of the whole server

    def _follow_outage(
        self, post: Post, outage: Alert | None, cases: Sequence[Case], now: datetime
    ) -> set[str]:
        """The connections of which one alert about the whole server tells instead of one each.
        Each keeps its own alert, untold: who stays behind when the outage ends is told then."""
        members = [case for case in cases if case.is_of_outage]
        cut_off = sum(case.is_cut_off for case in cases)
        if outage is None:
            due = [case.alert for case in members if case.alert and self._is_due(case.alert, now)]
            if not due or not is_outage(cut_off, _should_be_up()):
                return set()
            outage = _begin_outage(members, now)
        elif self._is_over(members, cut_off):
            outage.ended_at, outage.recovered = now, True
            post.outage_over(outage, members)
            return set()
        post.outage(outage, members, cut_off)
        return {case.connection.id for case in members}

    def _is_over(self, members: Sequence[Case], cut_off: int) -> bool:
        on_the_way_back = any(case.kind is None for case in members)
        return not on_the_way_back and not is_outage(cut_off, _should_be_up())

    # ---- the server

    def _follow_server(self, known: Sequence[Alert], now: datetime) -> list[Alert]:
        for alert in known:
            if alert.recovered:  # as was reported
                alert.ended_at = now
            if alert.kind in OVER_WHEN_TOLD and now - alert.began_at >= NO_NEWS_FOR:
                alert.ended_at, alert.recovered = now, True
        return [*known, *self._follow_disk(known, now)]

    def _follow_disk(self, known: Sequence[Alert], now: datetime) -> list[Alert]:
        total, _used, free = self._disk_usage(self._settings.data_dir)
        alert = next((one for one in known if one.kind is AlertKind.DISK_NEARLY_FULL), None)
        low = disk_is_low(total, free, was_low=alert is not None)
        if alert is not None and not low:
            alert.ended_at, alert.recovered = now, True
        if alert is None and low:
            return [_begin_disk(f"{free / 1000**2:.0f} MB", now)]
        return []

    def _tell_of_server(self, post: Post, alert: Alert, now: datetime) -> None:
        if alert.kind is AlertKind.OUTAGE:
            return
        if alert.ended_at is None and alert.raised_at is None and self._is_due(alert, now):
            _raise(alert, now)
            post.tell(alert, post.administrators)
        elif alert.ended_at is not None and alert.raised_at is not None:
            if alert.kind not in OVER_WHEN_TOLD:
                post.recovered(alert)


def _begin(connection: Connection, kind: AlertKind, began_at: datetime) -> Alert:
    alert = Alert(
        kind=kind,
        connection_id=connection.id,
        user_id=connection.user_id,
        about=about(connection),
        cause=cause_of(connection.observed),
        began_at=began_at,
    )
    db.session.add(alert)
    return alert


def _raise(alert: Alert, now: datetime) -> None:
    alert.raised_at = now
    log.warning("alert", kind=str(alert.kind), connection=alert.connection_id, cause=alert.cause)


def _begin_outage(members: Sequence[Case], now: datetime) -> Alert:
    alerts = [case.alert for case in members if case.alert is not None]
    [(cause, _)] = Counter(alert.cause for alert in alerts).most_common(1)
    began_at = min(alert.began_at for alert in alerts)
    outage = Alert(kind=AlertKind.OUTAGE, cause=cause, began_at=began_at)
    db.session.add(outage)
    _raise(outage, now)
    db.session.flush()
    return outage


def _begin_disk(free: str, now: datetime) -> Alert:
    alert = Alert(kind=AlertKind.DISK_NEARLY_FULL, about=free, began_at=now)
    db.session.add(alert)
    return alert


def _should_be_up() -> int:
    """WhatsApp numbers that nothing but the way to WhatsApp keeps from being connected."""
    free = or_(Connection.hold.is_(None), Connection.hold == Hold.RETRIES_EXHAUSTED)
    found = db.session.scalar(
        select(func.count())
        .select_from(Connection)
        .join(User)
        .where(
            Connection.channel == Channel.WHATSAPP,
            Connection.enabled,
            Connection.has_credentials,
            Connection.deleted_at.is_(None),
            User.active,
            User.deleted_at.is_(None),
            free,
        )
    )
    return found or 0


# ---- what others report, in the transaction under way


def backup_failed(detail: str, now: datetime) -> None:
    _report(AlertKind.BACKUP_FAILED, detail, now)


def backup_works() -> None:
    _over(AlertKind.BACKUP_FAILED)


def clock_wrong(detail: str, now: datetime) -> None:
    _report(AlertKind.CLOCK_WRONG, detail, now)


def clock_right() -> None:
    _over(AlertKind.CLOCK_WRONG)


def stood_still(detail: str, now: datetime) -> None:
    _report(AlertKind.STALLED, detail, now)


def folder_away(detail: str, now: datetime) -> None:
    _report(AlertKind.FOLDER_AWAY, detail, now)


def _over(kind: AlertKind) -> None:
    """The next look ends the alert, if there is one, and tells who had been told."""
    open_one = update(Alert).where(Alert.kind == kind, Alert.ended_at.is_(None))
    db.session.execute(open_one.values(recovered=True))


INSERTS: Mapping[str, Callable[[type[Alert]], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""Database → its insert, which knows what to do when there is such a row."""


def _report(kind: AlertKind, detail: str, now: datetime) -> None:
    """The episode that is open goes on, or one begins. One statement, because two threads that
    look first and write then would begin two."""
    begun = INSERTS[db.engine.dialect.name](Alert).values(
        kind=kind, about=detail[:300], began_at=now
    )
    goes_on = begun.on_conflict_do_update(
        index_elements=[Alert.kind],
        index_where=text(OPEN_OF_SERVER),
        set_={"about": begun.excluded.about, "recovered": False},
    )
    db.session.execute(goes_on)


# ---- for the page
