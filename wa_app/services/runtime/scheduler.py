"""What runs by itself: one scheduler, one record of every job's last run.

The record is a row, so that pages of any process show it, and "run now" is a mark on that row.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy import select, update

from wa_app.domain.errors import JobNotFound
from wa_app.extensions import db
from wa_app.models import JobRun
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.waiting import wait

log = structlog.get_logger()

RECORD_EVERY = timedelta(seconds=15)
"""A job that runs more often is written down this often, or when its outcome changes."""

FIRST_RUN_AFTER = timedelta(seconds=30)
"""A job that became due while nothing ran waits for the start to be over."""


@dataclass(frozen=True)
class Job:
    """Something the scheduler runs. A bad turn is recorded and does not stop the next."""

    name: str
    every: timedelta
    run: Callable[[], object]


class Jobs:
    def __init__(
        self, app: Flask, scheduler: BackgroundScheduler, *, clock: Callable[[], datetime]
    ) -> None:
        self._app = app
        self._scheduler = scheduler
        self._clock = clock
        self._signs: dict[str, int] = {}
        self._asked: dict[str, datetime | None] = {}
        self._recorded: dict[str, tuple[datetime, str | None]] = {}

    def signs(self, name: str) -> int:
        """How often a turn of a job has begun, ended or been written down since the start. What
        waits for a locked database still gives some; what stands still gives none."""
        return self._signs.get(name, 0)

    def _give_sign(self, job: Job) -> None:
        self._signs[job.name] = self.signs(job.name) + 1

    def schedule(self, jobs: tuple[Job, ...]) -> None:
        """May be repeated until it succeeds. Needs an application context."""
        for job in jobs:
            self._scheduler.add_job(
                self._turn,
                "interval",
                seconds=job.every.total_seconds(),
                args=[job],
                id=job.name,
                name=job.name,
                replace_existing=True,
                next_run_time=self._first_run(job),
            )
        self._forget_all_but({job.name for job in jobs})

    def _first_run(self, job: Job) -> datetime:
        """Counted from the last run, or a job of once a day would never run on a server that is
        restarted every evening."""
        row = db.session.get(JobRun, job.name) or JobRun(name=job.name)
        now = self._clock()
        last_at = row.last_at if row.last_at is None or row.last_at <= now else None
        due = last_at + job.every if last_at else now + min(job.every, FIRST_RUN_AFTER)
        row.next_at = max(due, now + min(job.every, FIRST_RUN_AFTER))
        db.session.add(row)
        db.session.commit()
        return row.next_at

    def _forget_all_but(self, names: set[str]) -> None:
        for row in db.session.scalars(select(JobRun).where(JobRun.name.not_in(names))):
            db.session.delete(row)
        db.session.commit()

    def start_what_was_asked_for(self) -> None:
        """A job that is just running is asked again at the next look."""
        asked = select(JobRun.name, JobRun.asked_at).where(JobRun.asked_at.is_not(None))
        for name, at in db.session.execute(asked):
            self._asked[name] = at
            with suppress(JobLookupError):
                self._scheduler.modify_job(name, next_run_time=self._clock())

    def _turn(self, job: Job) -> None:
        asked = self._asked.pop(job.name, None)  # what is asked from now on wants another turn
        self._give_sign(job)
        began_at, began = self._clock(), time.monotonic()
        with self._app.app_context():
            error = self._outcome(job)
            self._give_sign(job)
            try:
                if asked or self._is_news(job, began_at, error):
                    self._record(job, began_at, time.monotonic() - began, error, asked)
            except Exception:
                log.exception("job not recorded", job=job.name)  # the database is away
        self._give_sign(job)

    def _outcome(self, job: Job) -> str | None:
        try:
            job.run()
        except Exception as error:
            log.exception("job failed", job=job.name)
            db.session.rollback()
            return f"{type(error).__name__}: {error}"[:500]
        return None

    def _is_news(self, job: Job, began_at: datetime, error: str | None) -> bool:
        at, last_error = self._recorded.get(job.name, (None, None))
        return (
            at is None
            or error != last_error
            or job.every >= RECORD_EVERY
            or began_at - at >= RECORD_EVERY
        )

    def _record(
        self,
        job: Job,
        began_at: datetime,
        seconds: float,
        error: str | None,
        asked: datetime | None,
    ) -> None:
        planned = self._scheduler.get_job(job.name)
        written = update(JobRun).where(JobRun.name == job.name)
        db.session.execute(
            written.values(
                last_at=began_at,
                seconds=round(seconds, 3),
                error=error,
                next_at=planned.next_run_time if planned else None,
            )
        )
        if asked is not None:
            db.session.execute(written.where(JobRun.asked_at == asked).values(asked_at=None))
        db.session.commit()
        self._recorded[job.name] = (began_at, error)


# ---- for pages, programs and the command line, in any process


def everything() -> list[JobRun]:
    return list(db.session.scalars(select(JobRun).order_by(JobRun.name)))


def run_now(actor: Actor, name: str, at: datetime, seconds: float) -> JobRun:
    """Ask for a run, and wait so long for its end; `last_at` tells whether it has run. Raises
    `JobNotFound`."""
    asked = update(JobRun).where(JobRun.name == name).values(asked_at=at).returning(JobRun.name)
    if db.session.scalar(asked) is None:
        raise JobNotFound
    audit.record(actor, "job.run", name)
    db.session.commit()

    def look() -> tuple[JobRun, bool]:
        row = db.session.get_one(JobRun, name, populate_existing=True)
        return row, row.asked_at is None

    return wait(look, seconds)
