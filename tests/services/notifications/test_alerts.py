"""Who is told of which trouble, when, how often and in which language. By hand's clock."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, text, update

from tests.conftest import make_app
from tests.services.sessions.test_monitor import counted
from tests.services.world import World
from wa_app.domain.alerts import AlertKind
from wa_app.domain.mails import Letter, MailError
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.models import Alert, Connection, Mail, User
from wa_app.services.connections import requests
from wa_app.services.notifications import alert_list, alerts, mails

ANA, BRUNO, CARLA, DIEGO = (f"{name}@example.org" for name in ("ana", "bruno", "carla", "diego"))
MB = 1000**2
LATER = 61  # seconds: longer than what may heal by itself is waited for

UNREACHABLE = {
    "status": Status.DISCONNECTED,
    "hold": Hold.RETRIES_EXHAUSTED,
    "hold_cause": Reason.UNREACHABLE,
    "attempt": 5,
}
CONFLICT = {
    "status": Status.DISCONNECTED,
    "hold": Hold.CONFLICT,
    "hold_cause": Reason.STREAM_REPLACED,
}
ATTEMPTS = {
    "status": Status.CONNECTING,
    "attempt": 4,
    "last_reason": Reason.CONNECTION_LOST,
    "hold": None,
}


class Watch:
    """Ana and Bruno have shops. Carla and Diego, who reads Spanish, are administrators."""

    def __init__(self, app: Flask) -> None:
        self.free = 100_000 * MB
        self.server: Callable[[Letter], None] = lambda letter: None
        self.world = World(
            app,
            mailer=lambda letter: self.server(letter),
            disk_usage=lambda _: (1_000_000 * MB, 0, self.free),
        )
        with app.app_context():
            for email, role, locale in (
                (BRUNO, "user", None),
                (CARLA, "admin", "en"),
                (DIEGO, "admin", "es"),
            ):
                db.session.add(User(email=email, role=role, locale=locale, password_hash=""))
            db.session.commit()
            self.users = {user.email: user.id for user in db.session.query(User)}

    def look(self, after: float = 0) -> None:
        self.world.now += timedelta(seconds=after)
        self.world.run_job("alerts")

    def number(self, email: str = ANA, phone: str = "+34600111222", **seen: Any) -> str:
        """A linked WhatsApp number, up unless `seen` says otherwise."""
        id = str(uuid.uuid4())
        usual = {
            "status": Status.CONNECTED,
            "connected_at": self.world.now - timedelta(hours=1),
            "has_credentials": True,
            "phone": phone,
            "enabled": True,
            "channel": Channel.WHATSAPP,
        }
        with self.world.app.app_context():
            row = {"id": id, "user_id": self.users[email], **usual, **seen}
            db.session.execute(insert(Connection).values(row))
            db.session.commit()
        return id

    def see(self, *ids: str, **seen: Any) -> None:
        """What the owner writes."""
        with self.world.app.app_context():
            db.session.execute(update(Connection).where(Connection.id.in_(ids)).values(**seen))
            db.session.commit()

    def up(self, *ids: str, ago: float = 60) -> None:
        since = self.world.now - timedelta(seconds=ago)
        self.see(*ids, status=Status.CONNECTED, connected_at=since, hold=None, attempt=0)

    def take(self) -> list[tuple[str, str]]:
        """(recipient, subject) of the mails written since the last call."""
        with self.world.app.app_context():
            rows = db.session.query(Mail).order_by(Mail.recipient, Mail.id).all()
            found = [(row.recipient, row.subject) for row in rows]
            db.session.query(Mail).update({"recipient": "taken: " + Mail.recipient})
            db.session.commit()
        return [one for one in found if not one[0].startswith("taken")]

    def all(self) -> list[Alert]:
        with self.world.app.app_context():
            return db.session.query(Alert).order_by(Alert.id).all()

    def report(self, what: Callable[..., None], *about: Any) -> None:
        with self.world.app.app_context():
            what(*about)
            db.session.commit()

    def mails(self) -> list[Mail]:
        with self.world.app.app_context():
            return db.session.query(Mail).order_by(Mail.id).all()

    def send(self, after: float = 0) -> None:
        self.world.now += timedelta(seconds=after)
        with self.world.app.app_context():
            self.world.alerts.send_mails()


SETTINGS = {"SETTLE_DELAY": "0", "BOT_PAUSE": "0", "MAIL_FROM": "vigia@example.org"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Shared by the tests of this file, which leave it as empty as they found it."""
    data_dir = tmp_path_factory.mktemp("alerts") / "data"
    app = make_app(data_dir, SMTP_HOST="mail.example.org", **SETTINGS)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def watch(app: Flask) -> Iterator[Watch]:
    yield Watch(app)
    with app.app_context():
        for table in reversed(db.metadata.sorted_tables):
            if table.name != "audit":
                db.session.execute(table.delete())
        db.session.commit()


