"""Maps of sequences: what they are by definition, lengths, ids, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from arrays import relative_error

import pullback as pb
from pullback.check import check_map
from pullback.core.errors import ConfigError, DataError, ShapeError
from pullback.core.spec import Spec, spec_of
from pullback.core.theta import Layout, write_gradient
from pullback.maps.dot_product import attend, attend_pullback, rotated
from pullback.maps.padded import lengths_of
from pullback.maps.recurrent import Recurrent

CTX = pb.Context()
RECURRENT = (pb.RNN, pb.LSTM, pb.GRU)


def started(net, x, seed=0, noise=0.3):
    p, _ = pb.init(net, x, seed, "float64")
    p.flat[:] += noise * np.random.default_rng(seed).standard_normal(p.flat.size)
    return p


def forward(net, x, ctx=CTX):
    return net.forward(started(net, x), x, ctx)[0]


# -- ids


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
def test_ids_of_any_dtype(dtype):
    x = np.array([[0, 2, 1], [1, 1, 3]], dtype)
    net = pb.Embedding(4, 3)
    p = started(net, x)
    y, res = net.forward(p, x, CTX)
    np.testing.assert_array_equal(y, p["E"][x.astype(int)])
    gx, _ = net.pullback(p, res, y)
    assert gx.shape == x.shape
    assert gx.dtype == x.dtype
    assert not gx.any()


def test_large_ids_in_single_precision():
    count = 2**24
    x = np.array([[count - 1, count - 2, 8388611, 8388610]], np.float32)
    _, res = pb.Embedding(count, 1).forward({"E": np.zeros((count, 1), np.float32)}, x, CTX)
    assert res["ids"].tolist() == [x[0].astype(int).tolist()]


def test_the_dtype_that_is_declared():
    for given, declared in (("int64", "float32"), ("float64", "float64"), ("uint8", "float32")):
        assert pb.Embedding(4, 3).spec(Spec((5,), given)) == Spec((5, 3), declared)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.array([[0, 1], [1, 4]]), r"0: id 4 at \(1, 1\); expected ids below count=4"),
        (np.array([[0.0, 7.0]]), r"0: id 7 at \(0, 1\)"),
        (np.array([[0.0, 1.5]]), r"0: 1\.5 at \(0, 1\) is no id"),
        (np.array([[0.0, 1.25]]), r"1\.25 at \(0, 1\) is no id"),
        (np.array([[0.0, 0.75]]), r"0\.75 at \(0, 1\) is no id"),
        (np.array([[-0.6, 0.0]]), r"-0\.6 at \(0, 0\) is no id"),
        (np.array([[np.nan, 1.0]]), r"nan at \(0, 0\) is no id"),
        (np.array([[np.inf, 1.0]]), r"inf at \(0, 0\) is no id"),
        (np.array([[1e300, 1.0]]), r"1e\+300 at \(0, 0\) is no id"),
    ],
)
def test_ids_that_are_none(x, said):
    net = pb.Chain(pb.Embedding(4, 2))
    with pytest.raises(DataError, match=said):
        forward(net, x)


def test_padding_gives_nothing_and_gets_nothing():
    x = np.array([[2, -1, -5], [0, 2, -1]])
    net = pb.Embedding(3, 2)
    p = started(net, x)
    y, res = net.forward(p, x, CTX)
    assert not y[x < 0].any()
    gy = np.ones_like(y)
    _, delta = net.pullback(p, res, gy)
    assert net.grads(p, res, delta)["E"].sum().tolist() == [[1, 1], [0, 0], [2, 2]]


def test_a_table_of_one_symbol():
    x = np.array([[0, -1]])
    y = forward(pb.Embedding(1, 2), x)
    assert y[0, 0].all()
    assert not y[0, 1].any()


def test_tied_tables_are_one_parameter(rng):
    net = pb.Chain(
        pb.Embedding(5, 3, share="symbols"), pb.Tanh(), pb.Unembedding(5, share="symbols")
    )
    x = rng.integers(0, 5, (4, 6))
    p = started(net, x)
    assert p.flat.size == 15
    y, res = net.forward(p, x, CTX)
    np.testing.assert_allclose(y, np.tanh(p["0"]["E"][x]) @ p["0"]["E"].T, rtol=1e-14)
    gy = rng.standard_normal(y.shape)
    _, delta = net.pullback(p, res, gy)
    gradient = p.layout.view(np.zeros_like(p.flat))
    declared = net.grads(p, res, delta)
    write_gradient(declared, gradient)
    total = declared["0"]["E"].sum() + declared["2"]["E"].sum()
    np.testing.assert_allclose(gradient["0"]["E"], total, rtol=1e-14)


# -- positions


def test_sines_by_hand():
    y = forward(pb.SinusoidalPositions(100.0), np.zeros((1, 3, 4)))
    right = [[np.sin(t), np.cos(t), np.sin(t / 10), np.cos(t / 10)] for t in range(3)]
    np.testing.assert_allclose(y[0], right, rtol=1e-14)


def test_shorter_sequences_take_the_first_positions():
    net = pb.Positions(6)
    p = started(net, Spec((6, 2)))
    x = np.zeros((2, 4, 2))
    y, res = net.forward(p, x, CTX)
    np.testing.assert_array_equal(y[1], p["P"][:4])
    _, delta = net.pullback(p, res, np.ones_like(x))
    assert net.grads(p, res, delta)["P"].sum().tolist() == [[2, 2]] * 4 + [[0, 0]] * 2


def test_turned_vectors_keep_their_lengths_and_know_their_distance(rng):
    q, k = rng.standard_normal((2, 8))
    many_q, many_k = rotated(np.tile(q, (1, 1, 9, 1))), rotated(np.tile(k, (1, 1, 9, 1)))
    np.testing.assert_allclose(np.linalg.norm(many_q, axis=-1), np.linalg.norm(q), rtol=1e-14)
    scores = (many_q @ many_k.swapaxes(-1, -2))[0, 0]
    for distance in range(-8, 9):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(rotated(many_q, backwards=True)[0, 0, 5], q, rtol=1e-13)


# -- recurrent maps


@pytest.mark.parametrize("cls", RECURRENT)
def test_all_states_and_the_last(cls, rng):
    x = rng.standard_normal((3, 5, 2))
    every = forward(cls(4), x)
    np.testing.assert_array_equal(forward(cls(4, "last"), x), every[:, -1])
    back = forward(cls(4, reverse=True), x)
    np.testing.assert_array_equal(forward(cls(4, "last", reverse=True), x), back[:, 0])
    np.testing.assert_allclose(forward(cls(4), x[:, ::-1])[:, ::-1], back, rtol=1e-14)
    both = pb.bidirectional(cls(4))
    assert both.spec(spec_of(x)).shape == (5, 8)
    p = started(both, x)
    np.testing.assert_array_equal(
        both.forward(p, x, CTX)[0][..., :4], cls(4).forward(p["forwards"], x, CTX)[0]
    )


@pytest.mark.parametrize("cls", RECURRENT)
def test_steps_one_by_one(cls, rng):
    """A sequence in two parts, as the state after the first does for the second."""
    x = rng.standard_normal((2, 4, 3))
    net = cls(3)
    p = started(net, x)
    y, res = net.forward(p, x, CTX)
    np.testing.assert_array_equal(res["before"][:, 0], np.zeros((2, 3)))
    np.testing.assert_array_equal(res["before"][:, 1:], y[:, :-1])
    np.testing.assert_allclose(net.forward(p, x[:, :2], CTX)[0], y[:, :2], rtol=1e-14)


def test_how_recurrent_maps_start():
    p, _ = pb.init(pb.LSTM(6), Spec((5, 4)), 0, "float64")
    assert p["b"].tolist() == [0] * 6 + [1] * 6 + [0] * 12
    np.testing.assert_allclose(p["U"] @ p["U"].T, np.eye(6), atol=1e-13)
    assert np.abs(p["W"]).max() <= np.sqrt(6 / (4 + 24))
    p, _ = pb.init(pb.LSTM(2, forget_bias=0.5), Spec((5, 4)), 0)
    assert p["b"].tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0]
    p, _ = pb.init(pb.GRU(6), Spec((5, 4)), 0)
    assert not p["b"].any()
    assert p["c"].shape == (6,)


def test_a_new_kind_of_cell_needs_little():
    """A subclass is a cell; the rest is the base's."""

    class Leaky(Recurrent):
        units, states, reverse, init, recurrent_init = 3, "all", False, None, None

        def cell(self, p, z, q, state):
            return (0.9 * state[0] + z + q,), None

        def cell_pullback(self, kept, g):
            return g[0], g[0], (0.9 * g[0],)

        def cell_pushforward(self, kept, dp, dz, dq, d):
            return (0.9 * d[0] + dz + dq,)

    check_map(Leaky(), Spec((4, 2)), batch=2).raise_for_failure()


