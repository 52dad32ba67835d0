"""Ctrl-C ends what an estimator is part of, too: a grid search does not begin its next fit."""

from __future__ import annotations

import signal

import pytest

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.datasets import load_iris  # noqa: E402

from pullback.sklearn import PullbackClassifier  # noqa: E402
from pullback.train.events import EpochEnded  # noqa: E402


def test_an_interrupt_ends_fit():
    class Interrupted(PullbackClassifier):
        def _tell(self, event):
            if isinstance(event, EpochEnded) and event.epoch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Interrupted(verbose=True).fit(*load_iris(return_X_y=True))
