"""Film reviews: whether they praise or damn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pullback.data.dataset import Data
from pullback.models import text_average
from pullback.recipes.common import Result
from pullback.recipes.texts import label_texts
from pullback.train.events import Callback

EPOCHS = 10


def reviews(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    width: int = 64,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a network on film reviews and measure it on those held out.

    Args:
        data: texts as words, see ``pullback.data.text.Texts.dataset``, with the tokenizer.
        out: the run's folder; ``figures.json`` and ``mistakes.txt`` are added to its files.
        epochs: how often to go through the texts.
        seed: decides the start, the order and the noise.
        width: numbers that stand for a token.
        callbacks: called with the events of training.
    """
    assert data.tokenizer is not None
    net = text_average(data.tokenizer.size, len(data.classes or ()), width)
    return label_texts(net, data, out, epochs, seed, callbacks)
