"""Networks as estimators of scikit-learn: for pipelines, grid searches and cross-validation."""

from pullback.sklearn.estimators import PullbackClassifier, PullbackRegressor

__all__ = ["PullbackClassifier", "PullbackRegressor"]
