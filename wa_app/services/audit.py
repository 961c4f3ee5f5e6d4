"""Who did what. A record is committed together with what it records."""

from dataclasses import dataclass

from wa_app.extensions import db
from wa_app.models import Audit


@dataclass(frozen=True)
class Actor:
    """Who acts: an e-mail, `command line`, or the name of a job; and from which address."""

    name: str
    address: str | None = None


COMMAND_LINE = Actor("command line")


def record(actor: Actor, action: str, target: str, outcome: str = "done") -> None:
    """Add a line to the audit, in the transaction under way. `action` is `noun.verb`."""
    row = Audit(
        actor=actor.name, action=action, target=target, address=actor.address, outcome=outcome
    )
    db.session.add(row)
