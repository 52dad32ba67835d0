"""Translations of texts by a trained encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import Map
from pullback.data.rows import padded
from pullback.decode import Incremental, beam_search
from pullback.maps import EncoderDecoder, Padded, SideBySide
from pullback.train.model import Model

BEGIN, END = "<begin>", "<end>"
AT_ONCE = 32
"""Texts that are translated together."""
LONGER = 16
"""Tokens by which a translation may be longer than its text."""
TEXT = {
    "no_translator": "this model translates nothing: expected an encoder and a decoder that were "
    "trained on pairs of texts",
    "empty": "a text without a word cannot be translated",
}


def translates(model: Model) -> bool:
    """Whether a model writes translations: side by side, an encoder and a decoder of tokens."""
    return model.tokenizer is not None and _pair(model.net) is not None


def _pair(net: Map) -> EncoderDecoder | None:
    if isinstance(net, SideBySide) and isinstance(net.body, Padded):
        inside = net.body.body
        return inside if isinstance(inside, EncoderDecoder) else None
    return None


def translations(model: Model, texts: Sequence[str], *, width: int = 5) -> list[str]:
    """Return a translation of each text, the best that beam search finds.

    The encoder reads a text once, and the decoder writes a token at a time
    (``pullback.decode.Incremental``, ``beam_search``).

    Args:
        model: see ``translates``.
        texts: in the language of the sources.
        width: unfinished translations that are kept.

    Raises:
        ConfigError: the model writes no translations, or a text is empty.
    """
    net, tokenizer = _pair(model.net), model.tokenizer
    if net is None or tokenizer is None:
        raise ConfigError(TEXT["no_translator"])
    if not all(text.strip() for text in texts):
        raise ConfigError(TEXT["empty"])
    end = tokenizer.special(END)
    read = [np.append(tokenizer.encode(text), np.array(end, tokenizer.dtype)) for text in texts]
    found = [""] * len(texts)
    # texts of about the same length together: little of a batch is padding
    order = np.argsort([len(row) for row in read], kind="stable")
    for start in range(0, len(order), AT_ONCE):
        places = order[start : start + AT_ONCE]
        rows = [read[i] for i in places]
        best = beam_search(
            _decoder(net, model, rows, width),
            len(rows),
            begin=tokenizer.special(BEGIN),
            end=end,
            width=width,
            longest=max(map(len, rows)) + LONGER,
        )
        for place, hypotheses in zip(places, best, strict=True):
            found[place] = tokenizer.decode(hypotheses[0].tokens)
    return found


def _decoder(
    net: EncoderDecoder, model: Model, rows: Sequence[np.ndarray], width: int
) -> Incremental:
    """Return the decoder of the beams, whose memory is that of their text."""
    p: Any = model.theta["body"]["body"]
    x, lengths = padded(rows)
    ctx = Context(path="encoder", lengths=lengths)
    memory, _ = net.encoder.forward(p["encoder"], x, ctx)
    return Incremental(
        net.decoder, p["decoder"],
        memory=np.repeat(memory, width, axis=0), lengths=np.repeat(lengths, width),
    )  # fmt: skip
