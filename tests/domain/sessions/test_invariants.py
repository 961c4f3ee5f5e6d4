"""Random lives of one connection, driven through the whole core with a fake clock.

After every step the invariants of `docs/sessions.md` are held against what the world saw: sockets
that are alive, dials with their times, what was asked for. The world keeps its own books; it never
asks the core whether the core is right.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wa_app.config import Settings
from wa_app.domain.sessions.closes import Close, CloseClass, Reason, classify
from wa_app.domain.sessions.connection import Observed, Wanted, may_reconnect, request, wipe_pending
from wa_app.domain.sessions.monitor import lifted, may_lift, monitor_change
from wa_app.domain.sessions.policy import Moment, Policy
from wa_app.domain.sessions.reconcile import (
    CloseSocket,
    DialNow,
    Settle,
    Wipe,
    after_news,
    after_wipe,
    due_at,
    next_step,
    resume,
)
from wa_app.domain.sessions.socket_messages import Closed, News, Opened, Paired, PairingCode, Qr
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import babel
from wa_app.services.connections.status import status_document

POLICY = Policy()
APP = Flask(__name__)  # the status document reads the settings from the application
APP.config["SETTINGS"] = Settings()
babel.init_app(APP)
START = datetime(2026, 1, 1, tzinfo=UTC)
BLOCKING = {CloseClass.CONFLICT, CloseClass.LOGGED_OUT, CloseClass.BANNED, CloseClass.OUTDATED}
CLOSES = (
    Close(440, Reason.STREAM_REPLACED),
    Close(401, Reason.LOGGED_OUT, has_credentials=False),
    Close(402, Reason.BANNED, until=START + timedelta(hours=2)),
    Close(402, Reason.BANNED),  # nobody says until when
    Close(429, Reason.REFUSED),
    Close(None, Reason.REFUSED),
    Close(None, Reason.LIBRARY_FAULT),
    Close(None, Reason.DEAF),
    Close(405, Reason.CLIENT_OUTDATED),
    Close(408, Reason.UNREACHABLE),
    Close(503, Reason.SERVER_ERROR),
    Close(515, Reason.RESTART_REQUIRED),
    Close(None, Reason.CONNECTION_LOST),
    Close(408, Reason.PROCESS_DIED),
    Close(None, Reason.FILE_CORRUPT),
    Close(408, Reason.PAIRING_TIMEOUT),
    Close(None, Reason.PASSKEY),
)
TRYING = {CloseClass.TRANSIENT, CloseClass.REFUSED, CloseClass.DEAF}
LOST = [close for close in CLOSES if classify(close) in TRYING]
NUMBERS = ("+34600111222", "+34600111222", "+34600333444")
SECONDS = (0.1, 1, 2.2, 5, 17, 31, 61, 170, 1000, 8000, 90_000)
MOST_DIALS = 30
"""In any hour, of those that no person asked for."""


@dataclass
class World:
    """What is true outside the core."""

    now: datetime = START
    wanted: Wanted = field(default_factory=Wanted)
    observed: Observed = field(default_factory=Observed)
    user_active: bool = True
    library: str = "1"
    sockets: set[int] = field(default_factory=set)  # alive in the whole installation
    current: int | None = None  # what the owner's memory says
    dials: int = 0
    ended: list[int] = field(default_factory=list)
    alive_at: datetime = START
    # the books
    blocked_by: Close | None = None
    blocked_library: str = ""
    blocked_at: datetime = START
    refused_at: datetime | None = None  # WhatsApp refused until the attempts were used up
    deaf: list[datetime] = field(default_factory=list)
    falls: list[datetime] = field(default_factory=list)  # after it had been stable
    unasked: list[datetime] = field(default_factory=list)  # dials since it was stable last
    asked: int = 0  # dials that a person asked for, and that are still to come
    backoff_dials: int = 0
    monitor_dials: int = 0
    free_dials: int = 0  # dials a person, a lift or the end of a ban has paid for
    monitor_turn: bool = False
    up_since: datetime | None = None
    down_since: datetime = START
    number: str | None = None  # the one this connection belongs to
    scanned: str | None = None  # the one whose login is in the session file
    refused: bool = False  # another number was linked, and nobody has chosen yet
    elsewhere: bool = False  # a bot answers on the number at another connection
    taken: bool = False  # it did when this one came up, and nobody has asked since
    holds: set[Hold] = field(default_factory=set)  # that there have been

    @property
    def effective(self) -> Wanted:
        return replace(self.wanted, enabled=self.wanted.enabled and self.user_active)

    @property
    def moment(self) -> Moment:
        return Moment(self.now, 0.0, POLICY, self.library)

    # ---- a manager as small as possible

    def look(self) -> None:
        for _ in range(20):
            step = next_step(
                self.effective,
                self.observed,
                self.moment,
                socket_open=self.current is not None,
            )
            match step:
                case None:
                    return
                case Settle(observed):
                    self.observed = observed
                case DialNow(observed):
                    self.dial(observed)
                case CloseSocket(observed):
                    self.observed = observed
                    self.end_socket()
                case Wipe(version):
                    self.end_socket()
                    self.observed = after_wipe(self.observed, version, self.now, folder_gone=True)
                    self.falls, self.deaf = [], []  # a wipe leaves nothing to count
        raise AssertionError("the core never comes to rest")

    def dial(self, observed: Observed) -> None:
        self.check_dial()
        self.observed = observed
        self.dials += 1
        self.current = self.dials
        self.sockets.add(self.dials)
        self.alive_at = self.now
        assert len(self.sockets) <= 1, "two live sockets"

    def end_socket(self) -> None:
        if self.current is not None:
            self.sockets.discard(self.current)
            self.ended.append(self.current)
            self.current = None
            self.note_end()

    # ---- the books

    def note_end(self) -> None:
        if self.up_since is not None and self.now - self.up_since >= POLICY.stable_after:
            self.backoff_dials = self.monitor_dials = 0
            self.unasked = []
        self.up_since = None
        self.down_since = self.now

    def note_fall(self) -> None:
        if self.up_since is not None and self.now - self.up_since >= POLICY.stable_after:
            self.falls.append(self.now)

    def pay(self) -> None:
        self.free_dials = 1
        self.backoff_dials = self.monitor_dials = 0

    def check_dial(self) -> None:
        assert self.effective.enabled, "a dial nobody wants"
        assert not self.is_blocked(), f"dialled under {self.blocked_by}"
        assert not self.refused, "dialled with another number's login"
        assert not self.taken, "dialled though another connection answers"
        self.check_refusal()
        self.count_dial()
        if self.free_dials:
            self.free_dials -= 1
        elif self.deaf and self.deaf[-1] == self.down_since:
            lately = [at for at in self.deaf if self.now - at < timedelta(hours=1)]
            assert len(lately) <= 10 or self.now - self.down_since >= timedelta(seconds=32)
        elif self.monitor_turn:
            self.monitor_dials += 1
            assert self.monitor_dials <= POLICY.monitor_max_attempts
            assert self.now - self.down_since >= POLICY.reconnect_cooldown, "the cooldown"
        else:
            self.backoff_dials += 1
            assert self.backoff_dials <= POLICY.reconnect_max_attempts, "the table was outrun"
            due = POLICY.delay(self.backoff_dials, 0.0)
            if self.falls and self.falls[-1] == self.down_since:
                lately = [at for at in self.falls if self.down_since - at < timedelta(hours=1)]
                if len(lately) > 5:
                    due = min(2 ** (len(lately) - 6) * timedelta(seconds=32), timedelta(minutes=10))
            assert self.now - self.down_since >= due, f"attempt {self.backoff_dials} too early"

    def check_refusal(self) -> None:
        if self.refused_at is None:
            return
        if not self.asked:
            assert self.observed.has_credentials, "nobody is there to scan"
            assert self.now - self.refused_at >= timedelta(days=1), "a refusal was not heeded"
            self.pay()
        self.refused_at = None

    def count_dial(self) -> None:
        if self.asked:
            self.asked, self.unasked = self.asked - 1, []
            return
        self.unasked.append(self.now)
        lately = [at for at in self.unasked if self.now - at < timedelta(hours=1)]
        assert len(lately) <= MOST_DIALS, "a storm of dials"

    def is_blocked(self) -> bool:
        if self.blocked_by is None:
            return False
        match classify(self.blocked_by):
            case CloseClass.BANNED:
                over = self.now >= (self.blocked_by.until or self.blocked_at + timedelta(days=1))
            case CloseClass.OUTDATED:
                over = self.library != self.blocked_library
            case _:
                over = False
        if over:
            self.blocked_by = None
            self.pay()
        return not over

    # ---- what happens

    def ask(self, kind: str) -> None:
        if kind == "reconnect" and not may_reconnect(self.wanted, self.observed):
            return
        if kind in ("accept_number", "unlink_number"):
            if self.observed.hold is not Hold.OTHER_NUMBER:
                return
            assert self.refused
            self.number = self.scanned if kind == "accept_number" else self.number
        self.wanted = replace(self.wanted, **request(kind, self.wanted.wanted_version + 1))
        self.blocked_by = None
        self.asked, self.unasked = 1 + self.refused, []
        if self.current is None or kind != "connect":
            self.pay()
        # To unlink the other number takes a dial of its own.
        self.free_dials += self.refused
        self.refused = self.taken = False

    def news(self, news: News, socket_id: int) -> None:
        going = wipe_pending(self.wanted, self.observed)
        self.note_number(news, socket_id)
        after = after_news(
            self.effective,
            self.observed,
            news,
            self.moment,
            socket_id=socket_id,
            current=self.current,
            answered_elsewhere=self.elsewhere,
        )
        if after is not None:
            self.observed = after
        if socket_id != self.current:
            return
        self.alive_at = self.now
        held = self.refused or self.taken
        if isinstance(news, Opened) and self.up_since is None and not held:
            self.up_since = self.now
        if isinstance(news, Closed):
            if news.close in LOST and news.close.reason is not Reason.DEAF:
                self.note_fall()
            self.end_socket()
            # A login that is about to be wiped takes along what WhatsApp has against it.
            if classify(news.close) in BLOCKING and not going:
                self.blocked_by, self.blocked_library = news.close, self.library
                self.blocked_at = self.now
                self.free_dials = 0
            if news.close.reason is Reason.DEAF:
                self.deaf.append(self.now)
            if self.observed.hold is Hold.REFUSED:
                self.refused_at, self.free_dials = self.now, 0

    def note_number(self, news: News, socket_id: int) -> None:
        if socket_id != self.current or not isinstance(news, Paired | Opened):
            return
        self.scanned = news.phone
        if wipe_pending(self.wanted, self.observed):
            return  # it is only up to be unlinked
        if not self.elsewhere:
            self.number = self.number or news.phone
        self.refused = self.number is not None and news.phone != self.number
        self.taken = self.elsewhere and isinstance(news, Opened) and not self.refused
        if self.taken:
            self.free_dials = 0

    def tick(self) -> None:
        changed = monitor_change(
            self.effective,
            self.observed,
            self.moment,
            silent_for=self.now - self.alive_at if self.current is not None else None,
        )
        if changed is not None:
            self.end_socket_by_monitor(changed)

    def end_socket_by_monitor(self, changed: Observed) -> None:
        if self.current is not None:
            self.note_fall()
            self.end_socket()
        self.observed = changed
        self.monitor_turn = changed.monitor_attempt > 0 and changed.next_attempt_at == self.now
        self.look()
        self.monitor_turn = False

    def lift(self) -> None:
        if self.effective.enabled and may_lift(self.observed, self.now):
            self.observed = lifted(self.observed, replace(self.moment, jitter=0.2))
            self.pay()

    def restart(self, crashed: bool) -> None:
        stable = self.up_since is not None and self.now - self.up_since >= POLICY.stable_after
        self.end_socket()
        if stable:
            self.pay()  # a stable connection comes back at once
            self.unasked = []
        stopped_at = self.now
        self.now += timedelta(seconds=1 if crashed else 0)
        self.observed = resume(
            self.effective,
            self.observed,
            self.moment,
            has_credentials=self.observed.has_credentials,
            stopped_at=stopped_at,
            spread=timedelta(0),
        )

    def advance(self, seconds: float) -> None:
        """Let time pass, with the timer going off when it is due."""
        until = self.now + timedelta(seconds=seconds)
        while True:
            due = due_at(self.observed, POLICY)
            if due is None or due > until or due < self.now:
                break
            self.now = due
            self.alive_at = self.now
            self.look()
            if due_at(self.observed, POLICY) == due:
                break
        self.now = until
        self.alive_at = until

    def read(self) -> None:
        row = SimpleNamespace(
            **vars(self.wanted) | vars(self.observed),
            id="connection",
            channel=Channel.PRACTICE,
            name="",
            wanted=self.wanted,
            effective=self.effective,
            observed=self.observed,
            deleted_at=None,
            user=SimpleNamespace(is_active=self.user_active, is_admin=False, email="ana@example"),
        )
        before = dict(vars(row))
        dials = self.dials
        status_document(row, None, self.now, row.user)  # type: ignore[arg-type]
        self.wanted, self.observed = row.wanted, row.observed
        self.look()
        assert vars(row) == before, "a read changed the row"
        assert self.dials == dials, "a read opened a socket"

    def check(self) -> None:
        assert len(self.sockets) <= 1
        assert self.sockets == ({self.current} if self.current is not None else set())
        if not self.user_active:
            assert not self.sockets, "a socket of a deactivated user"
        if self.observed.hold is not None:
            self.holds.add(self.observed.hold)
            assert self.observed.status is Status.DISCONNECTED
            assert not self.sockets, "a socket under a hold"
        if self.observed.status is Status.CONNECTED:
            assert self.observed.phone == self.observed.linked_phone == self.number
        if self.observed.hold in NOBODY_LIFTS:
            assert self.observed.next_attempt_at is None


NOBODY_LIFTS = {Hold.CONFLICT, Hold.LOGGED_OUT, Hold.OTHER_NUMBER, Hold.ALREADY_LINKED}


def _step(world: World, action: str, pick: int) -> None:
    current = world.current
    old = world.ended[pick % len(world.ended)] if world.ended else 10_000
    qr = Qr("qr", world.now + timedelta(seconds=20), 1, 6)
    # A login in the session file keeps its number; only a pairing brings another.
    pick_number = NUMBERS[pick % len(NUMBERS)]
    known = world.scanned if world.observed.has_credentials else None
    opened = Opened(known or pick_number, "Ana")
    match action:
        case "connect" | "connect_fresh" | "reconnect" | "disconnect" | "force_cleanup" | "logout":
            world.ask(action)
        case "accept_number" | "unlink_number":
            world.ask(action)
        case "deactivate" | "activate":
            world.user_active = action == "activate"
        case "advance":
            world.advance(SECONDS[pick % len(SECONDS)])
        case "tick":
            world.tick()
        case "lift":
            world.lift()
        case "crash" | "restart":
            world.restart(crashed=action == "crash")
        case "upgrade":
            world.library += "+"
        case "elsewhere":
            world.elsewhere = pick % 2 == 0
        case "read":
            world.read()
        case "late news":
            late = (qr, opened, Paired(pick_number), Closed(CLOSES[pick % len(CLOSES)]))
            world.news(late[pick % len(late)], old)
        case "closed" if current is not None:
            world.news(Closed(CLOSES[pick % len(CLOSES)]), current)
        case "lost" if current is not None:
            world.news(Closed(LOST[pick % len(LOST)]), current)
        case "bans":  # each ends at once: a storm, if nobody counted
            for _ in range(MOST_DIALS + 5):
                if world.current is None:
                    break
                until = world.now + timedelta(seconds=1)
                world.news(Closed(Close(402, Reason.BANNED, until=until)), world.current)
                world.look()
                world.check()
                world.advance(1.1)
        case "flaps":
            for _ in range(3):
                if world.current is None:
                    break
                known = world.scanned if world.observed.has_credentials else known
                world.news(Opened(known or pick_number, "Ana"), world.current)
                world.look()
                world.check()
                world.advance(31 + pick)
                if world.current is None:
                    break
                world.news(Closed(LOST[pick % len(LOST)]), world.current)
                world.look()
                world.check()
                world.advance(40 * pick)
        case "opened" if current is not None:
            world.news(opened, current)
        case "pairing" if current is not None:
            shown = (qr, PairingCode("ABCD-EFGH"), Paired(pick_number))
            news = shown[pick % len(shown)]
            if not (isinstance(news, Paired) and world.observed.has_credentials):
                world.news(news, current)
    world.look()
    world.check()


ACTIONS = (
    *("connect", "connect_fresh", "reconnect", "disconnect", "force_cleanup", "logout"),
    *("connect", "reconnect", "accept_number", "unlink_number"),
    *("deactivate", "activate", "activate"),
    *("advance",) * 5,
    *("tick",) * 2,
    *("lift", "crash", "restart", "upgrade", "elsewhere", "read", "read"),
    *("late news",) * 2,
    *("closed", "pairing", "flaps", "flaps", "bans"),
    *("lost",) * 4,
    *("opened",) * 4,
)


def as_steps(dice: bytes) -> list[tuple[str, int]]:
    pairs = zip(dice[::2], dice[1::2], strict=False)
    return [(ACTIONS[action % len(ACTIONS)], pick % 21) for action, pick in pairs]


STEPS = st.binary(min_size=50, max_size=120).map(as_steps)
"""Drawn as one string of bytes: a hundred draws a life took longer than the lives themselves."""

REFUSED_AGAIN_AND_AGAIN = [("connect", 0), *[("closed", 4), ("advance", 6)] * 6]
"""Too seldom drawn."""


def test_the_invariants_hold_in_every_life() -> None:
    holds: set[Hold] = set()

    @settings(
        max_examples=2000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    @example(REFUSED_AGAIN_AND_AGAIN)
    def live(steps: list[tuple[str, int]]) -> None:
        with APP.app_context():
            world = World()
            for action, pick in steps:
                _step(world, action, pick)
            _comes_to_rest(world)
        holds.update(world.holds)

    live()
    assert holds == set(Hold), "no life has led there"


def _comes_to_rest(world: World) -> None:
    """Once nothing more happens, wanted and observed agree within a bounded time."""
    for _ in range(40):
        world.advance(300)
        world.tick()
        world.look()
        world.check()
    wanted, observed = world.effective, world.observed
    assert not wipe_pending(wanted, observed)
    assert observed.observed_version == wanted.wanted_version or not world.user_active
    if not wanted.enabled:
        assert observed.status is Status.DISCONNECTED
        assert not world.sockets
    elif observed.hold is None:
        assert observed.status is Status.CONNECTED
        assert world.sockets
