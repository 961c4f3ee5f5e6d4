"""Who may see a connection: the one answer for pages, API and commands."""

from wa_app.domain.errors import ConnectionNotFound
from wa_app.extensions import db
from wa_app.models import Connection, User


def own(user: User, connection_id: str) -> Connection:
    """The user's connection, or `ConnectionNotFound`: somebody else's is as good as unknown."""
    connection = db.session.get(Connection, connection_id)
    if connection is None or connection.user_id != user.id or connection.deleted_at is not None:
        raise ConnectionNotFound
    return connection
