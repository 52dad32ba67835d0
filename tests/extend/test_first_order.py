"""First-order quantities against loops over single examples."""

import numpy as np
import pytest
from arrays import relative_error
from extend_networks import CASES, Problem, by_name, problem

import pullback as pb
from pullback import extend
from pullback.core.context import Context
from pullback.losses.gradient import value_and_grad

every_case = pytest.mark.parametrize("name", CASES)


def gradients(given: Problem) -> np.ndarray:
    """``(N, P)``: the gradient of each example's loss, from a batch of that example alone."""
    compute = value_and_grad(given.case.net, given.case.loss)
    rows = [compute(given.p, *given.one(n))[1].flat.copy() for n in range(len(given.x))]
    return np.array(rows)


def moments(given: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The examples' gradients, their shares, and their mean."""
    g, share = gradients(given), given.share
    return g, share, share @ g


@every_case
def test_per_example_gradients(name):
    given = problem(name)
    found = by_name(extend.per_example_grad(given.evidence()))
    right = gradients(given)
    entries = [entry for entry in given.p.layout.entries if not entry.alias]
    assert list(found) == [entry.name for entry in entries]
    for entry in entries:
        expected = right[:, entry.start : entry.stop].reshape(-1, *entry.shape)
        assert found[entry.name].shape == expected.shape
        assert relative_error(found[entry.name], expected) < 1e-12


@every_case
def test_norms_and_inner_products(name):
    given = problem(name)
    at, g = given.evidence(), gradients(given)
    assert relative_error(extend.per_example_norm(at), np.linalg.norm(g, axis=1)) < 1e-12
    assert relative_error(extend.inner_products(at), g @ g.T) < 1e-12
    compute = value_and_grad(given.case.net, given.case.loss)
    alone = [compute(given.p, *given.one(n))[0] for n in range(len(given.x))]
    assert relative_error(extend.per_example_loss(at), np.array(alone)) < 1e-12


@every_case
def test_moments(name):
    given = problem(name)
    at, (g, share, mean) = given.evidence(), moments(given)
    spread = share @ (g - mean) ** 2
    assert relative_error(extend.gradient(at).flat, mean) < 1e-12
    assert extend.gradient_norm(at) == pytest.approx(np.linalg.norm(mean), rel=1e-12)
    assert relative_error(extend.second_moment(at).flat, share @ g**2) < 1e-12
    assert relative_error(extend.variance(at).flat, spread) < 1e-10
    assert extend.total_variance(at) == pytest.approx(spread.sum(), rel=1e-12)
    certain = spread > 1e-12
    ratio = extend.signal_to_noise(at).flat
    assert relative_error(ratio[certain], (mean**2)[certain] / spread[certain]) < 1e-10


@every_case
def test_batch_size(name):
    given = problem(name)
    at, (g, share, mean) = given.evidence(), moments(given)
    count = 1 / np.sum(share**2)
    unbiased = count / (count - 1)
    trace = unbiased * np.sum(share @ (g - mean) ** 2)
    size = mean @ mean
    along = unbiased * (share @ (g @ mean - size) ** 2)
    rest = g - np.outer(g @ mean / size, mean)
    right = {
        "covariance_trace": trace,
        "gradient_sq_norm": size - trace / count,
        "norm_test": trace / count / size,
        "inner_product_test": along / count / size**2,
        "orthogonality_test": unbiased * np.sum(share @ rest**2) / count / size,
        "noise_scale": trace / (size - trace / count) if size > trace / count else np.inf,
    }
    for quantity, value in right.items():
        assert getattr(extend, quantity)(at) == pytest.approx(value, rel=1e-10), quantity


def test_the_noise_scale_is_unbiased():
    """Over many small batches, both estimates average to what the whole population has."""
    rng = np.random.default_rng(0)
    net, loss = pb.Linear(2), pb.losses.HalfSquaredError()
    x, target = rng.standard_normal((4000, 3)), rng.standard_normal((4000, 2))
    p, _ = pb.init(net, x, 0, "float64")
    whole = extend.Evidence.of(net, loss, p, x, target, Context())
    batches = [
        extend.Evidence.of(net, loss, p, x[i : i + 8], target[i : i + 8], Context())
        for i in range(0, 4000, 8)
    ]
    trace = np.array([extend.covariance_trace(at) for at in batches])
    signal = np.array([extend.gradient_sq_norm(at) for at in batches])
    for found, right in (
        (trace, extend.covariance_trace(whole)),
        (signal, extend.gradient_sq_norm(whole)),
    ):
        assert abs(found.mean() - right) < 3 * found.std() / len(found) ** 0.5


@every_case
@pytest.mark.parametrize("bound", [0.1, 1.0, 100.0])
def test_clipped_gradient(name, bound):
    given = problem(name)
    g, share, _ = moments(given)
    norms = np.linalg.norm(g, axis=1)
    right = share * np.minimum(1, bound / norms) @ g
    assert relative_error(extend.clipped_gradient(given.evidence(), bound).flat, right) < 1e-12


@every_case
def test_input_gradients(name):
    given = problem(name)
    found = extend.input_gradient(given.evidence())
    for n in range(len(given.x)):
        x, target = given.one(n)
        alone = extend.Evidence.of(given.case.net, given.case.loss, given.p, x, target, Context())
        assert relative_error(found[n : n + 1], alone.found.gx) < 1e-12


def test_influence_is_what_a_step_on_an_example_does_to_others():
    given, rng = problem("linear"), np.random.default_rng(1)
    net, loss = given.case.net, given.case.loss
    x, target = rng.standard_normal(given.x.shape), rng.integers(0, 3, len(given.x))
    others = extend.Evidence.of(net, loss, given.p, x, target, Context())
    found = extend.influence(given.evidence(), others)

    def loss_of_others(flat):
        return value_and_grad(net, loss)(given.p.layout.view(flat), x, target)[0]

    h = 1e-5
    for n, g in enumerate(gradients(given)):
        saved = loss_of_others(given.p.flat + h * g) - loss_of_others(given.p.flat - h * g)
        assert saved / (2 * h) == pytest.approx(found[n], abs=1e-8)


def test_el2n_is_the_distance_of_probabilities_from_the_truth():
    given = problem("linear")
    at = given.evidence()
    probabilities = given.case.loss.link(at.found.y)
    right = np.linalg.norm(probabilities - np.eye(3)[given.target], axis=1)
    assert relative_error(extend.el2n(at), right) < 1e-12


def test_forgetting():
    right = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 0, 1], [0, 1, 0, 1]], bool)
    assert extend.forgetting(right).tolist() == [2, 0, 4, 1]
    with pytest.raises(pb.errors.ShapeError, match="epochs, examples"):
        extend.forgetting(right[0])


