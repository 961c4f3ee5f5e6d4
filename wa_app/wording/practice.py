"""The faults that the practice phone can rehearse."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _


@dataclass(frozen=True)
class FaultWords:
    title: str
    effect: str


FAULTS: Mapping[str, FaultWords] = {
    "conflict": FaultWords(
        _("Open WhatsApp Web elsewhere"),
        _("Another device takes the number. The connection waits until you press Reconnect."),
    ),
    "logout": FaultWords(
        _("Unlink on the phone"),
        _("The phone removes the linked device. You need to scan a new code."),
    ),
    "ban": FaultWords(
        _("Get blocked for a while"),
        _("WhatsApp blocks the number. It comes back by itself when the block ends."),
    ),
    "drop_once": FaultWords(
        _("Drop the connection once"),
        _("A short interruption. It is restored within seconds."),
    ),
    "network_loss": FaultWords(
        _("No internet"),
        _("Nothing gets through while this is on. Switch it off and watch it recover."),
    ),
    "slow_handshake": FaultWords(
        _("Slow connecting"),
        _("Every connection takes several seconds to open."),
    ),
    "hang": FaultWords(
        _("Connecting hangs"),
        _("WhatsApp falls silent while connecting. The attempt is ended after a minute."),
    ),
    "send_failure": FaultWords(
        _("Sending fails"),
        _("Messages do not leave while this is on. They wait and are sent afterwards."),
    ),
}
