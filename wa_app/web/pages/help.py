"""The page that explains WhatsApp's close codes, drawn from the table the policy itself uses."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.domain.sessions.closes import CLOSE_CODES, CloseClass
from wa_app.wording.closes import CLOSE_CLASSES

bp = Blueprint("codes", __name__)


@bp.get("/help/codes")
@login_required
def codes() -> ResponseReturnValue:
    codes_of = {
        kind: sorted(code for code, its_class in CLOSE_CODES.items() if its_class is kind)
        for kind in CloseClass
    }
    return render_template("codes.html", classes=CLOSE_CLASSES, codes_of=codes_of)
