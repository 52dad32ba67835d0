"""Pictures, in one place: every function draws plain numbers into ``ax``, or into new axes.

They take their words from whoever calls them, and matplotlib is loaded when the first is drawn.
"""

from pullback.plots.base import new_axes, new_panels, picture, save

__all__ = ["new_axes", "new_panels", "picture", "save"]
