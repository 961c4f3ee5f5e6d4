"""Everything that runs by itself: started after the fork, stopped in order."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy import make_url

from wa_app import __version__, memory
from wa_app.config import Settings
from wa_app.gateways.base import Gateways
from wa_app.models import utc_now
from wa_app.services import data_folder, ownership
from wa_app.services.bot import answers
from wa_app.services.messages.dispatch import Dispatch
from wa_app.services.notifications.alerts import Alerts
from wa_app.services.operations import engine
from wa_app.services.operations.context import Context
from wa_app.services.runtime import jobs, watchdog
from wa_app.services.runtime.scheduler import Job, Jobs
from wa_app.services.runtime.watchdog import Restart, Watchdog
from wa_app.services.sessions import recovery
from wa_app.services.sessions.manager import Manager
from wa_app.services.sessions.monitor import Monitor

log = structlog.get_logger()

LOCK_RETRY = 0.25  # seconds; a standby takes over well within 2
MESSAGE_LOOK = 0.5
MAIL_LOOK = 1.0  # seconds
FOLDER_LOOK = 0.5
POOL_SIZE = 32


class Runtime:
    """Waits for the ownership, then runs manager, monitor, bot and outbox until it is stopped."""

    def __init__(
        self,
        app: Flask,
        gateways: Gateways,
        alerts: Alerts,
        *,
        clock: Callable[[], datetime] = utc_now,
        dice: Callable[[], float] = random.random,
        scheduler: BackgroundScheduler | None = None,
        workers: Executor | None = None,
        steady: Callable[[], float] = time.monotonic,
        free_memory: Callable[[], int] = memory.available,
    ) -> None:
        """`scheduler` and `workers` of one's own: nothing happens but what they are told to do."""
        self._app = app
        self._settings: Settings = app.config["SETTINGS"]
        self._gateways = gateways
        self._alerts = alerts
        self._clock = clock
        self._dice = dice
        self._folder = data_folder.of(app)
        self._lock = ownership.OwnerLock(self._settings.data_dir)
        self._since = clock()
        self._stop = threading.Event()
        self._ending = threading.Lock()
        self._ended = False
        self._owned = threading.Event()
        self._messages = threading.Event()
        self._scheduler = scheduler or BackgroundScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._manager = Manager(
            app,
            self._settings,
            gateways,
            self._scheduler,
            workers or ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="manager"),
            clock=clock,
            dice=dice,
            on_message=self._messages.set,
            steady=steady,
            free_memory=free_memory,
            may_act=lambda: self._folder.loss() is None,
        )
        self._monitor = Monitor(self._settings, self._manager, gateways, clock=clock, dice=dice)
        self._dispatch = Dispatch(self._settings.messages, self._manager.tell, clock=clock)
        self.context = Context(self._settings, self._manager, gateways, clock)
        self._jobs = Jobs(app, self._scheduler, clock=clock)
        self._report = self._settings.data_dir / "stood-still.json"
        self._not_open = list(gateways.sockets.values())
        self._threads = [
            threading.Thread(target=self._own, name="ownership", daemon=True),
            threading.Thread(target=self._move_messages, name="messages", daemon=True),
            threading.Thread(target=self._carry_out_operations, name="operations", daemon=True),
        ]

    @property
    def is_owner(self) -> bool:
        return self._owned.is_set()

    def jobs(self) -> tuple[Job, ...]:
        return jobs.table(
            self.context, self._jobs, self._monitor, self._dispatch, self._alerts, beat=self._beat
        )

    def start(self) -> None:
        """Raises `SettingError`."""
        self._folder.remember()
        self._threads[0].start()
        threading.Thread(target=self._guard_folder, name="data folder", daemon=True).start()

    def wake(self, connection_id: str) -> None:
        """A request was written in this process; the owner need not wait for its next look."""
        self._messages.set()
        if self.is_owner:
            self._manager.wake(connection_id)

    @contextmanager
    def run_as_owner(self) -> Iterator[Manager | None]:
        """For a command while no server runs: do the owner's work for what it is about, dial
        nobody, and leave all else as it is for whoever starts next. None: a server is just
        starting, and will do it."""
        if not self._lock.acquire():
            yield None
            return
        self._manager.dials = False
        try:
            for sockets in self._gateways.sockets.values():
                sockets.start(self._manager.post)
            yield self._manager
        finally:
            self._manager.stop()
            self._stop_gateways()
            self._lock.release()

    def carry_out(self, operation_id: int) -> None:
        """This one, for a command that stands in. Needs an application context."""
        engine.carry_out_one(self._app, self.context, operation_id)

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Close every socket, write the last heartbeat, free the lock. The rows stay as they
        are: whoever starts next brings every number back. Who asks again waits for the end."""
        with self._ending:
            if not self._ended:
                self._ended = True
                self._end()

    def _end(self) -> None:
        self._stop.set()
        self._messages.set()
        self._manager.begin_to_stop()  # whoever waits for it need not wait any longer
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)
        if self.is_owner:
            self._scheduler.pause()
            self._scheduler.get_jobs()  # returns when no timer is just being handled
            self._scheduler.shutdown(wait=False)
            self._manager.stop()
            self._stop_gateways()
            if self._folder.loss() is None:
                self._in_context(lambda: ownership.beat(self._clock(), self._since, stopped=True))
        self._lock.release()
        log.info("stopped", owner=self.is_owner)

    def _guard_folder(self) -> None:
        """On another folder than ours nothing is done: the rows stay as they were, whatever the
        session files there look like. When ours is back a new worker begins with it."""
        while not self._stop.wait(FOLDER_LOOK):
            if self._folder.loss() is None or self._stop.wait(FOLDER_LOOK):
                continue
            loss = self._folder.loss()  # once more: a network disk may have missed a beat
            if loss is None:
                continue
            lost_at = self._clock()
            log.error(
                "the data folder is another one: all connections are stopped until ours is back",
                data=str(self._settings.data_dir.absolute()),
                found=str(loss),
            )
            self.stop()
            while not self._folder.is_back():
                time.sleep(FOLDER_LOOK)
            away = f"{(self._clock() - lost_at).total_seconds():.0f} s"
            log.warning("the data folder is back, starting anew", after=away)
            watchdog.write_report(self._report, Restart.FOLDER_AWAY, f"{loss}, {away}", lost_at)
            watchdog.replace_worker()

    def _stop_gateways(self) -> None:
        for sockets in self._gateways.sockets.values():
            sockets.stop(self._settings.policy.close_grace.total_seconds())

    # ---- ownership

    def _own(self) -> None:
        self._introduce(owner=self._lock.acquire())
        if not self._wait_for_lock():
            return
        while not self._stop.is_set():
            try:
                if self._folder.has_tables():
                    self.take_over()
                    break
                log.error("the database has no tables yet")
                self._stop.wait(1)
            except Exception:
                if self._folder.loss() is None:  # on another folder it is bound to fail
                    log.exception("start failed, trying again")
                self._stop.wait(1)
        else:
            return
        self._begin()

    def _wait_for_lock(self) -> bool:
        """Stand by until the lock is ours; False: stopped before it was."""
        policy, told_at = self._settings.policy, None
        while self._folder.loss() is not None or not self._lock.acquire():
            now = self._clock()
            if told_at is None or now - told_at >= policy.heartbeat:
                told_at = now
                self._tell(
                    lambda: ownership.record_standby(
                        self._clock(), self._since, policy.heartbeat_stale_after
                    )
                )
            if self._stop.wait(LOCK_RETRY):
                break
        if told_at is not None:
            self._tell(ownership.remove_standby)
        return not self._stop.is_set()

    def _tell(self, write: Callable[[], None]) -> None:
        """What only pages need must not keep anybody from taking over."""
        try:
            self._in_context(write)
        except Exception:
            log.exception("standby not recorded")

    def take_over(self) -> None:
        """Resume every connection and plan every job; nobody is dialled yet. Tried until it
        succeeds once; never again after sockets are open."""
        while self._not_open:
            self._not_open[0].start(self._manager.post)
            self._not_open.pop(0)
        self._in_context(self._recover)
        self._in_context(lambda: self._jobs.schedule(self.jobs()))
        self._owned.set()

    def _recover(self) -> None:
        self._since = self._clock()
        recovery.recover(self._settings, self._gateways, clock=self._clock, dice=self._dice)
        self._beat()
        watchdog.take_report(self._report, self._clock())

    def _begin(self) -> None:
        self._scheduler.start()
        for thread in self._threads[1:]:
            thread.start()
        for unwaited in (self._send_mails, self._watch):
            threading.Thread(target=unwaited, name=unwaited.__name__, daemon=True).start()
        try:
            self.wake_all()
        except Exception:
            # The look for requests and the monitor come to what was not woken.
            log.exception("not all connections woken")

    def _carry_out_operations(self) -> None:
        while not self._stop.wait(jobs.LOOK.total_seconds()):
            try:
                self._in_context(lambda: engine.carry_out(self._app, self.context))
            except Exception:
                log.exception("operations in trouble")

    def _send_mails(self) -> None:
        """No job: the end of the process waits for jobs, and a mail server may hang."""
        while not self._stop.wait(MAIL_LOOK):
            try:
                self._in_context(self._alerts.send_mails)
            except Exception:
                log.exception("mails in trouble")

    def _watch(self) -> None:
        watched = {"heartbeat": self._settings.policy.heartbeat,
                   "monitor": self._settings.policy.monitor_interval}  # fmt: skip
        watchdog = Watchdog(watched, self._jobs.signs, self._report)
        watchdog.watch(self._stop, self._clock)

    def wake_all(self) -> None:
        self._in_context(lambda: recovery.wake_all(self._manager))

    def _introduce(self, *, owner: bool) -> None:
        """The first line of the log: what this is, on which data, and in which role."""
        log.info(
            "vigia",
            version=__version__,
            database=make_url(self._settings.database).render_as_string(hide_password=True),
            data=str(self._settings.data_dir.absolute()),
            role="owner" if owner else "standby",
        )
        if not owner:
            self._in_context(self._tell_owner)

    def _tell_owner(self) -> None:
        owner = ownership.owner()
        if owner is not None:
            log.warning(
                "another process owns the sessions",
                pid=owner.pid,
                host=owner.host,
                since=owner.since.isoformat(timespec="seconds"),
            )

    def _beat(self) -> None:
        ownership.beat(self._clock(), self._since)

    def _in_context(self, run: Callable[[], None]) -> None:
        with self._app.app_context():
            run()

    # ---- messages

    def _move_messages(self) -> None:
        """At once when something happened, else twice a second, because another process may have
        written a row."""
        while not self._stop.is_set():
            self._messages.wait(MESSAGE_LOOK)
            self._messages.clear()
            try:
                self.answer_and_send()
            except Exception:
                log.exception("messages in trouble")
                self._stop.wait(1)

    def answer_and_send(self) -> None:
        """Whatever can be answered and sent now."""
        with self._app.app_context():
            answers.answer(self._manager.tell, self._clock, self._dice, self._settings.messages)
            self._dispatch.send()
