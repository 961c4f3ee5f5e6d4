"""A second server on the same data folder stands by, says so, and takes over."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.whatsapp_server import Phone, WhatsAppServer

from .conftest import Start
from .server import Server, wait_until
from .visitor import Visitor

SignIn = Callable[..., Visitor]


@pytest.fixture
def owner(start: Start, whatsapp: WhatsAppServer) -> Server:
    return start(whatsapp)


@pytest.fixture
def standby(prepare: Start, owner: Server, whatsapp: WhatsAppServer) -> Server:
    standby = prepare(whatsapp, beside=owner).launch()
    standby.wait_for_role("standby")
    return standby


def test_a_second_server_says_who_owns_the_sessions(owner: Server, standby: Server) -> None:
    standby.wait_for_log("role=standby")
    standby.wait_for_log(f"pid={owner.worker.pid}")
    assert owner.readiness()["checks"]["runtime"] == "owner"
    assert not standby.sessions()


def test_requests_on_a_standby_work(
    owner: Server, standby: Server, sign_in: SignIn, phone: Phone
) -> None:
    number = sign_in(standby).new_number()
    number.pair(phone)
    assert number.via(sign_in(owner)).status()["connected"]
    assert (len(owner.sessions()), len(standby.sessions())) == (1, 0)
    number.disconnect()
    number.wait_for("DISCONNECTED")


def test_a_standby_takes_over_when_the_owner_is_killed(
    owner: Server, standby: Server, sign_in: SignIn, phone: Phone
) -> None:
    number = sign_in(owner).new_number()
    device = number.pair(phone)
    began = time.monotonic()
    for process in (owner.master, owner.worker):
        process.kill()
    standby.wait_for_role("owner")
    assert time.monotonic() - began < 2
    number.via(sign_in(standby)).wait_for("CONNECTED")
    device.wait_for_login(count=2)
    assert device.most_sockets == 1
    owner.wait_until_nothing_runs()


def test_while_the_owner_is_frozen_nobody_claims_to_be_connected(
    start: Start, prepare: Start, sign_in: SignIn
) -> None:
    owner = start(HEARTBEAT="0.2")
    standby = prepare(beside=owner, HEARTBEAT="0.2").launch()
    standby.wait_for_role("standby")
    practice = sign_in(standby).new_number("practice")
    practice.link_practice_phone()
    owner.worker.suspend()
    frozen = practice.wait_for(lambda seen: not seen["connected"])
    assert frozen["explanation"]["title"] == "The service is restarting."
    assert standby.readiness()["checks"]["runtime"] == "failed"
    owner.worker.resume()
    practice.wait_for(lambda seen: seen["connected"])


def test_a_standby_takes_over_from_an_orderly_end(
    owner: Server, standby: Server, sign_in: SignIn
) -> None:
    practice = sign_in(owner).new_number("practice")
    practice.link_practice_phone()
    owner.end()
    standby.wait_for_role("owner")
    practice.via(sign_in(standby)).wait_for("CONNECTED")


def test_a_standby_that_is_stopped_leaves_the_owner_alone(
    owner: Server, standby: Server, sign_in: SignIn
) -> None:
    practice = sign_in(owner).new_number("practice")
    practice.link_practice_phone()
    standby.end()
    standby.wait_until_nothing_runs()
    wait_until(lambda: owner.readiness()["checks"]["runtime"] == "owner", "still the owner")
    assert practice.status()["connected"]
