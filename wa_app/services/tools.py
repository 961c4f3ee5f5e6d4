"""What the owner works with, handed to whatever it carries out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from wa_app.config import Settings
from wa_app.domain.states import Channel
from wa_app.gateways.base import Gateway
from wa_app.services.manager import Manager


@dataclass(frozen=True)
class Tools:
    settings: Settings
    manager: Manager
    gateways: Mapping[Channel, Gateway]
    clock: Callable[[], datetime]
