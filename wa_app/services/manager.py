"""The manager owns the sockets: it brings what is observed to what is wanted, step by step.

Each connection has one entry, and its turns come one after the other (`turns.py`). What the steps
are is decided in `domain/session.py`; here they are only taken.
"""

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.exc import OperationalError

from wa_app.config import Settings
from wa_app.domain.connection import Observed, Wanted, wipe_pending
from wa_app.domain.errors import Refused
from wa_app.domain.session import (
    CloseSocket,
    DialNow,
    Settle,
    Step,
    Wipe,
    after_news,
    due_at,
    next_step,
)
from wa_app.domain.states import Channel, Status
from wa_app.domain.wire import (
    Alive,
    Closed,
    Command,
    Dial,
    Incoming,
    News,
    Receipt,
    SendFailed,
    Sent,
    Stored,
)
from wa_app.extensions import db
from wa_app.gateways.base import Gateway
from wa_app.models import Connection, User
from wa_app.services import history, inbox, outbox, wiping
from wa_app.services.turns import Turns

log = structlog.get_logger()

NEWS_A_TURN = 50

RETRY_AFTER_TROUBLE = timedelta(seconds=2)

MESSAGE_NEWS = (Incoming, Sent, SendFailed, Receipt)


Verdict = Callable[[Wanted, Observed], Observed | None]
"""A change somebody asks for, judged on the row as it is when its turn comes; None: none."""


@dataclass(frozen=True)
class Asked:
    """A verdict that waits for its turn. Who asked may wait for `outcome`: what was changed, once
    it is written, or what the verdict raised."""

    verdict: Verdict
    kill: bool
    outcome: Future[Observed | None] = field(default_factory=Future)


@dataclass
class Entry:
    """What the manager remembers of one connection; all of it may be lost."""

    connection_id: str
    news: deque[tuple[int, News]] = field(default_factory=deque)
    verdicts: deque[Asked] = field(default_factory=deque)
    socket_id: int | None = None
    gateway: Gateway | None = None
    alive_at: datetime | None = None
    timer_at: datetime | None = None


