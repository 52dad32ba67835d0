"""Maps made of maps: around, side by side, and in two places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.compose import Composite, Wrapper, checked_spec, named_children, rebuild
from pullback.core.context import Context
from pullback.core.errors import ConfigError, ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Param, Spec, Specs
from pullback.core.tree import Path, leaves, unflatten


@MAPS.register
@dataclass(frozen=True)
class Residual(Wrapper):
    r"""A map and a way around it: ``y = x + f(x)``.

    Pullback :math:`g_x = g_y + J_f^T g_y`. He, Zhang, Ren, Sun, "Deep residual learning" (2016).
    Of a pair, ``x`` and a memory, the way is around ``f`` for ``x`` alone: ``y = x + f(x, m)``.

    Raises:
        ConfigError: ``body`` is not a map.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x + f(x)",
        "gx = gy + Jᵀ gy",
    )

    body: Map

    @property
    def with_memory(self) -> bool:  # type: ignore[override]
        """As the child."""
        return self.body.with_memory

    def spec(self, x: Specs) -> Specs:
        """Return the input spec; the child must keep it."""
        y, around = checked_spec("body", self.body, x), _first(x)
        if isinstance(y, tuple) or y.shape != around.shape:
            raise ShapeError(
                f"Residual needs a map that keeps the shape, found {around.shape} -> {y.shape}"
            )
        return y

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x + f(x)``."""
        y, res = self.body.forward(p.get("body", {}), x, ctx.child("body"))
        return _first(x) + y, {"body": res}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``gy + J_f^T gy``."""
        gx, delta = self.body.pullback(p.get("body", {}), res["body"], gy)
        around = (gy + gx[0], *gx[1:]) if isinstance(gx, tuple) else gy + gx
        return around, {"body": delta}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``dx + J_f dx + J_p dp``."""
        return _first(dx) + self.body.pushforward(
            p.get("body", {}), res["body"], dp.get("body", {}), dx
        )


def _first(x: Any) -> Any:
    return x[0] if isinstance(x, tuple) else x


@MAPS.register
@dataclass(frozen=True)
class Gate(Wrapper):
    r"""A map that scales its own input: ``y = x f(x)``.

    ``f`` gives a number for each of ``x``, or, of shape ``(N, C)``, one for each channel (last
    axis). Pullback :math:`g_x = f(x) g_y + J_f^T (x g_y)`, the product summed over the positions
    where ``f`` has none. With pooling and a sigmoid, it is "Squeeze-and-excitation" (Hu and others,
    2018), see ``pullback.models.squeeze_excite``.

    Raises:
        ConfigError: ``body`` is not a map.
        ShapeError: the shape of ``f(x)`` is neither that of ``x`` nor its last axis alone.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = x f(x)",
        "gx = f(x) gy + Jᵀ (x gy)",
    )

    body: Map

    def spec(self, x: Specs) -> Specs:
        """Return the input spec; the child's output must fit it."""
        y = checked_spec("body", self.body, x)
        if isinstance(y, tuple) or y.shape not in (x.shape, x.shape[-1:]):
            raise ShapeError(
                f"Gate needs a map to {x.shape} or {x.shape[-1:]}, found {x.shape} -> {y.shape}"
            )
        return x

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Return ``x f(x)``; no child can be called "": both factors have that name."""
        scale, res = self.body.forward(p.get("body", {}), x, ctx.child("body"))
        return x * _over_positions(scale, x), {"body": res, "": (x, scale)}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Return ``f(x) gy + J_f^T (x gy)``."""
        x, scale = res[""]
        g = x * gy
        if scale.ndim < g.ndim:
            g = namespace(g).sum(g, axis=tuple(range(1, g.ndim - 1)))
        gx, delta = self.body.pullback(p.get("body", {}), res["body"], g)
        return _over_positions(scale, x) * gy + gx, {"body": delta}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Return ``f(x) dx + x df``."""
        x, scale = res[""]
        change = self.body.pushforward(p.get("body", {}), res["body"], dp.get("body", {}), dx)
        return _over_positions(scale, x) * dx + x * _over_positions(change, x)


def _over_positions(scale: Any, x: Any) -> Any:
    """Return ``scale``, given for each channel, in a shape that multiplies ``x``."""
    if scale.ndim == x.ndim:
        return scale
    return scale.reshape((scale.shape[0], *(1 for _ in x.shape[1:-1]), scale.shape[-1]))


_COMBINE = ("concat", "add")


@MAPS.register
@dataclass(frozen=True, init=False)
class Parallel(Composite):
    r"""Several maps of the same input, side by side.

    ``combine="concat"``: ``y = [f_1(x), ..., f_k(x)]`` on the last axis; ``"add"``: their sum.
    Pullback :math:`g_x = \sum_i J_i^T g_{y_i}`.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = f₁(x), f₂(x), ... joined or added",
        "gx = Σ Jᵢᵀ gyᵢ",
    )

    names: tuple[str, ...]
    maps: tuple[Map, ...]
    combine: str = "concat"

    def __init__(self, *maps: Map, combine: str = "concat", **named: Map) -> None:
        if combine not in _COMBINE:
            raise ConfigError(f"Parallel: combine={combine!r}; expected one of {_COMBINE}")
        names, children = named_children(maps, named)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "maps", children)
        object.__setattr__(self, "combine", combine)

    @classmethod
    def from_fields(
        cls, names: tuple[str, ...], maps: tuple[Map, ...], combine: str = "concat"
    ) -> Parallel:
        """Build from the fields, as a configuration has them."""
        return rebuild(cls(combine=combine), names, maps)

    def children(self) -> dict[str, Map]:
        """Return the children by name."""
        return dict(zip(self.names, self.maps, strict=True))

    def with_children(self, children: Mapping[str, Map]) -> Parallel:
        """Return the same arrangement of other children."""
        maps = tuple(children[name] for name in self.names)
        return self.from_fields(self.names, maps, self.combine)

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the input spec for every child."""
        return dict.fromkeys(self.names, x)

    def spec(self, x: Specs) -> Specs:
        """Return the joined output spec."""
        found = [checked_spec(name, child, x) for name, child in self.children().items()]
        if not found:
            raise ShapeError("Parallel needs at least one map")
        free = slice(None, -1) if self.combine == "concat" else slice(None)
        if any(y.shape[free] != found[0].shape[free] for y in found) or not found[0].shape:
            raise ShapeError(
                f"Parallel cannot {self.combine} outputs of shapes "
                f"{', '.join(str(y.shape) for y in found)}"
            )
        if self.combine == "add":
            return found[0]
        width = sum(y.shape[-1] for y in found)
        return Spec((*found[0].shape[:-1], width), found[0].dtype)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply every child to ``x`` and combine."""
        outputs, res = [], {}
        for name, child in self.children().items():
            y, res[name] = child.forward(p.get(name, {}), x, ctx.child(name))
            outputs.append(y)
        # no child can be called "": what is not a child's residual has that name
        return self._joined(outputs), {**res, "": tuple(y.shape[-1] for y in outputs)}

    def _joined(self, outputs: list[Any]) -> Any:
        if self.combine == "concat":
            return namespace(outputs[0]).concat(outputs, axis=-1)
        return _sum(outputs)

    def out_lengths(self, lengths: Any) -> Any:
        """Return those after the first child, as the others must have the same steps."""
        return self.maps[0].out_lengths(lengths) if self.maps else lengths

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull each child's share of ``gy`` back, and add."""
        cotangents, deltas, start = [], {}, 0
        for name, child, width in zip(self.names, self.maps, res[""], strict=True):
            share = gy[..., start : start + width] if self.combine == "concat" else gy
            gx, deltas[name] = child.pullback(p.get(name, {}), res[name], share)
            cotangents.append(gx)
            start += width
        return _sum(cotangents), deltas

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push ``dx`` through every child and combine."""
        return self._joined(
            [
                child.pushforward(p.get(name, {}), res[name], dp.get(name, {}), dx)
                for name, child in self.children().items()
            ]
        )


def _sum(arrays: list[Any]) -> Any:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total


@MAPS.register
@dataclass(frozen=True)
class Shared(Wrapper):
    """The same parameters in several places: every ``Shared`` of one ``key`` is one map.

    ``enc = Shared("enc", Linear(8)); Chain(enc, ReLU(), enc)`` has one weight matrix, whose
    gradient is the sum over its places. State (running averages) stays with each place. Within
    a ``Shared``, another one keeps its own key.

    Raises:
        ConfigError: ``key`` is not a name or ``body`` is not a map.
    """

    key: str
    body: Map

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key or "." in self.key:
            raise ConfigError(f"Shared: key={self.key!r}; expected a name without dots")
        super().__post_init__()

    def spec(self, x: Specs) -> Specs:
        """Return the child's output spec."""
        return checked_spec("body", self.body, x)

    @property
    def with_memory(self) -> bool:  # type: ignore[override]
        """As the child."""
        return self.body.with_memory

    def out_lengths(self, lengths: Any) -> Any:
        """Return those after the child."""
        return self.body.out_lengths(lengths)

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the child's parameters, each with a share key of its own."""
        pairs: dict[Path, Param] = {
            path: replace(param, share=param.share or ".".join((self.key, *path)))
            for path, param in leaves(super().params(x))
        }
        return unflatten(pairs)

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the child."""
        y, res = self.body.forward(p.get("body", {}), x, ctx.child("body"))
        return y, {"body": res}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` back through the child."""
        gx, delta = self.body.pullback(p.get("body", {}), res["body"], gy)
        return gx, {"body": delta}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push ``dx`` through the child."""
        return self.body.pushforward(p.get("body", {}), res["body"], dp.get("body", {}), dx)
