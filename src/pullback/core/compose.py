"""Maps made of maps: the bases of all compositions, and the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from pullback.core.context import Context
from pullback.core.errors import ConfigError, PullbackError, ShapeError
from pullback.core.initializers import DEFAULT, Initializer
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs
from pullback.core.tree import leaves, unflatten

M = TypeVar("M")


class Composite(Map):
    """Base of maps made of named children: what is the same for all of them.

    The residual of a composite is the dictionary of its children's residuals, and its delta that
    of their deltas; a subclass says which children there are and how values flow.
    """

    def children(self) -> dict[str, Map]:
        """Return the children by name."""
        raise NotImplementedError

    def with_children(self, children: Mapping[str, Map]) -> Map:
        """Return the same composition of other children."""
        raise NotImplementedError

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the spec of each child's input."""
        raise NotImplementedError

    def examples(self, x: Specs) -> int:
        """Return how many examples the children get for one of an input of spec ``x``."""
        del x
        return 1

    @property
    def couples_batch(self) -> bool:  # type: ignore[override]
        """True where a child couples the batch."""
        return any(child.couples_batch for child in self.children().values())

    @property
    def stepwise(self) -> bool:  # type: ignore[override]
        """True where all children are."""
        return all(child.stepwise for child in self.children().values())

    @property
    def windowed(self) -> bool:  # type: ignore[override]
        """True where a child is."""
        return any(child.windowed for child in self.children().values())

    def keep(self, past: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Return what the children keep."""
        kept = {
            name: child.keep(past.get(name, {}), res[name])
            for name, child in self.children().items()
        }
        return {name: part for name, part in kept.items() if part}

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the children's parameters; children without any are left out."""
        inputs = self.inputs(x)
        found = {name: child.params(inputs[name]) for name, child in self.children().items()}
        return {name: declared for name, declared in found.items() if declared}

    def state(self, x: Specs) -> dict[str, Any]:
        """Return the children's state; children without any are left out."""
        inputs = self.inputs(x)
        found = {name: child.state(inputs[name]) for name, child in self.children().items()}
        return {name: declared for name, declared in found.items() if declared}

    def grads(self, p: Params, res: Any, delta: Any) -> dict[str, Any]:
        """Declare the children's gradients."""
        found = {
            name: child.grads(p.get(name, {}), res[name], delta[name])
            for name, child in self.children().items()
            if name in p
        }
        return {name: declared for name, declared in found.items() if declared}

    def advance(self, state: Mapping[str, Any], res: Any) -> Mapping[str, Any]:
        """Advance the children that have state."""
        children = self.children()
        return {name: children[name].advance(part, res[name]) for name, part in state.items()}

    def multiply_adds(self, x: Specs) -> int:
        """Return the children's total."""
        inputs = self.inputs(x)
        return sum(child.multiply_adds(inputs[name]) for name, child in self.children().items())


class Wrapper(Composite):
    """Base of maps made of one child, ``body``: a subclass is a dataclass with that field."""

    body: Map

    def __post_init__(self) -> None:
        check_children(("body",), (self.body,))

    def children(self) -> dict[str, Map]:
        """Return the one child."""
        return {"body": self.body}

    def with_children(self, children: Mapping[str, Map]) -> Self:
        """Return the same around another child."""
        return replace(self, body=children["body"])  # type: ignore[type-var]

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the input spec, which is the child's too."""
        return {"body": x}


def named_children(
    maps: tuple[Map, ...], named: dict[str, Map]
) -> tuple[tuple[str, ...], tuple[Map, ...]]:
    """Return the names and the maps of a composite's children, checked."""
    names = (*(str(i) for i in range(len(maps))), *named)
    children = (*maps, *named.values())
    check_children(names, children)
    return names, children


def check_children(names: tuple[str, ...], children: tuple[Map, ...]) -> None:
    """Raise ``ConfigError`` unless the children are maps under names that differ."""
    for i, (name, child) in enumerate(zip(names, children, strict=True)):
        if not isinstance(child, Map):
            raise ConfigError(f"child {name!r} is a {type(child).__name__}, expected a map")
        if not isinstance(name, str) or not name or "." in name:
            raise ConfigError(f"child {name!r}: expected a name without dots, which join paths")
        if name in names[:i]:
            raise ConfigError(f"child {name!r}: another child has that name")


@MAPS.register
@dataclass(frozen=True, init=False)
class Chain(Composite):
    r"""One map after another: ``y = f_k(... f_2(f_1(x)))``.

    Children are named by position, or by keyword: ``Chain(Linear(8), ReLU(), head=Linear(2))``.
    The pullback runs backwards: :math:`g_{i} = J_i^T g_{i+1}`.
    """

    names: tuple[str, ...]
    maps: tuple[Map, ...]

    def __init__(self, *maps: Map, **named: Map) -> None:
        names, children = named_children(maps, named)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "maps", children)

    @classmethod
    def from_fields(cls, names: tuple[str, ...], maps: tuple[Map, ...]) -> Chain:
        """Build from the two fields, as a configuration has them."""
        return rebuild(cls(), names, maps)

    def children(self) -> dict[str, Map]:
        """Return the children by name."""
        return dict(zip(self.names, self.maps, strict=True))

    def with_children(self, children: Mapping[str, Map]) -> Chain:
        """Return the same chain of other children."""
        return self.from_fields(self.names, tuple(children[name] for name in self.names))

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return each child's input spec: the output of the one before."""
        found = {}
        for name, child in self.children().items():
            found[name] = x
            x = checked_spec(name, child, x)
        return found

    def spec(self, x: Specs) -> Specs:
        """Return the output spec of the last child."""
        for name, child in self.children().items():
            x = checked_spec(name, child, x)
        return x

    def params(self, x: Specs) -> dict[str, Any]:
        """Return the children's parameters, started as what follows each of them asks."""
        declared = super().params(x)
        for i, name in enumerate(self.names):
            wanted = self._init_wanted_after(i)
            if name in declared and wanted is not None:
                declared[name] = unflatten(
                    {
                        path: replace(param, init=wanted) if param.init is None else param
                        for path, param in leaves(declared[name])
                    }
                )
        return declared

    @property
    def with_memory(self) -> bool:  # type: ignore[override]
        """As the first child, which gets the input."""
        return bool(self.maps) and self.maps[0].with_memory

    def out_lengths(self, lengths: Any) -> Any:
        """Return the lengths after the last child."""
        for child in self.maps:
            if lengths is not None:
                lengths = child.out_lengths(lengths)
        return lengths

    def _init_wanted_after(self, i: int) -> Initializer | None:
        for follower in self.maps[i + 1 :]:
            if not follower.passes_init:
                # settled here, or what follows this chain would be asked
                return follower.preferred_init or DEFAULT
        return None

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the children in order."""
        residuals = {}
        for name, child in zip(self.names, self.maps, strict=True):
            x, residuals[name] = child.forward(p.get(name, {}), x, ctx.child(name))
            if ctx.lengths is not None:
                ctx = ctx._replace(lengths=child.out_lengths(ctx.lengths))
        return x, residuals

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` back through the children, last to first."""
        deltas = {}
        for name, child in zip(reversed(self.names), reversed(self.maps), strict=True):
            gy, deltas[name] = child.pullback(p.get(name, {}), res[name], gy)
        return gy, deltas

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push ``dx`` and ``dp`` forward through the children, first to last."""
        for name, child in zip(self.names, self.maps, strict=True):
            dx = child.pushforward(p.get(name, {}), res[name], dp.get(name, {}), dx)
        return dx


def rebuild(empty: M, names: tuple[str, ...], maps: tuple[Map, ...]) -> M:
    """Set the two fields of a fresh composite, checked as in its constructor."""
    check_children(names, maps)
    object.__setattr__(empty, "names", tuple(names))
    object.__setattr__(empty, "maps", tuple(maps))
    return empty


def checked_spec(name: str, child: Map, x: Specs) -> Specs:
    """Return the child's output spec; an error gets the child's path in front."""
    try:
        return child.spec(x)
    except PullbackError as error:
        where = f"{name}.{error.args[0]}" if getattr(error, "placed", False) else None
        placed = ShapeError(where or f"{name} ({child.title}): {error}")
        placed.placed = True  # type: ignore[attr-defined]
        raise placed from None
