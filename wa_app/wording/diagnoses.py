"""What the doctor finds in words: one sentence for each finding, and for trouble what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

START_AGAIN = _(
    "Look at its log, then stop it and start it again: every number comes back by itself."
)
MEND_PROXY = _("See whether the proxy runs, and whether its address and its login are right.")
MEND_NETWORK = _(
    "See whether this machine reaches the internet. Numbers come back by themselves when it does."
)
INSTALL = _("Run: .venv/bin/pip install -r requirements.txt. Then start the service again.")


@dataclass(frozen=True)
class Words:
    """`remedy`: what to do about it; None where nothing is wrong."""

    sentence: str
    remedy: str | None = None


ANY = ""
"""Of whichever check."""

WORDS: Mapping[tuple[str, str], Words] = {
    (ANY, "needs_database"): Words(
        _("“%(check)s” could not be checked: it needs the database."),
        _("Mend the database first, then run the checks again."),
    ),
    (ANY, "too_slow"): Words(
        _("“%(check)s” could not be checked in time."),
        _("Run the checks again. If it stays so, the network, the disk or the database is slow."),
    ),
    (ANY, "failed_to_look"): Words(
        _("“%(check)s” could not be checked: %(why)s"),
        _("Run the checks again. If it stays so, ask for help with the text of this report."),
    ),
    # The service
    ("database", "reachable"): Words(_("The database answers.")),
    ("database", "away"): Words(
        _("The database does not answer: %(why)s"),
        _(
            "Start the database, or mend DATABASE_URL. Without one it is the file vigia.db in "
            "DATA_DIR: see that it is there, whole, and may be read and written."
        ),
    ),
    ("migrations", "applied"): Words(_("The tables of the database are up to date.")),
    ("migrations", "pending"): Words(
        _("The tables of the database are older than this version of Vigía."),
        _("Stop the service and run: .venv/bin/flask db upgrade. “make run” does that by itself."),
    ),
    ("migrations", "newer"): Words(
        _("The tables of the database were made by a newer version of Vigía."),
        _("Install the newer version again. Going back needs a copy of the database from before."),
    ),
    ("owner", "alive"): Words(
        _(
            "The service runs: process %(pid)s on %(host)s, since %(since)s. "
            "Standing by: %(standbys)s."
        )
    ),
    ("owner", "none"): Words(_("The service is stopped.")),
    ("owner", "nobody"): Words(
        _("Nobody looks after the numbers."),
        _("Run the checks again in ten seconds. If it stays so, start the service again."),
    ),
    ("owner", "silent"): Words(
        _("The service (process %(pid)s on %(host)s) gave its last sign of life at %(at)s."),
        _(
            "If it is not running, start it. If it is, it hangs: stop it and start it again. "
            "Every number comes back by itself."
        ),
    ),
    ("owner", "from_future"): Words(
        _(
            "The last sign of life of the service (process %(pid)s on %(host)s) is from the "
            "future, %(at)s: a clock was set back, or two machines disagree."
        ),
        _("Let the machine take its time from the network, then start the service again."),
    ),
    ("port", "ours"): Words(_("Vigía answers at port %(port)s of %(host)s.")),
    ("port", "free"): Words(_("Port %(port)s of %(host)s is free.")),
    ("port", "taken"): Words(
        _("Another program uses port %(port)s of %(host)s."),
        _("Stop that program, or choose another PORT. “ss -ltnp” tells which it is."),
    ),
    ("port", "silent"): Words(
        _("Something uses port %(port)s of %(host)s and does not answer."),
        _("If it is this service, it hangs: start it again. Else stop it, or choose another PORT."),
    ),
    ("port", "unusable"): Words(
        _("Port %(port)s of %(host)s cannot be used: %(why)s."),
        _("Choose another HOST or PORT. Ports below 1024 are not for everybody."),
    ),
    ("scheduler", "runs"): Words(_("The monitor looks after the numbers, last at %(at)s.")),
    ("scheduler", "starting"): Words(_("The service has just started; the monitor looks soon.")),
    ("scheduler", "no_service"): Words(_("No service is alive, so the monitor rests.")),
    ("scheduler", "still"): Words(
        _("The monitor has stood still since %(since)s."),
        START_AGAIN,
    ),
    ("jobs", "fine"): Words(_("Every scheduled job did its work the last time.")),
    ("jobs", "failed"): Words(
        _("The job %(job)s failed: %(why)s"),
        _("Mend what it says, then run it under Maintenance. The log tells more."),
    ),
    ("restarts", "none"): Words(_("The service did not have to restart itself lately.")),
    ("restarts", "lately"): Words(
        _("The service restarted itself at %(at)s: %(why)s."),
        _(
            "Everything came back by itself. If it happens again, the machine is too busy, or its "
            "disk or database too slow: look at the log of that time."
        ),
    ),
    # WhatsApp
    ("whatsapp", "directly"): Words(_("WhatsApp can be reached.")),
    ("whatsapp", "through_proxy"): Words(_("WhatsApp can be reached through %(proxy)s.")),
    ("whatsapp", "dns_failed"): Words(
        _("WhatsApp cannot be reached: its address web.whatsapp.com is not found (DNS)."),
        MEND_NETWORK,
    ),
    ("whatsapp", "tcp_failed"): Words(
        _("WhatsApp cannot be reached: nobody answers at web.whatsapp.com, port 443 (TCP)."),
        _("See whether a firewall lets this machine out to port 443."),
    ),
    ("whatsapp", "proxy_failed"): Words(
        _("WhatsApp cannot be reached: the proxy %(proxy)s does not answer."),
        MEND_PROXY,
    ),
    ("whatsapp", "proxy_login_failed"): Words(
        _("WhatsApp cannot be reached: the proxy %(proxy)s answers, but lets nobody through."),
        _(
            "See whether the login in the address of the proxy is right and paid for, and whether "
            "the proxy allows web.whatsapp.com, port 443."
        ),
    ),
    ("whatsapp", "tls_failed"): Words(
        _("WhatsApp cannot be reached: somebody else answers in its place (TLS)."),
        _(
            "A proxy or a virus scanner on the way opens what is encrypted. Exempt "
            "web.whatsapp.com from it, and see that the clock is right."
        ),
    ),
    ("whatsapp", "http_failed"): Words(
        _("WhatsApp cannot be reached: the line is there, but no answer comes (HTTP)."),
        MEND_NETWORK,
    ),
    ("clock", "right"): Words(_("The clock is right.")),
    ("clock", "unknown"): Words(
        _("The clock was not compared: WhatsApp, whose time would be taken, told none.")
    ),
    ("clock", "off"): Words(
        _("The clock is wrong by %(seconds)s seconds."),
        _("Let the machine take its time from the network: timedatectl set-ntp true."),
    ),
    ("library", "right"): Words(
        _("neonize %(neonize)s is installed, with whatsmeow %(whatsmeow)s.")
    ),
    ("library", "missing"): Words(_("neonize %(pinned)s is not installed."), INSTALL),
    ("library", "other"): Words(
        _("neonize %(neonize)s is installed instead of %(pinned)s, with which this was tested."),
        INSTALL,
    ),
    ("protocol", "accepted"): Words(_("WhatsApp accepts the library: no number is held for it.")),
    ("protocol", "outdated"): Words(
        _("WhatsApp wants a newer library. Numbers held: %(count)s."),
        _("Upgrade Vigía, or neonize alone. The numbers try again by themselves after that."),
    ),
    # Sessions
    ("folders", "fine"): Words(_("Session files are kept in %(path)s, for the service alone.")),
    ("folders", "no_folder"): Words(
        _("%(path)s is no folder, so no session can be kept."),
        _("Move that file away; the folder is then made by itself."),
    ),
    ("folders", "not_writable"): Words(
        _("The service cannot write in %(path)s: %(why)s."),
        _("Give the folder to the user the service runs as, with chown -R, on a disk with room."),
    ),
    ("folders", "open_to_others"): Words(
        _("Others on this machine may open %(path)s (mode %(mode)s)."),
        _("Run: chmod %(right)s %(path)s"),
    ),
    ("orphans", "none"): Words(_("Nothing is left of users or connections that are gone.")),
    ("orphans", "some"): Words(
        _("Left of users or connections that are gone: %(count)s."),
        _("Press Clean orphans under Maintenance, or run: flask wa clean orphans."),
    ),
    ("stale", "none"): Words(_("No connection is stale.")),
    ("stale", "some"): Words(
        _("Connections without a usable login that nobody has touched for long: %(count)s."),
        _("The next clean-up takes them. To do it now: flask wa clean stale."),
    ),
    ("hung", "none"): Words(_("No connection hangs while it is opened.")),
    ("hung", "some"): Words(
        _("Connections that hang while they are opened: %(count)s."),
        _("They are ended by themselves. If they stay, force a clean-up of them in the overview."),
    ),
    # What must not be lost
    ("key", "elsewhere"): Words(_("The key of the backups is set by BACKUP_KEY.")),
    ("key", "beside"): Words(
        _("The key of the backups lies beside them: whoever takes the data folder can open them."),
        _(
            "Set BACKUP_KEY to the text in the file backup_key, keep that text somewhere else "
            "too, restart, then delete the file."
        ),
    ),
    ("key", "another"): Words(
        _("Backups that were made with another key and cannot be opened: %(count)d."),
        _("Put the old key back as BACKUP_KEY, or take new backups: press Back up now."),
    ),
    ("backups", "recent"): Words(_("Every linked number has a backup, the oldest of %(at)s.")),
    ("backups", "nothing_linked"): Words(_("No number is linked yet, so nothing is backed up.")),
    ("backups", "first_to_come"): Words(_("The first backup is made within a day.")),
    ("backups", "old"): Words(
        _("The last backup of a linked number was made long ago, at %(at)s."),
        _("Press Back up now under Backups, and see whether the service runs all the time."),
    ),
    ("backups", "never"): Words(
        _("There is a linked number without any backup."),
        _("Press Back up now under Backups, and see whether the service runs all the time."),
    ),
    ("backups", "future"): Words(
        _("There is a backup from the future: the clock of this machine was wrong."),
        _("Set the clock right, then press Back up now under Backups."),
    ),
    ("backups", "failed"): Words(
        _("The last backup failed: %(why)s"),
        _("Mend what it says, then press Back up now under Backups."),
    ),
    ("secret", "set"): Words(_("The key that signs logins is set by SECRET_KEY.")),
    ("secret", "file"): Words(
        _("The key that signs logins is in %(path)s, for the service alone.")
    ),
    ("secret", "readable"): Words(
        _("Others on this machine may read %(path)s, the key that signs logins."),
        _(
            "Run: chmod 600 %(path)s. If somebody may have read it, delete it and restart: a new "
            "key is made, and everybody signs in again."
        ),
    ),
    ("disk", "enough"): Words(_("%(free)s of %(total)s are free where the data is.")),
    ("disk", "low"): Words(
        _("The disk with the data is nearly full: %(free)s of %(total)s are free."),
        _("Make room. When the disk is full, numbers disconnect and messages cannot be kept."),
    ),
    ("mail", "not_set_up"): Words(_("No mails are sent: no mail server is set up.")),
    ("mail", "ready"): Words(_("A mail server is set up; no mail was sent yet.")),
    ("mail", "sent"): Words(_("Mails are sent, the last at %(at)s.")),
    ("mail", "failed"): Words(
        _("Mails do not get through: %(why)s"),
        _("Mend the settings that begin with SMTP, then send a test mail from the overview."),
    ),
}

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        _("The service"),
        ("database", "migrations", "owner", "port", "scheduler", "jobs", "restarts", "mail"),
    ),
    ("WhatsApp", ("whatsapp", "clock", "library", "protocol")),
    (_("Sessions"), ("folders", "orphans", "stale", "hung")),
    (_("What must not be lost"), ("key", "backups", "secret", "disk")),
)


def words_of(check: str, code: str) -> Words:
    return WORDS.get((check, code)) or WORDS[(ANY, code)]
