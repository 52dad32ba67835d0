"""Pictures, in one place: every function draws plain numbers into ``ax``, or into new axes.

They take their words from whoever calls them, and matplotlib is loaded when the first is drawn.
"""

from pullback.plots.base import COLOURS, fit_fonts, new_axes, new_panels, picture, plain, save
from pullback.plots.confusion import confusion
from pullback.plots.lines import lines
from pullback.plots.pictures import boxes, image
from pullback.plots.points import points
from pullback.plots.rates import learning_rates

__all__ = [
    "COLOURS",
    "boxes",
    "confusion",
    "fit_fonts",
    "image",
    "learning_rates",
    "lines",
    "new_axes",
    "new_panels",
    "picture",
    "plain",
    "points",
    "save",
]
