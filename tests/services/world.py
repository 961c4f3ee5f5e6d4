"""The real services on a real SQLite file and the real practice phone, with a clock that is set
by hand and a pool that works when told to: nothing happens by itself."""

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask

from wa_app.config import Settings
from wa_app.domain.errors import TooOften
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.gateways.base import Gateways
from wa_app.gateways.practice import PracticeGateway
from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
from wa_app.models import Connection, Message, PracticeMessage, User
from wa_app.services import ownership
from wa_app.services.audit import Actor
from wa_app.services.bot import answers as bot
from wa_app.services.connections import practice, registry, requests
from wa_app.services.messages import outbox
from wa_app.services.sessions import recovery
from wa_app.services.sessions.backup_files import sealer_of
from wa_app.services.sessions.manager import Manager
from wa_app.services.sessions.monitor import Monitor
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


class HandScheduler:
    """Timers that go off when the world's clock passes them."""

    def __init__(self) -> None:
        self.timers: dict[str, tuple[datetime, Callable[[], None]]] = {}

    def add_job(self, run: Any, trigger: str, *, run_date: datetime, args: list[Any], id: str,
                replace_existing: bool) -> None:  # fmt: skip
        self.timers[id] = (run_date, lambda: run(*args))

    def get_job(self, timer: str) -> object:
        return self.timers.get(timer)

    def remove_job(self, timer: str) -> None:
        self.timers.pop(timer)


class World:
    def __init__(self, app: Flask) -> None:
        self.app = app
        self.settings: Settings = app.config["SETTINGS"]
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.started_at = self.now
        with app.app_context():
            self.ana_id = accounts.create(ANA, "ana@example.org", PASSWORD).id
            user = db.session.get_one(User, self.ana_id)
            self.connection_id = registry.create(ANA, user, Channel.PRACTICE).id
        self.begin()

    def begin(self) -> None:
        """A new owner process, with nothing in its memory."""
        self.pool = HandPool()
        self.scheduler = HandScheduler()
        self.phone = PracticeGateway(practice.PracticeRows(self.app), lambda: self.now)
        self.files = WhatsAppGateway(
            self.settings.sessions_dir,
            self.settings.data_dir / "quarantine",
            sealer_of(self.settings),
        )
        self.gateways = Gateways(
            sockets={Channel.PRACTICE: self.phone, Channel.WHATSAPP: self.phone},
            probes={Channel.PRACTICE: self.phone, Channel.WHATSAPP: self.phone},
            store=self.files,
            components=dict,
        )
        hands: dict[str, Any] = {"clock": lambda: self.now, "dice": lambda: 0.0}
        self.manager = Manager(
            self.app, self.settings, self.gateways, self.scheduler, self.pool,  # type: ignore[arg-type]
            on_message=lambda: None, **hands,
        )  # fmt: skip
        self.phone._sink = self.manager.post
        self.app.extensions["runtime"] = self.manager
        self.monitor = Monitor(self.settings, self.manager, self.gateways, **hands)
        with self.app.app_context():
            recovery.recover(self.settings, self.gateways, **hands)
            ownership.beat(self.now, self.started_at)
            recovery.wake_all(self.manager)
        self.settle()

    # ---- time

    def settle(self) -> None:
        """Let everything happen that can happen without time passing."""
        busy = True
        while busy:
            self.manager.find_requests()
            self.phone.play_once()
            self.move_messages()
            self.phone.play_once()
            busy = bool(self.pool.waiting)
            self.pool.run()

    def move_messages(self) -> None:
        with self.app.app_context():
            policy = self.settings.messages
            for message_id in bot.pending():
                bot.consider(message_id, self.now, lambda: 0.0, policy)
            for connection_id in outbox.ready(self.now):
                send = outbox.take(connection_id, self.now, policy)
                if send is not None and not self.manager.tell(connection_id, send):
                    outbox.not_sent(connection_id, send.message_id, self.now)

    def advance(self, seconds: float) -> None:
        """Time passes in small steps; timers go off, the owner's heart beats."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            step = timedelta(seconds=max(0.5, seconds / 20))
            timers = [at for at, _ in self.scheduler.timers.values() if at > self.now]
            self.now = min(until, self.now + step, *timers)
            due = [name for name, (at, _) in self.scheduler.timers.items() if at <= self.now]
            for name in due:
                self.scheduler.timers.pop(name)[1]()
            self.settle()
            with self.app.app_context():
                ownership.beat(self.now, self.started_at)

    def tick(self) -> None:
        with self.app.app_context():
            self.monitor.tick()
            self.monitor.lift_outages()
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
        self.advance(40)

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
