"""Writing text with what is kept of the past, against reading all anew: ``generate.py SEED``.

A Transformer of four blocks of width 128 with a window of 256 characters, after a few steps on
plays, writes 256 characters either way, in turn.
"""

import json
import statistics
import sys
import time

import pullback as pb
from pullback.data.text import windows
from pullback.decode import generate
from pullback.models import char_transformer

LENGTH, STEPS, RUNS = 256, 30, 5

seed = int(sys.argv[1])
plays = pb.data.load("shakespeare")
run = pb.fit(
    char_transformer(plays.tokenizer.size, block=LENGTH),
    pb.data.Data(windows(plays.train.x.ids, LENGTH), tokenizer=plays.tokenizer),
    loss=pb.losses.CrossEntropy(),
    optimizer=pb.optim.AdamW(0.002),
    epochs=1,
    batch_size=12,
    max_steps=STEPS,
    normalize="none",
    metrics=(),
    seed=seed,
)


def written(cache: bool) -> tuple[float, str]:
    """Return the seconds that it takes to write a text, and the text."""
    began = time.perf_counter()
    text = "".join(generate(run.model, "\n", length=LENGTH, seed=seed, cache=cache))
    return time.perf_counter() - began, text


written(cache=True)  # what is loaded when it is first needed is not counted
kept, anew, identical = [], [], True
for _ in range(RUNS):
    for seconds, cache in ((kept, True), (anew, False)):
        taken, text = written(cache)
        seconds.append(taken)
        if cache:
            first = text
        else:
            identical = identical and text == first
ratio = statistics.median(anew) / statistics.median(kept)
print(
    json.dumps(
        {
            "identical": identical,
            "ratio": ratio,
            "seconds_kept": statistics.median(kept),
            "seconds_anew": statistics.median(anew),
        }
    )
)
