"""Translation: a Transformer that writes sentences in another language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pullback.core.errors import ConfigError
from pullback.data.dataset import Data
from pullback.data.text.tokens import Tokenizer
from pullback.losses import CrossEntropy
from pullback.maps import SideBySide
from pullback.models import translator
from pullback.optim import AdamW
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.train.events import Callback
from pullback.train.fit import fit
from pullback.train.storage import write_whole
from pullback.train.translation import translations

EPOCHS, BATCH_SIZE, LR = 16, 64, 0.003
SMOOTHING, DROPOUT = 0.1, 0.1
VALIDATION = 1 / 29
"""The share of the training sentences that is held out and measured after each epoch."""
BEAMS = 5
TEXTS = "translations.txt"
TEXT = {
    "no_sacrebleu": "BLEU is measured by sacrebleu, which is not installed: "
    "pip install 'pullback[translate]'",
}


def translate(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    layers: int = 3,
    heads: int = 4,
    width: int = 128,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a translator on the training sentences and measure BLEU on the test sentences.

    Args:
        data: pairs of sentences side by side, see ``pullback.data.text.Pairs.dataset``, with the
            tokenizer of both languages.
        out: the run's folder; ``figures.json`` and ``translations.txt`` are added to its files.
        epochs: how often to go through the sentences.
        seed: decides the part held out, the start, the order and the noise.
        layers: blocks of the encoder, and of the decoder.
        heads: of each attention.
        width: numbers that stand for a token.
        callbacks: called with the events of training.

    Raises:
        ConfigError: ``sacrebleu`` is not installed; found before the training begins.
    """
    bleu = _bleu()
    tokenizer, test = data.tokenizer, data.test
    assert isinstance(tokenizer, Tokenizer)
    assert test is not None
    net = SideBySide(
        translator(tokenizer.size, tokenizer.size, layers, heads, width, 2 * width, dropout=DROPOUT)
    )
    run = fit(
        net,
        data,
        loss=CrossEntropy(SMOOTHING),
        optimizer=AdamW(OneCycle(LR), beta2=0.98),
        epochs=epochs,
        batch_size=min(BATCH_SIZE, len(data.train) // 2),
        validation=VALIDATION,
        seed=seed,
        normalize="none",
        metrics=(),
        callbacks=callbacks,
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    sources = [tokenizer.decode(row[:, 0]) for row in test.x]
    references = [tokenizer.decode(row) for row in test.y]
    written = translations(run.model, sources, width=BEAMS)
    score = bleu.corpus_score(written, [references])
    figures = {
        "bleu": score.score,
        "signature": str(bleu.get_signature()),
        "beams": BEAMS,
        "sentences": len(sources),
        "seed": seed,
        "epochs": epochs,
    }
    write_figures(Path(out), figures)
    lines = (
        f"{source}\n  {found}\n  {right}\n"
        for source, found, right in zip(sources, written, references, strict=True)
    )
    write_whole(Path(out) / TEXTS, "\n".join(lines).encode())
    return Result(run, figures)


def _bleu() -> Any:
    """Return sacrebleu's measure with its usual settings."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise ConfigError(TEXT["no_sacrebleu"]) from None
    return BLEU()
