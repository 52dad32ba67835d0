"""Identity: whether two pictures show the same, for classes that were not there in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.core.compose import Chain
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.core.random import generator
from pullback.core.spec import Spec
from pullback.data.dataset import Data, Dataset
from pullback.engine import Inference
from pullback.losses import Contrastive
from pullback.maps import (
    Channels,
    Conv2d,
    Each,
    Flatten,
    Linear,
    MaxPool2d,
    RandomAffine,
    ReLU,
    UnitNorm,
)
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.plots import image, new_panels
from pullback.recipes.common import AT_ONCE, Result, write_figures, write_picture
from pullback.train.curves import area_under_roc
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.model import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HELD = 3
"""The last so many classes are held back for the measurement."""
EPOCHS, GROUPS = 8, 6000
BATCH_SIZE, LR = 8, 0.002
CLASSES, EACH = 7, 2
"""Classes of a group, at most, and pictures of each."""
WAYS = 8
"""Quarter turns of a picture, and of its mirror image."""
PARTS = 4
"""Upper parts, and lower parts, that the composed classes of a group are made of."""
SLANT = 0.5
"""The largest shear of a picture, in columns a row."""
CENTRE = 1000
"""Pictures of the held classes whose mean vector is the centre that directions are taken from."""
TRIALS = 10_000
"""Rounds of choosing among pictures of which one is of the same class."""
TEXT = {"asked": "asked", "worst": "worst"}


def identity(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    groups: int = GROUPS,
    held: int = HELD,
    synthetic: bool = True,
    width: int = 32,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train an embedding on some classes and measure it on pictures of the others.

    Args:
        data: pictures of one size with classes; where there is no test part, every second picture
            of the held classes is measured.
        out: the run's folder; ``figures.json`` and ``predictions.png`` are added to its files.
        epochs: how often to go through the groups.
        seed: decides the groups, the start and the order.
        groups: how many groups of pictures to train on.
        held: how many classes, the last ones, are held back.
        synthetic: whether to train on classes made of the known ones, each turned and mirrored in
            its own way and composed of two halves, and to compare pictures in all eight ways.
        width: channels of the first convolution.
        callbacks: called with the events of training.

    Raises:
        ConfigError: fewer than two classes on one of both sides.
    """
    known, shown = by_class(data.train, held)
    others = by_class(data.test, held)[1] if data.test is not None else shown[1::2]
    run = fit(
        embedding(width),
        make_groups(known, groups, seed, synthetic),
        loss=Contrastive(),
        optimizer=AdamW(OneCycle(LR)),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, groups),
        seed=seed,
        augment=Each(RandomAffine(degrees=20.0, scale=0.15)),
        metrics=(),
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    ways = range(WAYS if synthetic else 1)
    plain = [embed(run.model, turned(others.x, way)) for way in ways]
    # the mean of pictures of the new classes, of which none is measured and no class is looked at
    apart = shown.x[:: 2 if data.test is None else 1][:CENTRE]
    centres = [embed(run.model, turned(apart, way)).mean(axis=0) for way in ways]
    vectors = joined([v - centre for v, centre in zip(plain, centres, strict=True)])
    figures = measure(vectors, others.y, seed)
    figures |= {f"plain_{key}": v for key, v in measure(joined(plain), others.y, seed).items()}
    figures |= {"seed": seed, "epochs": epochs}
    write_figures(Path(out), figures)
    write_picture(Path(out), draw(others, vectors))
    return Result(run, figures)


def by_class(dataset: Dataset, held: int) -> tuple[Dataset, Dataset]:
    """Return the examples of all but the last ``held`` classes, and those of these."""
    count = len(dataset.classes or ())
    if not 2 <= held <= count - 2:
        raise ConfigError(
            f"held={held} of {count} classes; expected at least two classes on both sides"
        )
    last = dataset.y >= count - held
    return dataset[np.flatnonzero(~last)], dataset[np.flatnonzero(last)]


def embedding(width: int = 32) -> Map:
    """Return the network for groups ``(N, M, rows, columns)``: 64 numbers of length 1 a picture."""
    return Each(
        Chain(
            Channels(),
            Conv2d(width, 3),
            ReLU(),
            MaxPool2d(),
            Conv2d(2 * width, 3),
            ReLU(),
            MaxPool2d(),
            Conv2d(2 * width, 3),
            ReLU(),
            MaxPool2d(),
            Flatten(),
            Linear(64),
            UnitNorm(),
        )
    )


def make_groups(dataset: Dataset, count: int, seed: int, synthetic: bool) -> Dataset:
    """Return groups of pictures of some classes, two of each, with class numbers of the group.

    Group number ``i`` is a function of the seed and ``i``. With ``synthetic`` each class of an even
    one is turned in its own way, and those of an odd one are composed.
    """
    rows = [np.flatnonzero(dataset.y == label) for label in np.unique(dataset.y)]
    known = [dataset.x[own] for own in rows if len(own) >= EACH]
    classes = min(CLASSES, len(known))
    x = np.empty((count, classes * EACH, *dataset.x.shape[1:]), dataset.x.dtype)
    for i in range(count):
        rng = generator(seed, "groups", step=i)
        if synthetic and i % 2:
            x[i] = composed(known, classes, rng)
            continue
        for k, c in enumerate(rng.permutation(len(known))[:classes]):
            own = slice(EACH * k, EACH * (k + 1))
            if synthetic:
                x[i, own] = drawn(known[c], int(rng.integers(WAYS)), rng)
            else:
                x[i, own] = known[c][rng.choice(len(known[c]), EACH, replace=False)]
    numbers = np.repeat(np.arange(classes), EACH)
    return Dataset(x, np.tile(numbers, (count, 1)), name="groups")