def recipients(told: list[tuple[str, str]]) -> list[str]:
    return [recipient for recipient, _ in told]


# ---- one number


def test_a_conflict_is_told_at_once_to_each_in_their_language(watch: Watch) -> None:
    watch.number(**CONFLICT)
    watch.look()
    assert watch.take() == [
        (ANA, "+34 600 111 222: Another device took over this number"),
        (CARLA, "+34 600 111 222: Another device took over this number"),
        (DIEGO, "+34 600 111 222: Otro dispositivo ha tomado este número"),
    ]


def test_the_mail_says_what_happened_to_which_number_since_when_and_what_to_do(
    watch: Watch,
) -> None:
    watch.number(**CONFLICT)
    watch.look()
    by_reader = {mail.recipient: mail.text for mail in watch.mails()}
    assert by_reader[ANA] == (
        "Another device took over this number.\n\n"
        "Number: +34 600 111 222\n"
        "Since: 1 Mar 2026, 12:00 UTC\n\n"
        "Close WhatsApp Web there, then press Reconnect.\n\n"
        "Vigía: http://127.0.0.1:8000\n"
    )
    assert f"Usuario: {ANA}\nDesde: 1 mar 2026, 12:00 UTC" in by_reader[DIEGO]


def test_an_episode_is_told_once_until_the_number_is_up_and_stable(watch: Watch) -> None:
    number = watch.number(**CONFLICT)
    for _ in range(3):
        watch.look(LATER)
    watch.see(number, status=Status.CONNECTING, hold=None)  # somebody pressed Reconnect
    watch.look()
    watch.up(number, ago=1)
    watch.look()
    watch.see(number, **CONFLICT)
    watch.look()
    assert recipients(watch.take()) == [ANA, CARLA, DIEGO]


def test_what_is_over_is_told_to_those_who_knew(watch: Watch) -> None:
    number = watch.number(**CONFLICT)
    watch.look()
    watch.up(number)
    watch.look(300)
    told = [(mail.recipient, mail.subject) for mail in watch.mails()][3:]
    assert told == [
        (ANA, "+34 600 111 222: Connected again"),
        (CARLA, "+34 600 111 222: Connected again"),
        (DIEGO, "+34 600 111 222: Conectado de nuevo"),
    ]
    [ended] = watch.all()
    assert (ended.recovered, ended.ended_at) == (True, watch.world.now)
    watch.see(number, **CONFLICT)
    watch.look()
    assert len(watch.mails()) == 9  # a new episode


def test_what_heals_within_a_minute_is_told_to_nobody(watch: Watch) -> None:
    number = watch.number(**ATTEMPTS)
    watch.look()
    watch.look(59)
    watch.up(number)
    watch.look(5)
    assert watch.take() == []
    assert [(one.raised_at, one.recovered) for one in watch.all()] == [(None, True)]


def test_a_number_that_flaps_is_told_once_and_while_it_is_down(watch: Watch) -> None:
    number = watch.number(**ATTEMPTS)
    watch.look()
    for _ in range(4):  # up for some seconds, never stable
        watch.world.now += timedelta(seconds=30)
        watch.up(number, ago=5)
        watch.look()
        assert watch.take() == []
        watch.see(number, **ATTEMPTS)
    watch.look()
    assert recipients(watch.take()) == [ANA, CARLA, DIEGO]
    watch.look(LATER)
    assert watch.take() == []


def test_giving_up_takes_the_place_of_many_attempts_without_a_word_of_recovery(
    watch: Watch,
) -> None:
    number = watch.number(**ATTEMPTS)
    watch.look()
    watch.look(LATER)
    assert len(watch.take()) == 3
    watch.see(number, **UNREACHABLE)
    watch.look()
    assert watch.take()[0] == (ANA, "+34 600 111 222: WhatsApp cannot be reached")
    first, second = watch.all()
    assert (first.recovered, second.kind) == (False, AlertKind.RETRIES_EXHAUSTED)
    assert second.began_at == first.began_at


def test_a_lifted_number_that_fails_again_is_the_same_episode(watch: Watch) -> None:
    number = watch.number(**UNREACHABLE)
    watch.look()
    watch.look(LATER)
    assert len(watch.take()) == 3
    for seen in (ATTEMPTS, UNREACHABLE, ATTEMPTS):
        watch.see(number, **seen)
        watch.look(LATER)
    assert watch.take() == []