class Manager:
    def __init__(
        self,
        app: Flask,
        settings: Settings,
        gateways: Mapping[Channel, Gateway],
        scheduler: BackgroundScheduler,
        pool: Executor,
        *,
        clock: Callable[[], datetime],
        dice: Callable[[], float],
        on_message: Callable[[], None],
    ) -> None:
        """`on_message` is called when messages were stored or something can be sent."""
        self._app = app
        self._settings = settings
        self._policy = settings.policy
        self._gateways = gateways
        self._scheduler = scheduler
        self._clock = clock
        self._dice = dice
        self._on_message = on_message
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}
        self._socket_ids = itertools.count(1)
        self._turns = Turns(pool, self._take_turn)
        self.dials = True
        """False for who only stands in for an owner and would hang up at once."""

    # ---- called from anywhere

    def wake(self, connection_id: str) -> None:
        """Look at this connection, soon and in a thread of the pool."""
        self._turns.ask(connection_id)

    def judge(
        self, connection_id: str, verdict: Verdict, *, kill: bool = True
    ) -> Future[Observed | None]:
        """Look at this connection, first with this verdict. A change ends the socket; `kill`: it
        is dead or hangs, asking is vain. What is cancelled in time never falls."""
        asked = Asked(verdict, kill)
        self._entry(connection_id).verdicts.append(asked)
        self._turns.ask(connection_id)
        return asked.outcome

    def post(self, connection_id: str, socket_id: int, news: News) -> None:
        """The gateways' sink."""
        entry = self._entry(connection_id)
        if isinstance(news, Alive):
            with self._lock:
                if entry.socket_id == socket_id:
                    entry.alive_at = self._clock()
            return
        entry.news.append((socket_id, news))
        self._turns.ask(connection_id)

    def tell(self, connection_id: str, command: Command) -> bool:
        """Hand a command to the connection's socket; False when there is none."""
        with self._lock:
            entry = self._entries.get(connection_id)
            socket_id = entry.socket_id if entry else None
            gateway = entry.gateway if entry else None
        return socket_id is not None and gateway is not None and gateway.tell(socket_id, command)

    def alive_at(self, connection_id: str) -> datetime | None:
        """The last sign of life of the connection's socket; None without one."""
        with self._lock:
            entry = self._entries.get(connection_id)
            return entry.alive_at if entry and entry.socket_id is not None else None

    def with_sockets(self) -> set[str]:
        """The connections that have a socket, open or opening."""
        with self._lock:
            return {name for name, one in self._entries.items() if one.socket_id is not None}

    def look_for_requests(self) -> None:
        """Wake every connection whose wanted half another process has changed, or that must not
        have a socket any more."""
        allowed = and_(
            User.id.is_not(None),  # an orphan has no user
            User.active,
            User.deleted_at.is_(None),
            Connection.deleted_at.is_(None),
        )
        unseen = (
            select(Connection.id)
            .outerjoin(User)
            .where(
                or_(
                    Connection.wanted_version > Connection.observed_version,
                    Connection.wipe_version > Connection.wiped_version,
                    Connection.deleted_at.is_not(None),
                    and_(
                        Connection.status != Status.DISCONNECTED,
                        or_(~Connection.enabled, ~allowed),
                    ),
                )
            )
        )
        with self._app.app_context():
            for connection_id in db.session.scalars(unseen).all():
                self.wake(connection_id)

    @property
    def is_stopping(self) -> bool:
        return self._turns.stopping

    def begin_to_stop(self) -> None:
        self._turns.begin_to_stop()

    def stop(self) -> None:
        """Finish what is under way and begin nothing more; the gateways are stopped by others."""
        self._turns.stop()

    # ---- one turn

    def _entry(self, connection_id: str) -> Entry:
        with self._lock:
            return self._entries.setdefault(connection_id, Entry(connection_id))

    def _take_turn(self, connection_id: str) -> None:
        entry = self._entry(connection_id)
        try:
            with self._app.app_context():
                self._take_news(entry)
                self._look(entry)
        except Exception:
            log.exception("connection in trouble", connection=connection_id)
            self._wake_at(entry, self._clock() + RETRY_AFTER_TROUBLE)

    # ---- news

    def _take_news(self, entry: Entry) -> None:
        """So much at a time, so that a flood of messages holds up no request and no timer."""
        for _ in range(NEWS_A_TURN):
            if not entry.news or self._turns.stopping:
                return
            socket_id, news = entry.news[0]
            try:
                self._handle(entry, socket_id, news)
            except OperationalError:
                raise  # the database is away: this news stays the first in line
            except Exception:
                if isinstance(news, Incoming):
                    raise  # what came in is never dropped
                # A mistake of ours; timers and the monitor make good what is missed.
                log.exception("news dropped", connection=entry.connection_id)
                db.session.rollback()
            entry.news.popleft()
        self._turns.ask(entry.connection_id)

    def _handle(self, entry: Entry, socket_id: int, news: News) -> None:
        match news:
            case Incoming():
                self._store(entry, socket_id, news)
            case Sent():
                outbox.sent(entry.connection_id, news)
                self._on_message()
            case SendFailed():
                outbox.failed(entry.connection_id, news, self._clock())
                self._on_message()
            case Receipt():
                outbox.receipt(entry.connection_id, news)
            case _:
                self._change_by(entry, socket_id, news)

    def _store(self, entry: Entry, socket_id: int, news: Incoming) -> None:
        if inbox.store(entry.connection_id, [news]):
            self._on_message()
        gateway = entry.gateway
        if gateway is not None:
            gateway.tell(socket_id, Stored(news.spool_offset))

    def _change_by(self, entry: Entry, socket_id: int, news: News) -> None:
        connection = db.session.get(Connection, entry.connection_id)
        if connection is None:
            return
        gateway = self._gateway(connection)
        observed = after_news(
            connection.wanted,
            connection.observed,
            news,
            socket_id=socket_id,
            current=entry.socket_id,
            now=self._clock(),
            jitter=self._dice(),
            policy=self._policy,
            library=gateway.version,
        )
        if observed is None:
            log.info("late news ignored", connection=entry.connection_id, socket=socket_id)
            return
        self._write(connection, observed)
        if isinstance(news, Closed):
            self._forget_socket(entry, gateway)
        else:
            entry.alive_at = self._clock()
        self._on_message()

    # ---- looks

    def _look(self, entry: Entry) -> None:
        while not self._turns.stopping:
            now = self._clock()
            connection = db.session.get(Connection, entry.connection_id, populate_existing=True)
            if connection is None:
                self._drop(entry)
                return
            if self._removed(connection):
                continue
            self._judge(entry, connection)
            step = self._next_step(entry, connection, now)
            if step is None or (isinstance(step, DialNow) and not self.dials):
                due = due_at(connection.observed, self._policy)
                self._wake_at(entry, due if due is not None and due > now else None)
                return
            self._take(entry, connection, step)

    def _next_step(self, entry: Entry, connection: Connection, now: datetime) -> Step | None:
        return next_step(
            connection.wanted,
            connection.observed,
            socket_open=entry.socket_id is not None,
            now=now,
            jitter=self._dice(),
            policy=self._policy,
            library=self._gateway(connection).version,
        )

    def _take(self, entry: Entry, connection: Connection, step: Step) -> None:
        match step:
            case Settle(observed):
                self._write(connection, observed)
            case DialNow(observed):
                self._write(connection, observed)
                self._open(entry, connection)
            case CloseSocket(observed, kill):
                self._close(entry, connection, kill=kill)
                self._write(connection, observed)
            case Wipe():
                self._wipe(entry, connection, step)

    def _judge(self, entry: Entry, connection: Connection) -> None:
        while entry.verdicts:
            asked = entry.verdicts.popleft()
            if not asked.outcome.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            try:
                changed = self._fell(entry, connection, asked)
            except Exception as error:
                asked.outcome.set_exception(error)
                if not isinstance(error, Refused):
                    raise
            else:
                asked.outcome.set_result(changed)

    def _fell(self, entry: Entry, connection: Connection, asked: Asked) -> Observed | None:
        changed = asked.verdict(connection.wanted, connection.observed)
        if changed is not None:
            self._close(entry, connection, kill=asked.kill)
            self._write(connection, changed)
        return changed

    def _write(self, connection: Connection, observed: Observed) -> None:
        history.change(connection, observed, self._clock(), self._policy)
        db.session.commit()

    # ---- sockets

    def _gateway(self, connection: Connection) -> Gateway:
        return self._gateways[connection.channel]

    def _open(self, entry: Entry, connection: Connection) -> None:
        dial = Dial(
            connection_id=connection.id,
            socket_id=next(self._socket_ids),
            pair_phone=connection.pair_phone,
            proxy=connection.proxy or self._settings.whatsapp_proxy or None,
        )
        with self._lock:
            entry.gateway = self._gateway(connection)
            entry.socket_id = dial.socket_id
            entry.alive_at = self._clock()
        entry.gateway.open(dial)

    def _close(
        self, entry: Entry, connection: Connection, *, kill: bool = False, unlink: bool = False
    ) -> bool:
        """End the socket; True when there was one. Its last messages are stored before anything
        that follows."""
        if entry.socket_id is None:
            return False
        gateway = self._gateway(connection)
        grace = 0.0 if kill else self._policy.close_grace.total_seconds()
        gateway.close(entry.socket_id, grace=grace, unlink=unlink)
        self._forget_socket(entry, gateway)
        return True

    def _forget_socket(self, entry: Entry, gateway: Gateway) -> None:
        with self._lock:
            entry.socket_id = None
            entry.alive_at = None
        outbox.socket_ended(entry.connection_id, self._clock())
        self.drain(gateway, entry.connection_id)

    def drain(self, gateway: Gateway, connection_id: str) -> int:
        """Store what the spool of an ended socket still holds; how much of it was new."""
        left = list(gateway.spooled(connection_id))
        new = inbox.store(connection_id, left) if left else 0
        gateway.clear_spool(connection_id)
        if new:
            self._on_message()
        return new

    # ---- wiping and removing

    def _wipe(self, entry: Entry, connection: Connection, step: Wipe) -> None:
        gateway = self._gateway(connection)
        wiping.wipe(
            connection,
            step.version,
            gateway,
            settings=self._settings,
            now=self._clock(),
            close=lambda: self._close(entry, connection, unlink=step.unlink),
            forget=lambda: self._forget(entry),
            drain=lambda: self.drain(gateway, connection.id) > 0,
        )

    def _forget(self, entry: Entry) -> bool:
        """Drop the news of the state that wait. Those of messages stay: none may be lost."""
        dropped = 0
        for _ in range(len(entry.news)):
            news = entry.news.popleft()
            if isinstance(news[1], MESSAGE_NEWS):
                entry.news.append(news)
            else:
                dropped += 1
        return dropped > 0

    def _removed(self, connection: Connection) -> bool:
        """Delete the row of a removed connection once its session is wiped."""
        if connection.deleted_at is None or wipe_pending(connection.wanted, connection.observed):
            return False
        if connection.status is not Status.DISCONNECTED:
            return False
        user_id = connection.user_id
        db.session.execute(delete(Connection).where(Connection.id == connection.id))
        others = exists().where(Connection.user_id == user_id)
        gone = delete(User).where(User.id == user_id, User.deleted_at.is_not(None), ~others)
        db.session.execute(gone)
        db.session.commit()
        db.session.expire_all()
        return True

    def _drop(self, entry: Entry) -> None:
        if entry.socket_id is not None and entry.gateway is not None:
            entry.gateway.close(entry.socket_id, grace=0)
        self._wake_at(entry, None)
        with self._lock:
            self._entries.pop(entry.connection_id, None)

    # ---- the one timer of each connection

    def _wake_at(self, entry: Entry, at: datetime | None) -> None:
        if at == entry.timer_at:
            return
        entry.timer_at = at
        timer = f"timer {entry.connection_id}"
        if at is not None:
            self._scheduler.add_job(
                self._timer_rang,
                "date",
                run_date=at,
                args=[entry],
                id=timer,
                replace_existing=True,
            )
        elif self._scheduler.get_job(timer) is not None:
            self._scheduler.remove_job(timer)

    def _timer_rang(self, entry: Entry) -> None:
        entry.timer_at = None
        self.wake(entry.connection_id)
