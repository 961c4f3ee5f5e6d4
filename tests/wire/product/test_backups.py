"""Sessions that are backed up, cleaned and put back, and sealed while nothing uses them: WhatsApp
lets them in again without a QR."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.product.conftest import CARLA
from tests.product.server import Server, wait_until
from tests.product.visitor import Visitor
from tests.whatsapp_server import Contact, WhatsAppServer
from wa_app.sealing import Sealer

from .link import Link, NewLink

KEY, OTHER_KEY = "the key of these tests", "the key of another machine"
ANSWER = "Abrimos a las nueve."


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {
        "BACKUP_KEY": KEY,
        "SEAL_SESSIONS": "true",
        "RECONNECT_BASE_DELAY": "0.1",
        "RECONNECT_MAX_ATTEMPTS": "2",
    }


@pytest.fixture(scope="module")
def carla(server: Server) -> Iterator[Visitor]:
    with Visitor(server, CARLA) as carla:
        yield carla


@pytest.fixture
def link(new_link: NewLink, whatsapp: WhatsAppServer) -> Iterator[Link]:
    """Paired, and then disconnected."""
    link = new_link()
    link.pair()
    rest(link)
    yield link
    link.number.disconnect()


def rest(link: Link) -> None:
    link.number.disconnect()
    link.device.wait_for_logout()


def back_up(carla: Visitor, link: Link) -> str:
    """The id of a new backup."""
    made = carla.ask("POST", "/api/admin/backups", {"connection": link.number.id})
    assert made["counts"]["done"] == 1, made
    return str(backups(carla, link)[0]["id"])


def backups(carla: Visitor, link: Link) -> list[dict[str, Any]]:
    found = carla.ask("GET", "/api/admin/backups")["backups"]
    return [one for one in found if one["connectionId"] == link.number.id]


def file_of(link: Link, id: str) -> Path:
    stamp = id.rpartition(".")[2]
    return link.server.data_dir / "backups" / link.number.id / f"{stamp}.session"


def everything(link: Link) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Row and folder."""
    kept = {path.name: path.read_bytes() for path in link.folder.glob("session*")}
    return {**link.number.status(), "timestamp": None}, kept


def speaks_both_ways(link: Link, luis: Contact, *, time: int = 1) -> None:
    """The bot answers: what comes in can be decrypted, and what goes out, too."""
    link.number.answer_with(ANSWER)
    luis.send(link.phone, "¿A qué hora abren?")
    luis.wait_for_text(ANSWER, count=time)


# ---- backups


def test_a_backup_restored_into_a_cleaned_connection_logs_in_without_a_qr(
    carla: Visitor, link: Link, luis: Contact
) -> None:
    """Though the chat went on after it was made: what cannot be decrypted is asked for again."""
    id = back_up(carla, link)
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    speaks_both_ways(link, luis)
    link.number.force_cleanup()
    logins = link.device.logins
    assert link.number.status()["phone"] is None
    assert carla.ask("POST", f"/api/admin/backups/{id}/verify")["counts"]["done"] == 1
    assert carla.ask("POST", f"/api/admin/backups/{id}/restore")["counts"]["done"] == 1
    assert link.device.logins == logins  # nothing dials by itself
    link.number.reconnect()
    seen = link.number.wait_for("CONNECTED")
    assert (seen["hasQR"], link.device.logins) == (False, logins + 1)
    assert not any(event["status"] == "QR_PENDING" for event in link.number.events()[-3:])
    speaks_both_ways(link, luis, time=2)


def test_a_copy_that_the_phone_has_unlinked_is_said_and_what_it_replaced_taken_back(
    server: Server, carla: Visitor, link: Link, luis: Contact
) -> None:
    useless = back_up(carla, link)
    link.device.remove()
    link.number.reconnect()
    link.number.wait_for("LOGGED_OUT")
    good = link.pair()
    rest(link)
    logins = good.logins
    told = carla.ask("GET", f"/api/admin/backups/{useless}")
    assert (told["newer"], told["sameLogin"]) == ("in_place", False)
    assert told["phone"] == told["inPlace"]["phone"] == link.number.status()["phone"]
    assert "The login in place is newer" in carla.http.get(f"/admin/backups/{useless}/restore").text
    assert "The login in place is newer" in server.flask("wa", "backup", "show", useless).stdout
    asked = server.flask("wa", "backup", "restore", useless)
    assert (asked.returncode, link.number.status()["replacedCopyAt"]) == (1, None)
    carla.ask("POST", f"/api/admin/backups/{useless}/restore")
    link.number.reconnect()
    seen = link.number.wait_for("LOGGED_OUT")
    assert seen["explanation"]["action"] == "TAKE_BACK"
    link.number.ask("POST", "/api/whatsapp/take-back")
    link.number.wait_for("CONNECTED")
    assert (link.device, good.logins) == (good, logins + 1)
    speaks_both_ways(link, luis)


