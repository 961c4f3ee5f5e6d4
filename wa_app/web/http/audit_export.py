"""The audit as a file to keep: for the page and the API."""

from flask import Response, stream_with_context

from wa_app.services import audit
from wa_app.web.http.times import now


def download(words: str) -> Response:
    name = f"vigia-audit-{now():%Y-%m-%d}.csv"
    return Response(
        stream_with_context(audit.as_csv(words)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
