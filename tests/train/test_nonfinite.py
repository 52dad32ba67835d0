"""A NaN or an infinity stops the run, and the message says where it came from."""

from __future__ import annotations

import numpy as np
import pytest
from runs import digits, fit_tiny, theta_of

import pullback as pb
from pullback.core.errors import NonFiniteError
from pullback.train.events import EpochEnded

BATCH = 100


def broken(where, after):
    """A map that passes everything on, and a NaN in ``where`` from its call ``after`` on."""
    calls = {"forward": 0, "backward": 0}

    def pass_on(direction, x):
        calls[direction] += len(x) == BATCH  # not when the shapes are worked out
        return x * np.nan if direction == where and calls[direction] > after else x

    return pb.lift(
        lambda x: (pass_on("forward", x), ()),
        lambda res, g: pass_on("backward", g),
        name="Broken",
    )


def fit_broken(where, after=3, **changes):
    net = pb.Chain(pb.Flatten(), pb.Linear(8), broken(where, after), pb.ReLU(), pb.Linear(10))
    return pb.fit(
        net, digits(), loss=pb.losses.CrossEntropy(), optimizer=pb.optim.SGD(0.1), batch_size=BATCH,
        **changes,
    )  # fmt: skip


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_layer_direction_and_step_are_named(where):
    with pytest.raises(NonFiniteError) as caught:
        fit_broken(where)
    message = str(caught.value)
    for part in ("step 3:", "layer 2 (Broken)", where, "learning rate"):
        assert part in message
    assert "\n" not in message


def test_an_overflow_is_traced_to_the_layer_where_it_began():
    with pytest.raises(NonFiniteError, match=r"step \d+: .* layer 2 \(Linear\), forward"):
        fit_tiny(
            net=pb.Chain(pb.Flatten(), pb.Linear(8), pb.Linear(10)),
            optimizer=pb.optim.SGD(1e30),
            augment=None,
        )


def test_the_last_good_checkpoint_is_kept(tmp_path):
    """A start that trains for an epoch, and then meets a learning rate out of all bounds."""
    jump = pb.optim.WarmUp(1e-3, steps=40, then=pb.optim.ConstantLR(1e38))
    seen = {}

    def note(event):
        if isinstance(event, EpochEnded):
            seen[event.epoch] = None

    with pytest.raises(NonFiniteError):
        fit_tiny(
            tmp_path / "run", callbacks=[note],
            optimizer=pb.optim.SGD(jump), epochs=6, net=pb.Chain(pb.Flatten(), pb.Linear(10)),
        )  # fmt: skip
    assert len(seen) == 2
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 2
    assert np.isfinite(theta_of(tmp_path / "run").view(np.float32)).all()
    with pytest.raises(NonFiniteError):  # the same again: the checkpoint is whole
        pb.resume(tmp_path / "run", digits())


def test_large_but_finite_numbers_are_no_reason_to_stop():
    """The sum of squares overflows float32, the gradient itself does not."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 4)) * 1e10, rng.standard_normal((64, 1)) * 1e12
    run = pb.fit(
        pb.Chain(pb.Linear(1)), pb.data.from_arrays(x, y), loss=pb.losses.HalfSquaredError(),
        optimizer=pb.optim.SGD(0.0), epochs=1, batch_size=32, normalize="none", metrics=[],
    )  # fmt: skip
    assert run.stopped == "epochs"
