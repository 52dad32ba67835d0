"""What both estimators share: their parameters, and the run that ``fit`` is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, validate_data

from pullback.core.map import MAPS, Map
from pullback.core.spec import Spec
from pullback.data.dataset import Dataset
from pullback.losses.base import Loss
from pullback.models import mlp
from pullback.optim import AdamW, Optimizer
from pullback.sklearn.learning import Learned, learn
from pullback.train.events import EpochEnded
from pullback.train.history import History
from pullback.train.metric import Metric
from pullback.train.metrics import metric_name
from pullback.train.model import Model
from pullback.train.settings import NORMALIZATIONS, Settings

MOST_AT_ONCE = 200
"""Examples of a step with ``batch_size="auto"``."""
ALSO = {"logistic": "sigmoid"}
"""What scikit-learn calls activations where we call them otherwise."""
TEXT = {
    "outputs": "net gives outputs of shape {found}, expected {wanted}",
    "epoch": "epoch {epoch}: {figures}",
}
COUNT = Interval(Integral, 1, None, closed="left")


class NetworkEstimator(BaseEstimator):
    """The parameters and the training of both estimators."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", COUNT],
        "activation": [str],
        "net": [Map, None],
        "loss": [Loss, None],
        "optimizer": [Optimizer, None],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), COUNT],
        "max_iter": [COUNT],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [COUNT],
        "normalize": [StrOptions(set(NORMALIZATIONS))],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        activation: str = "relu",
        *,
        net: Map | None = None,
        loss: Loss | None = None,
        optimizer: Optimizer | None = None,
        learning_rate_init: float = 0.001,
        weight_decay: float = 0.01,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        normalize: str = "standard",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.net = net
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.normalize = normalize
        self.random_state = random_state
        self.verbose = verbose

    # -- what a subclass says

    def _usual_loss(self) -> Loss:
        raise NotImplementedError

    def _metric(self) -> Metric:
        raise NotImplementedError

    # -- training

    def _network(self, data: Dataset, outputs: int) -> Map:
        if self.net is None:
            sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist()
            name = ALSO.get(self.activation, self.activation)
            return mlp(sizes, outputs, activation=MAPS.get(name)())
        spec: Any = self.net.spec(Spec(tuple(data.x.shape[1:]), str(data.x.dtype)))
        if spec.shape != (outputs,):
            raise ValueError(TEXT["outputs"].format(found=spec.shape, wanted=(outputs,)))
        return self.net

    def _settings(self, data: Dataset, outputs: int, holds_out: bool) -> Settings:
        size = MOST_AT_ONCE if self.batch_size == "auto" else int(self.batch_size)
        train = len(data) - round(self.validation_fraction * len(data)) * holds_out
        return Settings(
            net=self._network(data, outputs),
            loss=self.loss or self._usual_loss(),
            optimizer=self.optimizer
            or AdamW(float(self.learning_rate_init), weight_decay=float(self.weight_decay)),
            metrics=(self._metric(),),
            epochs=int(self.max_iter),
            batch_size=max(1, min(size, train)),
            validation=self.validation_fraction if holds_out else 0.0,
            holdout="stratified" if holds_out and data.classes is not None else "random",
            seed=self._seed,
            dtype=str(data.x.dtype),
            normalize=self.normalize,
            patience=int(self.n_iter_no_change) if holds_out else None,
        )

    def _train(self, data: Dataset, outputs: int, before: Learned | None, partial: bool) -> Model:
        """Train to the end, or (``partial``) the next epoch of these examples."""
        if before is None:
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        settings = self._settings(data, outputs, self.early_stopping and not partial)
        told = self._tell if self.verbose else None
        model, self._learned = learn(settings, data, before, partial, told)
        self.history_ = History(self._learned.records)
        self.n_iter_ = len(self.history_)
        self.loss_curve_ = self.history_["loss"]
        self.loss_ = self.loss_curve_[-1]
        self.validation_scores_ = None
        if settings.validation:
            self.validation_scores_ = self.history_[f"val_{metric_name(self._metric())}"]
        return model

    def _tell(self, event: Any) -> None:
        if isinstance(event, EpochEnded):
            figures = ", ".join(
                f"{name} {value:.4g}"
                for name, value in event.figures.items()
                if name not in ("epoch", "lr", "seconds")
            )
            print(TEXT["epoch"].format(epoch=event.epoch, figures=figures))

    def _numbers(self, x: Any, reset: bool) -> np.ndarray:
        found: np.ndarray = validate_data(
            self, x, dtype=(np.float64, np.float32), order="C", reset=reset
        )
        return found


def weighted(data: Dataset, weight: Any, x: np.ndarray) -> Dataset:
    """Return the data with weights, without the examples whose weight is 0."""
    if weight is None:
        return data
    weight = _check_sample_weight(weight, x, dtype=np.float64, ensure_non_negative=True)
    return replace(data, weight=weight)[np.flatnonzero(weight > 0)]
