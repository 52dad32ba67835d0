"""``PullbackClassifier`` and ``PullbackRegressor``: scikit-learn's protocol around ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pullback.core.map import MAPS, Map
from pullback.core.spec import Spec
from pullback.data.dataset import Dataset
from pullback.losses import BinaryCrossEntropy, CrossEntropy, HalfSquaredError
from pullback.losses.base import Loss
from pullback.models import mlp
from pullback.optim import AdamW, Optimizer
from pullback.sklearn.learning import Learned, in_units_of, learn
from pullback.train.events import EpochEnded
from pullback.train.history import History
from pullback.train.metrics import as_metrics
from pullback.train.model import Model
from pullback.train.settings import Settings

MOST_AT_ONCE = 200
"""Examples of a step with ``batch_size="auto"``."""
TEXT = {
    "one class": "y has 1 class, {name!r}; a classifier needs at least 2 classes",
    "outputs": "net gives outputs of shape {found}, expected {wanted}",
    "new class": "y has the classes {new}, which the first call of partial_fit did not name",
    "classes": "classes must be given in the first call of partial_fit",
    "target": "y has shape {shape}; expected {wanted}",
    "epoch": "epoch {epoch}: {figures}",
}


class _Estimator(BaseEstimator):
    """The parameters and the training of both estimators."""

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

    def _metrics(self) -> tuple[str, ...]:
        raise NotImplementedError

    # -- training

    def _network(self, data: Dataset, outputs: int) -> Map:
        if self.net is None:
            sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, np.int64)).tolist()
            return mlp(sizes, outputs, activation=MAPS.get(self.activation)())
        spec: Any = self.net.spec(Spec(tuple(data.x.shape[1:]), str(data.x.dtype)))
        if spec.shape != (outputs,):
            raise ValueError(TEXT["outputs"].format(found=spec.shape, wanted=(outputs,)))
        return self.net

    def _settings(self, data: Dataset, outputs: int, epochs: int) -> Settings:
        size = MOST_AT_ONCE if self.batch_size == "auto" else int(self.batch_size)
        partial = epochs == 1 and self.max_iter != 1
        holds_out = self.early_stopping and not partial
        train = len(data) - round(self.validation_fraction * len(data)) * holds_out
        return Settings(
            net=self._network(data, outputs),
            loss=self.loss or self._usual_loss(),
            optimizer=self.optimizer
            or AdamW(self.learning_rate_init, weight_decay=self.weight_decay),
            metrics=as_metrics(self._metrics()),
            epochs=epochs,
            batch_size=min(size, train),
            validation=self.validation_fraction if holds_out else 0.0,
            holdout="stratified" if holds_out and data.classes is not None else "random",
            seed=self._seed,
            dtype=str(data.x.dtype),
            normalize=self.normalize,
            patience=self.n_iter_no_change if holds_out else None,
        )

    def _train(self, data: Dataset, outputs: int, epochs: int, before: Learned | None) -> Model:
        if before is None:
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        settings = self._settings(data, outputs, epochs)
        model, self._learned, _ = learn(
            settings, data, before, self._tell if self.verbose else None
        )
        self.history_ = History(self._learned.records)
        self.n_iter_ = len(self.history_)
        self.loss_curve_ = self.history_["loss"]
        self.loss_ = self.loss_curve_[-1]
        self.validation_scores_ = None
        if settings.validation:
            self.validation_scores_ = self.history_[f"val_{self._metrics()[0]}"]
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


def _weighted(data: Dataset, weight: Any, x: np.ndarray) -> Dataset:
    """Return the data with weights, without the examples whose weight is 0."""
    if weight is None:
        return data
    weight = _check_sample_weight(weight, x, dtype=np.float64, ensure_non_negative=True)
    return replace(data, weight=weight)[np.flatnonzero(weight > 0)]


class PullbackClassifier(ClassifierMixin, _Estimator):
    r"""A neural network for classes, trained by backpropagation.

    Softmax and cross-entropy; of several labels at a time (an indicator matrix), a sigmoid and
    binary cross-entropy each.

    Args:
        hidden_layer_sizes: units of the hidden layers of a perceptron.
        activation: after each of them: ``"relu"``, ``"tanh"``, ``"gelu"``, ...
        net: another network in place of the perceptron, with an output for each class.
        loss: None: ``CrossEntropy``, or ``BinaryCrossEntropy`` of several labels.
        optimizer: None: ``AdamW(learning_rate_init, weight_decay=weight_decay)``.
        learning_rate_init, weight_decay: of that optimiser.
        batch_size: examples a step; ``"auto"``: 200, or all where they are fewer.
        max_iter: epochs, at most.
        early_stopping: hold out ``validation_fraction`` of the examples, of each class the same
            share, stop after ``n_iter_no_change`` epochs without a lower loss there, and keep the
            best parameters.
        validation_fraction, n_iter_no_change: see ``early_stopping``.
        normalize: of the columns: ``"standard"`` (mean 0, variance 1), ``"scale"`` or ``"none"``;
            it is part of the model.
        random_state: decides start, order, split and noise.
        verbose: print a line for each epoch.
        class_weight: None, ``"balanced"``, or what each class counts.

    Attributes:
        classes_: the labels. ``model_``: the trained ``pullback.Model``, which can be saved.
        history_: all figures, epoch by epoch; ``loss_curve_``, ``validation_scores_`` (accuracy,
            with early stopping), ``loss_``, ``n_iter_``.

    Computed in the dtype of ``X``, float32 or float64.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> net = PullbackClassifier((16,), learning_rate_init=0.01, random_state=0).fit(x, y)
    >>> net.score(x, y) > 0.95
    True
    """

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
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes, activation, net=net, loss=loss, optimizer=optimizer,
            learning_rate_init=learning_rate_init, weight_decay=weight_decay,
            batch_size=batch_size, max_iter=max_iter, early_stopping=early_stopping,
            validation_fraction=validation_fraction, n_iter_no_change=n_iter_no_change,
            normalize=normalize, random_state=random_state, verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _usual_loss(self) -> Loss:
        return BinaryCrossEntropy() if self._multilabel else CrossEntropy()

    def _metrics(self) -> tuple[str, ...]:
        return () if self._multilabel else ("accuracy",)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from the start.

        Args:
            X: ``(n_samples, n_features)`` numbers.
            y: ``(n_samples,)`` labels, or ``(n_samples, n_labels)`` of 0 and 1.
            sample_weight: ``(n_samples,)`` what each example counts.
        """
        x, y = self._data(X, y, reset=True)
        self._multilabel = type_of_target(y) == "multilabel-indicator"
        self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(y)
        self._check_classes()
        data = self._dataset(x, y, sample_weight)
        self.model_ = self._train(data, len(self.classes_), self.max_iter, None)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch of these examples; normalisation is that of the first call.

        Args:
            X, y, sample_weight: as in ``fit``.
            classes: all labels there will be, in the first call.
        """
        first = not hasattr(self, "model_")
        x, y = self._data(X, y, reset=first)
        if first:
            self._multilabel = type_of_target(y) == "multilabel-indicator"
            if classes is None and not self._multilabel:
                raise ValueError(TEXT["classes"])
            self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(classes)
            self._check_classes()
        elif not self._multilabel:
            new = np.setdiff1d(y, self.classes_)
            if len(new):
                raise ValueError(TEXT["new class"].format(new=new.tolist()))
        data = self._dataset(x, y, sample_weight)
        before = None if first else self._learned
        self.model_ = self._train(data, len(self.classes_), 1, before)
        return self

    def _data(self, x: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        x, y = validate_data(
            self, x, y, dtype=(np.float64, np.float32), order="C", multi_output=True, reset=reset
        )
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return x, y

    def _check_classes(self) -> None:
        if len(self.classes_) < 2 and not self._multilabel:
            raise ValueError(TEXT["one class"].format(name=self.classes_[0]))

    def _dataset(self, x: np.ndarray, y: np.ndarray, weight: Any) -> Dataset:
        if self._multilabel:
            return _weighted(Dataset(x, y.astype(x.dtype)), weight, x)
        number = np.searchsorted(self.classes_, y)
        if self.class_weight is not None:
            each = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            weight = each[number] * (1.0 if weight is None else np.asarray(weight))
        names = tuple(map(str, self.classes_.tolist()))
        return _weighted(Dataset(x, number, classes=names), weight, x)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return ``(n_samples, n_classes)`` probabilities."""
        check_is_fitted(self)
        return self.model_.predict_proba(self._numbers(X, reset=False))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable labels; of several labels at a time, those above one half."""
        proba = self.predict_proba(X)
        if self._multilabel:
            return (proba > 0.5).astype(np.int64)
        found: np.ndarray = self.classes_[proba.argmax(axis=1)]
        return found


class PullbackRegressor(RegressorMixin, _Estimator):
    r"""A neural network for quantities, one or several, trained by backpropagation.

    Half the squared error. Of the perceptron that is the default, targets are brought to mean 0 and
    variance 1 for training, and its last layer back to their unit; losses in the history are of
    those targets. With ``net`` given, targets are as they are.

    The arguments and attributes are those of ``PullbackClassifier``, but for the classes.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> net = PullbackRegressor((16,), learning_rate_init=0.01, random_state=0).fit(x, y)
    >>> net.score(x, y) > 0.4
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _usual_loss(self) -> Loss:
        return HalfSquaredError()

    def _metrics(self) -> tuple[str, ...]:
        return ("r2",)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from the start.

        Args:
            X: ``(n_samples, n_features)`` numbers.
            y: ``(n_samples,)`` or ``(n_samples, n_outputs)`` quantities.
            sample_weight: ``(n_samples,)`` what each example counts.
        """
        return self._fit(X, y, sample_weight, None)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch of these examples; normalisation is that of the first call."""
        return self._fit(X, y, sample_weight, getattr(self, "_learned", None), epochs=1)

    def _fit(self, x: Any, y: Any, weight: Any, before: Any, epochs: int | None = None) -> Self:
        x, y = validate_data(
            self, x, y, dtype=(np.float64, np.float32), order="C", multi_output=True,
            y_numeric=True, reset=before is None,
        )  # fmt: skip
        self._flat = y.ndim == 1
        y = y.astype(x.dtype).reshape(len(y), -1)
        data = _weighted(Dataset(x, y), weight, x)
        if before is None:
            self._shift, self._scale = self._unit(data)
        data = replace(data, y=(data.y - self._shift) / self._scale)
        model = self._train(data, y.shape[1], epochs or self.max_iter, before)
        self.model_ = model
        if self.net is None:
            self.model_ = in_units_of(model, self._scale, self._shift)
        return self

    def _unit(self, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the targets, or 0 and 1."""
        if self.net is not None:
            return np.zeros(data.y.shape[1], data.y.dtype), np.ones(data.y.shape[1], data.y.dtype)
        mean = np.average(data.y, axis=0, weights=data.weight)
        deviation = np.average((data.y - mean) ** 2, axis=0, weights=data.weight) ** 0.5
        return mean.astype(data.y.dtype), np.where(deviation > 0, deviation, 1).astype(data.y.dtype)

    def predict(self, X: Any) -> np.ndarray:
        """Return the quantities, ``(n_samples,)`` or ``(n_samples, n_outputs)`` as in ``fit``."""
        check_is_fitted(self)
        found = self.model_.outputs(self._numbers(X, reset=False))
        return found[:, 0] if self._flat else found
