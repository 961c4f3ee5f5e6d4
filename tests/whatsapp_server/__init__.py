"""A WhatsApp server on loopback that the real neonize pairs with. For tests; see README.md."""

from .environment import environment
from .pairing import PairingRefused
from .people import Contact, Device, Phone
from .server import WhatsAppServer

__all__ = ["Contact", "Device", "PairingRefused", "Phone", "WhatsAppServer", "environment"]
