"""What a notebook shows of a movie: what it says of itself, beside its picture."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping

__all__ = ["table"]


def table(title: str, rows: Mapping[str, str], *, picture: bytes | None = None) -> str:
    """Return HTML of a title, rows of names and texts, and a picture, which is a PNG."""
    body = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    image = ""
    if picture is not None:
        content = base64.b64encode(picture).decode()
        image = f"<img alt='mean image' src='data:image/png;base64,{content}'/>"
    return (
        f"<div><b>{html.escape(title)}</b>"
        f"<div style='display:flex;gap:1em;align-items:flex-start'>{image}"
        f"<table style='margin:0'><tbody>{body}</tbody></table></div></div>"
    )
