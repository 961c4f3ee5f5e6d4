"""What a user sets of their bot."""

from wa_app.domain.errors import WrongInput
from wa_app.domain.messages import MAX_TEXT
from wa_app.extensions import db
from wa_app.models import Connection
from wa_app.services import audit
from wa_app.services.audit import Actor


def set_bot(
    actor: Actor,
    connection: Connection,
    *,
    enabled: bool | None = None,
    fallback_text: str | None = None,
) -> None:
    """Change what is named. Raises `WrongInput`."""
    if fallback_text is not None:
        if len(fallback_text) > MAX_TEXT:
            raise WrongInput("fallbackText", "too_long")
        connection.bot_fallback_text = fallback_text.strip()
    if enabled is not None:
        if enabled and not connection.bot_fallback_text:
            raise WrongInput("fallbackText", "required")
        connection.bot_enabled = enabled
    audit.record(actor, "bot.change", connection.user.email)
    db.session.commit()
