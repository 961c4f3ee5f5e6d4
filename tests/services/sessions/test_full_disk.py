"""A hold for a disk ends when the disk can be used again, whatever WhatsApp says."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.services.world import World
from wa_app.domain.sessions.closes import Reason
from wa_app.domain.sessions.states import Hold, Status
from wa_app.extensions import db
from wa_app.models import Connection

Trouble = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def a_file_in_its_way(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(exist_ok=True)
    folder.touch()
    yield
    folder.unlink()


@contextmanager
def nothing_can_be_made(folder: Path) -> Iterator[None]:
    """A link that leads nowhere: as a volume that is not there."""
    folder.parent.mkdir(exist_ok=True)
    folder.symlink_to("/nowhere/at/all")
    yield
    folder.unlink()


@contextmanager
def no_byte_more(_: Path) -> Iterator[None]:
    """Writing fails, though the disk says that there is room: a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def hold(world: World, *, lifts: int) -> Path:
    """As after five attempts on a full disk, after so many lifts in vain; the session folder."""
    pause = timedelta(minutes=60) if lifts else None
    with world.app.app_context():
        connection = db.session.get_one(Connection, world.connection_id)
        connection.observed = replace(
            connection.observed,
            status=Status.DISCONNECTED,
            hold=Hold.RETRIES_EXHAUSTED,
            hold_cause=Reason.FOLDER_UNUSABLE,
            hold_until=pause and world.now + pause,
            lifts=lifts,
        )
        db.session.commit()
    world.manager.wake(world.connection_id)  # it closes the socket
    world.settle()
    assert not world.phone.sockets
    return world.settings.sessions_dir / world.connection_id


@pytest.mark.parametrize("trouble", [a_file_in_its_way, nothing_can_be_made, no_byte_more])
@pytest.mark.parametrize("lifts", [0, 4])
def test_it_lasts_as_long_as_the_disk_is_full_and_ends_within_one_look(
    world: World, trouble: Trouble, lifts: int
) -> None:
    world.link()
    folder = hold(world, lifts=lifts)
    with trouble(folder):
        for _ in range(3):
            world.run_job("lift-outages")
        assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    world.tick()
    assert world.connection.hold is None


def test_whatsapp_is_not_asked(world: World) -> None:
    world.link()
    hold(world, lifts=0)
    world.fault("network_loss")
    world.tick()
    seen = world.connection
    assert (seen.hold, seen.lifts, seen.last_reason) == (None, 1, Reason.UNREACHABLE)


def test_where_the_look_was_wrong_the_pauses_grow(world: World) -> None:
    """The dial fails for the same reason, though the folder looks well."""
    world.link()
    hold(world, lifts=0)
    world.tick()
    assert world.connection.hold is None
    hold(world, lifts=1)
    for _ in range(3):
        world.tick()
        assert world.connection.hold is Hold.RETRIES_EXHAUSTED
    world.now += timedelta(minutes=60)
    world.tick()
    assert world.connection.hold is None
