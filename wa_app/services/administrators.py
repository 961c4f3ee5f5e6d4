"""There is always somebody who can administrate."""

from sqlalchemy import exists, update

from wa_app.domain.errors import LastAdmin
from wa_app.extensions import db
from wa_app.models import User


def refuse_last(user: User) -> None:
    """Before somebody stops being an administrator, in the same transaction. Raises `LastAdmin`
    when nobody else could sign in as one."""
    # First the write lock on all of them: two who remove each other at the same moment must not
    # both find the other one still there.
    admins = update(User).where(User.role == "admin").values(role="admin")
    db.session.execute(admins, execution_options={"synchronize_session": False})
    able = (User.role == "admin", User.active, User.deleted_at.is_(None), User.password_hash != "")
    is_one = db.session.scalar(exists().where(User.id == user.id, *able).select())
    others = db.session.scalar(exists().where(User.id != user.id, *able).select())
    if is_one and not others:
        db.session.rollback()
        raise LastAdmin