# -- attention


def test_large_scores_stay_finite():
    q = np.array([[[[1e3, -1e3]]]], np.float32)
    k = np.array([[[[1e3, 0], [1e3, 1], [-1e3, 0]]]], np.float32)
    v = np.array([[[[1.0], [2.0], [3.0]]]], np.float32)
    for seen in (None, np.array([[[[True, True, True]]]]), np.array([[[[True, False, True]]]])):
        y, a = attend(q, k, v, seen)
        np.testing.assert_array_equal(y.reshape(-1), [1.0])
        found = attend_pullback(q, k, v, a, np.ones_like(y))
        assert all(np.isfinite(part).all() for part in found)


def test_a_query_that_may_see_nothing_gets_nothing(rng):
    q, k, v = rng.standard_normal((3, 1, 2, 4, 3))
    with np.errstate(all="raise"):
        y, a = attend(q, k, v, np.zeros((1, 1, 4, 4), bool))
        assert not y.any()
        assert not any(part.any() for part in attend_pullback(q, k, v, a, v))


@pytest.mark.parametrize("rotary", [False, True])
def test_the_past_does_not_see_the_future(rotary, rng):
    x = rng.standard_normal((2, 6, 4))
    other = x.copy()
    other[:, 4:] += 1
    net = pb.Attention(2, causal=True, rotary=rotary)
    one, two = forward(net, x), forward(net, other)
    np.testing.assert_array_equal(one[:, :4], two[:, :4])
    assert np.abs(one[:, 4:] - two[:, 4:]).min() > 1e-6
    np.testing.assert_allclose(forward(net, x[:, :3]), one[:, :3], rtol=1e-13)


