"""A trained network with all that a prediction needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullback.core.arrays import as_numpy
from pullback.core.errors import ShapeError
from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.core.theta import Theta
from pullback.data.dataset import Dataset
from pullback.data.images import AnyFormat
from pullback.data.normalize import Affine
from pullback.data.rows import Rows
from pullback.engine import Inference, any_length, lower_batches, lower_sequences
from pullback.losses.base import Loss
from pullback.train import html
from pullback.train.evaluate import evaluate, evaluation_batch
from pullback.train.metrics import as_metrics, classes_of, usual_metrics
from pullback.train.summary import HEADINGS, Summary, summarize

if TYPE_CHECKING:  # of use to models of text only: not loaded for the others
    from pullback.data.text.tokens import Tokenizer

TEXT = {
    "model": "Model({net}, {parameters:,} parameters of {dtype}, "
    "examples of shape {shape}{classes})",
    "classes": ", {count} classes",
}


@dataclass(frozen=True, repr=False)
class Model:
    """A network, its parameters and state, and how raw input becomes what it was trained on.

    ``input`` is the spec of one raw example; ``normalizer`` maps raw values to the network's
    input; ``classes`` are the names of the outputs, where they are classes; ``image`` says how a
    picture becomes an example, where examples are pictures, ``tokenizer`` how a text becomes one,
    ``rate`` how many samples a second those of sound have, and ``table`` how a row of a table does.
    """

    net: Map
    theta: Theta
    state: Mapping[str, Any]
    loss: Loss
    input: Spec
    normalizer: Affine
    classes: tuple[str, ...] | None = None
    image: AnyFormat | None = None
    tokenizer: Tokenizer | None = None
    rate: int | None = None
    table: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # without the lowered network, which is made of addresses in this process
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def spec(self) -> Spec:
        """The spec of what enters the network: the raw shape, in the parameters' dtype."""
        return Spec(self.input.shape, str(self.theta.flat.dtype))

    @cached_property
    def _at_once(self) -> int:
        return evaluation_batch(self.net, self.spec)

    @cached_property
    def _lowered(self) -> Map:
        return lower_sequences(self.net, self.spec, self._at_once)

    @cached_property
    def _infer(self) -> Inference:
        return Inference(self.net, self.spec, self.normalizer, self._at_once)

    def outputs(self, x: Any) -> np.ndarray:
        """Return the network's outputs ``(N, ...)`` for raw examples ``x (N, ...)``.

        Raises:
            ShapeError: the examples do not have the shape that the model was trained on.
        """
        if not isinstance(x, Rows):
            x = as_numpy(x)
        if tuple(x.shape[1:]) != self.input.shape:
            raise ShapeError(
                f"the model takes examples of shape {self.input.shape}, found "
                f"{tuple(x.shape[1:])}; a single example needs a first axis of 1"
            )
        starts = range(0, len(x), self._at_once) or (0,)  # none has outputs too, of length 0
        pieces = [
            self._infer(self.theta, self.state, np.asarray(x[start : start + self._at_once]))
            for start in starts
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return probabilities ``(N, classes)`` (for regression, the outputs themselves)."""
        return np.asarray(self.loss.link(self.outputs(x)))

    def predict(self, x: Any) -> np.ndarray:
        """Return class numbers ``(N,)``; for regression, the outputs."""
        y = self.outputs(x)
        return classes_of(y) if self.classes is not None else y

    def evaluate(self, dataset: Dataset, metrics: Any = None) -> dict[str, Any]:
        """Return ``{"loss": ..., "accuracy": ...}`` on a data set.

        Args:
            dataset: raw examples and targets.
            metrics: names or metrics; by default those usual with the loss.
        """
        usual = usual_metrics(self.loss, self.classes)
        chosen = as_metrics(usual if metrics is None else metrics)
        self._check(dataset)
        batches = lower_batches(
            dataset, self.normalizer, min(self._at_once, len(dataset)), self.spec.dtype,
            any_length(self.net, self.spec),
        )  # fmt: skip
        return evaluate(self._lowered, self.loss, chosen, self.theta, self.state, batches)

    def _check(self, dataset: Dataset) -> None:
        if tuple(dataset.x.shape[1:]) != self.input.shape:
            raise ShapeError(
                f"the model takes examples of shape {self.input.shape}, "
                f"{dataset.name or 'the data'} has {tuple(dataset.x.shape[1:])}"
            )

    def summary(self, batch_size: int = 128) -> Summary:
        """Return a table of the maps: output shape, parameters, start, multiply-adds.

        Below it stands what a training step of ``batch_size`` examples costs.
        """
        return summarize(self.net, self.spec, batch_size)

    def __repr__(self) -> str:
        classes = "" if self.classes is None else TEXT["classes"].format(count=len(self.classes))
        return TEXT["model"].format(
            net=type(self.net).__name__,
            parameters=self.theta.flat.size,
            dtype=self.theta.flat.dtype,
            shape=self.input.shape,
            classes=classes,
        )

    def _repr_html_(self) -> str:
        summary = self.summary()
        return "\n".join((html.paragraph(repr(self)), html.table(HEADINGS, summary.rows)))

    def save(self, path: str | Path) -> None:
        """Write the model to one file, ``*.safetensors``; see ``load_model``."""
        from pullback.train.model_file import save_model

        save_model(self, Path(path))
