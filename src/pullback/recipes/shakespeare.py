"""A language model of characters, trained on plays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pullback.data.dataset import Data
from pullback.data.text.tokens import Tokenizer
from pullback.decode import generate
from pullback.losses import CrossEntropy
from pullback.models import char_transformer
from pullback.optim import AdamW, ClipGlobalNorm, chain
from pullback.optim.schedules import OneCycle
from pullback.recipes.common import Result, write_figures
from pullback.train.events import Callback, Event, Sampled, Saved
from pullback.train.fit import fit
from pullback.train.model_file import load_model
from pullback.train.storage import write_whole

EPOCHS, STEPS_PER_EPOCH = 8, 250
BATCH_SIZE, LR, RISE, DECAY = 12, 0.006, 0.2, 0.1
PROMPT, LENGTH, TEMPERATURE = "\n", 200, 0.8
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

    After every epoch it writes some text of its own, which ``callbacks`` are told (``Sampled``).

    Args:
        data: windows of characters, see ``pullback.data.text.windows``: of the text's beginning for
            training, of its end for measuring; with the tokenizer.
        out: the run's folder; ``figures.json`` and ``samples.txt`` are added to its files.
        epochs: how often to measure.
        steps_per_epoch: batches between two measurements.
        seed: decides the start, the windows and the samples.
        layers: blocks of the Transformer.
        width: numbers that stand for a character.
        callbacks: called with the events of training.
    """
    tokenizer, test = data.tokenizer, data.test
    assert isinstance(tokenizer, Tokenizer)
    assert test is not None
    rule = AdamW(OneCycle(LR, RISE), beta2=0.99, weight_decay=DECAY)
    run = fit(
        char_transformer(tokenizer.size, layers, width=width, block=data.train.x.shape[1]),
        data,
        loss=CrossEntropy(),
        optimizer=chain(ClipGlobalNorm(1.0), rule),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=BATCH_SIZE,
        validation=test,
        seed=seed,
        normalize="none",
        metrics=(),
        callbacks=(*callbacks, _Sampler(Path(out), seed, callbacks)),
        out=out,
    )
    if run.stopped == "interrupted":
        return Result(run, {})
    figures = {
        "loss": run.history["val_loss"][-1],
        "seed": seed,
        "steps": epochs * steps_per_epoch,
    }
    write_figures(Path(out), figures)
    return Result(run, figures)


class _Sampler:
    """Lets every model that is saved write a text."""

    def __init__(self, out: Path, seed: int, callbacks: Sequence[Callback]) -> None:
        self._out, self._seed, self._callbacks = out, seed, callbacks
        self._texts: list[str] = []

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not isinstance(event, Saved):
            return
        model = load_model(event.path)
        text = "".join(
            generate(model, PROMPT, length=LENGTH, temperature=TEMPERATURE, seed=self._seed)
        )
        self._texts.append(f"--- after epoch {event.epoch}\n{text.strip()}\n")
        write_whole(self._out / SAMPLES, "\n".join(self._texts).encode())
        for callback in self._callbacks:
            callback(Sampled(event.epoch, text))
