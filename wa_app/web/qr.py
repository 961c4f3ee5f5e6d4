"""Pictures of a QR code."""

import io

import qrcode
from qrcode.constants import ERROR_CORRECT_L

BORDER = 4
"""Modules of white around the code; scanners need them."""


def svg(payload: str) -> str:
    """One path in a square view box, so that it is sharp at every size."""
    matrix = _code(payload).get_matrix()
    size = len(matrix)
    path = "".join(
        f"M{x} {y}h{length}v1h-{length}z"
        for y, row in enumerate(matrix)
        for x, length in _runs(row)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        f'width="{size * 8}" height="{size * 8}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{path}"/></svg>'
    )


def png(payload: str) -> bytes:
    picture = io.BytesIO()
    _code(payload).make_image().save(picture)
    return picture.getvalue()


def _code(payload: str) -> qrcode.QRCode:
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_L, box_size=8, border=BORDER)
    code.add_data(payload)
    code.make()
    return code


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """(start, length) of every run of dark modules."""
    runs: list[tuple[int, int]] = []
    for x, dark in enumerate(row):
        if not dark:
            continue
        if runs and sum(runs[-1]) == x:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((x, 1))
    return runs
