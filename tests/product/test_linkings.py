"""Where memory is short, one number is linked after the other."""

from __future__ import annotations

import pytest

from tests.whatsapp_server import Phone

from .visitor import Number, Visitor


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"LINKING_MEMORY": "1000000000"}  # no machine has so much


def test_the_second_gets_its_code_when_the_first_is_gone(
    ana: Visitor, number: Number, phone: Phone
) -> None:
    first = ana.new_number()
    assert first.connect()["hasQR"]
    waiting = number.connect(wait=0)
    assert not waiting["hasQR"]
    said = number.wait_for(lambda seen: seen["nextAttemptAt"])
    assert said["explanation"]["title"] == "Other numbers are being linked just now."
    assert (said["status"], said["attempt"], said["hasQR"]) == ("CONNECTING", 0, False)
    first.disconnect()
    phone.scan(number.wait_for("QR_PENDING")["qr"])
    number.wait_for("CONNECTED")
