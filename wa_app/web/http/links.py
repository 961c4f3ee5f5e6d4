"""The one-time links with which people set their password, as this request reaches us."""

from flask import request

from wa_app.models import User
from wa_app.services.users import invitations
from wa_app.wording import mails


def address(secret: str) -> str:
    return invitations.address(secret, reached_at=request.url_root)


def letter(user: User, secret: str) -> tuple[str, str]:
    return mails.invitation(user, address(secret))
