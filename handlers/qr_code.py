"""QR codes as inline SVG."""

import io
from functools import lru_cache

import segno
from markupsafe import Markup


@lru_cache(maxsize=1024)
def draw_qr(link: str) -> Markup:
    """Dark on nothing, without a quiet zone: the page lays both around it. 10 ms of work, to be done off the loop."""
    drawing = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        drawing, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=0, svgclass=None, lineclass=None
    )
    # The drawing is made of digits and our own link, which has no character that HTML knows.
    return Markup(drawing.getvalue().decode())  # noqa: S704
