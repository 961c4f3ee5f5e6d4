"""The real runtime on a real SQLite file and the real practice phone, with a clock that is set by
hand, and a scheduler and workers that work when told to: nothing happens by itself."""

import contextlib
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from apscheduler.jobstores.base import JobLookupError
from flask import Flask

from wa_app.config import Settings
from wa_app.domain.errors import TooOften
from wa_app.domain.sessions.closes import Close
from wa_app.domain.sessions.socket_messages import Closed, Command, Dial, News, Stored
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.gateways.base import Gateways, Sink
from wa_app.gateways.practice import PracticeAccounts, PracticeGateway
from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
from wa_app.models import Connection, Message, PracticeMessage, User
from wa_app.services.audit import Actor
from wa_app.services.connections import practice, registry, requests
from wa_app.services.notifications.alerts import Alerts
from wa_app.services.notifications.mails import Mailer
from wa_app.services.operations.context import Context
from wa_app.services.runtime.lifecycle import Runtime
from wa_app.services.sessions.backup_files import sealer_of
from wa_app.services.sessions.manager import Manager
from wa_app.services.users import accounts

ANA = Actor("ana@example.org")
PASSWORD = "a good password"


class HandPool(Executor):
    """Runs what was submitted when `run` is called."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], Any]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.waiting.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> None:
        while self.waiting:
            self.waiting.popleft()()


@dataclass
class Timer:
    run: Callable[[], object]
    next_run_time: datetime
    every: timedelta | None = None


class HandScheduler:
    """Timers and jobs that go off when `run_due` is called after their time."""

    def __init__(self) -> None:
        self.timers: dict[str, Timer] = {}

    def add_job(self, run: Callable[..., None], trigger: str, *, args: list[Any], id: str,
                run_date: datetime | None = None, next_run_time: datetime | None = None,
                seconds: float = 0, **_: Any) -> None:  # fmt: skip
        at = run_date or next_run_time
        assert at is not None
        every = timedelta(seconds=seconds) if trigger == "interval" else None
        self.timers[id] = Timer(partial(run, *args), at, every)

    def get_job(self, id: str) -> Timer | None:
        return self.timers.get(id)

    def modify_job(self, id: str, *, next_run_time: datetime) -> None:
        if id not in self.timers:
            raise JobLookupError(id)
        self.timers[id].next_run_time = next_run_time

    def remove_job(self, id: str) -> None:
        self.timers.pop(id)

    def next_timer(self, after: datetime) -> datetime | None:
        """When the next connection's timer goes off; the jobs are not that punctual."""
        times = [one.next_run_time for one in self.timers.values() if one.every is None]
        return min((at for at in times if at > after), default=None)

    def run_due(self, now: datetime, *, but: Collection[str] = ()) -> None:
        for id, timer in list(self.timers.items()):
            if timer.next_run_time > now or id in but:
                continue
            if timer.every is None:
                self.timers.pop(id)
            else:
                timer.next_run_time = now + timer.every
            timer.run()


class HandPhone(PracticeGateway):
    """Moves when `play_once` is called, and keeps a book of the sockets that it was asked to open
    and that have not ended."""

    def __init__(self, accounts: PracticeAccounts, clock: Callable[[], datetime]) -> None:
        super().__init__(accounts, clock)
        self.sockets: set[int] = set()
        self.on_stored: Callable[[], None] = lambda: None

    def start(self, sink: Sink) -> None:
        def tell(connection_id: str, socket_id: int, news: News) -> None:
            if isinstance(news, Closed):
                self.sockets.discard(socket_id)
            sink(connection_id, socket_id, news)

        self.report_to(tell)

    def break_off(self, close: Close) -> None:
        """Whatever is open ends so, with news that no practice phone has of itself."""
        for socket_id, socket in list(self._sockets.items()):
            self._finish(socket_id, socket, close)

    def open(self, dial: Dial) -> None:
        self.sockets.add(dial.socket_id)
        super().open(dial)

    def close(self, socket_id: int, *, grace: float, unlink: bool = False) -> None:
        super().close(socket_id, grace=grace, unlink=unlink)
        self.sockets.discard(socket_id)

    def tell(self, socket_id: int, command: Command) -> bool:
        there = super().tell(socket_id, command)
        if isinstance(command, Stored):
            self.on_stored()
        return there


WHEN_ASKED = frozenset({"clean-stale", "back-up", "forget"})
"""Jobs that would surprise a test: it runs them itself."""