@pytest.mark.parametrize("way", ["switched off", "deactivated", "removed", "gone"])
def test_what_nobody_wants_any_more_ends_in_silence(watch: Watch, way: str) -> None:
    number = watch.number(**CONFLICT)
    watch.look()
    watch.take()
    with watch.world.app.app_context():
        row = db.session.get_one(Connection, number)
        if way == "switched off":
            row.enabled, row.hold = False, None
        elif way == "deactivated":
            row.user.active = False
        elif way == "removed":
            row.deleted_at = watch.world.now
        else:
            db.session.delete(row)
        db.session.commit()
    watch.look(LATER)
    assert watch.take() == []
    [ended] = watch.all()
    assert (ended.ended_at, ended.recovered) == (watch.world.now, False)


def test_the_practice_phone_is_a_rehearsal_for_its_own_user(watch: Watch) -> None:
    world = watch.world
    world.link()
    watch.take()
    world.fault("conflict")
    watch.look()
    [(recipient, subject)] = watch.take()
    assert recipient == ANA
    assert subject.startswith("Practice: ")
    assert subject.endswith("Another device took over this number")
    [told] = watch.all()
    assert told.raised_at == world.now


def test_a_conflict_a_reconnect_and_a_stable_line_from_end_to_end(watch: Watch) -> None:
    world = watch.world
    world.link()
    world.fault("conflict")
    watch.look()
    world.ask(requests.reconnect)
    world.advance(1)
    watch.look()
    assert world.connection.status is Status.CONNECTED
    assert len(watch.mails()) == 1
    world.advance(40)
    watch.look()
    assert watch.mails()[1].subject.endswith("Connected again")


# ---- an outage


def five_numbers(watch: Watch) -> list[str]:
    """Three of Ana's, one of Bruno's, one of Carla's."""
    owners = (ANA, ANA, ANA, BRUNO, CARLA)
    return [watch.number(email, f"+3460011122{n}") for n, email in enumerate(owners)]


def test_one_outage_is_one_mail_for_each_person_and_one_when_it_is_over(watch: Watch) -> None:
    numbers = five_numbers(watch)
    watch.see(*numbers, **UNREACHABLE)
    watch.look()
    assert watch.take() == []
    watch.look(LATER)
    told = watch.mails()
    assert sorted(mail.recipient for mail in told) == [ANA, BRUNO, CARLA, DIEGO]
    texts = {mail.recipient: mail.text for mail in told}
    assert "Number: +34 600 111 220, +34 600 111 221, +34 600 111 222\n" in texts[ANA]
    assert "Numbers concerned: 5\n" in texts[CARLA]
    assert "Números afectados: 5\n" in texts[DIEGO]
    watch.look(LATER)
    assert len(watch.mails()) == 4
    watch.see(*numbers, status=Status.CONNECTING, hold=None, attempt=0)  # lifted
    watch.look()
    watch.up(*numbers[:4])  # one after the other
    watch.look(5)
    assert len(watch.mails()) == 4
    watch.up(*numbers)
    watch.look(5)
    over = watch.mails()[4:]
    assert sorted(mail.recipient for mail in over) == [ANA, BRUNO, CARLA, DIEGO]
    assert {mail.subject for mail in over if mail.recipient != DIEGO} == {
        "WhatsApp can be reached again"
    }
    assert all(one.ended_at for one in watch.all())


def test_who_joins_an_outage_later_is_told_too_and_once(watch: Watch) -> None:
    numbers = five_numbers(watch)
    watch.see(*numbers[:3], **UNREACHABLE)
    watch.look()
    watch.look(LATER)
    assert sorted(mail.recipient for mail in watch.mails()) == [ANA, CARLA, DIEGO]
    watch.see(numbers[3], **UNREACHABLE)
    watch.look()
    watch.look(LATER)
    assert [mail.recipient for mail in watch.mails()[3:]] == [BRUNO]


def test_who_stays_behind_is_told_of_that_instead_of_the_end(watch: Watch) -> None:
    numbers = five_numbers(watch)
    watch.see(*numbers, **UNREACHABLE)
    watch.look()
    watch.look(LATER)
    watch.up(*numbers[:3], numbers[4])
    watch.look()
    told = [(mail.recipient, mail.subject) for mail in watch.mails()[4:]]
    own = "+34 600 111 223: WhatsApp cannot be reached"
    over = "WhatsApp can be reached again"
    assert [subject for reader, subject in told if reader == BRUNO] == [own]
    assert [subject for reader, subject in told if reader == ANA] == [over]
    assert [subject for reader, subject in told if reader == CARLA] == [over, own]


