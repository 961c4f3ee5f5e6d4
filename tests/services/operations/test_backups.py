"""Backups as files, and as operations carried out on a real row and a real session folder."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from app import create_runtime
from tests.conftest import make_app
from tests.services.world import ANA, HandScheduler
from wa_app.config import Settings
from wa_app.domain import errors
from wa_app.domain.alerts import AlertKind
from wa_app.domain.backups import Login, Newer
from wa_app.domain.errors import BackupNotFound, Refused
from wa_app.domain.sessions.closes import Close, Reason
from wa_app.domain.sessions.connection import Observed, Wanted
from wa_app.domain.sessions.policy import Moment, Policy
from wa_app.domain.sessions.reconcile import after_news, after_wipe
from wa_app.domain.sessions.restoring import after_restore
from wa_app.domain.sessions.retries import after_close
from wa_app.domain.sessions.socket_messages import Opened, Paired
from wa_app.domain.sessions.states import Channel, Hold, Status
from wa_app.extensions import db
from wa_app.gateways.base import Gateways
from wa_app.gateways.whatsapp.worker.gateway import WhatsAppGateway
from wa_app.models import Alert, Audit, Connection, Operation, User, utc_now
from wa_app.services.connections import registry
from wa_app.services.operations import backups as restoring
from wa_app.services.operations import engine, requests
from wa_app.services.operations.context import Context
from wa_app.services.sessions import backup_files
from wa_app.services.sessions.manager import Manager

KEY = "the key of these tests"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def image(jid: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY)")
        database.execute("INSERT INTO whatsmeow_device VALUES (?)", (jid,))
        database.commit()
        return database.serialize()


# ---- files


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, backup_key=KEY)


def save(settings: Settings, content: bytes, at: datetime = NOON) -> str:
    """The id of a new backup of Ana's."""
    path = backup_files.save(settings.data_dir, settings.backup_key, "ana", content, at)
    return f"ana.{path.stem}"


def test_a_backup_is_found_by_its_id_and_reads_as_it_was(settings: Settings) -> None:
    [id] = {save(settings, b"the session")}
    [backup] = backup_files.list_all(settings)
    assert (backup.id, backup.at, backup.connection_id) == (id, NOON, "ana")
    assert backup_files.find(settings, id) == backup
    assert backup_files.read(settings, backup) == b"the session"
    assert b"the session" not in backup.path.read_bytes()


def test_the_last_five_are_kept_newest_first_and_the_one_to_spare(settings: Settings) -> None:
    times = [NOON + timedelta(hours=hour) for hour in range(7)]
    oldest = backup_files.find(settings, save(settings, b"x", times[0]))
    for at in times[1:]:
        backup_files.save(settings.data_dir, KEY, "ana", b"x", at, spare=oldest)
    found = [backup.at for backup in backup_files.list_all(settings)]
    assert found == [*reversed(times[2:]), times[0]]


@pytest.mark.parametrize(
    "id",
    [
        "", ".", "ana", "ana.20260301T120000000001", "bruno.20260301T120000000000",
        "../ana.20260301T120000000000", "ana/../ana.20260301T120000000000",
        "ana.20260301T120000000000/", "ana.20260301T120000000000\n", "ana.20269901T120000000000",
        "ana.٢0260301T120000000000",
    ],
)  # fmt: skip
def test_whatever_is_no_backups_id_finds_nothing(settings: Settings, id: str) -> None:
    save(settings, b"x")
    with pytest.raises(BackupNotFound):
        backup_files.find(settings, id)


def test_strange_files_are_not_listed(settings: Settings) -> None:
    save(settings, b"x")
    (settings.data_dir / "backups" / "ana" / "notes.session").touch()
    assert len(backup_files.list_all(settings)) == 1


def test_where_the_key_lies(settings: Settings) -> None:
    assert not backup_files.key_lies_beside(settings)
    assert backup_files.key_lies_beside(replace(settings, backup_key=""))


def cut(path: Path, _: Settings) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def foreign(path: Path, _: Settings) -> None:
    path.write_bytes(b"a holiday picture")