def test_without_positions_the_order_does_not_matter(rng):
    x, order = rng.standard_normal((2, 5, 4)), np.array([3, 0, 4, 1, 2])
    net = pb.Attention(2)
    np.testing.assert_allclose(forward(net, x[:, order]), forward(net, x)[:, order], rtol=1e-12)
    turned = pb.Attention(2, rotary=True)
    assert relative_error(forward(turned, x[:, order]), forward(turned, x)[:, order]) > 1e-3


# -- lengths


def test_where_a_sequence_ends():
    ids = np.array([[1, -1, 2, -1], [-1, -1, -1, -1], [0, 1, 2, 3]])
    assert lengths_of(ids).tolist() == [3, 0, 4]
    assert lengths_of(ids.astype(float)).tolist() == [3, 0, 4]
    x = np.zeros((3, 4, 2))
    x[0, [1, 3]] = x[1] = np.nan
    x[2, 3, 0] = np.nan  # half a step is not padding
    assert lengths_of(x).tolist() == [3, 0, 4]


def test_lengths_can_be_given_without_padded(rng):
    x = rng.standard_normal((3, 5, 4))
    ctx = pb.Context(lengths=np.array([5, 2, 0]))
    marked = x.copy()
    marked[1, 2:] = marked[2] = np.nan
    for net in (pb.LSTM(4), pb.Attention(2), pb.GRU(3, "last"), pb.GlobalAvgPool(), pb.LastStep()):
        p = started(net, x)
        right, _ = pb.Padded(net).forward({"body": p}, marked, CTX)
        np.testing.assert_allclose(net.forward(p, x, ctx)[0], right, rtol=1e-14)


