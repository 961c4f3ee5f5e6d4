"""What was refused or went wrong, as an HTTP status and a sentence: one table for each."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from wa_app.domain.errors import Refused, ScopeMissing, WrongInput


@dataclass(frozen=True)
class Words:
    status: int
    sentence: str


ERRORS: Mapping[str, Words] = {
    "refused": Words(409, _("This cannot be done now.")),
    "invalid": Words(400, _("Something in the request is not right.")),
    "csrf": Words(400, _("This form has expired. Reload the page and try again.")),
    "unauthorized": Words(401, _("Please sign in first.")),
    "wrong_login": Words(401, _("E-mail and password do not match.")),
    "forbidden": Words(403, _("You are not allowed to do this.")),
    "scope_missing": Words(403, _("This token may not do this: it needs the scope %(scope)s.")),
    "deactivated": Words(403, _("This account is switched off. Ask your administrator.")),
    "not_found": Words(404, _("There is nothing here.")),
    "user_not_found": Words(404, _("This user does not exist.")),
    "connection_not_found": Words(404, _("This connection does not exist.")),
    "message_not_found": Words(404, _("This message does not exist.")),
    "operation_not_found": Words(404, _("This operation does not exist.")),
    "backup_not_found": Words(404, _("This backup does not exist.")),
    "invitation_not_found": Words(404, _("This link does not work any more.")),
    "token_not_found": Words(404, _("This token does not exist.")),
    "job_not_found": Words(404, _("This job does not exist.")),
    "no_picture": Words(404, _("There is no code to scan at the moment.")),
    "method_not_allowed": Words(405, _("This address does not do that.")),
    "pair_first": Words(409, _("This number is not linked yet. Press Connect first.")),
    "no_other_number": Words(409, _("No other number was linked. There is nothing to choose.")),
    "answered_elsewhere": Words(
        409,
        _(
            "This number already answers by itself through another connection. Switch the bot "
            "off there first, or use only that connection."
        ),
    ),
    "connection_limit": Words(409, _("You have as many connections as your account allows.")),
    "no_qr": Words(409, _("There is no code to scan at the moment. Press Connect first.")),
    "email_taken": Words(409, _("There is already a user with this e-mail.")),
    "user_inactive": Words(409, _("This user is switched off. Activate them first.")),
    "wrong_password": Words(400, _("This is not your current password.")),
    "own_password": Words(
        409, _("Change your own password on your account page, with the one you have now.")
    ),
    "token_limit": Words(
        409, _("You have as many tokens as one may have. Revoke one that nobody uses any more.")
    ),
    "last_admin": Words(409, _("This is the last administrator. Make somebody else one first.")),
    "confirm_first": Words(409, _("Type the word RESET to confirm.")),
    "backup_damaged": Words(
        409,
        _("This backup is damaged, cut short or belongs to another connection. Nothing changed."),
    ),
    "backup_foreign_file": Words(409, _("This file is not a backup of Vigía. Nothing changed.")),
    "backup_wrong_key": Words(
        409,
        _("This backup was made with another key. Set the old BACKUP_KEY. Nothing changed."),
    ),
    "backup_no_session": Words(
        409, _("There is no linked session in this backup. Nothing changed.")
    ),
    "mail_not_set_up": Words(409, _("Mail is not set up.")),
    "nothing_to_take_back": Words(
        409, _("There is no earlier login to take back. Nothing changed.")
    ),
    "disconnect_first": Words(409, _("Disconnect this connection first, then restore.")),
    "too_large": Words(413, _("This is too large.")),
    "too_often": Words(429, _("That was too often. Wait a moment and try again.")),
    "internal": Words(500, _("Something went wrong on our side. It has been noted.")),
    "folder_away": Words(
        503,
        _(
            "The data folder of this service was emptied or exchanged. Put it back, or restart the "
            "service to use what is there now. Until then all numbers rest; none was unlinked."
        ),
    ),
    "unavailable": Words(503, _("The service cannot answer just now. Try again in a few seconds.")),
}


PROBLEMS: Mapping[str, str] = {
    "not_json": _("The body is not JSON."),
    "not_an_object": _("The body is not a JSON object."),
    "unknown_field": _("There is no field with this name here."),
    "not_text": _("This has to be text."),
    "not_true_or_false": _("This has to be true or false."),
    "not_a_list": _("This has to be a list of texts."),
    "unknown_word": _("This is none of the words allowed here."),
    "not_a_number": _("This has to be a number in the range allowed."),
    "not_a_phone": _(
        "This is not a phone number. Write it with its country code, as in +34 600 111 222."
    ),
    "unknown_channel": _("The channel is either whatsapp or practice."),
    "other_channel": _("The connection named is on another channel."),
    "unknown_fault": _("There is no fault with this name."),
    "unknown_role": _("There is no role with this name."),
    "unknown_state": _("There is no state with this name."),
    "unknown_scope": _("There is no scope with this name."),
    "not_an_admin": _("Only administrators can have a token with the scope admin."),
    "not_a_name": _("This name is too long, or has signs that cannot be shown."),
    "required": _("This is missing."),
    "too_long": _("This is too long."),
    "too_short": _("This is too short."),
    "not_an_email": _("This is not an e-mail address."),
}


FIELD_PROBLEMS: Mapping[tuple[str, str], str] = {
    ("fallbackText", "required"): _("Write the answer first, then switch the bot on."),
    ("text", "required"): _("Write something first."),
    ("password", "too_short"): _("A password has 10 characters or more."),
    ("email", "not_an_email"): _("This is not an e-mail address. Write it as in ana@example.com."),
    ("scopes", "required"): _("Choose what the token may do."),
    ("name", "required"): _("Give it a name."),
    ("text", "too_long"): _("This message is too long for WhatsApp."),
}
"""What is said better about one field than in general."""


def sentence_of(refused: Refused) -> str:
    if isinstance(refused, WrongInput):
        general = PROBLEMS.get(refused.problem, ERRORS["invalid"].sentence)
        return str(FIELD_PROBLEMS.get((refused.field, refused.problem), general))
    if isinstance(refused, ScopeMissing):
        return str(ERRORS[refused.error].sentence) % {"scope": refused.scope}
    return str(ERRORS[refused.error].sentence)