class World:
    def __init__(
        self,
        app: Flask,
        *,
        mailer: Mailer = lambda letter: None,
        disk_usage: Callable[[Path], tuple[int, int, int]] = lambda _: (10**12, 0, 10**11),
    ) -> None:
        self.app = app
        self.settings: Settings = app.config["SETTINGS"]
        self.mailer = mailer
        self.disk_usage = disk_usage
        self.free_memory = 10**12
        self.set_forward = timedelta(0)
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        with app.app_context():
            self.ana_id = accounts.create(ANA, "ana@example.org", PASSWORD).id
            user = db.session.get_one(User, self.ana_id)
            self.connection_id = registry.create(ANA, user, Channel.PRACTICE).id
        self.begin()

    def begin(self) -> None:
        """A new owner process, with nothing in its memory."""
        self.pool = HandPool()
        self.scheduler = HandScheduler()
        self.phone = HandPhone(practice.PracticeRows(self.app), self.clock)
        self.files = WhatsAppGateway(
            self.settings.sessions_dir,
            self.settings.data_dir / "quarantine",
            sealer_of(self.settings),
        )
        self.alerts = Alerts(
            self.settings,
            mailer=self.mailer,
            clock=self.clock,
            disk_usage=self.disk_usage,
        )
        self.runtime = Runtime(
            self.app,
            Gateways(
                sockets={Channel.PRACTICE: self.phone, Channel.WHATSAPP: self.phone},
                probes={Channel.PRACTICE: self.phone, Channel.WHATSAPP: self.phone},
                store=self.files,
                components=dict,
            ),
            self.alerts,
            clock=self.clock,
            dice=lambda: 0.0,
            scheduler=self.scheduler,  # type: ignore[arg-type]
            workers=self.pool,
            steady=lambda: (self.now - self.set_forward).timestamp(),
            free_memory=lambda: self.free_memory,
        )
        self.app.extensions["runtime"] = self.runtime
        self.jobs = {job.name: job for job in self.runtime.jobs()}
        self.runtime.take_over()
        self.runtime.wake_all()
        self.settle()

    @property
    def context(self) -> Context:
        """What the owner there is now works with."""
        return self.runtime.context

    @property
    def manager(self) -> Manager:
        return self.context.manager

    # ---- time

    def clock(self) -> datetime:
        return self.now

    def set_clock_forward(self, by: timedelta) -> None:
        """No time passes."""
        self.now += by
        self.set_forward += by

    def settle(self) -> None:
        """Let everything happen that can happen without time passing."""
        busy = True
        while busy:
            self.run_job("look-for-requests")
            self.phone.play_once()
            self.runtime.answer_and_send()
            self.phone.play_once()
            busy = bool(self.pool.waiting)
            self.pool.run()

    def run_job(self, name: str) -> None:
        with self.app.app_context():
            self.jobs[name].run()

    def advance(self, seconds: float, *, steps: int = 20) -> None:
        """Time passes in small steps; timers go off, and jobs run that are due."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            step = self.now + timedelta(seconds=max(0.5, seconds / steps))
            self.now = min(until, step, self.scheduler.next_timer(self.now) or until)
            self.scheduler.run_due(self.now, but=WHEN_ASKED)
            self.settle()

    def tick(self) -> None:
        """The monitor looks."""
        self.run_job("monitor")
        self.run_job("lift-outages")
        self.settle()

    def crash(self) -> None:
        """kill -9, and a new owner."""
        self.begin()

    # ---- people and their phones

    @property
    def connection(self) -> Connection:
        with self.app.app_context():
            return db.session.get_one(Connection, self.connection_id)

    def ask(self, request: Callable[..., Any], **options: Any) -> None:
        with self.app.app_context():
            request(ANA, db.session.get_one(Connection, self.connection_id), **options)
        self.settle()

    def ask_if_allowed(self, request: Callable[..., Any]) -> None:
        with contextlib.suppress(TooOften):
            self.ask(request)

    def scan(self) -> None:
        with self.app.app_context():
            practice.scan(db.session.get_one(Connection, self.connection_id))
        self.settle()

    def fault(self, kind: str, on: bool = True) -> None:
        with self.app.app_context():
            connection = db.session.get_one(Connection, self.connection_id)
            practice.set_fault(ANA, connection, kind, on)
        self.settle()

    def link(self) -> None:
        """Ana connects and scans; the connection is up and stable."""
        self.ask(requests.connect)
        self.scan()
        self.advance(1)
        self.advance(40, steps=5)  # nothing happens but heartbeats

    def customer_writes(self, text: str, customer: str = "Lucía") -> None:
        with self.app.app_context():
            connection = db.session.get_one(Connection, self.connection_id)
            practice.write(connection, text, customer)
            for row in db.session.query(PracticeMessage).filter_by(text=text, stored=False):
                row.at = self.now
            db.session.commit()
        self.settle()

    def answers(self, customer: str = "Lucía") -> list[str]:
        """What the customer got."""
        with self.app.app_context():
            rows = practice.messages(db.session.get_one(Connection, self.connection_id))
            return [row.text for row in rows if row.direction == "out" and row.customer == customer]

    def messages(self) -> list[Message]:
        with self.app.app_context():
            return db.session.query(Message).order_by(Message.id).all()
