"""A figure whose letters are there."""

from __future__ import annotations

import warnings
from typing import Any

from matplotlib.figure import Figure as Plain

from pullback.plots.fonts import fit_fonts


class Figure(Plain):
    """A matplotlib figure that looks for fonts before it is drawn, whoever draws it."""

    def draw(self, renderer: Any) -> None:
        """Draw; letters that no font has become boxes, of which ``fit_fonts`` has told."""
        fit_fonts(self)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            super().draw(renderer)
