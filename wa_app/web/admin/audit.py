"""Who did what, when and from where: read, searched, exported."""

import csv
import io
from collections.abc import Iterator

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required

from wa_app.models import Audit
from wa_app.services import audit as records
from wa_app.web import inputs
from wa_app.web.access import require_admin
from wa_app.web.times import iso, now

bp = Blueprint("admin_audit", __name__, url_prefix="/admin/audit")
bp.before_request(require_admin)

PAGE = 50
COLUMNS = ("at", "actor", "action", "target", "address", "outcome")


@bp.get("")
@login_required
def audit() -> ResponseReturnValue:
    words = request.args.get("q", "").strip()[:200]
    before = inputs.whole("before", default=None, most=2**31 - 1)
    found = records.search(words, before=before, limit=PAGE + 1)
    older = found[PAGE - 1].id if len(found) > PAGE else None
    return render_template(
        "admin/audit.html",
        records=found[:PAGE],
        words_asked=words,
        is_first=before is None,
        older=older and url_for(".audit", q=words or None, before=older),
    )


@bp.get("/export.csv")
@login_required
def export() -> ResponseReturnValue:
    lines = _lines(request.args.get("q", "").strip()[:200])
    name = f"vigia-audit-{now():%Y-%m-%d}.csv"
    return Response(
        stream_with_context(lines),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(words: str) -> Iterator[str]:
    yield _line(COLUMNS)
    for row in records.export(words):
        yield _line(_cells(row))


def _cells(row: Audit) -> list[str]:
    return [iso(row.at) or "", *(str(getattr(row, name) or "") for name in COLUMNS[1:])]


def _line(cells: tuple[str, ...] | list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(_harmless(cell) for cell in cells)
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    """A spreadsheet runs a cell that begins like a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
