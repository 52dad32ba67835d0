"""The estimators keep scikit-learn's protocol, and learn what its own learn."""

from __future__ import annotations

import pickle
from importlib.util import find_spec

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from scipy.sparse import csr_matrix  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

import pullback as pb  # noqa: E402
from pullback.data.split import split  # noqa: E402
from pullback.sklearn import PullbackClassifier, PullbackRegressor  # noqa: E402

SKIPPED = {
    "check_array_api_input",  # needs SCIPY_ARRAY_API
    "check_classifiers_multilabel_output_format_decision_function",  # there is none
}
if find_spec("pandas") is None:
    SKIPPED |= {
        "check_sample_weights_pandas_series",
        "check_classifier_data_not_an_array",
        "check_regressor_data_not_an_array",
    }
IRIS = load_iris(return_X_y=True)


def quick(**changes):
    given = {"learning_rate_init": 0.01, "max_iter": 60, "random_state": 0, **changes}
    return PullbackClassifier((16,), **given)


@pytest.mark.filterwarnings("ignore")  # those that the checks themselves provoke
@pytest.mark.parametrize("kind", [PullbackClassifier, PullbackRegressor])
def test_every_check_of_scikit_learn_passes(kind):
    found = check_estimator(kind(), on_fail=None, on_skip=None)
    assert len(found) > 50
    assert {f["check_name"] for f in found if f["status"] == "skipped"} <= SKIPPED
    wrong = [f for f in found if f["status"] not in ("passed", "skipped")]
    assert not wrong, [(f["check_name"], f["exception"]) for f in wrong]


def test_as_good_as_the_perceptrons_of_scikit_learn():
    x, y = load_breast_cancer(return_X_y=True)
    theirs = make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=60, random_state=0))
    ours = PullbackClassifier((16,), max_iter=60, random_state=0)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        right = cross_val_score(theirs, x, y, cv=3).mean()
    assert cross_val_score(ours, x, y, cv=3).mean() > right - 0.01
    x, y = load_diabetes(return_X_y=True)
    given = {"max_iter": 100, "random_state": 0, "learning_rate_init": 0.01}
    theirs = MLPRegressor(hidden_layer_sizes=(16,), **given)
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        right = cross_val_score(theirs, x, (y - y.mean()) / y.std(), cv=3).mean()
    ours = PullbackRegressor((16,), **given)
    assert cross_val_score(ours, x, y, cv=3).mean() > right - 0.05


def test_in_a_pipeline_and_a_grid_search():
    pipeline = make_pipeline(StandardScaler(), quick())
    search = GridSearchCV(
        pipeline, {"pullbackclassifier__learning_rate_init": [1e-6, 0.03]}, cv=3
    ).fit(*IRIS)
    assert search.best_params_["pullbackclassifier__learning_rate_init"] == 0.03
    assert search.best_score_ > 0.9
    assert "PullbackClassifier" in search._repr_html_()


def test_the_same_seed_gives_the_same_bits_also_of_a_clone():
    net = quick()
    first = net.fit(*IRIS).predict_proba(IRIS[0])
    np.testing.assert_array_equal(clone(net).fit(*IRIS).predict_proba(IRIS[0]), first)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict_proba(IRIS[0]), first)
    assert not np.array_equal(quick(random_state=1).fit(*IRIS).predict_proba(IRIS[0]), first)


