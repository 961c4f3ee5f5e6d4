"""What a user sets of their bot."""

from wa_app.domain.errors import AnsweredElsewhere, WrongInput
from wa_app.domain.messages import MAX_TEXT
from wa_app.extensions import db
from wa_app.models import Connection
from wa_app.services import audit
from wa_app.services.audit import Actor
from wa_app.services.connections import registry


def set_bot(
    actor: Actor,
    connection: Connection,
    *,
    enabled: bool | None = None,
    fallback_text: str | None = None,
) -> None:
    """Change what is named. Raises `WrongInput`, `AnsweredElsewhere`."""
    if fallback_text is not None:
        if len(fallback_text) > MAX_TEXT:
            raise WrongInput("fallbackText", "too_long")
        connection.bot_fallback_text = fallback_text.strip()
    if enabled is not None:
        if enabled and not connection.bot_fallback_text:
            raise WrongInput("fallbackText", "required")
        connection.bot_enabled = enabled
        db.session.flush()  # the write lock, before looking: the other bot may be switched on too
        if enabled and connection.has_credentials:
            _refuse_a_second_bot(connection)
    audit.record(actor, "bot.change", connection.user.email)
    db.session.commit()


def _refuse_a_second_bot(connection: Connection) -> None:
    if registry.answered_elsewhere(connection, connection.linked_phone or ""):
        db.session.rollback()
        raise AnsweredElsewhere
