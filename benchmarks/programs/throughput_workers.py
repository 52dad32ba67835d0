"""How many times as fast several workers, of one thread each, are as one worker on one processor.

    python benchmarks/programs/throughput_workers.py [--rounds 5] [--workers 2] [--model small_cnn]

``pullback train mnist`` with one worker and with several, in turn; both take the same steps on the
same batches. The second epoch of each run is timed, as its history has it: no start is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def seconds(workers: int, given: argparse.Namespace) -> float:
    """Seconds of an epoch."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            sys.executable, "-m", "pullback", "train", "mnist", "--model", given.model,
            "--epochs", "2", "--batch-size", str(given.batch), "--workers", str(workers),
            "--out", str(run),
        ]  # fmt: skip
        threads = {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, capture_output=True, env=os.environ | threads)
        lines = (run / "history.jsonl").read_text().splitlines()
        return float(json.loads(lines[-1])["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--batch", type=int, default=256)
    given = parser.parse_args()
    ratios = []
    for _ in range(given.rounds):
        one, several = (seconds(count, given) for count in (1, given.workers))
        ratios.append(one / several)
        print(f"1 worker {one:.2f} s, {given.workers} workers {several:.2f} s", flush=True)
    print(
        f"{statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"{given.rounds} rounds"
    )


if __name__ == "__main__":
    main()
