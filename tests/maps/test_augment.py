"""Maps that vary images: what they draw, what becomes of known images, and images of bytes."""

import numpy as np
import pytest

from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Spec
from pullback.maps import (
    Chain,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomShift,
)
from pullback.maps.affine import NUMBERS

CTX = Context(train=True, seed=5, step=7, path="augment")
MANY = 20000
MAPS = {
    "shift": RandomShift(2),
    "crop": RandomCrop(6, padding=1),
    "flip": RandomFlip(0.5, 0.5),
    "affine": RandomAffine(30, 0.3),
    "erasing": RandomErasing(0.8),
    "erasing by the mean": RandomErasing(0.8, fill="mean"),
}
every_map = pytest.mark.parametrize("net", MAPS.values(), ids=MAPS)


def outputs(net, x, ctx=CTX):
    return net.forward({}, x, ctx)[0]


def near(share, probability, count=MANY):
    """Within five standard errors."""
    error = np.sqrt(probability * (1 - probability) / count)
    return np.all(np.abs(share - probability) <= 5 * error)


def uniform(values, low, high):
    """Whether values in [0, 1] after scaling are equally likely in each of ten cells."""
    cells = np.histogram(values, bins=10, range=(low, high))[0]
    assert cells.sum() == len(values)  # none outside
    return near(cells / len(values), 0.1, len(values))


# -- what is drawn


def test_flips_have_their_probabilities_and_do_not_depend_on_each_other():
    drawn = RandomFlip(0.3, 0.6).drawn((MANY, 4, 4), CTX)
    rows, columns = drawn.T
    assert near(columns.mean(), 0.3)
    assert near(rows.mean(), 0.6)
    assert near((rows & columns).mean(), 0.18)
    assert near((columns[1:] & columns[:-1]).mean(), 0.09)  # nor does an example on the one before


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0), (1.0, 1)])
def test_a_probability_of_0_or_1_is_certain(probability, expected):
    assert np.all(RandomFlip(probability, probability).drawn((500, 4, 4), CTX) == expected)
    erased = RandomErasing(probability).drawn((500, 4, 4), CTX)
    assert np.all((erased[:, 2] > 0) == expected)


def test_every_place_of_a_crop_is_equally_likely():
    x = np.arange(1.0, 13).reshape(1, 3, 4).repeat(MANY, axis=0)
    corner = outputs(RandomCrop((2, 2)), x)[:, 0, 0]
    places, counts = np.unique(corner, return_counts=True)
    np.testing.assert_array_equal(places, [1, 2, 3, 5, 6, 7])
    assert near(counts / MANY, 1 / 6)


def test_a_padded_crop_of_the_same_size_is_a_shift():
    x = np.zeros((MANY, 5, 5))
    x[:, 2, 2] = 1
    share = outputs(RandomCrop(5, padding=1), x).mean(axis=0)
    assert np.all(share[[0, -1]] == 0)
    assert near(share[1:4, 1:4], 1 / 9)


def test_angles_and_factors_are_uniform_and_independent():
    matrices = RandomAffine(25, 0.2).drawn((MANY, 8, 8), CTX)
    angle = np.degrees(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0]))
    factor = 1 / np.sqrt(np.linalg.det(matrices))
    assert uniform(angle, -25, 25)
    assert uniform(factor, 0.8, 1.2)
    assert abs(np.corrcoef(angle, factor)[0, 1]) < 5 / np.sqrt(MANY)
    assert abs(np.corrcoef(angle[1:], angle[:-1])[0, 1]) < 5 / np.sqrt(MANY)


def test_rectangles_have_the_area_the_ratio_and_the_place_asked_for():
    size = 200  # large, so that rounding to whole pixels does not matter
    net = RandomErasing(0.4, area=(0.1, 0.3), ratio=0.5)
    top, left, height, width = net.drawn((MANY, size, size), CTX).T
    erased = height > 0
    assert near(erased.mean(), 0.4)
    top, left, height, width = (a[erased] for a in (top, left, height, width))
    assert uniform(np.clip(height * width / size**2, 0.1, 0.3), 0.1, 0.3)
    ratio = np.log2(height / width)
    assert uniform(np.clip(ratio, -1, 1), -1, 1)
    assert near((ratio > 0).mean(), 0.5, erased.sum())
    assert top.min() >= 0
    assert left.min() >= 0
    assert (top + height).max() == (left + width).max() == size
    assert uniform((top + 0.5) / (size - height + 1), 0, 1)
    assert uniform((left + 0.5) / (size - width + 1), 0, 1)


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (1, 9), (7, 7)])
def test_rectangles_fit_into_narrow_images(shape):
    net = RandomErasing(1.0, area=(0.5, 1.0), ratio=1.0)
    top, left, height, width = net.drawn((500, *shape), CTX).T
    assert np.all((height >= 1) & (width >= 1))
    assert np.all((top >= 0) & (top + height <= shape[0]))
    assert np.all((left >= 0) & (left + width <= shape[1]))
    assert np.mean(height * width) == pytest.approx(0.75 * np.prod(shape), rel=0.1)


