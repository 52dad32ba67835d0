"""Put the learning rates that ``lrfind`` suggests to the test, against a grid of fifteen.

    python benchmarks/lrfind.py [--seed 1] [--chosen-on] [--write]

Every training takes 300 steps; its final loss is the mean training loss of the last 60, before
each update. The grid goes from 1e-4 to 10. ``--chosen-on`` takes the pairs on which the search was
made instead; ``--write`` puts the table into the documentation.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from suite.pairs import CHOSEN_ON, JUDGED, Pair

import pullback as pb
from pullback.optim.rates import with_lr

PAGE = Path(__file__).parents[1] / "docs" / "learning-rates.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PARTS, STEPS = 5, 60
GRID = np.geomspace(1e-4, 10, 15)
CLOSE = 1.1
HEAD = (
    "| Network and data | Rule | Suggested | Loss | Best of 15 | Loss | Ratio | 2/λmax | Steps |",
    "|---|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Outcome:
    """The suggestion for a pair beside the grid; ``steps`` is what the suggestion took.

    ``by_range`` is the final loss at a tenth of where the range test is lowest, ``by_limit`` that
    at the rule's own limit of stability, None where it has none.
    """

    pair: Pair
    lr: float
    loss: float
    best_lr: float
    best_loss: float
    limit: float | None
    steps: int
    by_range: float
    by_limit: float | None

    @property
    def ratio(self) -> float:
        return self.loss / self.best_loss

    def close(self, loss: float | None) -> bool:
        return loss is not None and loss <= CLOSE * self.best_loss

    def row(self) -> str:
        limit = "" if self.limit is None else f"{self.limit:.2g}"
        return (
            f"| {self.pair.title} | {type(self.pair.optimizer).__name__} | {self.lr:.3g} | "
            f"{self.loss:.4f} | {self.best_lr:.2g} | {self.best_loss:.4f} | {self.ratio:.2f} | "
            f"{limit} | {self.steps:,} |"
        )


def final_loss(pair: Pair, lr: float, seed: int) -> float:
    """Return the final loss of a training, infinite where it diverges."""
    try:
        run = pb.fit(
            pair.net(), pair.data(), loss=pair.loss, optimizer=with_lr(pair.optimizer, lr),
            batch_size=pair.batch_size, epochs=PARTS, steps_per_epoch=STEPS, metrics=(), seed=seed,
        )  # fmt: skip
    except pb.errors.NonFiniteError:
        return math.inf
    found: float = run.history["loss"][-1]
    return found


def judge(pair: Pair, seed: int) -> Outcome:
    found = pb.lrfind(
        pair.net(), pair.data(), loss=pair.loss, optimizer=pair.optimizer,
        batch_size=pair.batch_size, epochs=PARTS, steps_per_epoch=STEPS, seed=seed,
    )  # fmt: skip
    assert found.lr is not None
    losses = [final_loss(pair, float(lr), seed) for lr in GRID]
    best = int(np.argmin(losses))
    limit = None if found.stability is None else found.stability.gradient_descent
    own = None if found.stability is None else found.stability.own
    return Outcome(
        pair, found.lr, final_loss(pair, found.lr, seed), float(GRID[best]), losses[best], limit,
        found.steps, final_loss(pair, found.range_test.lowest / 10, seed),
        None if own is None else final_loss(pair, own, seed),
    )  # fmt: skip


def lines(outcomes: list[Outcome], seed: int) -> Iterator[str]:
    yield from HEAD
    yield from (outcome.row() for outcome in outcomes)
    close = sum(outcome.close(outcome.loss) for outcome in outcomes)
    by_range = sum(outcome.close(outcome.by_range) for outcome in outcomes)
    by_limit = [outcome.close(outcome.by_limit) for outcome in outcomes if outcome.by_limit]
    share = sum(outcome.steps for outcome in outcomes) / (len(outcomes) * len(GRID) * PARTS * STEPS)
    yield ""
    yield (
        f"Seed {seed}: within {CLOSE - 1:.0%} of the best of the grid, or below it, in {close} of "
        f"{len(outcomes)}. The suggestions took {share:.0%} of the steps of the grid. Without "
        f"trials, a tenth of where the range test is lowest is that close in {by_range}, and "
        f"the limit of stability at the start in {sum(by_limit)} of the {len(by_limit)} whose rule "
        "has one."
    )


def write(text: str) -> None:
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chosen-on", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    began, outcomes = time.monotonic(), []
    for pair in CHOSEN_ON if given.chosen_on else JUDGED:
        outcomes.append(judge(pair, given.seed))
        print(outcomes[-1].row(), flush=True)
    text = "\n".join(lines(outcomes, given.seed))
    print(text.splitlines()[-1], f"({time.monotonic() - began:.0f} s)")
    if given.write:
        write(text)


if __name__ == "__main__":
    main()
