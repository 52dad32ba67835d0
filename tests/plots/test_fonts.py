"""Chinese letters in pictures: drawn by a font that has them, or missed in one plain line."""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image

from pullback import plots
from pullback.plots import base, fonts

TITLE = "混淆矩阵"
FAMILY = "Noto Sans CJK SC"


def a_font(path: Path, letters: str, family: str) -> Path:
    """A font file in which each of the letters is a black square."""
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    square = TTGlyphPen(None)
    square.moveTo((0, 0))
    for corner in ((0, 900), (900, 900), (900, 0)):
        square.lineTo(corner)
    square.closePath()
    build = FontBuilder(1000, isTTF=True)
    build.setupGlyphOrder(names)
    build.setupCharacterMap({ord(a): name for a, name in zip(letters, names[1:], strict=True)})
    build.setupGlyf({names[0]: TTGlyphPen(None).glyph()} | dict.fromkeys(names[1:], square.glyph()))
    build.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    build.setupHorizontalHeader(ascent=900, descent=-100)
    build.setupNameTable({"familyName": family, "styleName": "Regular"})
    build.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    build.setupPost()
    build.save(path)
    return path


@pytest.fixture(autouse=True)
def _no_chinese_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    own = [one for one in font_manager.fontManager.ttflist if one.name not in fonts.FAMILIES]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *a, **k: [])
    fonts._with.cache_clear()
    font_manager.fontManager._findfont_cached.cache_clear()
    yield
    fonts._with.cache_clear()
    font_manager.fontManager._findfont_cached.cache_clear()


def picture_of(title: str) -> np.ndarray:
    """The pixels of a figure with nothing but a title."""
    ax = base.new_axes(figsize=(3, 1))
    ax.set_axis_off()
    ax.set_title(title)
    return np.asarray(Image.open(io.BytesIO(base.picture(ax))).convert("RGB")) / 255


def test_letters_the_font_lacks_are_drawn_by_one_that_has_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    font_manager.fontManager.addfont(a_font(tmp_path / "cjk.ttf", TITLE, FAMILY))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ink = 1 - picture_of(TITLE).mean(axis=2)
    assert not [str(one.message) for one in caught]
    assert not caplog.records
    # four black squares of the height of a letter, and not the outlines of four boxes
    rows, columns = np.flatnonzero(ink.max(axis=1)), np.flatnonzero(ink.max(axis=0))
    inside = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert inside.mean() > 0.8
    assert 3.5 < inside.shape[1] / inside.shape[0] < 5.0


def test_latin_letters_keep_their_font(tmp_path: Path) -> None:
    before = picture_of("loss 0.5")
    font_manager.fontManager.addfont(a_font(tmp_path / "cjk.ttf", TITLE + "los", FAMILY))
    np.testing.assert_array_equal(picture_of("loss 0.5"), before)


def test_a_font_installed_since_matplotlib_looked_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_font(tmp_path / "late.ttf", TITLE, "SimHei")
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    found = [str(broken), str(path)]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *a, **k: found)
    picture_of(TITLE)
    assert not caplog.records


def test_without_such_a_font_one_line_says_what_to_install(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.WARNING):
        warnings.simplefilter("always")
        picture_of(TITLE)
        picture_of(TITLE)
    assert not [str(one.message) for one in caught]
    (record,) = caplog.records
    message = record.getMessage()
    assert "Noto Sans CJK" in message
    assert set(TITLE) <= set(message)
    assert "\n" not in message


def test_a_figure_of_ones_own_gets_fonts_when_asked(tmp_path: Path) -> None:
    font_manager.fontManager.addfont(a_font(tmp_path / "cjk.ttf", TITLE, FAMILY))
    own = Figure().add_subplot()
    assert base.new_axes(own) is own
    own.set_title(TITLE)
    with pytest.warns(UserWarning, match="missing from font"):
        own.figure.savefig(io.BytesIO())
    base.fit_fonts(own)
    own.figure.savefig(io.BytesIO())  # a warning is an error here
    assert own.title.get_fontfamily()[-1] == FAMILY


def chinese_fonts() -> list[str]:
    """Real fonts: those of this computer, or of the package mplfonts, which need not be loaded."""
    here = [one.fname for one in font_manager.fontManager.ttflist if one.name in fonts.FAMILIES]
    package = importlib.util.find_spec("mplfonts")
    if not here and package is not None:
        folder = Path(str(package.origin)).parent / "fonts"
        here = [str(path) for path in sorted(folder.glob("*Sans*SC-Regular.otf"))]
        here += [str(path) for path in sorted(folder.glob("NotoSansCJKsc*"))]
    return here


REAL = chinese_fonts()


@pytest.mark.skipif(not REAL, reason="no Chinese font here: pip install mplfonts")
def test_a_chinese_font_has_every_letter_of_titles_and_classes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for path in REAL:
        font_manager.fontManager.addfont(path)
    names = ("猫", "狗", "鸟类", "汽车 $5")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ax = plots.confusion(np.eye(4, dtype=int), names, xlabel="预测类别", ylabel="真实类别")
        ax.set_title("混淆矩阵:训练、验证准确率")
        plots.picture(ax)
        ink = 1 - picture_of("训练损失").mean(axis=2)
    assert not [str(one.message) for one in caught]
    assert not caplog.records
    # strokes, and not the outlines of boxes, whose inside is empty
    columns = np.flatnonzero(ink.max(axis=0))
    rows = np.flatnonzero(ink.max(axis=1))
    inside = ink[rows[0] + 4 : rows[-1] - 3, columns[0] : columns[-1]]
    assert inside.mean() > 0.15


def test_no_figure_is_kept_and_no_setting_changed() -> None:
    import matplotlib
    from matplotlib import _pylab_helpers

    before = dict(matplotlib.rcParams)
    picture_of("loss")
    assert dict(matplotlib.rcParams) == before
    assert not _pylab_helpers.Gcf.figs
