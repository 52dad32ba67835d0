"""``PullbackClassifier`` and ``PullbackRegressor``: scikit-learn's protocol around ``fit``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pullback.core.map import Map
from pullback.data.dataset import Dataset
from pullback.losses import BinaryCrossEntropy, CrossEntropy, HalfSquaredError
from pullback.losses.base import Loss
from pullback.optim import Optimizer
from pullback.sklearn.base import NetworkEstimator, weighted
from pullback.sklearn.learning import AllLabels, in_units_of
from pullback.train.metric import Metric
from pullback.train.metrics import R2, Accuracy

TEXT = {
    "one class": "y has 1 class, {name!r}; a classifier needs at least 2 classes",
    "new class": "y has the classes {new}, which the first call of partial_fit did not name",
    "classes": "classes must be given in the first call of partial_fit",
    "weight of labels": "class_weight={given!r} with several labels at a time; expected None: "
    "weigh the examples by sample_weight",
    "one of each": "y has shape {shape}, several classes at a time; expected (n_samples,) labels, "
    "or (n_samples, n_labels) of 0 and 1",
}


class PullbackClassifier(ClassifierMixin, NetworkEstimator):
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
        class_weight: None, ``"balanced"``, or what each class counts (not of several labels).

    Attributes:
        classes_: the labels. ``model_``: the trained ``pullback.Model``, which can be saved.
        history_: all figures, epoch by epoch; ``loss_curve_``, ``validation_scores_`` (what
            ``score`` is of the part held out, with early stopping), ``loss_``, ``n_iter_``.

    Computed in the dtype of ``X``, float32 or float64.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> net = PullbackClassifier((16,), learning_rate_init=0.01, random_state=0).fit(x, y)
    >>> net.score(x, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
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

    def _metric(self) -> Metric:
        return AllLabels() if self._multilabel else Accuracy()

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from the start.

        Args:
            X: ``(n_samples, n_features)`` numbers.
            y: ``(n_samples,)`` labels, or ``(n_samples, n_labels)`` of 0 and 1.
            sample_weight: ``(n_samples,)`` what each example counts.
        """
        self._validate_params()
        x, y = self._data(X, y, reset=True)
        self._multilabel = type_of_target(y) == "multilabel-indicator"
        self.classes_ = np.arange(y.shape[1]) if self._multilabel else np.unique(y)
        self._check_classes()
        data = self._dataset(x, y, sample_weight)
        self.model_ = self._train(data, len(self.classes_), None, partial=False)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for the next epoch, of these examples; normalisation is that of the first call.

        Args:
            X, y, sample_weight: as in ``fit``.
            classes: all labels there will be, in the first call.
        """
        self._validate_params()
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
        self.model_ = self._train(data, len(self.classes_), before, partial=True)
        return self

    def _data(self, x: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        x, y = validate_data(
            self, x, y, dtype=(np.float64, np.float32), order="C", multi_output=True, reset=reset
        )
        check_classification_targets(y)
        if issparse(y):
            y = y.toarray()
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if type_of_target(y) == "multiclass-multioutput":
            raise ValueError(TEXT["one of each"].format(shape=y.shape))
        return x, y

    def _check_classes(self) -> None:
        if len(self.classes_) < 2 and not self._multilabel:
            raise ValueError(TEXT["one class"].format(name=self.classes_[0]))

    def _dataset(self, x: np.ndarray, y: np.ndarray, weight: Any) -> Dataset:
        if self._multilabel:
            if self.class_weight is not None:
                raise ValueError(TEXT["weight of labels"].format(given=self.class_weight))
            return weighted(Dataset(x, y.astype(x.dtype)), weight, x)
        number = np.searchsorted(self.classes_, y)
        if self.class_weight is not None:
            each = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            weight = each[number] * _check_sample_weight(weight, x, dtype=np.float64)
        names = tuple(map(str, self.classes_.tolist()))
        return weighted(Dataset(x, number, classes=names), weight, x)

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


class PullbackRegressor(RegressorMixin, NetworkEstimator):
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

    def _metric(self) -> Metric:
        return R2()

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from the start.

        Args:
            X: ``(n_samples, n_features)`` numbers.
            y: ``(n_samples,)`` or ``(n_samples, n_outputs)`` quantities.
            sample_weight: ``(n_samples,)`` what each example counts.
        """
        return self._fit(X, y, sample_weight, None, partial=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for the next epoch, of these; normalisation is that of the first call."""
        return self._fit(X, y, sample_weight, getattr(self, "_learned", None), partial=True)

    def _fit(self, x: Any, y: Any, weight: Any, before: Any, partial: bool) -> Self:
        self._validate_params()
        x, y = validate_data(
            self, x, y, dtype=(np.float64, np.float32), order="C", multi_output=True,
            y_numeric=True, reset=before is None,
        )  # fmt: skip
        self._flat = y.ndim == 1
        y = y.astype(x.dtype).reshape(len(y), -1)
        data = weighted(Dataset(x, y), weight, x)
        if before is None:
            self._shift, self._scale = self._unit(data)
        data = replace(data, y=(data.y - self._shift) / self._scale)
        model = self._train(data, y.shape[1], before, partial)
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
