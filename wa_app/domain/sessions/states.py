"""What a connection is and does, in codes. Their texts live in `wording/connections.py`."""

from enum import StrEnum


class Channel(StrEnum):
    """Which kind of phone is behind a connection."""

    WHATSAPP = "whatsapp"
    PRACTICE = "practice"


class Status(StrEnum):
    """What the socket is doing."""

    DISCONNECTED = "DISCONNECTED"  # no socket, none planned
    CONNECTING = "CONNECTING"  # opening, or waiting out the backoff until next_attempt_at
    QR_PENDING = "QR_PENDING"  # waiting for the phone to scan the QR or type the pairing code
    CONNECTED = "CONNECTED"


class Hold(StrEnum):
    """Why nothing is tried automatically."""

    CONFLICT = "CONFLICT"
    LOGGED_OUT = "LOGGED_OUT"
    CREDENTIALS_CORRUPT = "CREDENTIALS_CORRUPT"
    CLIENT_OUTDATED = "CLIENT_OUTDATED"
    BANNED = "BANNED"
    PAIRING_EXPIRED = "PAIRING_EXPIRED"
    PASSKEY = "PASSKEY"  # the account asks for one
    ALREADY_LINKED = "ALREADY_LINKED"  # a bot answers on the number at another connection
    OTHER_NUMBER = "OTHER_NUMBER"  # another number was linked than the one it belongs to
    REFUSED = "REFUSED"  # by WhatsApp, for a reason of its own
    RETRIES_EXHAUSTED = "RETRIES_EXHAUSTED"


class Action(StrEnum):
    """What the person is asked to do about it."""

    NONE = "NONE"
    RECONNECT = "RECONNECT"
    PAIR = "PAIR"
    WAIT = "WAIT"
    UPGRADE = "UPGRADE"
    CHOOSE_NUMBER = "CHOOSE_NUMBER"
    TAKE_BACK = "TAKE_BACK"
