"""A message that has arrived is on the disk until the worker has stored it."""

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wa_app.domain.sessions.socket_messages import Incoming
from wa_app.gateways.whatsapp.files import spool as spool_module
from wa_app.gateways.whatsapp.files.spool import Spool, read_spool


def message(wa_id: str, text: str = "Buenos días, ¿abren hoy?\n") -> Incoming:
    return Incoming(
        wa_id=wa_id,
        chat="34600333444@s.whatsapp.net",
        sender="34600333444@s.whatsapp.net",
        sender_name="Carlos",
        kind="text",
        text=text,
        at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        is_group=False,
        from_me=False,
        spool_offset=0,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.jsonl"


def ids(path: Path) -> list[str]:
    return [message.wa_id for message in read_spool(path)]


def test_what_was_spooled_is_read_back_unchanged_and_in_order(path: Path) -> None:
    spool = Spool(path)
    spooled = [spool.append(message("A")), spool.append(message("B", "línea\u2028nueva"))]
    assert list(read_spool(path)) == spooled


def test_when_it_came_is_read_back_and_an_earlier_version_did_not_write_it(path: Path) -> None:
    spool = Spool(path)
    came = replace(message("A"), arrived_at=datetime(2026, 3, 1, 9, 31, tzinfo=UTC), backlog=True)
    spooled = spool.append(came)
    assert list(read_spool(path)) == [spooled]
    lines = [json.loads(path.read_text()), [], "text", {"wa_id": "B"}, {"at": None}]
    for name in ("arrived_at", "backlog", "sender_alt", "own_phone"):
        lines[0].pop(name)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    [earlier] = read_spool(path)
    assert (earlier.at, earlier.arrived_at, earlier.backlog) == (came.at, None, False)


def test_what_a_newer_version_wrote_is_read_by_an_older_one(path: Path) -> None:
    spooled = Spool(path).append(message("A"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "quoted": {"id": 1}}) + "\n")
    [read] = read_spool(path)
    assert replace(read, spool_offset=spooled.spool_offset) == spooled


def test_a_record_ends_where_its_offset_says(path: Path) -> None:
    spool = Spool(path)
    first = spool.append(message("A"))
    assert first.spool_offset == path.stat().st_size
    assert spool.append(message("B")).spool_offset == path.stat().st_size


def test_a_message_is_written_without_waiting_for_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk flushes, the next ones must get to where the end of the process cannot take
    them away."""
    flushed: list[list[str]] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: flushed.append(ids(path)))
    spool = Spool(path)
    spool.append(message("A"))
    spool.append(message("B"))
    assert (flushed, ids(path)) == ([], ["A", "B"])
    spool.flush()
    assert flushed == [["A", "B"]]


def test_the_spool_is_emptied_when_everything_is_stored(path: Path) -> None:
    spool = Spool(path)
    spool.append(message("A"))
    last = spool.append(message("B"))
    spool.stored(last.spool_offset)
    assert path.stat().st_size == 0


def test_a_part_that_is_stored_takes_nothing_away(path: Path) -> None:
    spool = Spool(path)
    first = spool.append(message("A"))
    spool.append(message("B"))
    spool.stored(first.spool_offset)
    assert ids(path) == ["A", "B"]


def test_an_acknowledgement_that_comes_twice_does_not_cover_a_newer_message(path: Path) -> None:
    spool = Spool(path)
    old = spool.append(message("A", "a long message " * 20))
    spool.stored(old.spool_offset)
    spool.append(message("B"))
    spool.stored(old.spool_offset)
    assert ids(path) == ["B"]


def test_what_a_crash_left_is_still_there_for_the_next_process(path: Path) -> None:
    Spool(path).append(message("A"))
    spool = Spool(path)
    last = spool.append(message("B"))
    assert ids(path) == ["A", "B"]
    spool.stored(last.spool_offset)
    assert ids(path) == []


def test_a_line_torn_by_a_power_cut_hides_no_other(path: Path) -> None:
    Spool(path).append(message("A"))
    with path.open("ab") as file:
        file.write(b'{"wa_id": "B", "cha')
    assert ids(path) == ["A"]
    Spool(path).append(message("C"))
    assert ids(path) == ["A", "C"]


def test_a_line_that_a_bad_disk_spoilt_hides_no_other(path: Path) -> None:
    spool = Spool(path)
    spool.append(message("A"))
    spool.append(message("B"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"wa_id": "A"', b'"wa_id"\x00\xff"A"'))
    assert ids(path) == ["B"]


def test_a_write_that_fails_half_way_leaves_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(path)
    spool.append(message("A"))

    def full_disk(file: int, record: bytes) -> None:
        os.write(file, record[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(spool_module, "_write_whole", full_disk)
        spool.append(message("B"))
    last = spool.append(message("C"))
    assert ids(path) == ["A", "C"]
    assert last == replace(message("C"), spool_offset=path.stat().st_size)


def test_no_spool_is_an_empty_one(path: Path) -> None:
    assert ids(path) == []


def test_nobody_else_may_read_it(path: Path) -> None:
    Spool(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
