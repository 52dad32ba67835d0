"""Vectors of symbols, and scores of symbols for a vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.context import Context
from pullback.core.contraction import C
from pullback.core.errors import ConfigError, DataError
from pullback.core.initializers import Constant, Initializer, Normal
from pullback.core.map import MAPS, Map, Params, check_rank
from pullback.core.scatter import Scatter
from pullback.core.spec import Param, Spec, Specs
from pullback.maps.linear import one_position_axis

NEAR = 1e-2
"""How far a number may be from the whole number it stands for."""


@MAPS.register
@dataclass(frozen=True)
class Embedding(Map):
    r"""The row of a table for each id: :math:`y_{nt} = E_{x_{nt}}`.

    An id below 0 is padding: its vector is 0. Ids are not differentiated, :math:`g_x = 0`. The
    gradient of the table is that of a linear map of vectors with a single 1:
    :math:`G_{E,v} = \sum_{n,t: x_{nt} = v} g_{y,nt}`.

    Args:
        count: how many symbols there are; ids are below.
        width: numbers in a vector.
        share: a name; the tables of one name (``Unembedding`` has one too) are one parameter.
        init: how ``E`` starts; None: ``Normal(0.02)``, as in GPT-2.

    Shapes: ``x (N, ...)``, whole numbers of any dtype; ``E (count, width)``, ``y (N, ..., width)``
    in the dtype of ``E``, which ``spec`` takes to be that of ``x``, or float32 for one of integers.

    Raises:
        ConfigError: ``count`` or ``width`` is not a positive whole number.
        DataError: in ``forward``, an id of ``count`` or more, or a number that is not whole.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = E[x], 0 where x < 0",
        "gx = 0",
    )

    count: int
    width: int
    share: str | None = None
    init: Initializer | None = None

    def __post_init__(self) -> None:
        check_sizes(self, "count", "width")

    def spec(self, x: Specs) -> Spec:
        """Return the input's spec with ``width`` as another axis."""
        check_rank("Embedding", x, 0)
        dtype = x.dtype if x.dtype.startswith("float") else "float32"
        return Spec((*x.shape, self.width), dtype)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the table ``E``."""
        return {"E": Param((self.count, self.width), self.init or Normal(), share=self.share)}

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return the rows; the ids and a zero cotangent for them are the residual."""
        xp = namespace(x)
        ids = whole_numbers(x, ctx.path or "Embedding")
        self.check_range(ids, ctx.path or "Embedding")
        return self._rows(p["E"], ids), {"ids": ids, "gx": xp.zeros_like(x)}

    def check_range(self, ids: Any, where: str) -> None:
        """Raise ``DataError`` if there is an id of ``count`` or more."""
        bad = ids >= self.count
        if namespace(ids).any(bad):
            place = tuple(int(axis[0]) for axis in namespace(ids).nonzero(bad))
            raise DataError(
                f"{where}: id {int(ids[place])} at {place}; expected ids below count={self.count} "
                "(and those below 0 for padding)"
            )

    def _rows(self, table: Any, ids: Any) -> Any:
        xp = namespace(table)
        inside = ids >= 0
        rows = table[xp.where(inside, ids, xp.zeros_like(ids))]
        return xp.where(inside[..., None], rows, xp.zeros_like(rows))

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return zeros, and ``gy`` as the delta."""
        return res["gx"], gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``E``: the rows of the delta, added up at their ids."""
        return {"E": Scatter(self.count, res["ids"], delta)}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return the rows of ``dE``."""
        return self._rows(dp["E"], res["ids"])


def whole_numbers(x: Any, where: str) -> Any:
    """Return ``x``, whole numbers of any dtype, as integers.

    Raises:
        DataError: a number is not whole.
    """
    xp = namespace(x)
    if xp.isdtype(x.dtype, "integral"):
        return xp.astype(x, xp.int64)
    # In float64, as adding to a large float32 would round; upwards, as a cast cuts off towards 0.
    wide = xp.astype(x, xp.float64)
    bad = ~(xp.abs(wide) < 2.0**53)
    ids = xp.astype(xp.where(bad, xp.zeros_like(wide), wide) + 1.5, xp.int64) - 1
    bad = bad | ~(xp.abs(wide - ids) < NEAR) & (wide > -1)
    if xp.any(bad):
        place = tuple(int(axis[0]) for axis in xp.nonzero(bad))
        raise DataError(f"{where}: {x[place]} at {place} is no id; expected whole numbers")
    return ids


def check_sizes(of: Map, *names: str) -> None:
    """Raise ``ConfigError`` unless the fields ``names`` are whole numbers of at least 1."""
    for name in names:
        value = getattr(of, name)
        if type(value) is not int or value < 1:
            raise ConfigError(
                f"{of.title}: {name}={value!r}; expected a whole number of at least 1"
            )


@MAPS.register
@dataclass(frozen=True)
class Unembedding(Map):
    r"""``y = x E^T``: the product of a vector with every row of a table, as a score of each symbol.

    With the ``share`` of an ``Embedding`` both have one table: Press and Wolf, "Using the output
    embedding to improve language models" (2017). Pullback :math:`g_x = g_y E`; gradient
    :math:`G_E = \sum_{n,t} g_{y,nt}^T x_{nt}`.

    Args:
        count: how many symbols there are.
        share: a name; the tables of one name are one parameter.
        bias: whether there is a ``b``.
        init: how ``E`` starts, where it is not shared with a map before; None: ``Normal(0.02)``.

    Shapes: ``x (N, ..., C)``, ``E (count, C)``, ``b (count,)``, ``y (N, ..., count)``.

    Raises:
        ConfigError: ``count`` is not a positive whole number.
        ShapeError: the input has no axis besides the batch.
    """

    stepwise = True

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x Eᵀ + b",
        "gx = gy E",
    )

    count: int
    share: str | None = None
    bias: bool = False
    init: Initializer | None = None

    def __post_init__(self) -> None:
        check_sizes(self, "count")

    def spec(self, x: Specs) -> Spec:
        """Return the input's spec with ``count`` on the last axis."""
        check_rank("Unembedding", x, 1)
        return Spec((*x.shape[:-1], self.count), x.dtype)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the table ``E`` and, with a bias, ``b``."""
        declared = {"E": Param((self.count, x.shape[-1]), self.init or Normal(), share=self.share)}
        if self.bias:
            declared["b"] = Param((self.count,), Constant(0.0), decay=False)
        return declared

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x E^T + b`` and ``x``."""
        y = x @ p["E"].T
        return (y + p["b"] if self.bias else y), x

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy E``, and ``gy`` as the delta."""
        return gy @ p["E"], gy

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare ``E`` and ``b``; axes between the first and the last become one, ``t``."""
        x, axes = res, "n"
        if x.ndim > 2:
            x, delta, axes = one_position_axis(x), one_position_axis(delta), "nt"
        # the product of a linear map's W, with the two sides exchanged
        declared = {"E": C(f"{axes}o,{axes}i->io", x=x, delta=delta)}
        if self.bias:
            declared["b"] = C(f"{axes}o->o", delta=delta)
        return declared

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx E^T + x dE^T + db``."""
        dy = dx @ p["E"].T + res @ dp["E"].T
        return dy + dp["b"] if self.bias else dy

    def multiply_adds(self, x: Specs) -> int:
        """Return ``C * count`` for each position."""
        return int(x.size * self.count)
