"""When trouble is worth telling people, and when it is over."""

from enum import StrEnum


class AlertKind(StrEnum):
    CONFLICT = "conflict"
    LOGGED_OUT = "logged_out"
    BANNED = "banned"
    CREDENTIALS_CORRUPT = "credentials_corrupt"
    CLIENT_OUTDATED = "client_outdated"
    RETRIES_EXHAUSTED = "retries_exhausted"
    ATTEMPTS = "attempts"  # more than ALERT_AFTER_ATTEMPTS, and still trying
    OUTAGE = "outage"  # of the whole server
    DISK_NEARLY_FULL = "disk_nearly_full"
    BACKUP_FAILED = "backup_failed"
    STOOD_STILL = "stood_still"  # the service restarted itself
