"""Who is told of an alert: each once, in their own language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import select

from wa_app.domain.alerts import AlertKind, Note, is_cut_off, is_of_outage
from wa_app.domain.sessions.states import Channel
from wa_app.extensions import db
from wa_app.models import Alert, Connection, Mail, User
from wa_app.services.notifications import mails
from wa_app.wording.mails import alert as mail_of

TEMPORARY = frozenset({AlertKind.BANNED, AlertKind.REFUSED})
"""Their end is known when they begin."""


@dataclass(frozen=True)
class Case:
    """A connection in trouble, or in an alert, as one look finds it. `kind` is what is wrong at
    this moment; `was_told`: people know of the trouble that this alert takes the place of."""

    connection: Connection
    alert: Alert | None
    kind: AlertKind | None
    was_told: bool = False

    @property
    def is_practice(self) -> bool:
        return self.connection.channel is Channel.PRACTICE

    @property
    def is_cut_off(self) -> bool:
        return not self.is_practice and is_cut_off(
            self.connection.effective, self.connection.observed
        )

    @property
    def is_of_outage(self) -> bool:
        """Whether it is one of many that have one cause, and nobody was told of it alone."""
        alert = self.alert
        if alert is None or self.is_practice or alert.ended_at or alert.raised_at:
            return False
        return is_of_outage(alert.kind, alert.cause)


class Post:
    """Writes the mails of one look, to each reader in their own language."""

    def __init__(self, now: datetime, known: Iterable[Alert]) -> None:
        self._now = now
        self._known = [alert.id for alert in known]

    @cached_property
    def _people(self) -> dict[int, User]:
        """Read only when there is something to tell."""
        active = select(User).where(User.active, User.deleted_at.is_(None))
        return {user.id: user for user in db.session.scalars(active)}

    @cached_property
    def _told(self) -> dict[int | None, set[str]]:
        """Who has got a mail of which alert before this look."""
        rows = select(Mail.alert_id, Mail.recipient).where(Mail.alert_id.in_(self._known))
        told: dict[int | None, set[str]] = {}
        for alert_id, recipient in db.session.execute(rows):
            told.setdefault(alert_id, set()).add(recipient)
        return told

    @property
    def administrators(self) -> list[User]:
        return [user for user in self._people.values() if user.is_admin]

    def concerned(self, case: Case) -> list[User]:
        """A practice phone is a rehearsal: nobody but its own user need know."""
        own = [user for user in self._people.values() if user.id == case.connection.user_id]
        if case.is_practice:
            return own
        return own + [user for user in self.administrators if user not in own]

    def tell(self, alert: Alert, readers: Iterable[User], case: Case | None = None) -> None:
        for reader in readers:
            self._write(alert, reader, _note(alert, reader, case))

    def recovered(self, alert: Alert, case: Case | None = None) -> None:
        """To exactly those who were told that something was wrong."""
        self.tell(alert, self._readers_of(alert), case)

    def outage(self, outage: Alert, members: Sequence[Case], numbers: int) -> None:
        """To whoever has not been told of it yet; others may join while it lasts."""
        told = self._told.get(outage.id, set())
        theirs: dict[int, list[str]] = {}
        for case in members:
            theirs.setdefault(case.connection.user_id, []).append(about(case.connection))
        for user in self._people.values():
            if user.email in told:
                continue
            if user.is_admin:
                self._write(outage, user, _outage_note(outage, numbers=numbers))
            elif user.id in theirs:
                own = ", ".join(filter(None, theirs[user.id]))
                self._write(outage, user, _outage_note(outage, about=own))

    def outage_over(self, outage: Alert, left: Sequence[Case]) -> None:
        """Whose number is still down is told of that instead."""
        down = {case.connection.user_id for case in left}
        for user in self._readers_of(outage):
            if user.is_admin or user.id not in down:
                self._write(outage, user, _outage_note(outage))

    def _readers_of(self, alert: Alert) -> list[User]:
        told = self._told.get(alert.id, set())
        return [user for user in self._people.values() if user.email in told]

    def _write(self, alert: Alert, reader: User, note: Note) -> None:
        subject, text = mail_of(note, reader.locale)
        mails.queue(reader.email, subject, text, alert.id, at=self._now)


def _note(alert: Alert, reader: User, case: Case | None) -> Note:
    if case is None:
        return Note(alert.kind, alert.recovered, alert.began_at, alert.about, alert.cause)
    connection = case.connection
    own = connection.user_id == reader.id
    return Note(
        alert.kind,
        alert.recovered,
        alert.began_at,
        alert.about,
        alert.cause,
        until=connection.hold_until if alert.kind in TEMPORARY else None,
        whose="" if own else connection.user.email,
        practice=case.is_practice,
    )


def _outage_note(outage: Alert, *, about: str = "", numbers: int = 0) -> Note:
    return Note(
        outage.kind, outage.recovered, outage.began_at, about, outage.cause, numbers=numbers
    )


def about(connection: Connection) -> str:
    """What tells people which connection is meant."""
    return connection.phone or connection.name