def other_key(path: Path, settings: Settings) -> None:
    sealer = backup_files.sealer_of(replace(settings, backup_key="the key of another machine"))
    path.write_bytes(sealer.seal(image("ana:1"), path.parent.name))


def of_somebody_else(path: Path, settings: Settings) -> None:
    path.write_bytes(backup_files.sealer_of(settings).seal(image("ana:1"), "somebody-else"))


def no_session(path: Path, settings: Settings) -> None:
    path.write_bytes(backup_files.sealer_of(settings).seal(b"no database", path.parent.name))


SPOILERS = [
    (cut, errors.BackupDamaged),
    (foreign, errors.BackupForeign),
    (other_key, errors.BackupWrongKey),
    (of_somebody_else, errors.BackupDamaged),
]
Spoil = Callable[[Path, Settings], None]


@pytest.mark.parametrize(("spoil", "refusal"), SPOILERS)
def test_a_backup_that_cannot_be_read_says_why(
    settings: Settings, spoil: Spoil, refusal: type[Refused]
) -> None:
    backup = backup_files.find(settings, save(settings, image("ana:1")))
    spoil(backup.path, settings)
    with pytest.raises(refusal):
        backup_files.read(settings, backup)


# ---- operations


class Shop:
    """Ana's number with a linked session file, and an owner to carry operations out."""

    def __init__(self, app: Flask, pool: ThreadPoolExecutor) -> None:
        self.app, self.settings = app, app.config["SETTINGS"]
        self.now = NOON
        self.gateway = WhatsAppGateway(
            self.settings.sessions_dir,
            self.settings.data_dir / "quarantine",
            backup_files.sealer_of(self.settings),
        )
        gateways = Gateways(
            sockets={Channel.WHATSAPP: self.gateway},
            probes={Channel.WHATSAPP: self.gateway},
            store=self.gateway,
            components=self.gateway.components,
        )
        manager = Manager(
            app, self.settings, gateways, HandScheduler(), pool,  # type: ignore[arg-type]
            clock=lambda: self.now, dice=lambda: 0.0, on_message=lambda: None,
        )  # fmt: skip
        self.context = Context(self.settings, manager, gateways, lambda: self.now)
        self.ana = User(email="ana@example.org", password_hash="")
        db.session.add(self.ana)
        self.id = registry.create(ANA, self.ana, Channel.WHATSAPP).id
        self.link("ana:1")

    def link(self, jid: str) -> None:
        self.gateway.restore(self.id, image(jid))
        self.observe(has_credentials=True)

    def observe(self, **seen: object) -> None:
        self.row.observed = replace(self.row.observed, **seen)  # type: ignore[arg-type]
        db.session.commit()

    @property
    def row(self) -> Connection:
        return db.session.get_one(Connection, self.id, populate_existing=True)

    def do(self, kind: str, **parameters: str) -> Operation:
        self.now += timedelta(minutes=1)
        asked = requests.ask(ANA, kind, parameters)
        engine.carry_out(self.app, self.context)
        return requests.wait_for(asked.id, 0)

    def backup(self) -> backup_files.Backup:
        operation = self.do("backup.create")
        assert [step.outcome for step in operation.steps] == ["done"]
        return backup_files.list_all(self.settings)[0]

    def everything(self) -> tuple[Observed, dict[Path, bytes]]:
        folder = self.settings.sessions_dir / self.id
        return self.row.observed, {path: path.read_bytes() for path in folder.glob("session*")}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    app = make_app(tmp_path / "data", BACKUP_KEY=KEY)
    with app.app_context(), ThreadPoolExecutor(2) as pool:
        yield Shop(app, pool)
        db.engine.dispose()


def test_every_linked_number_is_backed_up_and_no_other(shop: Shop) -> None:
    db.session.add(Connection(user_id=shop.ana.id, channel=Channel.WHATSAPP))
    db.session.commit()
    backup = shop.backup()
    assert (backup.connection_id, backup.at) == (shop.id, shop.now)
    assert backup_files.read(shop.settings, backup) == image("ana:1")
    assert shop.do("backup.create", connection="nobody").steps == []


