"""Pieces of pages: what notebooks show of histories, models and tables, in need of nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; whatever stands in a cell is text."""
    names = "".join(f"<th>{escape(str(name))}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>\n" for row in rows
    )
    return f"<table><tr>{names}</tr>\n{body}</table>"


def paragraph(text: str) -> str:
    """Return a line of text."""
    return f"<p>{escape(text)}</p>"


def png(content: bytes, alt: str) -> str:
    """Return a picture, given the bytes of a PNG file and what is said where it cannot be seen."""
    data = b64encode(content).decode()
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
