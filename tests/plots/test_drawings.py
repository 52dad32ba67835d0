"""Each drawing shows the numbers it is given, in new axes or in given ones."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from pullback import plots

MATRIX = np.array([[3, 1, 0], [0, 5, 0], [0, 0, 0]])
CALLS = {
    "lines": lambda ax: plots.lines({"a": ([1, 2], [0.5, 0.25])}, ax, xlabel="epoch"),
    "confusion": lambda ax: plots.confusion(MATRIX, ("a", "b", "c"), ax),
    "image": lambda ax: plots.image(np.eye(3), ax, title="eye"),
    "boxes": lambda ax: plots.boxes([((0.0, 0.0, 2.0, 1.0), "7", "C1")], ax),
    "points": lambda ax: plots.points([0.1, 1.0], [2.0, 3.0], ax),
    "learning_rates": lambda ax: plots.learning_rates(
        [0.1, 1.0], {"each": [2.0, 1.0], "smooth": [2.0, 1.5]}, {}, [(0.5, "--", "limit")], ax
    ),
}


@pytest.mark.parametrize("draw", CALLS.values(), ids=CALLS)
def test_axes_are_given_back_and_given_ones_are_drawn_into(draw):
    own = Figure().add_subplot()
    assert draw(own) is own
    assert own.has_data() or own.texts
    fresh = draw(None)
    assert fresh.figure is not own.figure
    assert plots.picture(fresh).startswith(b"\x89PNG")


def test_lines_are_the_values_with_names_and_whole_epochs():
    ax = plots.lines({"a $1": ([1, 2, 3], [3.0, 2.0, 1.0])}, xlabel="epoch", ylabel="loss")
    (line,) = ax.get_lines()
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([1, 2, 3], [3.0, 2.0, 1.0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [r"a \$1"]
    assert all(tick == round(tick) for tick in ax.get_xticks())


def test_many_lines_differ_in_colour_or_stroke():
    ax = plots.lines({str(i): ([1, 2], [i, i]) for i in range(20)})
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}
    assert len(looks) == 20


def test_a_confusion_matrix_is_shaded_by_the_share_of_the_class():
    ax = plots.confusion(MATRIX, ("a", "b$", "c"), xlabel="seen as", ylabel="class")
    (image,) = ax.get_images()
    np.testing.assert_allclose(image.get_array(), [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 0]])
    assert [text.get_text() for text in ax.texts] == ["3", "1", "5"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", r"b\$", "c"]


def test_points_are_coloured_by_group_and_names_stand_in_order():
    ax = plots.points([1e-3, 1e-1, 1e-2], [1.0, 2.0, 3.0], groups=["a", "b", "a"])
    assert ax.get_xscale() == "log"
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.get_lines()}
    assert drawn == {"a": [1.0, 3.0], "b": [2.0]}
    names = plots.points(["sgd", "adam", "sgd"], [1.0, 2.0, 3.0])
    assert [tick.get_text() for tick in names.get_xticklabels()] == ["sgd", "adam"]


def test_the_words_are_the_callers_in_any_language():
    ax = plots.lines({"训练": ([1], [1.0])}, xlabel="轮次", ylabel="损失", title="学习曲线")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("轮次", "损失", "学习曲线")


def test_colours_are_told_apart_by_the_colour_blind():
    """Distances after Viénot's (1999) simulation of red- and of green-blindness."""
    from matplotlib.colors import to_rgb

    rgb = np.array([to_rgb(colour) for colour in plots.COLOURS]) ** 2.2
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714],
                       [0.0299566, 0.184309, 1.46709]])  # fmt: skip
    red_blind = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
    green_blind = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    for blind in (red_blind, green_blind):
        seen = np.linalg.inv(to_lms) @ blind @ to_lms @ rgb.T
        shown = np.clip(seen, 0, 1).T ** (1 / 2.2)
        apart = np.linalg.norm(shown[:, None] - shown[None], axis=-1)
        assert apart[~np.eye(len(apart), dtype=bool)].min() > 0.1