def test_few_of_many_are_told_one_by_one(watch: Watch) -> None:
    numbers = five_numbers(watch)
    watch.see(numbers[0], numbers[3], **UNREACHABLE)
    watch.look()
    watch.look(LATER)
    assert recipients(watch.take()) == [ANA, BRUNO, CARLA, CARLA, DIEGO, DIEGO]


def test_numbers_that_went_down_for_reasons_of_their_own_are_no_outage(watch: Watch) -> None:
    for email in (ANA, BRUNO):
        watch.number(email, **CONFLICT)
    watch.look()
    assert {one.kind for one in watch.all()} == {AlertKind.CONFLICT}


def test_practice_phones_are_never_part_of_an_outage(watch: Watch) -> None:
    watch.number(ANA, **UNREACHABLE)
    watch.number(ANA, channel=Channel.PRACTICE, **UNREACHABLE)
    watch.look()
    watch.look(LATER)
    assert {one.kind for one in watch.all()} == {AlertKind.RETRIES_EXHAUSTED}


# ---- the server


def test_a_disk_that_stays_nearly_full_is_told_to_administrators(watch: Watch) -> None:
    watch.free = 400 * MB
    watch.look()
    assert watch.take() == []
    watch.look(LATER)
    assert watch.mails()[0].text.split("\n\n")[1].startswith("Free space: 400 MB")
    assert recipients(watch.take()) == [CARLA, DIEGO]
    watch.free = 600 * MB  # still near the limit
    watch.look()
    assert len(watch.all()) == 1
    assert watch.all()[0].ended_at is None


def test_a_disk_with_room_again_is_told(watch: Watch) -> None:
    watch.free = 400 * MB
    watch.look()
    watch.look(LATER)
    watch.free = 800 * MB
    watch.look()
    assert [mail.subject for mail in watch.mails()[2:]] == [
        "There is enough room on the disk again",
        "Vuelve a haber sitio en el disco",
    ]


def test_backups_that_fail_are_told_once_and_when_they_work_again(watch: Watch) -> None:
    for _ in range(2):
        watch.report(alerts.backup_failed, "No space left on device", watch.world.now)
        watch.look()
    first, _ = watch.mails()
    assert (first.recipient, first.subject) == (CARLA, "A backup failed")
    assert "Detail: No space left on device" in first.text
    for _ in range(2):
        watch.report(alerts.backup_works)
        watch.look()
    assert [mail.subject for mail in watch.mails()[2:]] == [
        "Backups work again",
        "Las copias de seguridad vuelven a funcionar",
    ]


def test_standing_still_is_told_once_an_hour_at_most(watch: Watch) -> None:
    for _ in range(3):
        watch.report(alerts.stood_still, "monitor stood still for 95 s", watch.world.now)
        watch.look()
    assert recipients(watch.take()) == [CARLA, DIEGO]
    assert len(watch.all()) == 1


def test_many_who_report_at_once_begin_one_episode(watch: Watch) -> None:
    count = 16
    at_once = threading.Barrier(count)

    def report(number: int) -> None:
        at_once.wait()
        watch.report(alerts.backup_failed, f"number {number}", watch.world.now)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(report, range(count)))
    assert [one.kind for one in watch.all()] == [AlertKind.BACKUP_FAILED]
    watch.look()
    assert recipients(watch.take()) == [CARLA, DIEGO]


def test_without_a_mail_server_alerts_are_shown_and_no_mail_is_written(tmp_path: Path) -> None:
    watch = Watch(make_app(tmp_path / "data", **SETTINGS))
    number = watch.number(**CONFLICT)
    watch.look()
    assert (len(watch.all()), watch.mails()) == (1, [])
    with watch.world.app.app_context():
        [shown] = alert_list.listed()
        assert (shown.alert.kind, shown.mails) == (AlertKind.CONFLICT, [])
        assert not mails.state().set_up
    watch.up(number)
    watch.look()
    assert watch.mails() == []


# ---- how much it costs


@pytest.mark.parametrize("seen", [{}, CONFLICT, UNREACHABLE], ids=["up", "conflict", "outage"])
def test_a_look_asks_equally_often_however_many_connections_there_are(
    watch: Watch, seen: dict[str, Any]
) -> None:
    few, many = statements(watch, 5, seen), statements(watch, 300, seen)
    assert few == many


