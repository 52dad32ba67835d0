"""The reference run as a whole process, against the same program in Keras; and start-up times.

    python benchmarks/process.py --keras KERAS_PYTHON --data FOLDER [--rounds 5]

KERAS_PYTHON is a Python with Keras, FOLDER the folder with ``mnist`` in it. The two run in turn,
A B A B ..., each with the machine's own number of threads. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KERAS_PROGRAM = Path(__file__).parent / "keras_reference.py"
NOTHING = ("-c", "import numpy")
LIBRARY = ("-c", "import pullback; pullback.fit")
HELP = ("-m", "pullback", "--help")


def timed(command: list[str], **env: str) -> tuple[float, dict[str, float]]:
    """Return the seconds of a process, and its last line where that is JSON."""
    # Compiled modules are kept, as they are wherever nobody forbids it.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(
        command, env={**inherited, **env}, check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return seconds, json.loads(lines[-1]) if lines else {}


def reference(data: str, folder: str) -> tuple[float, dict[str, float]]:
    out = tempfile.mkdtemp(dir=folder)
    arguments = ["train", "mnist", "--preset", "reference", "--json", "--out", f"{out}/run"]
    return timed([sys.executable, "-m", "pullback", *arguments], PULLBACK_DATA_DIR=data)


def keras_program(python: str, data: str, folder: str) -> tuple[float, dict[str, float]]:
    command = [python, str(KERAS_PROGRAM), f"{data}/mnist", f"{folder}/curves.png"]
    return timed(command, TF_CPP_MIN_LOG_LEVEL="3")


def start_up(rounds: int) -> dict[str, float]:
    """Return medians, in milliseconds; that of the import beyond NumPy's own."""
    seconds: dict[tuple[str, ...], list[float]] = {NOTHING: [], LIBRARY: [], HELP: []}
    for _ in range(rounds):
        for arguments, times in seconds.items():
            times.append(timed([sys.executable, *arguments])[0])
    median = {key: 1000 * statistics.median(times) for key, times in seconds.items()}
    return {
        "import_beyond_numpy_ms": round(median[LIBRARY] - median[NOTHING]),
        "help_ms": round(median[HELP]),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            (
                reference(options.data, folder),
                keras_program(options.keras, options.data, folder),
            )
            for _ in range(options.rounds)
        ]
    ratios = sorted(a[0] / b[0] for a, b in pairs)
    print(
        json.dumps(
            {
                "pullback_seconds": statistics.median(a[0] for a, _ in pairs),
                "keras_seconds": statistics.median(b[0] for _, b in pairs),
                "ratio": statistics.median(ratios),
                "ratio_min_max": [ratios[0], ratios[-1]],
                "seconds_of_each_pair": [[round(a[0], 2), round(b[0], 2)] for a, b in pairs],
                "rounds": options.rounds,
                "pullback_test_accuracy": pairs[-1][0][1]["test_accuracy"],
                "keras_test_accuracy": [b[1]["test_accuracy"] for _, b in pairs],
                "keras_loss": [b[1]["loss"] for _, b in pairs],
                **start_up(15),
            }
        )
    )


if __name__ == "__main__":
    main()
