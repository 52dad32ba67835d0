"""A language model of characters, trained on plays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pullback.data.dataset import Data
from pullback.data.text.tokens import Tokenizer
from pullback.losses import CrossEntropy
from pullback.models import char_transformer
from pullback.optim import AdamW, Clipped
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.train.events import Callback, Event, Sampled, Saved
from pullback.train.fit import fit
from pullback.train.generation import generate
from pullback.train.model_file import load_model
from pullback.train.storage import write_whole

EPOCHS, STEPS_PER_EPOCH = 8, 250
BATCH_SIZE, LR = 12, 0.004
SAMPLE, TEMPERATURE, PROMPT = 200, 0.8, "\n"
SAMPLES = "samples.txt"


def shakespeare(
    data: Data,
    out: str | Path,
    *,
    epochs: int = EPOCHS,
    steps_per_epoch: int = STEPS_PER_EPOCH,
    seed: int = 0,
    layers: int = 4,
    width: int = 128,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Train a causal Transformer on random windows of a text, and measure it on the text's end.

    After every epoch it writes some text of its own, which those who listen are told
    (``Sampled``), and which is added to ``samples.txt``.

    Args:
        data: windows of tokens in two parts, with their tokenizer.
        out: the run's folder; ``figures.json`` and ``samples.txt`` are added to its files.
        epochs: how often to measure; every time after ``steps_per_epoch`` batches.
        steps_per_epoch: batches between two measurements.
        seed: decides the start, the windows and the samples.
        layers: blocks of the Transformer.
        width: numbers that stand for a token.
        callbacks: called with the events of training.
    """
    tokenizer, test = data.tokenizer, data.test
    assert isinstance(tokenizer, Tokenizer)
    assert test is not None
    sampler = _Sampler(Path(out), seed, callbacks)
    run = fit(
        char_transformer(tokenizer.size, layers, width=width, block=data.train.x.shape[1]),
        data,
        loss=CrossEntropy(),
        optimizer=Clipped(AdamW(OneCycle(LR), beta2=0.99), 1.0),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=BATCH_SIZE,
        validation=test,
        seed=seed,
        normalize="none",
        metrics=(),
        callbacks=(*callbacks, sampler),
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    loss = float(run.history["val_loss"][-1])
    figures = {"loss": loss, "seed": seed, "steps": epochs * steps_per_epoch}
    write_figures(Path(out), figures)
    return Result(run, figures)


class _Sampler:
    """Writes a text with every model that is saved, and tells it."""

    def __init__(self, out: Path, seed: int, callbacks: Sequence[Callback]) -> None:
        self.out, self.seed, self.callbacks = out, seed, callbacks
        self.texts: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not isinstance(event, Saved):
            return
        pieces = generate(
            load_model(event.path), PROMPT, length=SAMPLE, temperature=TEMPERATURE, seed=self.seed
        )
        text = "".join(pieces)
        self.texts.append(f"--- after epoch {event.epoch}\n{text}\n")
        write_whole(self.out / SAMPLES, "\n".join(self.texts).encode())
        for callback in self.callbacks:
            callback(Sampled(event.epoch, text))
