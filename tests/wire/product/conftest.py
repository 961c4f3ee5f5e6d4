"""The product as `tests/product` starts it, and for each test a number that can be struck."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest

from tests.product.conftest import (
    ana,
    command,
    luis,
    number,
    phone,
    prepare,
    server,
    settings,
    sign_in,
    start,
    template,
)
from tests.product.server import Server
from tests.product.visitor import Visitor
from tests.whatsapp_server import WhatsAppServer

from .link import Link, NewLink

__all__ = [
    "ana",
    "command",
    "luis",
    "number",
    "phone",
    "prepare",
    "server",
    "settings",
    "sign_in",
    "start",
    "template",
]

# A line for each look at a state would bury what a failure tells.
logging.getLogger("httpx").setLevel("WARNING")

numbers = itertools.count(34_600_300_000)


@pytest.fixture(scope="module")
def whatsapp() -> Iterator[WhatsAppServer]:
    """Never, whatever a test does, are two connections of one device open at the same time."""
    with WhatsAppServer() as whatsapp:
        yield whatsapp
        mistakes = whatsapp.journal.of("error")
        most = {str(device): device.most_sockets for device in whatsapp.devices.values()}
    assert not mistakes, "the test server itself has made a mistake"
    assert set(most.values()) <= {0, 1}, most


@pytest.fixture(scope="module")
def new_link(server: Server, whatsapp: WhatsAppServer, ana: Visitor) -> NewLink:
    """Makes connections of Ana's, each with a phone and a line of its own."""

    def new_link() -> Link:
        return Link(server, ana.new_number(), whatsapp.phone(str(next(numbers)), "Ana"))

    return new_link


@pytest.fixture
def link(new_link: NewLink, whatsapp: WhatsAppServer) -> Iterator[Link]:
    """Paired and connected."""
    link = new_link()
    device = link.pair()
    yield link
    for target in (link.line, device):
        whatsapp.clear(target=target)
    link.number.disconnect()
