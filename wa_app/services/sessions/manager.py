"""The manager owns the sockets: it brings what is observed to what is wanted, step by step.

Each connection has one entry, and its turns come one after the other (`turns.py`). What the steps
are is decided in `domain/sessions/reconcile.py`; here they are only taken.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy.exc import OperationalError

from wa_app import memory
from wa_app.config import Settings
from wa_app.domain.errors import Refused
from wa_app.domain.sessions.changes import by_this_clock, wait_to_link
from wa_app.domain.sessions.connection import Observed, wipe_pending
from wa_app.domain.sessions.policy import Moment
from wa_app.domain.sessions.reconcile import (
    CloseSocket,
    DialNow,
    Settle,
    Step,
    Wipe,
    after_news,
    due_at,
    next_step,
)
from wa_app.domain.sessions.socket_messages import (
    Alive,
    Closed,
    Command,
    Dial,
    Incoming,
    MessageEvent,
    News,
    Opened,
    Paired,
    Stored,
)
from wa_app.domain.sessions.states import Channel, Status
from wa_app.extensions import db
from wa_app.gateways.base import Gateways, Sockets
from wa_app.models import Connection
from wa_app.services.connections import registry, requests
from wa_app.services.messages import events
from wa_app.services.sessions import force_cleanup, transitions
from wa_app.services.sessions.entries import Change, Entries, Entry, PendingChange
from wa_app.services.sessions.linkings import Linkings
from wa_app.services.sessions.timers import Timers
from wa_app.services.sessions.turns import Turns

log = structlog.get_logger()

NEWS_A_TURN = 50

RETRY_AFTER_TROUBLE = timedelta(seconds=2)


class Manager:
    def __init__(
        self,
        app: Flask,
        settings: Settings,
        gateways: Gateways,
        scheduler: BackgroundScheduler,
        pool: Executor,
        *,
        clock: Callable[[], datetime],
        dice: Callable[[], float],
        on_message: Callable[[], None],
        may_act: Callable[[], bool] = lambda: True,
        steady: Callable[[], float] = time.monotonic,
        free_memory: Callable[[], int] = memory.available,
    ) -> None:
        """`on_message` is called when messages were stored or something can be sent. While
        `may_act` says no, nothing is taken from a socket, written or dialled. `steady` counts
        seconds, whatever the clock is set to: set forward, it must not make everybody silent."""
        self._app = app
        self._settings = settings
        self._policy = settings.policy
        self._gateways = gateways
        self._clock = clock
        self._steady = steady
        self._dice = dice
        self._on_message = on_message
        self._may_act = may_act
        self._linkings = Linkings(settings.linking_memory * 1_000_000, free_memory)
        self._entries = Entries()
        self._socket_ids = itertools.count(1)
        self._turns = Turns(pool, self._take_turn)
        self._timers = Timers(scheduler, self.wake)
        self.dials = True
        """False for who only stands in for an owner and would hang up at once."""

    # ---- called from anywhere

    def wake(self, connection_id: str) -> None:
        """Look at this connection, soon and in a thread of the pool."""
        self._turns.ask(connection_id)

    def submit(
        self, connection_id: str, change: Change, *, kill: bool = True
    ) -> Future[Observed | None]:
        """Look at this connection, first with this change. One that is made ends the socket;
        `kill`: it is dead or hangs, asking is vain. What is cancelled in time is never made."""
        pending = PendingChange(change, kill)
        self._entries.of(connection_id).changes.append(pending)
        self._turns.ask(connection_id)
        return pending.outcome

    def post(self, connection_id: str, socket_id: int, news: News) -> None:
        """The gateways' sink."""
        entry = self._entries.of(connection_id)
        if isinstance(news, Alive):
            self._entries.alive(entry, socket_id, self._steady())
            return
        entry.news.append((socket_id, news))
        self._turns.ask(connection_id)

    def tell(self, connection_id: str, command: Command) -> bool:
        """Hand a command to the connection's socket; False when there is none."""
        socket = self._entries.socket_of(connection_id)
        return socket is not None and socket[0].tell(socket[1], command)

    def silent_for(self, connection_id: str) -> timedelta | None:
        """How long ago the connection's socket gave its last sign of life; None without one."""
        alive_at = self._entries.alive_at(connection_id)
        return None if alive_at is None else timedelta(seconds=self._steady() - alive_at)

    def with_sockets(self) -> set[str]:
        """The connections that have a socket, open or opening."""
        return self._entries.with_sockets()

    def find_requests(self) -> None:
        """Wake every connection whose wanted half another process has changed, or that must not
        have a socket any more."""
        with self._app.app_context():
            for connection_id in requests.unseen():
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

    def _take_turn(self, connection_id: str) -> None:
        if not self._may_act():
            return
        entry = self._entries.of(connection_id)
        try:
            with self._app.app_context():
                self._take_news(entry)
                self._reconcile(entry)
        except Exception:
            log.exception("connection in trouble", connection=connection_id)
            self._timers.set(connection_id, self._clock() + RETRY_AFTER_TROUBLE)

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
        if not isinstance(news, MessageEvent):
            self._take_state(entry, socket_id, news)
            return
        if events.store(entry.connection_id, news, self._clock()):
            self._on_message()
        if isinstance(news, Incoming) and entry.sockets is not None:
            entry.sockets.tell(socket_id, Stored(news.spool_offset))

    def _take_state(self, entry: Entry, socket_id: int, news: News) -> None:
        connection = db.session.get(Connection, entry.connection_id)
        if connection is None:
            return
        self._mind_the_clock(connection)
        observed = after_news(
            connection.effective,
            connection.observed,
            news,
            self._moment(connection),
            socket_id=socket_id,
            current=entry.socket_id,
            answered_elsewhere=isinstance(news, Paired | Opened)
            and connection.bot_enabled
            and registry.answered_elsewhere(connection, news.phone),
        )
        if observed is None:
            log.info("late news ignored", connection=entry.connection_id, socket=socket_id)
            return
        self._write(connection, observed)
        if isinstance(news, Paired):
            self._linkings.linked(connection.id, self._clock())
        if isinstance(news, Closed):
            self._forget_socket(entry)
        else:
            entry.alive_at = self._steady()
        self._on_message()

    # ---- towards what is wanted

    def _reconcile(self, entry: Entry) -> None:
        while not self._turns.stopping:
            connection = db.session.get(Connection, entry.connection_id, populate_existing=True)
            if connection is None:
                self._drop(entry)
                return
            if _may_be_deleted(connection):
                registry.delete_row(connection)
                continue
            self._mind_the_clock(connection)
            moment = self._moment(connection)
            self._run_changes(entry, connection)
            step = next_step(
                connection.effective,
                connection.observed,
                moment,
                socket_open=entry.socket_id is not None,
            )
            if isinstance(step, DialNow) and self.dials:
                step = self._let_in(connection, step, moment.now)
            if step is None or (isinstance(step, DialNow) and not self.dials):
                due = due_at(connection.observed, self._policy)
                self._timers.set(entry.connection_id, due if due and due > moment.now else None)
                return
            self._take(entry, connection, step)

    def _let_in(self, connection: Connection, dial: DialNow, now: datetime) -> Step:
        """A linking waits while others take the memory there is."""
        brings_history = connection.channel is Channel.WHATSAPP and not connection.has_credentials
        if brings_history and not self._linkings.may_begin(connection.id, now):
            return Settle(wait_to_link(connection.observed, dial.observed, now))
        return DialNow(replace(dial.observed, waits_to_link=False))

    def _moment(self, connection: Connection) -> Moment:
        library = self._sockets(connection).version
        return Moment(self._clock(), self._dice(), self._policy, library)

    def _take(self, entry: Entry, connection: Connection, step: Step) -> None:
        match step:
            case Settle(observed):
                self._write(connection, observed)
            case DialNow(observed):
                self._write(connection, observed)
                self._open(entry, connection)
            case CloseSocket(observed, kill, unlink):
                self._close(entry, connection, kill=kill, unlink=unlink)
                self._write(connection, observed)
            case Wipe():
                self._wipe(entry, connection, step)

    def _run_changes(self, entry: Entry, connection: Connection) -> None:
        while entry.changes:
            pending = entry.changes.popleft()
            if not pending.outcome.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            try:
                changed = self._apply(entry, connection, pending)
            except Exception as error:
                pending.outcome.set_exception(error)
                if not isinstance(error, Refused):
                    raise
            else:
                pending.outcome.set_result(changed)

    def _apply(
        self, entry: Entry, connection: Connection, pending: PendingChange
    ) -> Observed | None:
        changed = pending.change(connection.effective, connection.observed)
        if changed is not None:
            self._close(entry, connection, kill=pending.kill)
            self._write(connection, changed)
        return changed

    def _write(self, connection: Connection, observed: Observed) -> None:
        transitions.apply(connection, observed, self._clock(), self._policy)
        db.session.commit()

    def _mind_the_clock(self, connection: Connection) -> None:
        observed = by_this_clock(connection.observed, self._clock())
        if observed != connection.observed:
            log.warning("the clock was set back", connection=connection.id)
            self._write(connection, observed)

    # ---- sockets

    def _sockets(self, connection: Connection) -> Sockets:
        return self._gateways.sockets[connection.channel]

    def _open(self, entry: Entry, connection: Connection) -> None:
        dial = Dial(
            connection_id=connection.id,
            socket_id=next(self._socket_ids),
            pair_phone=connection.pair_phone,
            proxy=connection.proxy or self._settings.whatsapp_proxy or None,
            linked=connection.has_credentials,
        )
        sockets = self._sockets(connection)
        self._entries.opened(entry, sockets, dial.socket_id, self._steady())
        sockets.open(dial)

    def _close(
        self, entry: Entry, connection: Connection, *, kill: bool = False, unlink: bool = False
    ) -> bool:
        """End the socket; True when there was one. Its last messages are stored before anything
        that follows."""
        if entry.socket_id is None:
            return False
        grace = 0.0 if kill else self._policy.close_grace.total_seconds()
        self._sockets(connection).close(entry.socket_id, grace=grace, unlink=unlink)
        self._forget_socket(entry)
        return True

    def _forget_socket(self, entry: Entry) -> None:
        self._entries.closed(entry)
        self._linkings.ended(entry.connection_id)
        files = self._gateways.store
        if events.socket_ended(entry.connection_id, files, self._clock()):
            self._on_message()

    def _wipe(self, entry: Entry, connection: Connection, step: Wipe) -> None:
        files = self._gateways.store
        force_cleanup.wipe(
            connection,
            step.version,
            self._sockets(connection),
            files,
            settings=self._settings,
            now=self._clock(),
            close=lambda: self._close(entry, connection, unlink=step.unlink),
            forget=entry.forget_state,
            drain=lambda: events.drain(connection.id, files) > 0,
        )
        self._on_message()

    def _drop(self, entry: Entry) -> None:
        if entry.socket_id is not None and entry.sockets is not None:
            entry.sockets.close(entry.socket_id, grace=0)
        self._timers.set(entry.connection_id, None)
        self._entries.drop(entry)


def _may_be_deleted(connection: Connection) -> bool:
    """It was removed, and nothing is left of its session."""
    return (
        connection.deleted_at is not None
        and connection.status is Status.DISCONNECTED
        and not wipe_pending(connection.wanted, connection.observed)
    )