@every_map
@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pieces_of_a_batch_draw_what_it_draws_whole(net, size, dtype, rng):
    x = (255 * rng.random((20, 6, 7, 3))).astype(dtype)
    pieces = [
        outputs(net, x[first : first + size], CTX._replace(first=first))
        for first in range(0, len(x), size)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), outputs(net, x))


# -- what becomes of images


def test_flips_of_a_known_image():
    x = np.array([[[1, 2], [3, 4]]])
    assert outputs(RandomFlip(1.0), x).tolist() == [[[2, 1], [4, 3]]]
    assert outputs(RandomFlip(0.0, 1.0), x).tolist() == [[[3, 4], [1, 2]]]
    assert outputs(RandomFlip(1.0, 1.0), x).tolist() == [[[4, 3], [2, 1]]]


def test_outside_training_the_middle_is_cut_out():
    x = np.arange(20.0).reshape(1, 4, 5)
    still = CTX._replace(train=False)
    assert outputs(RandomCrop((2, 3)), x, still).tolist() == [[[6, 7, 8], [11, 12, 13]]]
    np.testing.assert_array_equal(outputs(RandomCrop((4, 5), padding=3), x, still), x)
    assert outputs(RandomCrop((6, 5), padding=1), x, still)[0, 0].tolist() == [0.0] * 5


def turned(net, x, angle, factor=1.0):
    """``x`` by a given angle and factor instead of drawn ones."""
    cos, sin = np.cos(np.radians(angle)) / factor, np.sin(np.radians(angle)) / factor
    return net.pushforward({}, np.array([[[cos, sin], [-sin, cos]]] * len(x)), {}, x)


def test_a_quarter_turn_is_exact_and_counter_clockwise(rng):
    x = rng.standard_normal((4, 5, 5, 2))
    for quarters in (1, 2, 3):
        right = np.rot90(x, quarters, axes=(1, 2))
        np.testing.assert_allclose(turned(RandomAffine(90), x, 90 * quarters), right, atol=1e-14)


def test_a_turn_is_that_of_the_places(rng):
    """A linear image stays one: bilinear sampling is exact on it, away from the edge."""
    down, right = np.mgrid[-10.0:11, -10:11]
    image = (0.3 * down - 0.7 * right)[None]
    angle, factor = 17.0, 1.25
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    there = 0.3 * (cos * down + sin * right) - 0.7 * (cos * right - sin * down)
    inside = np.s_[0, 4:-4, 4:-4]
    found = turned(RandomAffine(20), image, angle, factor)
    np.testing.assert_allclose(found[inside], (there / factor)[None][inside], atol=1e-13)


