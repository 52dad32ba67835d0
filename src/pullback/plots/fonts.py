"""Fonts for letters that the usual one lacks, such as Chinese ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "PingFang HK",
    "Heiti TC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "SimSun",
    "Noto Sans CJK JP",  # how matplotlib calls the file with all of Noto Sans CJK
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
"""Fonts with Chinese letters that systems bring along, the better suited first."""
TEXT = {
    "missing": "no font here has the letters {letters} of a picture, which shows boxes instead; "
    "install one such as Noto Sans CJK (Debian, Ubuntu: apt install fonts-noto-cjk), WenQuanYi "
    "Micro Hei or SimHei, and run this again",
}
SHOWN = 10
"""Missing letters in the message."""


def fit_fonts(artist: Any) -> None:
    """Give each text of a figure or axes, beside its own fonts, those with letters they lack.

    The fonts of a text come first, so that only what they lack looks different. Letters that none
    of ``FAMILIES`` has are told to the log ``pullback``, once.
    """
    for text in artist.findobj(Text):
        if text.get_text().isascii():  # which every font has
            continue
        own = text.get_fontfamily()
        lacking = _lacking({one for one in text.get_text() if one.isprintable()}, own)
        if lacking:
            found = _with(frozenset(lacking))
            if found:
                text.set_fontfamily([*own, *found])


def _lacking(letters: set[str], families: Iterable[str]) -> set[str]:
    # as properties: a name alone would be read as a pattern, in which a hyphen ends the name
    wanted = (font_manager.FontProperties(family=[family]) for family in families)
    return letters.difference(*(_letters(font_manager.findfont(one)) for one in wanted))


@cache
def _letters(path: str) -> frozenset[str]:
    return frozenset(map(chr, FT2Font(path).get_charmap()))


@cache
def _with(lacking: frozenset[str]) -> tuple[str, ...]:
    """Return families that together have as many of the letters as can be."""
    found, left = _search(lacking)
    if left and _add_new_fonts():
        found, left = _search(lacking)
    if left:
        _tell(left)
    return found


def _search(lacking: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    installed = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    found, left = [], lacking
    for family in FAMILIES:
        if left and family in installed and left & _letters(installed[family]):
            found.append(family)
            left -= _letters(installed[family])
    return tuple(found), left


def _add_new_fonts() -> bool:
    """Look for fonts installed since matplotlib last did; tell whether there are any."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    fresh = set(font_manager.findSystemFonts()) - known
    for path in sorted(fresh):
        # what cannot be read as a font raises one of many errors, and is none
        with suppress(Exception):
            font_manager.fontManager.addfont(path)
    return bool(fresh)


def _tell(letters: frozenset[str]) -> None:
    some = "".join(sorted(letters)[:SHOWN])
    logging.getLogger("pullback").warning(TEXT["missing"].format(letters=some))
