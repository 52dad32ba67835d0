"""Measure Pullback against its peers, and write what was found into the documentation.

    python benchmarks/run.py [--only NAME ...] [--peers NAME ...] [--rounds N] [--threads 2]
                             [--quick]

NAME is a file of ``workloads/``, or a peer of ``suite/peers.py``. A partial run changes only its
own rows. ``--quick`` tries everything out at small sizes, and leaves the documentation alone.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite import page, plot, records
from suite.contestants import Pool, open_pool
from suite.environments import FOLDER
from suite.machine import keep_to
from suite.measure import measure
from suite.peers import OURS, PEERS
from suite.report import tell
from suite.workers import WorkerFailed
from suite.workloads import Workload, all_workloads

from pullback.core.errors import DataError

DOCS = Path(__file__).parents[1] / "docs"
INTERRUPTED = 130


def options(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--peers", nargs="+", choices=[p for p in PEERS if p != OURS])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def one(workload: Workload, given: argparse.Namespace, pool: Pool) -> dict[str, Any]:
    try:
        return measure(workload, given.peers, pool)
    except (WorkerFailed, DataError) as reason:
        return {"peers": {}, "failed": str(reason)}


def sized(workload: Workload, given: argparse.Namespace) -> Workload:
    if given.quick:
        workload = workload.small()
    return workload if given.rounds is None else replace(workload, rounds=given.rounds)


def main() -> int:
    workloads = all_workloads()
    given = options(list(workloads))
    keep_to(given.threads)
    docs = FOLDER / "quick" if given.quick else DOCS
    kept, sound = docs / "benchmarks.json", True
    with open_pool(given.threads) as pool:
        for name in given.only:
            workload = sized(workloads[name], given)
            result = one(workload, given, pool)
            sound = tell(name, workload, result) and sound
            # After each workload, so that an interrupted run keeps what it has measured.
            results = records.add(kept, name, result, given.threads, pool.versions())
            if "examples" in result:
                plot.draw(result, docs / "images" / "cost.png")
            page.write(docs / "benchmarks.md", results, workloads)
    return 0 if sound else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