def test_while_it_is_connected_nothing_is_restored(carla: Visitor, link: Link) -> None:
    id = back_up(carla, link)
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    answer = carla.http.post(f"/api/admin/backups/{id}/restore", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "disconnect_first")
    page = carla.http.get(f"/admin/backups/{id}/restore").text
    assert "Disconnect this connection first" in page
    assert 'data-testid="restore"' not in page
    assert link.number.status()["connected"]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("damaged", "This backup is damaged, cut short or belongs to another connection."),
        ("foreign_file", "This file is not a backup of Vigía."),
        ("wrong_key", "This backup was made with another key."),
    ],
)
def test_what_is_no_good_backup_is_refused_everywhere_and_changes_nothing(
    server: Server, carla: Visitor, link: Link, kind: str, sentence: str
) -> None:
    id = back_up(carla, link)
    file = file_of(link, id)
    spoilt = {
        "damaged": file.read_bytes()[:-100],
        "foreign_file": b"a holiday picture",
        "wrong_key": Sealer(OTHER_KEY).seal(b"x", link.number.id),
    }
    file.write_bytes(spoilt[kind])
    before = everything(link)
    answer = carla.http.post(f"/api/admin/backups/{id}/restore", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, f"backup_{kind}")
    assert answer.json()["message"].startswith(sentence)
    if kind == "damaged":  # the rest is the same for all
        assert carla.http.post(f"/api/admin/backups/{id}/verify", json={}).status_code == 409
        page = carla.http.post(f"/admin/backups/{id}/restore", follow_redirects=True)
        assert sentence in page.text
        told = server.flask("wa", "backup", "restore", id)
        assert (told.returncode, sentence in told.stderr) == (1, True)
    assert everything(link) == before
    assert file.read_bytes() == spoilt[kind]


# ---- sealed


def open_files(server: Server) -> list[Path]:
    """Whatever holds a plain SQLite database, besides ours."""
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    return [
        path
        for path in files
        if not path.name.startswith("vigia.db") and b"SQLite format 3" in path.read_bytes()
    ]


def test_the_files_of_a_stopped_connection_are_sealed_and_serve_again(
    server: Server, link: Link, luis: Contact
) -> None:
    assert open_files(server) == []
    assert (link.folder / "session.sealed").exists()
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    assert not (link.folder / "session.sealed").exists()
    speaks_both_ways(link, luis)
    rest(link)
    assert open_files(server) == []


def test_kills_in_between_lose_nothing_and_leave_nothing_open(
    server: Server, link: Link, luis: Contact
) -> None:
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    server.worker.kill()
    link.number.wait_for(link.has_come_back)
    speaks_both_ways(link, luis)
    link.number.disconnect()
    left = link.folder / "session.db"  # as a crash in the middle of the sealing leaves it
    server.worker.kill()
    left.with_suffix(".part").write_bytes(b"SQLite format 3\0 the beginning of it")
    server.wait_for_role("owner")
    wait_until(lambda: not open_files(server), f"sealing of {open_files(server)}")
    link.number.reconnect()
    assert link.number.wait_for("CONNECTED")["hasQR"] is False


def test_an_orderly_stop_seals_what_was_connected(server: Server, link: Link) -> None:
    link.number.reconnect()
    link.number.wait_for("CONNECTED")
    server.end()
    assert open_files(server) == []
    server.start()
    assert link.number.wait_for("CONNECTED")["hasQR"] is False


def test_with_another_key_a_sealed_session_waits_and_with_its_own_it_comes_back(
    server: Server, link: Link
) -> None:
    """Nothing is wrong with the session, so it must not go to the quarantine."""
    sealed = (link.folder / "session.sealed").read_bytes()
    (link.folder / "session.sealed").write_bytes(Sealer(OTHER_KEY).seal(b"x", link.number.id))
    link.number.reconnect()
    seen = link.number.wait_for("RETRIES_EXHAUSTED")
    assert seen["lastDisconnect"]["reason"] == "folder_unusable"
    assert not list((server.data_dir / "quarantine").glob(f"{link.number.id}-*"))
    (link.folder / "session.sealed").write_bytes(sealed)
    link.number.reconnect()
    assert link.number.wait_for("CONNECTED")["hasQR"] is False


def test_a_damaged_sealed_session_goes_to_quarantine(server: Server, link: Link) -> None:
    sealed = link.folder / "session.sealed"
    cut = sealed.read_bytes()[:-1]
    sealed.write_bytes(cut)
    link.number.reconnect()
    link.number.wait_for("CREDENTIALS_CORRUPT")
    [aside] = (server.data_dir / "quarantine").glob(f"{link.number.id}-*/session.sealed")
    assert aside.read_bytes() == cut
