"""What the library's answer to a failed send means."""

import re

from wa_app.domain.wire import SendFailure

MEANINGS = (
    (re.compile(r"websocket not connected|client is nil"), SendFailure.NOT_SENT),
    (re.compile(r"server returned error 463\b"), SendFailure.RESTRICTED),
    (
        re.compile(r"server returned error 4\d\d|no LID found|unknown server|user JID with no dev"),
        SendFailure.REFUSED,
    ),
)


def meaning(error: str) -> SendFailure:
    """Whatever is not in the table may have left."""
    return next((what for found, what in MEANINGS if found.search(error)), SendFailure.UNKNOWN)
