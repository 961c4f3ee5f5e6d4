"""What the owner works with, handed to whatever it carries out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from wa_app.config import Settings
from wa_app.gateways.base import Gateways
from wa_app.services.manager import Manager


@dataclass(frozen=True)
class Tools:
    settings: Settings
    manager: Manager
    gateways: Gateways
    clock: Callable[[], datetime]