def test_what_lies_outside_is_zero():
    x = np.full((1, 9, 9), 3.0)
    smaller = turned(RandomAffine(0, 0.5), x, 0, 0.5)
    assert not smaller[0, :2].any()
    assert np.all(smaller[0, 3:6, 3:6] == 3)
    assert smaller[0, 4].tolist() == [0, 0, 3, 3, 3, 3, 3, 0, 0]
    corners = turned(RandomAffine(45), x, 45)[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()


def test_no_change_is_none(rng):
    x = rng.standard_normal((3, 4, 6, 2))
    np.testing.assert_array_equal(turned(RandomAffine(10), x, 0.0), x)


def test_many_images_are_turned_as_few_are(rng):
    x = rng.standard_normal((5 * NUMBERS // (28 * 28), 28, 28))
    y, res = RandomAffine(20, 0.1).forward({}, x, CTX)
    assert y.shape == x.shape
    for n in (0, len(x) // 2, len(x) - 1):
        alone = RandomAffine(20, 0.1).pushforward({}, res[n : n + 1], {}, x[n : n + 1])
        np.testing.assert_array_equal(y[n : n + 1], alone)


def test_rectangles_are_filled_with_a_number_or_the_mean():
    x = np.arange(32.0).reshape(1, 4, 4, 2)
    box = np.array([[1, 0, 2, 3]])
    inside = np.zeros((4, 4), bool)
    inside[1:3, 0:3] = True
    for fill, right in ((0.0, (0, 0)), (-7.0, (-7, -7)), ("mean", (15, 16))):
        y = RandomErasing(1.0, fill=fill).varied(box, x)
        np.testing.assert_array_equal(y[0][inside], [right] * 6)
        np.testing.assert_array_equal(y[0][~inside], x[0][~inside])


def test_a_rectangle_hides_what_was_there():
    x = np.full((50, 6, 6), np.nan)
    y = outputs(RandomErasing(1.0, area=(1.0, 1.0)), x)
    assert not y.any()


@every_map
def test_all_channels_are_varied_alike(net, rng):
    x = rng.standard_normal((20, 6, 7, 2))
    y = outputs(net, x)
    for channel in range(2):
        np.testing.assert_allclose(y[..., channel], outputs(net, x[..., channel]), rtol=1e-13)


# -- images of bytes, as the trainer gives them


@every_map
@pytest.mark.parametrize("shape", [(12, 8, 7), (12, 8, 7, 3)])
def test_bytes_stay_bytes_to_the_nearest(net, shape, rng):
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    kept = x.copy()
    y = outputs(net, x)
    assert y.dtype == np.uint8
    exact = outputs(net, x.astype(np.float64))
    assert np.abs(y - exact).max() <= 0.5 + 1e-4
    assert np.abs(y - np.rint(exact)).mean() < 0.01  # ties, in float32
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("level", [0, 1, 254, 255])
def test_a_level_is_kept_at_both_ends(level):
    x = np.full((40, 15, 15), level, np.uint8)
    y = outputs(RandomAffine(45, 0.2), x)
    assert np.all(y[:, 5:10, 5:10] == level)
    assert y.max() <= level


# -- what is refused


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandomFlip(1.5), "horizontal=1.5"),
        (lambda: RandomFlip(vertical=-0.1), "vertical=-0.1"),
        (lambda: RandomFlip("yes"), "horizontal='yes'"),
        (lambda: RandomCrop(0), "size=0"),
        (lambda: RandomCrop(3, padding=-1), "padding=-1"),
        (lambda: RandomCrop(3, padding=1.5), "padding=1.5"),
        (lambda: RandomAffine(), "degrees, scale or both"),
        (lambda: RandomAffine(181), "degrees=181"),
        (lambda: RandomAffine(float("nan")), "degrees=nan"),
        (lambda: RandomAffine(0, 1.0), "scale=1.0"),
        (lambda: RandomErasing(2), "probability=2"),
        (lambda: RandomErasing(area=(0.4, 0.2)), "area=(0.4, 0.2)"),
        (lambda: RandomErasing(area=(0.0, 0.2)), "area=(0.0, 0.2)"),
        (lambda: RandomErasing(area=0.2), "area=0.2"),
        (lambda: RandomErasing(ratio=0), "ratio=0"),
        (lambda: RandomErasing(fill="noise"), "fill='noise'"),
        (lambda: RandomErasing(fill=float("inf")), "fill=inf"),
    ],
)
def test_values_that_cannot_be_used(make, said):
    with pytest.raises(ConfigError) as caught:
        make()
    assert said in str(caught.value)


@every_map
@pytest.mark.parametrize("shape", [(9,), (2, 3, 4, 5), (0, 5), ()])
def test_what_is_no_image(net, shape):
    with pytest.raises(ShapeError, match="needs images"):
        net.spec(Spec(shape))


def test_a_crop_larger_than_the_image():
    with pytest.raises(ShapeError, match=r"padding 1 needs larger images, found \(4, 9\)"):
        RandomCrop(7, padding=1).spec(Spec((4, 9)))


@pytest.mark.parametrize("fill", [-1.0, 256.0, 0.5])
def test_a_filling_that_is_no_byte(fill):
    with pytest.raises(ConfigError, match="images of bytes"):
        RandomErasing(fill=fill).spec(Spec((4, 4), "uint8"))


def test_variations_make_a_chain():
    net = Chain(RandomShift(1), RandomFlip(), RandomErasing())
    x = np.arange(2 * 36, dtype=np.uint8).reshape(2, 6, 6)
    assert outputs(net, x).dtype == np.uint8