def test_a_reset_keeps_a_copy_of_what_it_removes(shop: Shop) -> None:
    operation = shop.do("cleanup.full_reset")
    assert {step.what: step.outcome for step in operation.steps} == {"clean": "done"}
    [copy] = backup_files.list_all(shop.settings)
    assert backup_files.read(shop.settings, copy) == image("ana:1")
    assert shop.gateway.export(shop.id) is None
    assert not shop.row.has_credentials


def test_a_whole_backup_is_called_that_even_when_its_connection_is_gone(shop: Shop) -> None:
    backup = shop.backup()
    db.session.delete(shop.row)
    db.session.commit()
    operation = shop.do("backup.verify", backup=backup.id)
    assert [step.outcome for step in operation.steps] == ["done"]
    assert isinstance(restoring.one(shop.settings, backup.id).obstacle, errors.ConnectionNotFound)
    gone = shop.do("backup.restore", backup=backup.id)
    assert isinstance(requests.refused(gone), errors.ConnectionNotFound)


def test_a_restored_session_is_at_rest_and_linked(shop: Shop) -> None:
    backup = shop.backup()
    shop.gateway.remove(shop.id)
    shop.observe(has_credentials=False, hold=Hold.LOGGED_OUT, attempt=3)
    operation = shop.do("backup.restore", backup=backup.id)
    assert requests.refused(operation) is None
    assert [(step.what, step.outcome) for step in operation.steps] == [("restore", "done")]
    row = shop.row
    assert (row.status, row.hold, row.has_credentials) == (Status.DISCONNECTED, None, True)
    assert (row.attempt, row.enabled, row.status_since) == (0, False, shop.now)
    assert shop.gateway.export(shop.id) == image("ana:1")
    audited = db.session.query(Audit).filter_by(action="backup.restore").all()
    assert [(line.target, line.outcome) for line in audited] == [
        (backup.id, "asked"), (backup.id, "1 done"),
    ]  # fmt: skip


def test_what_was_there_is_backed_up_first_and_the_restored_one_stays(shop: Shop) -> None:
    oldest = shop.backup()
    for _ in range(backup_files.KEPT - 1):
        shop.backup()
    shop.link("ana:2")
    shop.do("backup.restore", backup=oldest.id)
    assert shop.gateway.export(shop.id) == image("ana:1")
    newest, *others = backup_files.list_all(shop.settings)
    assert backup_files.read(shop.settings, newest) == image("ana:2")
    assert oldest in others


@pytest.mark.parametrize(
    ("spoil", "refusal"), [*SPOILERS, (no_session, errors.BackupHoldsNoSession)]
)
def test_what_is_no_whole_backup_is_refused_and_changes_nothing(
    shop: Shop, spoil: Spoil, refusal: type[Refused]
) -> None:
    backup = shop.backup()
    spoil(backup.path, shop.settings)
    before, copies = shop.everything(), backup_files.list_all(shop.settings)
    for kind in ("backup.verify", "backup.restore"):
        assert type(requests.refused(shop.do(kind, backup=backup.id))) is refusal
    assert shop.everything() == before
    assert backup_files.list_all(shop.settings) == copies


@pytest.mark.parametrize("hold", [None, Hold.LOGGED_OUT])
def test_what_is_wanted_up_must_be_disconnected_first(shop: Shop, hold: Hold | None) -> None:
    """On a hold too: with the hold gone the monitor would reconnect by itself."""
    backup = shop.backup()
    shop.row.enabled = True
    shop.observe(hold=hold)
    before, copies = shop.everything(), backup_files.list_all(shop.settings)
    assert isinstance(restoring.one(shop.settings, backup.id).obstacle, errors.DisconnectFirst)
    operation = shop.do("backup.restore", backup=backup.id)
    assert isinstance(requests.refused(operation), errors.DisconnectFirst)
    assert shop.everything()[1] == before[1]
    assert shop.row.hold is hold
    assert backup_files.list_all(shop.settings) == copies


