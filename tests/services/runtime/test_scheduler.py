"""Jobs: every run is told, "run now" works from any process, and what stands still is noticed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from wa_app.domain.errors import JobNotFound
from wa_app.extensions import db
from wa_app.models import Audit, JobRun
from wa_app.services.audit import COMMAND_LINE
from wa_app.services.runtime import scheduler as jobs
from wa_app.services.runtime import watchdog
from wa_app.services.runtime.scheduler import Job, Jobs
from wa_app.services.runtime.watchdog import Watchdog

DAY = timedelta(days=1)
PATIENCE = 60.0
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def scheduler() -> Iterator[BackgroundScheduler]:
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def table(app: Flask, scheduler: BackgroundScheduler) -> Jobs:
    return Jobs(app, scheduler, clock=lambda: datetime.now(UTC))


def run(app: Flask, table: Jobs, *scheduled: Job) -> None:
    with app.app_context():
        table.schedule(scheduled)


def test_a_run_asked_for_is_carried_out_and_told(app: Flask, table: Jobs) -> None:
    ran = threading.Event()
    run(app, table, Job("count", DAY, ran.set))
    with app.app_context():
        asker = threading.Thread(target=look_until_asked, args=[app, table])
        asker.start()
        done = jobs.run_now(COMMAND_LINE, "count", datetime.now(UTC), PATIENCE)
        asker.join()
        assert ran.is_set()
        assert (done.error, done.asked_at) == (None, None)
        assert done.last_at is not None and done.next_at is not None and done.seconds is not None
        assert done.next_at > done.last_at
        audited = db.session.scalars(db.select(Audit)).one()
        assert (audited.action, audited.target) == ("job.run", "count")


def look_until_asked(app: Flask, table: Jobs) -> None:
    """As the owner does twice a second."""
    with app.app_context():
        while db.session.scalar(db.select(JobRun).where(JobRun.asked_at.is_not(None))) is None:
            db.session.rollback()
        table.start_what_was_asked_for()


def test_a_job_that_fails_is_told_and_runs_again(app: Flask, table: Jobs) -> None:
    outcomes = iter([ValueError("no luck"), None])
    turns = threading.Semaphore(0)

    def sometimes() -> None:
        outcome = next(outcomes, None)
        turns.release()
        if outcome:
            raise outcome

    run(app, table, Job("sometimes", timedelta(seconds=0.2), sometimes))
    assert turns.acquire(timeout=PATIENCE)
    errors = set()
    with app.app_context():
        while errors != {"ValueError: no luck", None}:
            db.session.rollback()
            errors |= {row.error for row in jobs.everything() if row.last_at}
    assert turns.acquire(timeout=PATIENCE)
    assert table.signs("sometimes") >= 2


def test_an_unknown_job_is_refused(app: Flask) -> None:
    with app.app_context(), pytest.raises(JobNotFound):
        jobs.run_now(COMMAND_LINE, "no such job", START, 0)


@pytest.mark.parametrize(
    ("last", "wanted"),
    [
        (None, timedelta(seconds=30)),  # never ran: soon, but not in the middle of the start
        (timedelta(hours=20), timedelta(hours=4)),  # counted from the last run
        (timedelta(days=3), timedelta(seconds=30)),  # missed while nothing ran
        (-timedelta(hours=1), timedelta(seconds=30)),  # the clock was set back
    ],
)
def test_a_daily_job_keeps_its_day_through_restarts(
    app: Flask, last: timedelta | None, wanted: timedelta
) -> None:
    with app.app_context():
        if last is not None:
            db.session.add(JobRun(name="daily", last_at=START - last))
            db.session.commit()
        db.session.add(JobRun(name="forgotten"))
        db.session.commit()
    not_started = BackgroundScheduler(timezone="UTC")
    run(app, Jobs(app, not_started, clock=lambda: START), Job("daily", DAY, lambda: None))
    with app.app_context():
        [row] = jobs.everything()
        assert (row.name, row.next_at) == ("daily", START + wanted)


# ---- the watchdog


class Turns:
    def __init__(self) -> None:
        self.counts = {"heartbeat": 0, "monitor": 0}

    def __call__(self, name: str) -> int:
        return self.counts[name]


WATCHED = {"heartbeat": timedelta(seconds=2), "monitor": timedelta(seconds=30)}


@pytest.mark.parametrize(("still", "after"), [("heartbeat", 15), ("monitor", 90)])
def test_what_stands_still_for_three_intervals_is_noticed(
    tmp_path: Path, still: str, after: int
) -> None:
    turns = Turns()
    dog = Watchdog(WATCHED, turns, tmp_path / "report")

    def look() -> str | None:
        for name in turns.counts:
            turns.counts[name] += name != still
        return dog.look()

    looks = [look() for _ in range(after + 2)]
    assert looks == [None] * (after + 1) + [f"{still} stood still for {after + 1} s"]


def test_a_slow_job_is_not_standing_still(tmp_path: Path) -> None:
    turns = Turns()
    dog = Watchdog(WATCHED, turns, tmp_path / "report")
    for second in range(600):
        turns.counts["heartbeat"] += second % 10 == 0
        turns.counts["monitor"] += second % 60 == 0
        assert dog.look() is None


def test_waiting_for_a_locked_database_is_not_standing_still(
    app: Flask, table: Jobs, tmp_path: Path
) -> None:
    """A turn that waits 10 s and fails, and 10 s more to be written down, gives a sign each time: a
    restart would free no lock."""
    signs = []
    run(app, table, Job("heartbeat", DAY, lambda: signs.append(table.signs("heartbeat"))))
    table._turn(Job("heartbeat", DAY, lambda: signs.append(table.signs("heartbeat"))))
    assert (signs, table.signs("heartbeat")) == ([1], 3)  # begun; ended, and written down
    turns = Turns()
    dog = Watchdog(WATCHED, turns, tmp_path / "report")
    for second in range(120):
        turns.counts["heartbeat"] += second % 11 == 0
        turns.counts["monitor"] += second % 11 == 0
        assert dog.look() is None


def test_a_crash_before_the_report_is_gone_tells_it_no_second_time(
    app: Flask, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    with app.app_context():
        for _ in range(2):
            report.write_text(json.dumps({"what": "it stood still", "at": START.isoformat()}))
            assert watchdog.take_report(report, START) == "it stood still"
            assert not report.exists()
        assert len(db.session.scalars(db.select(Audit)).all()) == 1


def test_the_next_owner_reads_the_report_once(app: Flask, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text(json.dumps({"what": "monitor stood still for 91 s", "at": START.isoformat()}))
    with app.app_context():
        assert watchdog.take_report(report, START) == "monitor stood still for 91 s"
        assert watchdog.take_report(report, START) is None
        told = watchdog.last_restart()
        assert told is not None
        assert (told.at, told.actor, told.target) == (
            START, "watchdog", "monitor stood still for 91 s",
        )  # fmt: skip


@pytest.mark.parametrize("content", ["", "{", '{"what": 1}', '{"what": "x", "at": "noon"}'])
def test_a_report_that_was_cut_short_keeps_nobody_from_starting(
    app: Flask, tmp_path: Path, content: str
) -> None:
    report = tmp_path / "report"
    report.write_text(content)
    with app.app_context():
        assert watchdog.take_report(report, START) is None
        assert watchdog.last_restart() is None
    assert not report.exists()
