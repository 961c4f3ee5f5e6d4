"""The audit as CSV: for the page, the API and the command line."""

import csv
import io
from collections.abc import Iterator

from flask import Response, stream_with_context

from wa_app.extensions import db
from wa_app.models import Audit
from wa_app.services import audit
from wa_app.web.times import iso, now

COLUMNS = ("at", "actor", "action", "target", "address", "outcome")

AT_ONCE = 500


def download(words: str) -> Response:
    name = f"vigia-audit-{now():%Y-%m-%d}.csv"
    return Response(
        stream_with_context(pieces(words)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def pieces(words: str) -> Iterator[str]:
    """All records that hold the `words`, newest first, many lines at a time. No transaction is
    open while a piece is on its way: a download may take its time."""
    before, piece = None, _line(COLUMNS)
    while piece:
        db.session.rollback()
        yield piece
        found = audit.search(words, before=before, limit=AT_ONCE)
        before = found[-1].id if found else None
        piece = "".join(_line(_cells(row)) for row in found)
    db.session.rollback()


def _cells(row: Audit) -> list[str]:
    return [iso(row.at) or "", *(str(getattr(row, name) or "") for name in COLUMNS[1:])]


def _line(cells: tuple[str, ...] | list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(_harmless(cell) for cell in cells)
    return buffer.getvalue()


def _harmless(cell: str) -> str:
    """A spreadsheet runs a cell that begins like a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
