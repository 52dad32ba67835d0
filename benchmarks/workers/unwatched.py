"""Pullback's loop of ``fit`` with nothing watched, beside which watching is timed."""

from __future__ import annotations

from functools import partial

from ours import versions, watching
from protocol import serve

if __name__ == "__main__":
    serve({"watching": partial(watching, watch=())}, versions())
