"""Vigía: WhatsApp sessions that stay up by themselves and say why when they do not."""

__version__ = "0.2.0"
