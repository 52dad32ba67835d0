"""Data sets: what they refuse, and slices of them."""

from __future__ import annotations

import numpy as np
import pytest

from pullback.core.errors import DataError
from pullback.data import Data, Dataset, from_arrays

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
NAMES = ("a", "b", "c")


def spoiled(value: float, row: int) -> np.ndarray:
    x = np.zeros((6, 3, 3))
    x[row:, 1, 2] = value
    return x


BAD = {
    "NaN pixel": ({"x": spoiled(np.nan, 4)}, "x is NaN or infinite in 2 of 6 rows, first in row 4"),
    "infinite pixel": ({"x": spoiled(-np.inf, 5)}, "in 1 of 6 rows, first in row 5"),
    "NaN target": ({"y": np.array([0.0, np.nan] * 3)}, "y is NaN or infinite in 3 of 6 rows"),
    "fewer targets": ({"y": Y[:5]}, "6 examples but 5 targets"),
    "label too large": ({"y": Y + 1, "classes": NAMES}, "label 3 in row 2; expected 0..2"),
    "label below 0": ({"y": Y - 1, "classes": NAMES}, "label -1 in row 0; expected 0..2"),
    "labels that are not whole": ({"y": Y / 2, "classes": NAMES}, "expected class numbers"),
    "labels of two axes": ({"y": Y[:, None], "classes": NAMES}, "expected class numbers"),
    "text": ({"x": np.array(["a"] * 6)}, "x holds <U1 values; expected numbers"),
    "objects": ({"y": np.array([None] * 6)}, "y holds object values; expected numbers"),
    "one number": ({"x": np.array(1.0)}, "expected arrays with the examples on the first axis"),
    "weights of another length": ({"weight": np.ones(5)}, "weights of shape (5,) for 6 examples"),
    "weights of two axes": ({"weight": np.ones((6, 1))}, "weights of shape (6, 1)"),
    "weight below 0": ({"weight": np.array([1, 1, -1, 1, 1, 1])}, "weights below 0"),
    "all weights 0": ({"weight": np.zeros(6)}, "or all 0"),
    "NaN weight": ({"weight": np.array([1, np.nan, 1, 1, 1, 1])}, "weight is NaN or infinite"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case):
    fields, message = BAD[case]
    with pytest.raises(DataError) as caught:
        Dataset(**({"x": X, "y": Y, "name": "mine"} | fields))
    assert str(caught.value).startswith("mine: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64", "bool"])
def test_numbers_of_all_kinds_are_taken(dtype):
    data = Dataset(X.astype(dtype), Y)
    assert data.x.dtype == dtype
    assert len(data) == 6


def test_arrays_are_not_copied():
    data = from_arrays(X, Y)
    assert data.x is X
    assert data.y is Y


WEIGHTED = from_arrays(X, Y, weight=np.arange(1.0, 7.0), name="mine")


def test_a_slice_is_a_view():
    part = WEIGHTED[1:4]
    assert np.shares_memory(part.x, X)
    np.testing.assert_array_equal(part.y, [1, 2, 0])
    np.testing.assert_array_equal(part.weight, [2, 3, 4])
    assert part.classes == WEIGHTED.classes
    assert part.name == "mine"


@pytest.mark.parametrize("rows", [[4, 0], np.array([4, 0]), np.array([True, False] * 3)], ids=str)
def test_positions_and_masks_are_copies(rows):
    part = WEIGHTED[rows]
    assert not np.shares_memory(part.x, X)
    np.testing.assert_array_equal(part.x, X[rows])
    np.testing.assert_array_equal(part.weight, WEIGHTED.weight[rows])


@pytest.mark.parametrize("row", [0, 5, -1, -6, np.int64(2)])
def test_one_row_keeps_the_axis_of_examples(row):
    part = WEIGHTED[row]
    assert part.x.shape == (1, 2)
    np.testing.assert_array_equal(part.x[0], X[row])
    np.testing.assert_array_equal(part.y, [Y[row]])


@pytest.mark.parametrize("row", [6, -7])
def test_a_row_that_is_not_there_is_an_index_error(row):
    with pytest.raises(IndexError, match=f"row {row} of 6"):
        WEIGHTED[row]


def test_a_loop_ends():
    assert [int(part.y[0]) for part, _ in zip(WEIGHTED, range(100), strict=False)] == Y.tolist()


def test_an_empty_part_is_a_data_set():
    assert len(WEIGHTED[:0]) == 0


def test_whole_numbers_become_classes():
    assert from_arrays(X, Y).classes == ("0", "1", "2")
    assert from_arrays(X, Y, classes=NAMES).classes == NAMES
    assert from_arrays(X.tolist(), Y.tolist()).classes == ("0", "1", "2")


@pytest.mark.parametrize("y", [Y / 2, Y.astype(float), Y[:, None], Y > 0], ids=str)
def test_other_targets_have_no_classes(y):
    assert from_arrays(X, y).classes is None


BAD_ARRAYS = {
    "label below 0": (X, Y - 1, "label -1; class numbers begin at 0"),
    "numbers that are hardly classes": (X, Y + 10**12, "give targets that are quantities"),
    "rows of unlike length": ([[1], [1, 2]], [0, 1], "rows that differ in length"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_are_refused(case):
    x, y, message = BAD_ARRAYS[case]
    with pytest.raises(DataError, match=message) as caught:
        from_arrays(x, y, name="mine")
    assert str(caught.value).startswith("mine: ")


def test_what_a_data_set_says_of_itself():
    assert repr(WEIGHTED) == "Dataset(mine: x (6, 2) float64, y (6,), 3 classes)"
    assert Data(WEIGHTED).classes == ("0", "1", "2")
    assert Data(Dataset(X, Y / 2)).classes is None
