"""What a notebook shows: pages in need of nothing else, in which names are text."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from runs import fit_tiny

import pullback as pb
from pullback.data.dataset import Dataset
from pullback.train.verdicts import NUMBERED, Verdicts

EVIL = "<script>alert('a & b')</script>"
VOID = ("img",)


class Page(HTMLParser):
    """The tags, the texts of the cells, and the pictures of a page; it must be well formed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.cells, self.pictures = [], set(), [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        for name, value in attributes:
            assert name in ("src", "alt")
            if name == "src":
                head, content = value.split(",")
                assert head == "data:image/png;base64"
                picture = Image.open(io.BytesIO(base64.b64decode(content))).convert("L")
                self.pictures.append(picture)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def run():
    return fit_tiny()


def verdicts(names):
    count = len(names)
    y = np.arange(3 * count) % count
    given = np.where(np.arange(len(y)) < 2, (y + 1) % count, y)
    return Verdicts(
        Dataset(np.zeros((len(y), 2), np.uint8), y, None, names), given, np.ones(len(y))
    )


def test_a_history_is_its_last_figures_and_its_curves(run):
    text = repr(run.history)
    assert text.startswith("History of 4 epochs")
    assert f"val_accuracy {run.history['val_accuracy'][-1]:.4f}" in text
    page = run.history._repr_html_()
    (picture,) = Page(page).pictures
    assert picture.getextrema() == (0, 255)
    assert len(page) < 60_000
    assert repr(pb.History()) == "History of no epoch"
    assert not Page(pb.History()._repr_html_()).pictures


def test_a_model_is_one_line_and_the_table_of_its_maps(run):
    count = run.model.theta.flat.size
    assert repr(run.model) == (
        f"Model(Chain, {count:,} parameters of float32, examples of shape (8, 8), 10 classes)"
    )
    cells = Page(run.model._repr_html_()).cells
    assert ["Linear", "(N, 24)", f"{64 * 24 + 24:,}"] == cells[13:16]


def test_a_confusion_matrix_is_a_table_of_counts_and_its_names_are_text():
    found = verdicts((EVIL, "b", "c"))
    page = Page(found._repr_html_())
    assert page.tags == {"p", "table", "tr", "th", "td"}
    assert page.cells[1:4] == [EVIL, "b", "c"]
    assert page.cells[4:] == [EVIL, "2", "1", "0", "b", "0", "2", "1", "c", "0", "0", "3"]
    assert repr(found) == "Verdicts: 7 of 9 right, 3 classes"


def test_the_confusion_matrix_of_many_classes_is_a_picture():
    found = verdicts(tuple(f"{EVIL} {i}" for i in range(NUMBERED + 1)))
    page = Page(found._repr_html_())
    assert len(page.pictures) == 1
    assert page.tags == {"p", "img"}


def test_a_comparison_is_its_table_with_the_curves_and_names_are_text(tmp_path):
    evil = tmp_path / "<b>&amp;"
    fit_tiny(evil, epochs=2)
    fit_tiny(tmp_path / "other", epochs=2, seed=4)
    found = pb.compare([tmp_path])
    page = Page(found._repr_html_())
    assert page.tags == {"table", "tr", "th", "td", "img"}
    assert str(evil) in page.cells
    assert "seed" in page.cells
    assert len(page.pictures) == 1
    assert re.search(r"^run +seed +val_loss", str(found))