def test_a_backup_that_went_meanwhile_is_refused(shop: Shop) -> None:
    id = shop.backup().id
    backup_files.find(shop.settings, id).path.unlink()
    assert isinstance(requests.refused(shop.do("backup.restore", backup=id)), BackupNotFound)


# ---- taking back


def restore_old_over_new(shop: Shop) -> None:
    """The copy of an earlier linking in place of a later one."""
    shop.link("34600111222:7@s.whatsapp.net")
    earlier = shop.backup()
    shop.link("34600111222:8@s.whatsapp.net")
    shop.do("backup.restore", backup=earlier.id)


def want(shop: Shop, **wanted: object) -> None:
    for name, value in wanted.items():
        setattr(shop.row, name, value)
    db.session.commit()


def in_place(shop: Shop) -> Login | None:
    session = shop.gateway.export(shop.id)
    return shop.gateway.login_in(session) if session else None


@pytest.mark.parametrize(
    ("enabled", "status"), [(True, Status.CONNECTING), (False, Status.DISCONNECTED)]
)
def test_what_a_useless_copy_has_replaced_is_taken_back(
    shop: Shop, enabled: bool, status: Status
) -> None:
    restore_old_over_new(shop)
    assert shop.row.replaced_copy_at is not None
    shop.observe(hold=Hold.LOGGED_OUT, has_credentials=False)
    want(shop, enabled=enabled)
    shop.context.manager.dials = False  # there is no WhatsApp here
    operation = shop.do("backup.take_back", connection=shop.id)
    assert [step.outcome for step in operation.steps] == ["done"]
    row = shop.row
    assert (row.status, row.hold, row.has_credentials) == (status, None, True)
    assert (row.next_attempt_at is not None) == enabled
    assert row.replaced_copy_at is None
    assert in_place(shop) == Login("34600111222:8@s.whatsapp.net", "+34600111222")


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ({"replaced_copy_at": None}, {}),
        ({"hold": Hold.CONFLICT}, {"enabled": True}),
        ({"hold": None}, {"enabled": True}),
        ({"hold": None, "status": Status.CONNECTING}, {"enabled": True}),
    ],
)
def test_nothing_is_taken_back_where_nothing_was_replaced_or_it_may_be_in_use(
    shop: Shop, seen: dict[str, object], wanted: dict[str, object]
) -> None:
    restore_old_over_new(shop)
    shop.observe(**{"hold": Hold.LOGGED_OUT, **seen})
    want(shop, **wanted)
    shop.context.manager.dials = False
    operation = shop.do("backup.take_back", connection=shop.id)
    assert isinstance(requests.refused(operation), errors.NothingToTakeBack)
    assert in_place(shop) == Login("34600111222:7@s.whatsapp.net", "+34600111222")


def test_a_login_that_comes_up_or_is_cleaned_replaces_nothing_any_more() -> None:
    restored = after_restore(Observed(), NOON, replaced_copy_at=NOON)
    moment = Moment(NOON, 0.0, Policy())
    for news in (Opened("+34600111222", "Ana"), Paired("+34600111222")):
        up = after_news(Wanted(enabled=True), restored, news, moment, socket_id=1, current=1)
        assert up is not None
        assert up.replaced_copy_at is None
    lost = after_close(restored, Close(401, Reason.LOGGED_OUT), moment)
    assert lost.replaced_copy_at == NOON
    assert after_wipe(lost, 1, NOON, folder_gone=True).replaced_copy_at is None


def test_without_a_login_in_place_there_is_nothing_to_take_back(shop: Shop) -> None:
    copy = shop.backup()
    shop.gateway.remove(shop.id)
    shop.do("backup.restore", backup=copy.id)
    assert shop.row.replaced_copy_at is None


