"""Pictures of a QR code."""

import io
from typing import Any


def svg(payload: str) -> str:
    """One path in a square view box, so that it is sharp at every size."""
    from qrcode.image.svg import SvgPathFillImage

    sharp = {"shape-rendering": "crispEdges"}
    picture: str = (
        _code(payload).make_image(SvgPathFillImage, **sharp).to_string(encoding="unicode")
    )
    return picture


def png(payload: str) -> bytes:
    picture = io.BytesIO()
    _code(payload).make_image().save(picture)
    return picture.getvalue()


def _code(payload: str) -> Any:
    # Not at the top: it brings Pillow along, and a start needs no picture.
    from qrcode import QRCode
    from qrcode.constants import ERROR_CORRECT_L

    code = QRCode(error_correction=ERROR_CORRECT_L)
    code.add_data(payload)
    return code
