"""A walk through one step: every number is what the library computes, and what a hand computes."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from contract_cases import all_cases, setting

import pullback as pb
from pullback.core.theta import Theta
from pullback.losses import LOSSES
from pullback.maps import Chain, Shared
from pullback.optim import OPTIMIZERS, TRANSFORMS
from pullback.optim.base import Chained

LOSS = pb.losses.HalfSquaredError()


def one_two_one():
    net = pb.Chain(hidden=pb.Linear(2), h=pb.Sigmoid(), out=pb.Linear(1), y=pb.Sigmoid())
    x, t = np.array([[1.0]]), np.array([[0.0]])
    p, _ = pb.init(net, x, dtype="float64")
    p["hidden"]["W"][:], p["hidden"]["b"][:] = [[0.5, -0.5]], [0.1, 0.2]
    p["out"]["W"][:], p["out"]["b"][:] = [[1.0], [-1.0]], [0.3]
    return net, p, x, t


def value(walk, kind, path, name):
    (section,) = [s for s in walk.of(kind) if s.path == path]
    (found,) = [v for v in section.values if v.name == name]
    return found.array


def test_the_textbooks_network_by_hand():
    """1-2-1, sigmoid, half squared error, gradient descent: worked in plain Python."""
    net, p, x, t = one_two_one()
    walk = pb.walk(net, LOSS, p, x, t, optimizer=pb.optim.SGD(0.5))

    def s(z):
        return 1 / (1 + math.exp(-z))

    h1, h2 = s(0.5 * 1 + 0.1), s(-0.5 * 1 + 0.2)
    y = s(1.0 * h1 - 1.0 * h2 + 0.3)
    delta = (y - 0) * y * (1 - y)
    delta1, delta2 = 1.0 * delta * h1 * (1 - h1), -1.0 * delta * h2 * (1 - h2)
    expected = {
        ("forward", "h", "y"): [[h1, h2]],
        ("forward", "y", "y"): [[y]],
        ("error", "", "L"): 0.5 * y * y,
        ("backward", "y", "gx"): [[delta]],
        ("backward", "out", "gW"): [[delta * h1], [delta * h2]],
        ("backward", "out", "gb"): [delta],
        ("backward", "h", "gx"): [[delta1, delta2]],
        ("backward", "hidden", "gW"): [[delta1, delta2]],
        ("update", "hidden.W", "θ after"): [[0.5 - 0.5 * delta1, -0.5 - 0.5 * delta2]],
        ("update", "out.W", "θ after"): [[1 - 0.5 * delta * h1], [-1 - 0.5 * delta * h2]],
        ("update", "out.b", "θ after"): [0.3 - 0.5 * delta],
    }
    for (kind, path, name), right in expected.items():
        np.testing.assert_allclose(value(walk, kind, path, name), right, rtol=1e-14)


def test_sections_come_in_the_order_of_the_step():
    net, p, x, t = one_two_one()
    kept = p.flat.copy()
    walk = pb.walk(net, LOSS, p, x, t, optimizer=pb.optim.Momentum(0.5))
    there, back = ["hidden", "h", "out", "y"], ["y", "out", "h", "hidden"]
    assert [s.path for s in walk.of("forward")] == there
    assert [s.path for s in walk.of("backward")] == back
    assert [s.path for s in walk.of("update")] == ["hidden.W", "hidden.b", "out.W", "out.b"]
    np.testing.assert_array_equal(p.flat, kept)
    assert not pb.walk(net, LOSS, p, x, t).of("update")


def digit(mnist):
    net = pb.Chain(pb.Flatten(), pb.Linear(128), pb.ReLU(), pb.Linear(64), pb.ReLU(), pb.Linear(10))
    x, t = (mnist.train.x[5:6] / 255).astype(np.float32), mnist.train.y[5:6]
    p, _ = pb.init(net, x)
    p.flat[:] += 0.01 * np.random.default_rng(0).standard_normal(p.flat.size)
    return net, p, x, t


@pytest.fixture(scope="module")
def on_a_digit(data_dir):
    net, p, x, t = digit(pb.data.load("mnist", data_dir))
    optimizer = pb.optim.chain(pb.optim.Adam(0.01), pb.optim.DecoupledDecay(0.1))
    return pb.walk(net, pb.losses.CrossEntropy(), p, x, t, optimizer=optimizer), (net, p, x, t)


def test_every_number_on_a_digit_is_what_the_library_computes(on_a_digit):
    walk, (net, p, x, t) = on_a_digit
    loss, ctx = pb.losses.CrossEntropy(), pb.Context(train=True)
    h, residuals = x, []
    for name, child in net.children().items():
        y, res = child.forward(p.get(name, {}), h, ctx)
        np.testing.assert_array_equal(value(walk, "forward", name, "x"), h)
        np.testing.assert_array_equal(value(walk, "forward", name, "y"), y)
        residuals.append(res)
        h = y
    values, slope = loss.forward(h, t)
    np.testing.assert_array_equal(value(walk, "error", "", "ℓ"), values)
    gy = loss.pullback(slope, np.ones(1, np.float32))
    for (name, child), res in reversed(list(zip(net.children().items(), residuals, strict=True))):
        np.testing.assert_array_equal(value(walk, "backward", name, "gy"), gy)
        gy, delta = child.pullback(p.get(name, {}), res, gy)
        np.testing.assert_array_equal(value(walk, "backward", name, "gx"), gy)
        for key, contraction in child.grads(p.get(name, {}), res, delta).items():
            np.testing.assert_array_equal(
                value(walk, "backward", name, f"g{key}"), contraction.sum()
            )
    _, gradient = pb.value_and_grad(net, loss)(p, x, t, ctx)
    m, v = 0.1 * gradient.flat, 0.001 * gradient.flat**2
    decay = np.concatenate(
        [np.full(e.stop - e.start, e.decay, np.float64) for e in p.layout.entries]
    )
    after = p.flat - 0.01 * (m / 0.1) / (np.sqrt(v / 0.001) + 1e-8) - 0.01 * 0.1 * decay * p.flat
    after = Theta(p.layout, after)
    for name in ("1", "3", "5"):
        for key in ("W", "b"):
            found = value(walk, "update", f"{name}.{key}", "θ after")
            np.testing.assert_allclose(found, after[name][key], atol=2e-6)


def test_sums_add_up_to_their_entries(on_a_digit):
    for walk in (on_a_digit[0], pb.walk(*batch_of_seven())):
        sums = [(section, entry) for section in walk.of("backward") for entry in section.sums]
        assert len(sums) >= 10
        for section, entry in sums:
            (whole,) = [v.array for v in section.values if v.name == entry.name]
            assert whole[entry.place] == entry.total
            total = sum(math.prod(number for *_, number in term) for term in entry.terms)
            if entry.count == len(entry.terms):
                assert total == pytest.approx(entry.total, rel=1e-5)
            else:
                assert entry.count == 7 > len(entry.terms)


def batch_of_seven():
    rng = np.random.default_rng(1)
    net, x = pb.Chain(pb.Linear(3), pb.Tanh(), pb.Linear(2)), rng.standard_normal((7, 4))
    p, _ = pb.init(net, x, dtype="float64")
    return net, pb.losses.CrossEntropy(), p, x, rng.integers(0, 2, 7)


def printed(line):
    """The numbers of a line, without those in brackets, which are places and shapes."""
    bare = re.sub(r"\[[\d,]*\]|\(\d+,[\d, ]*\)|\(\)", " ", line)
    return [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)", bare)]


def test_every_printed_number_is_one_of_the_numbers(on_a_digit):
    walk = on_a_digit[0]
    text = str(walk)
    allowed = set()
    for section in walk.sections:
        for v in section.values:
            size = [v.array.min(), v.array.max(), np.linalg.norm(v.array)]
            picked = v.array.reshape(-1) if v.array.size <= 24 else [v.array[p] for p in v.places]
            allowed |= {float(f"{float(n):.6g}") for n in [*size, *picked]}
        for entry in section.sums:
            allowed.add(float(f"{entry.total:.6g}"))
            allowed |= {float(f"{n:.6g}") for term in entry.terms for *_, n in term}
    lines = [line for line in text.splitlines() if line.startswith("  ") and line[2] != " "]
    found = [n for line in lines for n in printed(line)]
    assert len(found) > 300
    assert set(found) <= allowed


def test_data_have_every_number_in_full(on_a_digit):
    walk = on_a_digit[0]
    sections = walk.to_dict()["sections"]
    assert len(sections) == len(walk.sections)
    for section, data in zip(walk.sections, sections, strict=True):
        for v, d in zip(section.values, data["values"], strict=True):
            assert d["shape"] == list(v.array.shape)
            if "numbers" in d:
                np.testing.assert_array_equal(np.array(d["numbers"], v.array.dtype), v.array)
            else:
                assert (d["min"], d["max"]) == (v.array.min(), v.array.max())
                for place, number in d["entries"]:
                    assert number == v.array[tuple(place)]


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.seen.append((tag, dict(attributes)))

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_needs_nothing_else(on_a_digit):
    walk = on_a_digit[0]
    page = Page()
    page.feed(walk.html())
    assert not page.open
    assert not any({"src", "href"} & set(attributes) for _, attributes in page.seen)
    assert "url(" not in walk.html()
    assert "import" not in walk.html()
    for line in str(walk).splitlines():
        assert line.strip() in page.text


def test_whatever_is_registered_says_what_it_does():
    for name, cls in pb.MAPS.items():
        assert len(cls.formulas) == 2 or cls in (Chain, Shared), name
    for name, cls in LOSSES.items():
        assert len(cls.formulas) == 2, name
    for name, cls in (*OPTIMIZERS.items(), *TRANSFORMS.items()):
        assert cls.formula or cls is Chained, name


CASES = all_cases()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_map_can_be_walked(case):
    s = setting(case)
    y, _ = s.net.forward(s.p, s.x, s.ctx)
    optimizer = pb.optim.Lion(0.1)
    walk = pb.walk(s.net, LOSS, s.p, s.x, np.zeros_like(y), optimizer=optimizer, ctx=s.ctx)
    assert str(walk)
    assert len(walk.of("forward")) == len(walk.of("backward"))
    _, gradient = pb.value_and_grad(s.net, LOSS)(s.p, s.x, np.zeros_like(y), s.ctx)
    for entry in s.p.layout.entries:
        if not entry.alias:
            place = slice(entry.start, entry.stop)
            found = value(walk, "update", entry.name, "g").reshape(-1)
            np.testing.assert_array_equal(found, gradient.flat[place])


def test_a_residual_and_lifted_map_are_shown():
    square = pb.lift(lambda x: (x * x, x), lambda x, gy: 2 * x * gy, name="Square")
    net = pb.Chain(pb.Residual(pb.Chain(pb.Linear(2), square)))
    x = np.array([[1.0, 2.0]])
    p, _ = pb.init(net, x, dtype="float64")
    text = str(pb.walk(net, LOSS, p, x, np.zeros((1, 2))))
    assert "1 forward: 0 (Residual)\n    y = x + f(x)" in text
    assert "1 forward: 0.body.1 (Square)\n    a function of its own" in text