@pytest.mark.parametrize(
    ("device", "up", "newer"),
    [
        ("34600111222:7@s.whatsapp.net", +1, None),  # the same login
        ("34600111222:8@s.whatsapp.net", +1, Newer.IN_PLACE),
        ("34600111222:8@s.whatsapp.net", -1, Newer.COPY),
        ("34600999888:1@s.whatsapp.net", +1, Newer.IN_PLACE),
        (None, +1, None),
    ],
)
def test_it_is_known_beforehand_which_one_is_newer(
    shop: Shop, device: str | None, up: int, newer: Newer | None
) -> None:
    shop.link("34600111222:7@s.whatsapp.net")
    copy = shop.backup()
    shop.gateway.remove(shop.id)
    if device is not None:
        shop.link(device)
    shop.observe(connected_at=copy.at + timedelta(hours=up))
    found = restoring.compare(shop.settings, copy.id)
    assert (found.newer, found.copy.phone) == (newer, "+34600111222")
    assert found.in_place == (device and Login(device, f"+{device[:11]}"))
    assert found.is_of_another_number == (device is not None and "999" in device)


def test_a_backup_that_fails_is_an_alert_until_all_can_be_made(shop: Shop) -> None:
    in_the_way = shop.settings.data_dir / "backups"
    in_the_way.write_text("a file where the folder belongs")
    operation = shop.do("backup.create")
    assert [step.outcome for step in operation.steps] == ["failed"]
    alert = db.session.query(Alert).one()
    assert (alert.kind, alert.recovered) == (AlertKind.BACKUP_FAILED, False)
    in_the_way.unlink()
    shop.do("backup.create", connection=shop.id)
    assert not alert.recovered
    shop.do("backup.create")
    assert alert.recovered


# ---- removed connections


def save_daily(settings: Settings, connection_id: str, *, until: datetime) -> None:
    for days in (1, 0):
        at = until - timedelta(days=days)
        backup_files.save(settings.data_dir, KEY, connection_id, b"x", at)


def test_backups_of_removed_connections_are_deleted_when_their_time_is_over(shop: Shop) -> None:
    kept = backup_files.KEPT_AFTER_REMOVAL
    for connection_id, age in (
        (shop.id, 2 * kept), ("gone-long", kept), ("just-gone", kept - timedelta(seconds=1))
    ):  # fmt: skip
        save_daily(shop.settings, connection_id, until=NOON - age)
    for _ in range(2):
        restoring.remove_forgotten(shop.settings, ANA, NOON)
    left = {backup.connection_id for backup in backup_files.list_all(shop.settings)}
    assert left == {shop.id, "just-gone"}
    audited = db.session.query(Audit).filter_by(action="backup.remove").one()
    assert (audited.target, audited.outcome) == ("gone-long", "2 removed")


def test_the_daily_job_deletes_them(shop: Shop) -> None:
    save_daily(shop.settings, "gone-long", until=utc_now() - backup_files.KEPT_AFTER_REMOVAL)
    runtime = create_runtime(shop.app)
    next(job for job in runtime.jobs() if job.name == "back-up").run()
    assert backup_files.list_all(shop.settings) == []
    assert db.session.query(Operation).one().kind == "backup.create"


def test_what_else_lies_there_costs_no_backup(tmp_path: Path) -> None:
    """Files of a clock that was wrong, files and folders of others: the new copy stays."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    folder = tmp_path / "backups" / "one"
    folder.mkdir(parents=True)
    (folder / "20260101T000000000000.session").mkdir()
    for junk in range(5):
        (folder / f"old-{junk}.session").write_text("junk")
    for day in range(5):
        (folder / f"{now + timedelta(days=300 + day):{backup_files.STAMP}}.session").write_text("x")
    first = backup_files.save(tmp_path, KEY, "one", b"session", now)
    second = backup_files.save(tmp_path, KEY, "one", b"session", now + timedelta(days=1))
    assert second.exists()
    assert not first.exists()
    assert len(list(folder.glob("old-*.session"))) == 5


def test_a_copy_of_the_login_in_place_replaces_nothing(shop: Shop) -> None:
    """It could only be taken back as what it was of no use as."""
    shop.link("34600111222:7@s.whatsapp.net")
    copy = shop.backup()
    shop.do("backup.restore", backup=copy.id)
    assert shop.row.replaced_copy_at is None
