"""What becomes of a message."""

from collections.abc import Mapping

from flask_babel import lazy_gettext as _

from wa_app.domain.messages import FailCause, MessageState

MESSAGE_STATES: Mapping[MessageState, str] = {
    MessageState.RECEIVED: _("Received."),
    MessageState.PENDING: _("Accepted. It is sent as soon as the connection is there."),
    MessageState.SENDING: _("On its way."),
    MessageState.SENT: _("Sent."),
    MessageState.DELIVERED: _("Delivered."),
    MessageState.READ: _("Read."),
    MessageState.FAILED: _("Not sent."),
}


FAIL_CAUSES: Mapping[FailCause, str] = {
    FailCause.PERHAPS_SENT: _("The connection ended twice while sending. It was perhaps sent."),
    FailCause.TOO_LATE: _("The answer would have come too late."),
    FailCause.REFUSED: _("WhatsApp refused it."),
    FailCause.UNREADABLE: _("It could not be read on the recipient's phone."),
    FailCause.LATER: _("WhatsApp does not take it at the moment; it is tried again by itself."),
    FailCause.OTHER_NUMBER: _("It was written for a number that is no longer linked here."),
}
