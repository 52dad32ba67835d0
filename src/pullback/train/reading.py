"""Texts as examples of models that give a text a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pullback.core.errors import DataError
from pullback.data.rows import padded
from pullback.train.model import Model

TEXT = {
    "nothing": "{text!r}: there is nothing in this text that the model knows",
}


def text_examples(model: Model, texts: Sequence[str]) -> np.ndarray:
    """Return texts as tokens ``(N, T)``, -1 behind the end; longer ones lose their end.

    Raises:
        DataError: a text has no token.
    """
    assert model.tokenizer is not None
    rows = [model.tokenizer.encode(text) for text in texts]
    for text, row in zip(texts, rows, strict=True):
        if not len(row):
            raise DataError(TEXT["nothing"].format(text=text))
    found: np.ndarray = padded(rows, model.input.shape[0])[0]
    return found