def test_partial_fit_is_the_next_epoch():
    """With its order of the examples, and its place in a schedule, to the bit."""
    x, y = IRIS
    decay = pb.optim.AdamW(pb.optim.CosineDecay(0.01))
    given = {"max_iter": 5, "batch_size": 32, "optimizer": decay}
    whole, steps = quick(**given).fit(x, y), quick(**given)
    for _ in range(5):
        steps.partial_fit(x, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(steps.predict_proba(x), whole.predict_proba(x))
    assert steps.n_iter_ == 5
    assert steps.loss_curve_ == whole.loss_curve_


def test_partial_fit_goes_on_from_the_best_epoch():
    """A step of no size from there changes nothing."""
    x, y = load_breast_cancer(return_X_y=True)
    given = {"early_stopping": True, "n_iter_no_change": 3, "learning_rate_init": 0.05}
    net = quick(max_iter=200, **given).fit(x, y)
    best, epochs = net.predict_proba(x), net.n_iter_
    net.set_params(learning_rate_init=1e-300).partial_fit(x, y)
    np.testing.assert_allclose(net.predict_proba(x), best, rtol=1e-12)
    assert net.n_iter_ == epochs + 1


def test_partial_fit_knows_its_classes():
    x, y = IRIS
    with pytest.raises(ValueError, match="first call"):
        quick().partial_fit(x, y)
    net = quick().partial_fit(x[:60], y[:60], classes=[0, 1])
    with pytest.raises(ValueError, match=r"\[2\]"):
        net.partial_fit(x, y)


@pytest.mark.parametrize("kind", [PullbackClassifier, PullbackRegressor])
def test_a_weight_is_so_many_examples(kind):
    x, y = IRIS
    weight = np.arange(150) % 3
    given = {"max_iter": 20, "random_state": 0, "batch_size": 10_000}
    weighed = kind((8,), **given).fit(x, y, sample_weight=weight)
    repeated = kind((8,), **given).fit(np.repeat(x, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(weighed.predict(x), repeated.predict(x), rtol=1e-7, atol=1e-9)


def test_class_weights_weigh_examples():
    x, y = IRIS[0][40:], IRIS[1][40:]  # ten of the first class
    counts = {0: 11.0, 1: 2.2, 2: 2.2}
    by_class = quick(class_weight=counts).fit(x, y).predict_proba(x)
    by_hand = quick().fit(x, y, sample_weight=[counts[c] for c in y]).predict_proba(x)
    np.testing.assert_allclose(by_class, by_hand, rtol=1e-9)
    balanced = quick(class_weight="balanced").fit(x, y).predict_proba(x)
    np.testing.assert_allclose(balanced, by_class, rtol=1e-6)
    assert np.abs(quick().fit(x, y).predict_proba(x) - by_class).max() > 1e-3


def test_early_stopping_keeps_the_best_epoch():
    x, y = load_breast_cancer(return_X_y=True)
    net = PullbackClassifier(
        (64,), learning_rate_init=0.05, early_stopping=True, n_iter_no_change=3, random_state=0
    ).fit(x, y)
    losses = net.history_["val_loss"]
    assert net.n_iter_ == int(np.argmin(losses)) + 1 + 3 < 200
    assert len(net.validation_scores_) == net.n_iter_
    assert min(net.validation_scores_) > 0.8


def test_several_labels_and_several_quantities():
    x, y = IRIS
    labels = np.stack([y == 0, y != 2], axis=1).astype(int)
    net = quick(max_iter=200).fit(x, labels)
    assert net.predict_proba(x).shape == (150, 2)
    assert (net.predict(x) == labels).mean() > 0.95
    targets = np.stack([x[:, 0] * 1000, x[:, 1] - 50], axis=1)
    found = PullbackRegressor((16,), learning_rate_init=0.01, random_state=0).fit(x, targets)
    assert found.score(x, targets) > 0.95


def test_early_stopping_of_several_labels_shows_how_many_are_all_right():
    x, y = IRIS
    labels = np.stack([y == 0, y != 2], axis=1).astype(int)
    net = quick(early_stopping=True, n_iter_no_change=60, validation_fraction=0.2).fit(x, labels)
    best = net.validation_scores_[int(np.argmin(net.history_["val_loss"]))]
    _, held = split(pb.data.from_arrays(x, labels), 0.2, net._seed)
    assert best == net.score(held.x, held.y) > 0.5  # scikit-learn's is the share of equal rows


def test_labels_may_be_sparse():
    x, y = IRIS
    labels = np.eye(3, dtype=int)[y]
    dense, sparse = quick().fit(x, labels), quick().fit(x, csr_matrix(labels))
    np.testing.assert_array_equal(sparse.predict_proba(x), dense.predict_proba(x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_iter": 0}, "'max_iter' .* Got 0"),
        ({"batch_size": "all"}, "'batch_size' .* Got 'all'"),
        ({"learning_rate_init": "constant"}, "'learning_rate_init' .* Got 'constant'"),
        ({"validation_fraction": 1.5}, "'validation_fraction' .* Got 1.5"),
        ({"optimizer": "adam"}, "'optimizer' .* Got 'adam'"),
        ({"class_weight": "equal"}, "'class_weight' .* Got 'equal'"),
    ],
)
def test_what_cannot_be_used_is_named_as_it_was_given(given, message):
    with pytest.raises(ValueError, match=message):
        quick(**given).fit(*IRIS)


def test_classes_that_cannot_be_learned_are_refused():
    x, y = IRIS
    with pytest.raises(ValueError, match="class_weight='balanced' with several labels"):
        quick(class_weight="balanced").fit(x, np.eye(3, dtype=int)[y])
    with pytest.raises(ValueError, match=r"shape \(150, 2\), several classes at a time"):
        quick().fit(x, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\)"):
        quick(class_weight="balanced").fit(x, y, sample_weight=[1, 2, 3])


def test_numbers_of_numpy_and_names_of_scikit_learn_will_do():
    given = {"max_iter": 3, "batch_size": 32, "n_iter_no_change": 2, "activation": "sigmoid"}
    ours = quick(early_stopping=True, **given).fit(*IRIS)
    same = {k: np.int64(v) for k, v in given.items() if k != "activation"}
    theirs = quick(early_stopping=True, activation="logistic", **same).fit(*IRIS)
    np.testing.assert_array_equal(theirs.predict_proba(IRIS[0]), ours.predict_proba(IRIS[0]))


def test_the_model_inside_is_in_the_unit_of_the_targets(tmp_path):
    x, y = load_diabetes(return_X_y=True)
    net = PullbackRegressor((16,), max_iter=20, random_state=0).fit(x, y)
    net.model_.save(tmp_path / "model.safetensors")
    kept = pb.load_model(tmp_path / "model.safetensors")
    np.testing.assert_allclose(kept.outputs(x)[:, 0], net.predict(x), rtol=1e-12)
    assert abs(net.predict(x).mean() - y.mean()) < 20


def test_a_network_and_an_optimiser_of_ones_own():
    x, y = IRIS
    own = pb.Chain(pb.Linear(8), pb.Tanh(), pb.Linear(3))
    net = quick(net=own, optimizer=pb.optim.Momentum(0.1)).fit(x.astype(np.float32), y)
    assert net.model_.net is own
    assert net.model_.theta.flat.dtype == np.float32
    assert net.score(x, y) > 0.9
    with pytest.raises(ValueError, match=r"outputs of shape \(3,\), expected \(2,\)"):
        quick(net=own).fit(x[:100], y[:100])


def test_verbose_prints_a_line_an_epoch(capsys):
    quick(max_iter=3, verbose=True).fit(*IRIS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "loss" in lines[0]
