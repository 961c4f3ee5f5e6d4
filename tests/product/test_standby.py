"""A second server on the same data folder stands by, says so, and takes over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.whatsapp_server import Phone, WhatsAppServer

from .conftest import Start
from .server import Server
from .visitor import Number, Visitor

SignIn = Callable[..., Visitor]


Stand = Callable[[Server], Server]


@pytest.fixture
def record_standby(prepare: Start, whatsapp: WhatsAppServer) -> Stand:
    """Starts a second server on the data folder of this one."""

    def record_standby(owner: Server) -> Server:
        beat = owner.environment["HEARTBEAT"]
        standby = prepare(whatsapp, beside=owner, HEARTBEAT=beat).launch()
        standby.wait_for_role("standby")
        return standby

    return record_standby


def test_requests_on_a_standby_work_and_it_says_who_owns_the_sessions(
    server: Server, record_standby: Stand, sign_in: SignIn, number: Number, phone: Phone
) -> None:
    standby = record_standby(server)
    standby.wait_for_log("role=standby")
    standby.wait_for_log(f"pid={server.worker.pid}")
    there = number.via(sign_in(standby))
    there.pair(phone)
    assert number.status()["connected"]
    assert (len(server.sessions()), len(standby.sessions())) == (1, 0)
    there.disconnect()
    number.wait_for("DISCONNECTED")


def test_a_standby_that_is_stopped_leaves_the_owner_alone(
    server: Server, record_standby: Stand, ana: Visitor
) -> None:
    practice = ana.practice_phone()
    practice.link_practice_phone()
    standby = record_standby(server)
    standby.end()
    standby.wait_until_nothing_runs()
    assert server.readiness()["checks"]["runtime"] == "owner"
    assert practice.status()["connected"]


def test_a_standby_takes_over_when_the_owner_is_killed(
    start: Start, record_standby: Stand, sign_in: SignIn, whatsapp: WhatsAppServer, phone: Phone
) -> None:
    """Because the kernel has freed the lock: the heartbeat would be believed for hours."""
    owner = start(whatsapp, HEARTBEAT="1h")
    standby = record_standby(owner)
    number = sign_in(owner).new_number()
    device = number.pair(phone)
    for process in (owner.master, owner.worker):
        process.kill()
    standby.wait_for_role("owner")
    number.via(sign_in(standby)).wait_for("CONNECTED")
    device.wait_for_login(count=2)
    assert device.most_sockets == 1
    owner.wait_until_nothing_runs()


def test_a_standby_takes_over_from_an_owner_that_ends(
    start: Start, record_standby: Stand, sign_in: SignIn, whatsapp: WhatsAppServer
) -> None:
    owner = start(whatsapp)
    standby = record_standby(owner)
    practice = sign_in(owner).new_number("practice")
    practice.link_practice_phone()
    owner.end()
    standby.wait_for_role("owner")
    practice.via(sign_in(standby)).wait_for("CONNECTED")


def test_while_the_owner_is_frozen_nobody_claims_to_be_connected(
    start: Start, record_standby: Stand, sign_in: SignIn, whatsapp: WhatsAppServer
) -> None:
    owner = start(whatsapp, HEARTBEAT="0.2")
    standby = record_standby(owner)
    practice = sign_in(standby).new_number("practice")
    practice.link_practice_phone()
    owner.worker.suspend()
    frozen = practice.wait_for(lambda seen: not seen["connected"])
    assert frozen["explanation"]["title"] == "The service is restarting."
    assert standby.readiness()["checks"]["runtime"] == "failed"
    owner.worker.resume()
    practice.wait_for(lambda seen: seen["connected"])