def statements(watch: Watch, count: int, seen: dict[str, Any]) -> list[int]:
    """Questions asked by the looks that notice it, tell it, find nothing new, and see its end."""
    with watch.world.app.app_context():
        for table in (Mail, Alert, Connection):
            db.session.query(table).delete()
        db.session.commit()
    numbers = [watch.number(**seen) for _ in range(count)]
    asked = []
    for step in range(4):
        if step == 3:
            watch.up(*numbers)
        watch.world.now += timedelta(seconds=LATER)
        with watch.world.app.app_context(), counted() as found:
            watch.world.alerts.look()
        asked.append(sum(statement.startswith("SELECT") for statement in found))
    return asked


# ---- delivery


class MailServer:
    """Takes mails, or refuses them with an error."""

    def __init__(self) -> None:
        self.taken: list[Letter] = []
        self.tries = 0
        self.error: MailError | None = None

    def __call__(self, letter: Letter) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.taken.append(letter)


@pytest.fixture
def server(watch: Watch) -> MailServer:
    watch.server = MailServer()
    watch.number(**CONFLICT)
    watch.look()
    return watch.server


def test_mails_leave_once_and_nothing_of_their_text_is_kept(
    watch: Watch, server: MailServer
) -> None:
    watch.send()
    watch.send(LATER)
    assert [letter.recipient for letter in server.taken] == [ANA, CARLA, DIEGO]
    assert "Another device" in server.taken[0].text
    assert {(mail.sent_at is not None, mail.text) for mail in watch.mails()} == {(True, "")}


def test_a_server_that_is_away_is_asked_once_a_pass_and_ever_more_seldom(
    watch: Watch, server: MailServer
) -> None:
    server.error = MailError("connection refused")
    watch.send()
    assert server.tries == 1
    first = watch.mails()[0]
    assert (first.error, first.given_up_at) == ("connection refused", None)
    assert first.next_at == watch.world.now + timedelta(seconds=10)
    for _ in range(100):
        watch.send(3600)
    with watch.world.app.app_context():
        assert mails.state().error == "connection refused"
    server.error = None
    watch.send(3600)
    assert len(server.taken) == 3
    with watch.world.app.app_context():
        assert (mails.state().error, mails.state().waiting) == (None, 0)


def test_when_the_server_is_back_nobody_waits_for_their_own_turn(
    watch: Watch, server: MailServer
) -> None:
    server.error = MailError("connection refused")
    for _ in range(30):
        watch.send(60)  # each has failed some times, and waits up to an hour
    server.error = None
    watch.number(BRUNO, **CONFLICT)
    watch.look()
    watch.send()
    assert len(server.taken) == 6


def test_what_the_server_refuses_for_good_is_shown_and_holds_up_nobody(
    watch: Watch, server: MailServer
) -> None:
    server.error = MailError("550 no such user", permanent=True)
    watch.send()
    assert server.tries == 3
    assert {(mail.error, mail.given_up_at) for mail in watch.mails()} == {
        ("550 no such user", watch.world.now)
    }
    watch.send(3600)
    assert server.tries == 3


def test_trouble_nobody_thought_of_is_shown_and_tried_again(
    watch: Watch, server: MailServer
) -> None:
    def broken(letter: Letter) -> None:
        raise LookupError("unknown encoding: señas")

    watch.server = broken
    watch.send()
    with watch.world.app.app_context():
        assert mails.state().error == "LookupError: unknown encoding: señas"
        assert mails.state().waiting == 3
    first = watch.mails()[0]
    assert first.given_up_at is None
    assert first.next_at == watch.world.now + timedelta(seconds=10)
    watch.server = server
    watch.send(10)
    assert sorted(letter.recipient for letter in server.taken) == [ANA, CARLA, DIEGO]


def test_how_mails_fare_is_known_without_a_look_at_all_that_left(app: Flask) -> None:
    with app.app_context():
        with counted() as asked:
            mails.state()
        plans = [
            line.detail
            for one in asked
            for line in db.session.execute(text(f"EXPLAIN QUERY PLAN {one.replace('?', '1')}"))
        ]
    assert len(asked) == 3
    assert [plan for plan in plans if "SCAN" in plan] == []


def test_a_process_killed_in_the_middle_of_a_mail_loses_none(
    watch: Watch, server: MailServer
) -> None:
    class Killed(BaseException):
        pass

    def killed(letter: Letter) -> None:
        raise Killed

    watch.server = killed
    with pytest.raises(Killed):
        watch.send()
    watch.server = server
    watch.send()
    assert len(server.taken) == 2
    watch.send(mails.TAKEN_FOR.total_seconds())
    assert sorted(letter.recipient for letter in server.taken) == [ANA, CARLA, DIEGO]