def composed(known: Sequence[np.ndarray], classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return two pictures of each of some classes: a half of one shape above one of another.

    The classes are among the pairs of four upper and four lower halves, so that many differ in one
    half only. A shape is a known class in one of the eight ways; the whole is turned once more, so
    that the halves may lie side by side.
    """
    shapes = [rng.choice(WAYS * len(known), PARTS, replace=False) for _ in range(2)]
    found = []
    for pair in rng.permutation(PARTS * PARTS)[:classes]:
        upper, lower = shapes[0][pair // PARTS], shapes[1][pair % PARTS]
        above = drawn(known[upper // WAYS], int(upper % WAYS), rng)
        below = drawn(known[lower // WAYS], int(lower % WAYS), rng)
        half = above.shape[1] // 2
        found.append(np.concatenate([above[:, :half], below[:, half:]], axis=1))
    return turned(np.concatenate(found), int(rng.integers(WAYS)))


def drawn(pictures: np.ndarray, way: int, rng: np.random.Generator) -> np.ndarray:
    """Return two of the pictures, sheared at random and turned in a way."""
    chosen = rng.choice(len(pictures), EACH, replace=False)
    return turned(sheared(pictures[chosen], rng.uniform(-SLANT, SLANT, EACH)), way)


def sheared(pictures: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return pictures with their rows moved, by ``slopes[n]`` columns more from row to row.

    About the middle row; between two columns interpolated, zeros from outside.
    """
    count, height, width = pictures.shape[:3]
    moves = slopes[:, None, None] * (np.arange(height)[:, None] - (height - 1) / 2)
    at = np.clip(np.arange(width) + moves + 1, 0, width + 1)
    left = at.astype(np.int64)
    rest = (at - left).reshape((*at.shape, *(1,) * (pictures.ndim - 3)))
    bordered = np.pad(pictures, ((0, 0), (0, 0), (1, 2), *((0, 0),) * (pictures.ndim - 3)))
    n, row = np.arange(count)[:, None, None], np.arange(height)[:, None]
    values = (1 - rest) * bordered[n, row, left] + rest * bordered[n, row, left + 1]
    exact = np.issubdtype(pictures.dtype, np.integer)
    moved: np.ndarray = (values.round() if exact else values).astype(pictures.dtype)
    return moved


def turned(pictures: np.ndarray, way: int) -> np.ndarray:
    """Return pictures ``(N, rows, columns)`` in one of eight ways: quarter turns, and mirrored."""
    found = np.rot90(pictures, way % 4, axes=(1, 2))
    return found if way < 4 else found[:, :, ::-1]


def embed(model: Model, pictures: np.ndarray) -> np.ndarray:
    """Return the vectors ``(N, 64)`` of pictures, before they are brought to length 1."""
    body = model.net.children()["body"]
    last = list(body.children())[-1]
    numbers = Chain(**{name: m for name, m in body.children().items() if name != last})
    spec = Spec(model.input.shape[1:], model.spec.dtype)
    infer = Inference(numbers, spec, model.normalizer, AT_ONCE)
    pieces = [
        infer(model.theta["body"], {}, pictures[start : start + AT_ONCE])
        for start in range(0, len(pictures), AT_ONCE)
    ]
    return np.concatenate(pieces)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the directions of vectors."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return directions


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return vectors whose products are the mean cosines of the parts'."""
    return unit(np.concatenate([unit(part) for part in parts], axis=1))


def measure(vectors: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, Any]:
    """Return how well cosines tell whether classes are the same.

    ``auc`` is the area under the ROC curve over all pairs; ``one_shot`` the share of right answers
    where a picture is compared with one picture of each class.
    """
    a, b = np.triu_indices(len(vectors), 1)
    cosines = (vectors @ vectors.T)[a, b]
    return {
        "auc": area_under_roc(cosines, labels[a] == labels[b]),
        "one_shot": one_shot(vectors, labels, seed),
    }


def one_shot(vectors: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the share of right answers in ``TRIALS`` rounds.

    In a round, one picture of each class is drawn, and another one of one of them, which is given
    the class of the nearest.
    """
    rng = generator(seed, "one shot")
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    right = 0
    for trial in range(TRIALS):
        true = trial % len(rows)
        asked, own = rng.choice(rows[true], 2, replace=False)
        shown = [own if c == true else rng.choice(rows[c]) for c in range(len(rows))]
        right += int((vectors[shown] @ vectors[asked]).argmax() == true)
    return right / TRIALS


def draw(dataset: Dataset, vectors: np.ndarray) -> Axes:
    """Return a picture: pictures with those nearest to them, wrong ones marked, and the worst."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :7]
    wrong = (dataset.y[nearest] != dataset.y[:, None]).sum(axis=1)
    rows = (*range(min(4, len(dataset))), *np.argsort(-wrong, kind="stable")[:4])
    panels = new_panels(len(rows), 8, figsize=(9, 9.4), layout=None)
    panels[0].figure.subplots_adjust(0.04, 0.01, 0.99, 0.97, 0.05, 0.25)
    for line, row in enumerate(rows):
        for column, shown in enumerate((row, *nearest[row])):
            ax = panels[8 * line + column]
            same = dataset.y[shown] == dataset.y[row]
            title = f"{cosines[row, shown]:.2f}" if column else ""
            color = "black" if same else "red"
            image(dataset.x[shown], ax, title=title, color=color, cmap="gray_r")
            if column == 0:
                ax.set_ylabel(TEXT["asked" if line < 4 else "worst"], fontsize=9)
    return panels[0]
