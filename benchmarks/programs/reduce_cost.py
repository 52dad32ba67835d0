"""Seconds in which several processes add up a vector, beside what the model of a ring says.

    python benchmarks/programs/reduce_cost.py [--rounds 30]

Sums of float32 through ``torch.distributed`` (gloo) among 2, 3 and 4 processes of this machine,
which have one thread each. The model of ``docs/scale.md`` has two numbers, which are fitted to two
processes alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

SIZES = (1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24)
"""Numbers in a vector."""


def worker(rounds: int) -> None:
    import torch
    import torch.distributed as group

    torch.set_num_threads(1)
    group.init_process_group("gloo")
    for size in SIZES:
        vector, times = torch.zeros(size), []
        for _ in range(rounds):
            group.barrier()
            began = time.perf_counter()
            group.all_reduce(vector)
            times.append(time.perf_counter() - began)
        if group.get_rank() == 0:
            print(statistics.median(times), flush=True)
    group.destroy_process_group()


def measured(processes: int, rounds: int) -> list[float]:
    common = {
        "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(29_500 + processes), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, __file__, "--worker", "--rounds", str(rounds)]
    running = [
        subprocess.Popen(
            command, env={**os.environ, **common, "RANK": str(rank)}, stdout=subprocess.PIPE
        )
        for rank in range(processes)
    ]
    said = [process.communicate()[0] for process in running]
    return [float(line) for line in said[0].split()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--worker", action="store_true")
    given = parser.parse_args()
    if given.worker:
        worker(given.rounds)
        return
    two = measured(2, given.rounds)
    # of two: 2 messages, and each sends and gets all bytes once
    latency = two[0] / 2
    bandwidth = 4 * SIZES[-1] / (two[-1] - two[0])
    print(f"a message takes {latency * 1e6:.0f} us; {bandwidth / 1e9:.2f} GB a second")
    for processes in (2, 3, 4):
        found = two if processes == 2 else measured(processes, given.rounds)
        for size, seconds in zip(SIZES, found, strict=True):
            steps = 2 * (processes - 1)
            model = steps * (latency + 4 * size / processes / bandwidth)
            print(
                f"{processes} processes, {4 * size / 1e6:.3f} MB: {seconds * 1e3:.2f} ms, "
                f"model {model * 1e3:.2f} ms"
            )


if __name__ == "__main__":
    main()
