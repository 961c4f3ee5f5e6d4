"""What can be refused, named by what to do next. Words and HTTP codes: `wording/refusals.py`."""

from datetime import timedelta


class Refused(Exception):
    """A request that cannot be carried out; nothing was changed. `error` is the stable word
    programs read."""

    error = "refused"


class WrongInput(Refused):
    """`field` of the request makes no sense; `problem` is the stable word for why."""

    error = "invalid"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class NotFound(Refused):
    error = "not_found"


class UserNotFound(NotFound):
    error = "user_not_found"


class ConnectionNotFound(NotFound):
    error = "connection_not_found"


class PairFirst(Refused):
    """There are no credentials to reconnect with."""

    error = "pair_first"


class NoOtherNumber(Refused):
    """No other number was linked, so there is none to choose."""

    error = "no_other_number"


class AnsweredElsewhere(Refused):
    """A bot answers already on this number, at another connection."""

    error = "answered_elsewhere"


class ConnectionLimit(Refused):
    """The user has as many connections as allowed."""

    error = "connection_limit"


class NoQr(Refused):
    """The practice phone was asked to scan, and no QR is shown."""

    error = "no_qr"


class EmailTaken(Refused):
    error = "email_taken"


class TooOften(Refused):
    error = "too_often"

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__()
        self.retry_after = retry_after


class UserInactive(Refused):
    """Something is asked for on behalf of a user who is switched off."""

    error = "user_inactive"


class WrongPassword(Refused):
    """Somebody who is signed in cannot say their own password."""

    error = "wrong_password"


class LastAdmin(Refused):
    """Without an administrator nobody could ever make another one."""

    error = "last_admin"


class ConfirmFirst(Refused):
    """The word that confirms a full reset is missing or wrong."""

    error = "confirm_first"


class OperationNotFound(NotFound):
    error = "operation_not_found"


class BackupNotFound(NotFound):
    error = "backup_not_found"


class InvitationNotFound(NotFound):
    """Unknown, used, replaced or too old: nobody learns which."""

    error = "invitation_not_found"


class TokenNotFound(NotFound):
    error = "token_not_found"


class TokenLimit(Refused):
    """The user has as many tokens as anybody may."""

    error = "token_limit"


class JobNotFound(NotFound):
    error = "job_not_found"


class NothingToTakeBack(Refused):
    """No restored login has taken the place of another one, or it is in use."""

    error = "nothing_to_take_back"


class DisconnectFirst(Refused):
    """A session can only be restored while nothing uses it."""

    error = "disconnect_first"


class MailNotSetUp(Refused):
    """There is no mail server to hand a mail to."""

    error = "mail_not_set_up"


class BackupUnreadable(Refused):
    """There is such a file, but no session can be taken from it."""

    error = "backup_damaged"


class BackupDamaged(BackupUnreadable):
    """Cut, changed, or another connection's."""


class BackupForeign(BackupUnreadable):
    error = "backup_foreign_file"


class BackupWrongKey(BackupUnreadable):
    error = "backup_wrong_key"


class BackupHoldsNoSession(BackupUnreadable):
    """It can be opened, but what is in it would not log in."""

    error = "backup_no_session"


class Unauthorized(Refused):
    """Nobody is signed in."""

    error = "unauthorized"


class Forbidden(Refused):
    """Known, but not allowed."""

    error = "forbidden"


class Deactivated(Forbidden):
    """The caller's account is switched off."""

    error = "deactivated"


class ScopeMissing(Forbidden):
    """The token of the request may do other things, but not this."""

    error = "scope_missing"

    def __init__(self, scope: str | None) -> None:
        super().__init__()
        self.scope = scope


class OwnPassword(Refused):
    """A new password or link for oneself, without saying the password one has: whoever finds a
    signed-in browser could keep others out with it."""

    error = "own_password"