def test_nothing_changes_beyond_the_end(rng):
    x = rng.standard_normal((2, 5, 4))
    lengths = np.array([5, 2])
    for net in (pb.RNN(3), pb.LSTM(3), pb.GRU(3)):
        p = started(net, x)
        _, res = net.forward(p, x, pb.Context(lengths=lengths))
        dy = net.pushforward(p, res, p, np.ones_like(x))
        assert dy[1, :2].any()
        assert not dy[1, 2:].any()


def test_what_is_missing_within_a_sequence_is_seen():
    x = np.zeros((1, 4, 2))
    x[0, 1] = x[0, 3] = np.nan
    y = forward(pb.Padded(pb.RNN(3)), x)
    assert np.isfinite(y[0, 0]).all()
    assert np.isnan(y[0, 1:3]).all()
    assert not y[0, 3].any()


def test_a_batch_that_is_all_padding():
    x = np.full((2, 3), -1)
    for net in (
        pb.Chain(pb.Embedding(3, 4), pb.LSTM(4), pb.Attention(2), pb.GlobalMaxPool()),
        pb.Chain(pb.Embedding(3, 4), pb.GlobalAvgPool()),
        pb.Chain(pb.Embedding(3, 4), pb.LastStep()),
    ):
        with np.errstate(all="raise"):
            assert not forward(pb.Padded(net), x).any()


def test_a_group_of_sequences_knows_no_lengths(rng):
    """``Each`` joins the steps to the examples: lengths mean nothing within."""
    x = rng.standard_normal((2, 3, 4))
    net = pb.Each(pb.Linear(2))
    ctx = pb.Context(lengths=np.array([1, 2]))
    np.testing.assert_array_equal(forward(net, x, ctx), forward(net, x))
    assert net.out_lengths(np.array([1, 2])) is None
    assert pb.Chain(net, pb.Conv1d(2)).out_lengths(np.array([1, 2])) is None


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "padding"),
    [(3, 1, 1, "same"), (3, 2, 1, "same"), (2, 3, 2, "valid"), (4, 2, 1, (1, 0)), (1, 1, 1, 0)],
)
def test_how_many_windows_a_shorter_sequence_has(kernel, stride, dilation, padding):
    padding = (padding,) if isinstance(padding, tuple) else padding
    net = pb.Conv1d(2, kernel, stride, padding, dilation)
    lengths = np.arange(12)
    found = net.out_lengths(lengths)
    for length, count in zip(lengths, found, strict=True):
        try:
            right = net.spec(Spec((int(length), 1))).shape[0]
        except ShapeError:
            right = 0
        assert count == right, length


def test_a_convolution_before_a_recurrent_map_is_that_of_each_alone(rng):
    net = pb.Padded(
        pb.Chain(pb.Trim(), pb.Conv1d(3, 3), pb.ReLU(), pb.Trim(), pb.Conv1d(2, 3), pb.LSTM(2))
    )
    x = rng.standard_normal((2, 6, 2))
    x[1, 4:] = np.nan
    p = started(net, x)
    both, _ = net.forward(p, x, CTX)
    alone, _ = net.forward(p, x[1:, :4], CTX)
    np.testing.assert_allclose(both[1:, :4], alone, rtol=1e-13, atol=1e-15)


# -- what is refused


def a_pool_that_does_not_say_so():
    return pb.lift(
        lambda x: (x.sum(axis=1), x),
        lambda x, gy: np.broadcast_to(gy[:, None], x.shape),
        name="Pool",
    )


def every_second_step():
    return pb.lift(lambda x: (x[:, ::2], x), lambda x, gy: x, name="Half")


class Scores(pb.Map):
    def spec(self, x):
        return Spec(x.shape[:1])


