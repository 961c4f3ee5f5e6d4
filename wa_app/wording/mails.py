"""The words of mails, in the language of who reads them. Outside of any request."""

from collections.abc import Mapping

from flask import current_app
from flask_babel import force_locale, get_locale, lazy_gettext
from flask_babel import gettext as _

from wa_app.domain.alerts import AlertKind, Note
from wa_app.models import User
from wa_app.wording.alerts import ALERTS_OVER, explain_alert
from wa_app.wording.times import moment, phone

DEFAULT_LOCALE = "en"

ABOUT: Mapping[AlertKind, str] = {
    AlertKind.DISK_NEARLY_FULL: lazy_gettext("Free space: %(what)s"),
    AlertKind.CLOCK_WRONG: lazy_gettext("Difference: %(what)s"),
    AlertKind.BACKUP_FAILED: lazy_gettext("Detail: %(what)s"),
    AlertKind.STALLED: lazy_gettext("Detail: %(what)s"),
    AlertKind.FOLDER_AWAY: lazy_gettext("Detail: %(what)s"),
}
"""What `about` is, where it is not a number."""


def alert(note: Note, locale: str | None) -> tuple[str, str]:
    """Subject and text."""
    with force_locale(locale or DEFAULT_LOCALE):
        return _subject(note), _text(note)


def test_mail(locale: str | None) -> tuple[str, str]:
    with force_locale(locale or DEFAULT_LOCALE):
        said = _("You asked for this mail. Alerts will reach you at this address.")
        return _("Test mail"), _paragraphs(said, _address())


def on_its_way(email: str) -> str:
    return str(_("A mail to %(email)s is on its way.", email=email))


def invitation(user: User, link: str) -> tuple[str, str]:
    """Subject and text, in the language of the user, else of the one who invites."""
    with force_locale(user.locale or str(get_locale() or "en")):
        text = _(
            "Hello,\n\n"
            "open this link to choose your password for Vigía:\n\n"
            "%(link)s\n\n"
            "It works once, and for 7 days. You sign in with %(email)s.\n"
            "If you expected no such mail, you need not do anything.",
            link=link,
            email=user.email,
        )
        return _("Your login for Vigía"), text


def _subject(note: Note) -> str:
    rehearsal = _("Practice") if note.practice else ""
    number = named(note.about) if note.kind not in ABOUT else ""
    return ": ".join(filter(None, (rehearsal, number, _title(note)))).removesuffix(".")


def _text(note: Note) -> str:
    rehearsal = _("This is your practice phone: a rehearsal.") if note.practice else ""
    what_to_do = "" if note.recovered else str(explain_alert(note.kind, note.cause).body)
    return _paragraphs(_title(note), rehearsal, "\n".join(_facts(note)), what_to_do, _address())


def _title(note: Note) -> str:
    if note.recovered:
        return str(ALERTS_OVER.get(note.kind, ALERTS_OVER[None]))
    return str(explain_alert(note.kind, note.cause).title)


def _facts(note: Note) -> list[str]:
    """One a line."""
    facts = []
    if note.about:
        about = ABOUT.get(note.kind, lazy_gettext("Number: %(what)s"))
        facts.append(str(about) % {"what": named(note.about)})
    if note.whose:
        facts.append(_("User: %(email)s", email=note.whose))
    if note.numbers:
        facts.append(_("Numbers concerned: %(n)d", n=note.numbers))
    began = _("It began: %(time)s") if note.recovered else _("Since: %(time)s")
    facts.append(began % {"time": moment(note.since)})
    if note.until is not None:
        facts.append(_("Until: %(time)s", time=moment(note.until)))
    return facts


def named(about: str) -> str:
    """Numbers as people read them; names and details as they are."""
    parts = about.split(", ")
    return ", ".join(phone(part) if part.startswith("+") else part for part in parts)


def _address() -> str:
    return f"Vigía: {current_app.config['SETTINGS'].address}"


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"
