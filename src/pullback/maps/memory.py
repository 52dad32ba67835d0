"""A sequence beside another one, its memory: chains that look at it, encoder and decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pullback.core.arrays import namespace
from pullback.core.compose import Composite, check_children, checked_spec, named_children, rebuild
from pullback.core.context import Context
from pullback.core.errors import ShapeError
from pullback.core.map import MAPS, Map, Params
from pullback.core.spec import Specs


@MAPS.register
@dataclass(frozen=True, init=False)
class MemoryChain(Composite):
    r"""One map after another, each of which may look at the same memory: the input is ``(x, m)``.

    Maps with a memory (``CrossAttention``, and whatever is around one) get the pair of what the map
    before has made and ``m``; all others get the former alone. The cotangent of ``m`` is the sum of
    what they pull back to it.

    Children are named by position, or by keyword, as in a ``Chain``.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = f₃(f₂(f₁(x), m)), m for those with a memory",
        "gx = J₁ᵀ J₂ᵀ J₃ᵀ gy, gm = Σ of what they pull back to m",
    )
    with_memory = True

    names: tuple[str, ...]
    maps: tuple[Map, ...]

    def __init__(self, *maps: Map, **named: Map) -> None:
        names, children = named_children(maps, named)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "maps", children)

    @classmethod
    def from_fields(cls, names: tuple[str, ...], maps: tuple[Map, ...]) -> MemoryChain:
        """Build from the two fields, as a configuration has them."""
        return rebuild(cls(), names, maps)

    def children(self) -> dict[str, Map]:
        """Return the children by name."""
        return dict(zip(self.names, self.maps, strict=True))

    def with_children(self, children: Mapping[str, Map]) -> MemoryChain:
        """Return the same chain of other children."""
        return self.from_fields(self.names, tuple(children[name] for name in self.names))

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return each child's input spec: the output of the one before, and the memory for some."""
        found: dict[str, Specs] = {}
        x, memory = _pair("MemoryChain", x)
        for name, child in self.children().items():
            found[name] = (x, memory) if child.with_memory else x
            x = checked_spec(name, child, found[name])
        return found

    def spec(self, x: Specs) -> Specs:
        """Return the output spec of the last child."""
        x, memory = _pair("MemoryChain", x)
        for name, child in self.children().items():
            x = checked_spec(name, child, (x, memory) if child.with_memory else x)
        return x

    def out_lengths(self, lengths: Any) -> Any:
        """Return the lengths of ``x`` after the last child."""
        own, memory = lengths
        for child in self.maps:
            if own is not None:
                own = child.out_lengths((own, memory) if child.with_memory else own)
        return own

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Apply the children in order; the memory is kept."""
        x, memory = x
        own, others = (None, None) if ctx.lengths is None else ctx.lengths
        residuals: dict[str, Any] = {}
        for name, child in self.children().items():
            given = (x, memory) if child.with_memory else x
            at = ctx.child(name)
            if ctx.lengths is not None:
                at = at._replace(lengths=(own, others) if child.with_memory else own)
            x, residuals[name] = child.forward(p.get(name, {}), given, at)
            own = None if own is None else child.out_lengths(at.lengths)
        # no child can be called "": what is not a child's residual has that name
        return x, {**residuals, "": namespace(memory).zeros_like(memory)}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` back through the children, last to first, and add up what the memory gets."""
        deltas, of_memory = {}, res[""]
        for name, child in zip(reversed(self.names), reversed(self.maps), strict=True):
            gy, deltas[name] = child.pullback(p.get(name, {}), res[name], gy)
            if child.with_memory:
                gy, more = gy
                of_memory = of_memory + more
        return (gy, of_memory), deltas

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push both changes forward through the children, first to last."""
        dx, of_memory = dx
        for name, child in self.children().items():
            given = (dx, of_memory) if child.with_memory else dx
            dx = child.pushforward(p.get(name, {}), res[name], dp.get(name, {}), given)
        return dx


def _pair(what: str, x: Specs) -> tuple[Specs, Specs]:
    if not isinstance(x, tuple) or len(x) != 2:
        raise ShapeError(f"{what} needs a pair of inputs, found {x}")
    return x


@MAPS.register
@dataclass(frozen=True)
class EncoderDecoder(Composite):
    r"""``y = d(t, e(s))`` of a pair ``(s, t)``: source and target so far.

    The encoder makes a memory of the source; the decoder, a map with a memory, makes the output
    from the target (shifted by one, so that each step is to tell the next) and the memory.
    Pullback: the decoder's pair :math:`(g_t, g_m)`, and :math:`g_s = J_e^T g_m`. Sutskever,
    Vinyals, Le, "Sequence to sequence learning with neural networks" (2014).

    Raises:
        ConfigError: ``encoder`` or ``decoder`` is not a map.
        ShapeError: the input is no pair, or the decoder has no memory.
    """

    formulas: ClassVar[tuple[str, ...]] = (
        "y = d(t, m), m = e(s)",
        "(gt, gm) = Jdᵀ gy, gs = Jeᵀ gm",
    )

    encoder: Map
    decoder: Map

    stepwise = False

    def __post_init__(self) -> None:
        check_children(("encoder", "decoder"), (self.encoder, self.decoder))

    def children(self) -> dict[str, Map]:
        """Return encoder and decoder."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def with_children(self, children: Mapping[str, Map]) -> Map:
        """Return the same of two others."""
        return EncoderDecoder(children["encoder"], children["decoder"])

    def inputs(self, x: Specs) -> dict[str, Specs]:
        """Return the source's spec, and those of the target and the memory."""
        source, target = _pair("EncoderDecoder", x)
        if not self.decoder.with_memory:
            raise ShapeError("EncoderDecoder needs a decoder with a memory: a MemoryChain")
        memory = checked_spec("encoder", self.encoder, source)
        return {"encoder": source, "decoder": (target, memory)}

    def spec(self, x: Specs) -> Specs:
        """Return the decoder's output spec."""
        return checked_spec("decoder", self.decoder, self.inputs(x)["decoder"])

    def out_lengths(self, lengths: Any) -> Any:
        """Return the lengths of the target after the decoder."""
        source, target = lengths
        return self.decoder.out_lengths((target, self.encoder.out_lengths(source)))

    def forward(self, p: Params, x: Any, ctx: Context) -> tuple[Any, Any]:
        """Make the memory of the source, and the output of the target and the memory."""
        source, target = x
        first, second = ctx.child("encoder"), ctx.child("decoder")
        if ctx.lengths is not None:
            of_source, of_target = ctx.lengths
            first = first._replace(lengths=of_source)
            of_memory = self.encoder.out_lengths(of_source)
            second = second._replace(lengths=(of_target, of_memory))
        memory, of_encoder = self.encoder.forward(p.get("encoder", {}), source, first)
        y, of_decoder = self.decoder.forward(p.get("decoder", {}), (target, memory), second)
        return y, {"encoder": of_encoder, "decoder": of_decoder}

    def pullback(self, p: Params, res: Any, gy: Any) -> tuple[Any, Any]:
        """Pull ``gy`` back through the decoder, and what the memory gets through the encoder."""
        (g_target, g_memory), of_decoder = self.decoder.pullback(
            p.get("decoder", {}), res["decoder"], gy
        )
        g_source, of_encoder = self.encoder.pullback(p.get("encoder", {}), res["encoder"], g_memory)
        return (g_source, g_target), {"encoder": of_encoder, "decoder": of_decoder}

    def pushforward(self, p: Params, res: Any, dp: Params, dx: Any) -> Any:
        """Push the source's change to the memory, and both on."""
        source, target = dx
        memory = self.encoder.pushforward(
            p.get("encoder", {}), res["encoder"], dp.get("encoder", {}), source
        )
        return self.decoder.pushforward(
            p.get("decoder", {}), res["decoder"], dp.get("decoder", {}), (target, memory)
        )