@pytest.mark.parametrize(
    ("net", "spec", "said"),
    [
        (pb.LSTM(3), Spec((4,)), r"LSTM needs examples of shape \(T, C\), found \(4,\)"),
        (pb.GRU(3), Spec((0, 4)), r"found \(0, 4\)"),
        (pb.Attention(3), Spec((5, 4)), "4 channels cannot be divided into heads=3"),
        (pb.Attention(2, rotary=True), Spec((5, 6)), "a head has 3 channels"),
        (pb.CrossAttention(2), Spec((5, 6)), "needs a pair"),
        (pb.CrossAttention(2), (Spec((5, 6)), Spec((5,))), r"found \(5,\)"),
        (pb.MemoryChain(pb.Linear(2)), Spec((5, 6)), "MemoryChain needs a pair"),
        (pb.EncoderDecoder(pb.Linear(2), pb.Linear(2)), Spec((5, 6)), "EncoderDecoder needs a"),
        (
            pb.EncoderDecoder(pb.Linear(2), pb.Linear(2)), (Spec((5, 6)), Spec((5, 6))),
            "decoder with a memory",
        ),
        (pb.Positions(3), Spec((4, 2)), "a sequence of 4 steps, expected at most count=3"),
        (pb.Padded(pb.Flatten()), Spec((4, 2, 2)), r"found \(4, 2, 2\)"),
        (pb.Padded(Scores()), Spec((4, 2)), r"of 4 steps the map within makes \(4,\)"),
        (pb.LastStep(), Spec((4,)), r"LastStep needs examples \(T, ...\)"),
        (pb.Trim(), Spec((4,)), r"Trim needs examples \(T, ...\)"),
        (pb.Product(pb.Linear(2), pb.Linear(3)), Spec((4,)), "Product cannot multiply"),
        (pb.Unembedding(3), Spec(()), "Unembedding needs an input"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit(net, spec, said):
    with pytest.raises(ShapeError, match=said):
        net.spec(spec)


@pytest.mark.parametrize("make", [a_pool_that_does_not_say_so, every_second_step])
def test_a_map_that_changes_the_steps_must_say_so(make):
    with pytest.raises(ShapeError, match="must say so in out_lengths"):
        pb.Padded(pb.Chain(pb.Linear(4), make())).spec(Spec((6, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pb.Embedding(0, 3),
        lambda: pb.Embedding(3, 2.5),
        lambda: pb.Unembedding(True),
        lambda: pb.Positions(-1),
        lambda: pb.SinusoidalPositions(1.0),
        lambda: pb.LSTM(0),
        lambda: pb.GRU(3, "first"),
        lambda: pb.Attention(0),
        lambda: pb.CrossAttention("2"),
        lambda: pb.RMSNorm(0.0),
        lambda: pb.Product(pb.Linear(2), None),
        lambda: pb.Padded(3),
        lambda: pb.EncoderDecoder(pb.Linear(2), "decoder"),
    ],
)
def test_values_that_cannot_be_used(make):
    with pytest.raises(ConfigError):
        make()


def test_sizes_are_those_of_the_inputs():
    def sizes(net, spec):
        return {entry.name: entry.shape for entry in Layout.of(net.params(spec)).entries}

    assert sizes(pb.LSTM(3), Spec((7, 2))) == {"W": (2, 12), "U": (3, 12), "b": (12,)}
    assert sizes(pb.GRU(3), Spec((7, 2)))["c"] == (3,)
    assert sizes(pb.Attention(2, bias=False), Spec((7, 4))) == {"W": (4, 12), "Wo": (4, 4)}
    assert sizes(pb.CrossAttention(2), (Spec((7, 4)), Spec((5, 3)))) == {
        "Wq": (4, 4), "bq": (4,), "Wm": (3, 8), "bm": (8,), "Wo": (4, 4), "bo": (4,),
    }  # fmt: skip


def test_multiply_adds():
    assert pb.LSTM(3).multiply_adds(Spec((7, 2))) == 7 * 5 * 12
    assert pb.Attention(2).multiply_adds(Spec((7, 4))) == 4 * 7 * 16 + 2 * 49 * 4
    pair = Spec((7, 4)), Spec((5, 3))
    assert pb.CrossAttention(2).multiply_adds(pair) == 7 * 4 * 8 + 5 * 3 * 8 + 2 * 7 * 5 * 4
    assert pb.Unembedding(9).multiply_adds(Spec((7, 4))) == 7 * 4 * 9
