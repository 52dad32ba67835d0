"""The forms of a walk: text, page and data have the numbers of its tensors."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from walks import LOSS, walked_digit

import pullback as pb
from pullback.train.walk import Section, Sum, Values, largest


@pytest.fixture(scope="module")
def on_a_digit(data_dir):
    return walked_digit(data_dir)


def printed(line):
    """The numbers of a line, without those in brackets, which are places and shapes."""
    bare = re.sub(r"\[[\d,]*\]|\(\d+,[\d, ]*\)|\(\)", " ", line)
    return [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)", bare)]


def numbers_of_tensor(v):
    if v.array.size <= 24:
        return v.array.reshape(-1)
    largest = np.sort(np.abs(v.array).reshape(-1))[: -len(v.places) - 1 : -1]
    entries = [v.array[place] for place in v.places]
    if not v.name.startswith(("θ", "step")):  # those are shown where the gradient is largest
        np.testing.assert_array_equal(np.abs(entries), largest)
    return [v.array.min(), v.array.max(), np.linalg.norm(v.array), *entries]


def numbers_of_sum(entry):
    factors = [number for term in entry.terms for *_, number in term]
    return [*(factors if len(factors) > 1 else []), entry.total]


def test_every_printed_number_is_that_of_its_tensor(on_a_digit):
    walk = on_a_digit[0]
    lines = [x for x in str(walk).splitlines() if x.startswith("  ") and x[2] != " "]
    expected = [
        numbers
        for section in walk.sections
        for numbers in (
            *map(numbers_of_tensor, section.values),
            *map(numbers_of_sum, section.sums),
        )
    ]
    for line, numbers in zip(lines, expected, strict=True):
        assert printed(line) == [float(f"{float(n):.6g}") for n in numbers], line


def test_a_long_sum_is_cut():
    x = np.arange(1.0, 8.0)[:, None]
    p, _ = pb.init(pb.Linear(1), x, dtype="float64")
    p["W"][:] = -7.0
    lines = str(pb.walk(pb.Linear(1), LOSS, p, x, np.zeros((7, 1)))).splitlines()
    # the mean over seven examples: delta = y / 7 = -x
    assert lines[-2] == (
        "  gW[0,0] = delta[0,0] x[0,0] + delta[1,0] x[1,0] + delta[2,0] x[2,0] + delta[3,0] x[3,0]"
        " + delta[4,0] x[4,0] + delta[5,0] x[5,0] + … (7 terms)"
        " = (-1) × 1 + (-2) × 2 + (-3) × 3 + (-4) × 4 + (-5) × 5 + (-6) × 6 + … = -140"
    )


@pytest.mark.parametrize(
    "numbers", [np.arange(30, dtype=np.uint8), -np.arange(30.0)], ids=["unsigned", "negative"]
)
def test_the_largest_entries_are_those_of_largest_size(numbers):
    assert largest(numbers) == ((29,), (28,), (27,))


def test_what_is_not_finite_is_among_the_largest():
    numbers = np.ones(30)
    numbers[[4, 7]] = np.nan, -np.inf
    assert set(largest(numbers)) > {(4,), (7,)}


def test_data_have_every_number_in_full(on_a_digit):
    walk = on_a_digit[0]
    sections = walk.to_dict()["sections"]
    assert len(sections) == len(walk.sections)
    for section, data in zip(walk.sections, sections, strict=True):
        for v, d in zip(section.values, data["values"], strict=True):
            assert d["shape"] == list(v.array.shape)
            if "numbers" in d:
                np.testing.assert_array_equal(np.array(d["numbers"], v.array.dtype), v.array)
            else:
                assert (d["min"], d["max"]) == (v.array.min(), v.array.max())
                assert (d["mean"], d["norm"]) == (v.array.mean(), np.linalg.norm(v.array))
                for place, number in d["entries"]:
                    assert number == v.array[tuple(place)]


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.seen.append((tag, dict(attributes)))

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_needs_nothing_else(on_a_digit):
    walk = on_a_digit[0]
    page = Page()
    page.feed(walk.html())
    assert not page.open
    assert not any({"src", "href"} & set(attributes) for _, attributes in page.seen)
    assert "url(" not in walk.html()
    assert "import" not in walk.html()
    text = bare(page.text)
    for line in str(walk).splitlines():
        assert bare(line) in text


def bare(text):
    """The text without spaces, and without the signs between what are cells of a table."""
    return re.sub(r"[\s=:]", "", text)


def test_whatever_is_said_is_escaped():
    entry = Sum("g<b>", (0,), 1.0, ((("<i>", (0,), 1.0),),), 1)
    section = Section(
        "backward", "a<b>", "<u>", ("y <s> x",), (Values.of("<q>", [1.0]),), (entry,)
    )  # fmt: skip
    walk = pb.Walk((section,), ("taken <em>here</em>",))
    assert str(walk).startswith("taken <em>here</em>\n\n3 backward: a<b> (<u>)\n")
    assert walk.to_dict()["remarks"] == ["taken <em>here</em>"]
    page = Page()
    page.feed(walk.html())
    assert {"b", "i", "u", "s", "q", "em"}.isdisjoint(tag for tag, _ in page.seen)
    for said in (*walk.remarks, "a<b> (<u>)", "y <s> x", "<q>", "g<b>[0]", "<i>[0]"):
        assert said in page.text