def test_an_example_that_does_not_count():
    """Of one whose target is all padding there is no gradient, and nothing is divided by 0."""
    given = problem("attention")
    given.target[0] = -1
    at = given.evidence()
    norms = extend.per_example_norm(at)
    assert norms[0] == 0
    assert (norms[1:] > 0).all()
    assert not by_name(extend.per_example_grad(at))["4.W"][0].any()


def test_one_example_has_no_scatter():
    given = problem("linear")
    at = extend.Evidence.of(given.case.net, given.case.loss, given.p, *given.one(0), Context())
    for quantity in (extend.noise_scale, extend.norm_test, extend.inner_product_test):
        with pytest.raises(pb.errors.ConfigError, match="at least 2 examples"):
            quantity(at)
    assert extend.total_variance(at) < 1e-12


def test_examples_that_agree_have_no_noise():
    given = problem("linear")
    x, target = (np.repeat(a, 4, axis=0) for a in given.one(0))
    at = extend.Evidence.of(given.case.net, given.case.loss, given.p, x, target, Context())
    assert (extend.variance(at).flat >= 0).all()
    assert extend.variance(at).flat.max() < 1e-12
    assert extend.noise_scale(at) < 1e-10


def test_signal_to_noise_where_nothing_scatters():
    """A bias that is pulled the same way by all examples is certain; a dead weight says nothing."""
    net, x = pb.Linear(1), np.zeros((4, 2))
    p, _ = pb.init(net, x, 0, "float64")
    at = extend.Evidence.of(net, pb.losses.HalfSquaredError(), p, x, np.ones((4, 1)), Context())
    ratio = extend.signal_to_noise(at)
    assert ratio["b"] == np.inf
    assert not ratio["W"].any()
