r"""What each input does to the loss, and each example to the training."""

from __future__ import annotations

from typing import Any

from pullback.core.arrays import namespace
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.spec import Array
from pullback.extend.evidence import Evidence

TEXT = {
    "no gx": "the network was lowered without the gradient of its input; give its reference form",
    "shape": "forgetting needs (epochs, examples) of right and wrong, found shape {shape}",
}


def input_gradient(at: Evidence) -> Any:
    r"""Return :math:`\partial \ell_n / \partial x_n`, of the input's shape.

    Raises:
        ConfigError: the network makes none.
    """
    gx = at.found.gx
    if gx is None:
        raise ConfigError(TEXT["no gx"])
    if isinstance(gx, tuple):
        return tuple(_per_example(at, part) for part in gx)
    return _per_example(at, gx)


def _per_example(at: Evidence, array: Array) -> Array:
    return array * at.unshare.reshape((-1, *(1,) * (array.ndim - 1)))


def el2n(at: Evidence) -> Array:
    r"""Return ``(N,)`` the length of the error, :math:`\|\partial \ell_n / \partial y_n\|`.

    For ``CrossEntropy`` it is :math:`\|p_n - q_n\|`: the EL2N score, large for what is hard early
    in training. Paul, Ganguli, Dziugaite, "Deep learning on a data diet" (2021), definition 2.3.
    """
    slope = at.found.slope
    xp = namespace(slope)
    return xp.sqrt(xp.sum((slope * slope).reshape((slope.shape[0], -1)), axis=1))


def influence(at: Evidence, others: Evidence) -> Array:
    r"""Return ``(N,)`` :math:`\langle g_n, \bar g_{others} \rangle` for examples of another batch.

    A step against :math:`g_n` lowers the mean loss of the others by the learning rate times this:
    above 0 the example helps them. One checkpoint of TracIn: Pruthi, Liu, Kale, Sundararajan,
    "Estimating training data influence by tracing gradient descent" (2020), equation 1.
    """
    return at.along(others.gradient)


def forgetting(right: Array) -> Array:
    """Return ``(N,)`` how often each example went from right to wrong.

    ``right (E, N)`` says which of ``N`` examples were right after each of ``E`` epochs. Those that
    never were are counted as forgotten ``E`` times: as hard as can be. Toneva and others, "An
    empirical study of example forgetting during deep neural network learning" (2019), section 3.

    Raises:
        ShapeError: ``right`` does not have two axes.

    >>> import numpy as np
    >>> forgetting(np.array([[True, True, False], [False, True, False], [True, True, False]]))
    array([1, 0, 3])
    """
    if right.ndim != 2:
        raise ShapeError(TEXT["shape"].format(shape=tuple(right.shape)))
    xp = namespace(right)
    lost = xp.sum(xp.astype(right[:-1] & ~right[1:], xp.int64), axis=0)
    return xp.where(xp.any(right, axis=0), lost, xp.full_like(lost, right.shape[0]))
