"""``pullback predict``: what a model says of pictures, sounds or texts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pullback.cli.tables import predict_table
from pullback.core.errors import ConfigError
from pullback.data.files import reading_pool
from pullback.data.folder import pictures_in
from pullback.train.hearing import hears_words, sound_example, words_heard
from pullback.train.model import Model
from pullback.train.model_file import load_model
from pullback.train.reading import text_examples
from pullback.train.translation import translates, translations

AT_ONCE = 256
"""Images that are read before the model sees them."""
TEXT = {
    "no_kind": "{run}: this model was not trained on images, sounds or texts with classes; "
    "use pullback.load_model(path).predict(examples)",
}


def predict_command(
    run: str, inputs: tuple[str, ...], top: int, out: str | None, as_json: bool
) -> None:
    """Print what the model says of each input, and how probable it finds it."""
    model = load_model(run)
    if model.table is not None:
        predict_table(model, inputs, out)
    elif translates(model):
        _print_said("text", zip(inputs, translations(model, inputs), strict=True), as_json)
    elif hears_words(model):
        _print_said("sound", ((path, _words(model, path)) for path in inputs), as_json)
    elif model.classes is None or not (model.image or model.rate or model.tokenizer):
        raise ConfigError(TEXT["no_kind"].format(run=run))
    elif model.image is not None:
        _print_classes("image", model, _of_images(model, inputs), top, as_json)
    elif model.rate is not None:
        _print_classes("sound", model, _of_sounds(model, inputs), top, as_json)
    else:
        found = model.predict_proba(text_examples(model, inputs))
        _print_classes("text", model, zip(inputs, found, strict=True), top, as_json)


def _words(model: Model, path: str) -> str:
    (found,) = words_heard(model, sound_example(model, path)[None])
    return " ".join(map(str, found))


def _of_sounds(model: Model, paths: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    for path in paths:
        yield path, model.predict_proba(sound_example(model, path)[None])[0]


def _of_images(model: Model, images: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Return each image's path and the probabilities of the classes; of a folder, all in it."""
    assert model.image is not None
    paths = [path for image in images for path in pictures_in(image)]
    with reading_pool() as pool:
        for start in range(0, len(paths), AT_ONCE):
            part = paths[start : start + AT_ONCE]
            examples = np.stack(list(pool.map(model.image.read, part)))
            yield from zip(part, model.predict_proba(examples), strict=True)


def _print_said(kind: str, found: Iterable[tuple[str, str]], as_json: bool) -> None:
    """Print what a model says in words."""
    for given, said in found:
        line = json.dumps({kind: given, "said": said}) if as_json else f"{_shown(given)}: {said}"
        print(line)


def _print_classes(
    kind: str, model: Model, found: Iterable[tuple[str, Any]], top: int, as_json: bool
) -> None:
    assert model.classes is not None
    for given, row in found:
        best = np.argsort(-row, kind="stable")[:top]
        if as_json:
            shares = dict(zip(model.classes, map(float, row), strict=True))
            label = model.classes[best[0]]
            print(json.dumps({kind: given, "class": label, "probabilities": shares}))
        else:
            shown = ", ".join(f"{model.classes[i]}  ({row[i]:.1%})" for i in best)
            print(f"{_shown(given)}: {shown}")


def _shown(given: str) -> str:
    return os.fsencode(given).decode(errors="replace")  # names of files need not be UTF-8
