"""What a restore would put in place of what, said before anybody presses the button."""

from collections.abc import Callable, Mapping
from datetime import datetime

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from wa_app.domain.backups import Comparison, Newer
from wa_app.wording.times import phone

NEWER: Mapping[Newer, str] = {
    Newer.COPY: _("This copy is newer than the login in place."),
    Newer.IN_PLACE: _(
        "The login in place is newer. The older one in this copy is of no use if the phone has "
        "unlinked it since. The one in place is copied first and can be taken back."
    ),
}


def compared(found: Comparison, moment: Callable[[datetime], str]) -> list[str]:
    """`moment` says a time in the reader's zone."""
    said = [
        gettext(
            "This copy: %(number)s, made %(moment)s.",
            number=phone(found.copy.phone),
            moment=moment(found.copied_at),
        )
    ]
    if found.in_place is None:
        return [*said, gettext("There is no login in place now.")]
    number = phone(found.in_place.phone)
    if found.used_at is None:
        said.append(gettext("In place now: %(number)s.", number=number))
    else:
        used = moment(found.used_at)
        said.append(
            gettext("In place now: %(number)s, last up %(moment)s.", number=number, moment=used)
        )
    if found.is_of_another_number:
        said.append(gettext("The copy is of another number than the login in place."))
    if found.is_same:
        said.append(gettext("Both are the same login."))
    if found.newer is not None:
        said.append(str(NEWER[found.newer]))
    return said
