"""Every check of the doctor, in one table. A check looks for one thing and changes nothing."""

from collections.abc import Callable, Iterator, Mapping

from wa_app.services.checks import safety, service, sessions, whatsapp
from wa_app.services.checks.finding import Case, Finding

Check = Callable[[Case], Iterator[Finding]]

CHECKS: Mapping[str, Check] = {
    "database": service.check_database,
    "migrations": service.check_migrations,
    "owner": service.check_owner,
    "port": service.check_port,
    "scheduler": service.check_scheduler,
    "jobs": service.check_jobs,
    "restarts": service.check_restarts,
    "whatsapp": whatsapp.check_whatsapp,
    "clock": whatsapp.check_clock,
    "library": whatsapp.check_library,
    "protocol": whatsapp.check_protocol,
    "folders": sessions.check_folders,
    "orphans": sessions.check_orphans,
    "stale": sessions.check_stale,
    "hung": sessions.check_hung,
    "key": safety.check_key,
    "backups": safety.check_backups,
    "secret": safety.check_secret,
    "disk": safety.check_disk,
    "mail": safety.check_mail,
}
