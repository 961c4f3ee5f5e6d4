"""Operations and jobs in words: what each does, what is lost, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _

from wa_app.models import Operation, OperationStep
from wa_app.wording.refusals import ERRORS


@dataclass(frozen=True)
class OperationWords:
    title: str
    does: str
    button: str


CLEANUPS: Mapping[str, OperationWords] = {
    "cleanup.orphans": OperationWords(
        _("Clean orphans"),
        _(
            "Removes what belongs to nobody: connections whose user does not exist, session "
            "folders and session processes without a connection. Session files are backed up "
            "first. Everything that belongs to somebody stays as it is."
        ),
        _("Clean orphans"),
    ),
    "cleanup.stale": OperationWords(
        _("Clean stale connections"),
        _(
            "Takes connections without a usable login that nobody has touched for long "
            "(STALE_AFTER) back to “never linked”. Their session files are backed up and removed. "
            "Messages and the bot's settings stay. This also runs by itself."
        ),
        _("Clean stale"),
    ),
    "cleanup.mark_disconnected": OperationWords(
        _("Mark all disconnected"),
        _(
            "Closes every connection at once. Logins stay: each connection that should be up "
            "comes back by itself soon (RECONNECT_COOLDOWN), one after the other."
        ),
        _("Mark all disconnected"),
    ),
    "cleanup.full_reset": OperationWords(
        _("Full reset"),
        _(
            "Cleans orphans and removes the login of every connection, after a backup. Every "
            "number has to be linked again with a new code, unless its backup is restored. "
            "Users, messages and settings stay. On each phone also remove the device: Settings, "
            "Linked devices."
        ),
        _("Reset everything"),
    ),
}

OTHERS: Mapping[str, str] = {
    "backup.create": _("Back up"),
    "backup.verify": _("Verify a backup"),
    "backup.restore": _("Restore a backup"),
    "backup.take_back": _("Take the earlier login back"),
}

STEPS: Mapping[str, str] = {
    "row": _("Connection without a user"),
    "folder": _("Session folder without a connection"),
    "process": _("Session process without a connection"),
    "records": _("Records that point to nothing"),
    "clean": _("Login of a connection"),
    "put_down": _("Connection to close"),
    "backup": _("Session files"),
    "verify": _("Backup"),
    "restore": _("Backup"),
    "take_back": _("Login before a restore"),
    "plan": _("Looking what there is to do"),
}

OUTCOMES: Mapping[str | None, tuple[str, str]] = {
    "done": (_("Done"), "connected"),
    "nothing": (_("Nothing to do"), "off"),
    "failed": (_("Failed"), "error"),
    None: (_("Waiting"), "progress"),
}
"""Outcome → word and colour."""

JOBS: Mapping[str, str] = {
    "heartbeat": _("Shows that this service is alive"),
    "look-for-requests": _("Looks for requests from other processes"),
    "monitor": _("Looks after every connection"),
    "lift-outages": _("Reconnects when WhatsApp can be reached again"),
    "settle-sends": _("Settles messages nobody confirmed"),
    "check-clock": _("Compares the clock with WhatsApp's"),
    "clean-stale": _("Cleans stale connections"),
    "back-up": _("Backs up all session files"),
    "alerts": _("Looks for trouble people should know of"),
    "forget": _("Forgets old operations, mails and alerts"),
}


def title(operation: Operation) -> str:
    words = CLEANUPS.get(operation.kind)
    return str(words.title if words else OTHERS[operation.kind])


def detail_of(step: OperationStep) -> str | None:
    """Why it failed: a refusal's sentence where there is one, else what the system said."""
    words = ERRORS.get(step.detail or "")
    return str(words.sentence) if words else step.detail


def summary(operation: Operation, counts: Mapping[str, int]) -> str:
    """What came of it, in numbers."""
    if operation.state != "DONE":
        left = counts["waiting"]
        told = gettext("Under way, %(left)d to go.", left=left) if left else gettext("Under way.")
        return str(told)
    if operation.dry_run:
        return _would_go(counts["waiting"])
    if not counts["done"] and not counts["failed"]:
        return str(gettext("There was nothing to do."))
    told = ngettext("%(num)d done.", "%(num)d done.", counts["done"])
    if counts["failed"]:
        told += " " + ngettext("%(num)d failed.", "%(num)d failed.", counts["failed"])
    return str(told)


def _would_go(count: int) -> str:
    if not count:
        return str(gettext("There is nothing to do."))
    return str(ngettext("%(num)d thing would be done.", "%(num)d things would be done.", count))
