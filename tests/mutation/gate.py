"""The mutation gate: faults are planted one at a time, and the gradient tests must see them.

    python tests/mutation/gate.py [--jobs 2] [--only PATTERN] [--sample N]

Each fault lives in a process of its own, forked from one that has everything loaded; the tests run
there until the first failure. Survivors are listed. The exit code is 1 where fewer than 99% of the
faults were seen, or fewer than 300 planted; faults that change nothing are listed in
``equivalent.py`` with the reason, and do not count.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"  # a forked process has lost the threads of its parent

import argparse
import collections
import contextlib
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
os.chdir(ROOT)

import pytest
from check import test_contract as contract
from losses import test_special_losses as special_losses
from maps import test_special_points as special
from mutation.equivalent import EQUIVALENT
from mutation.plant import Mutant, mutants

STAGES = (
    ["tests/losses", "tests/engine", "tests/core/test_contraction.py", "tests/core/test_theta.py"],
    ["tests/maps/test_contract.py", "tests/maps/test_random_maps.py", "tests/maps/test_norm.py"],
    ["tests/maps", "tests/check"],
)
LEAST, SHARE = 300, 0.99
SECONDS = 120
SEEN, SURVIVED, BROKEN = 1, 0, 2


def suite_fails(mutant: Mutant | None) -> bool:
    """Run tests until one fails; tell whether one did.

    The contract of every map and loss comes first, called without pytest's collection, which would
    take most of the time.
    """
    if any(fails(check) for check in first_checks(mutant)):
        return True
    options = ["-x", "-q", "-p", "no:cacheprovider"]
    return any(pytest.main([*options, *stage]) != 0 for stage in STAGES)


def first_checks(mutant: Mutant | None) -> Iterator[Callable[[], None]]:
    """Yield calls of single tests, those of the fault's own class first."""
    owner = mutant.function.partition(".")[0] if mutant else ""
    cases = sorted(contract.FOUND.items(), key=lambda item: not item[0].startswith(owner))
    for case in contract.LOSSES.values():
        yield partial(contract.test_every_case_of_every_loss_passes, case, 0)
    for _, case in cases:
        yield partial(contract.test_every_case_of_every_map_passes, case, 0)
    for point in special.POINTS:
        yield partial(special.test_functions_of_one_number, point)
    for row in special.ROWS:
        yield partial(special.test_rows, row)
    for point, dtype in special_losses.FOUND.values():
        yield partial(special_losses.test_losses, point, dtype)


def fails(check: Callable[[], None]) -> bool:
    """Whether a test fails, by a warning too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            check()
        except Exception:
            return True
    return False


def forked(mutant: Mutant | None) -> int:
    """Start a process that runs the tests on a mutant; return its number."""
    process = os.fork()
    if process:
        return process
    outcome = BROKEN
    with contextlib.suppress(BaseException):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1), os.dup2(devnull, 2)
        signal.alarm(SECONDS)  # a fault that makes the tests hang is seen too
        if mutant is not None:
            mutant.install()
        outcome = SEEN if suite_fails(mutant) else SURVIVED
    os._exit(outcome)


def run(chosen: list[Mutant], jobs: int) -> list[Mutant]:
    """Return the mutants that no test has seen."""
    waiting, running, survivors, done = collections.deque(chosen), {}, [], 0
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.popleft()
            running[forked(mutant)] = mutant
        process, status = os.wait()
        mutant = running.pop(process)
        done += 1
        outcome = os.WEXITSTATUS(status) if os.WIFEXITED(status) else SEEN
        if outcome != SEEN:  # what could not be planted has not been seen either
            survivors.append(mutant)
            print(f"{'survived' if outcome == SURVIVED else 'broken'}: {mutant}", flush=True)
        if done % 100 == 0:
            print(f"{done} of {len(chosen)}", flush=True)
    return survivors


def warm() -> None:
    """Load in this process what the tests load, so that no child has to."""
    with contextlib.suppress(ImportError):
        import torch
        import torch_maps

        torch.set_num_threads(1)
        del torch_maps


def main() -> int:
    parser = argparse.ArgumentParser(description="Plant faults; the gradient tests must see them.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="a part of a file's or a function's name")
    parser.add_argument("--sample", type=int, default=0, help="so many, chosen at random")
    options = parser.parse_args()
    planted = mutants()
    texts = {str(m).partition(" ")[2] for m in planted}
    if stale := [entry for entry in EQUIVALENT if entry not in texts]:
        print("equivalent.py lists what is not planted:", *stale, sep="\n")
        return 2
    chosen = [m for m in planted if str(m).partition(" ")[2] not in EQUIVALENT]
    chosen = [m for m in chosen if options.only in f"{m.file} {m.function}"]
    if options.sample:
        chosen = random.Random(0).sample(chosen, min(options.sample, len(chosen)))
    warm()
    _, status = os.waitpid(forked(None), 0)
    if os.WEXITSTATUS(status) != SURVIVED:
        print("the tests fail without a fault; mend them first")
        return 2
    began = time.monotonic()
    survivors = run(chosen, options.jobs)
    killed = len(chosen) - len(survivors)
    for operator, count in collections.Counter(m.operator for m in chosen).most_common():
        missed = sum(m.operator == operator for m in survivors)
        print(f"{operator:15} {count - missed:4} of {count:4}")
    share = killed / max(1, len(chosen))
    seconds = time.monotonic() - began
    print(f"{killed} of {len(chosen)} faults seen ({share:.2%}), in {seconds:.0f} s")
    enough = len(chosen) >= LEAST or options.sample or options.only
    return 0 if share >= SHARE and enough else 1


if __name__ == "__main__":
    sys.exit(main())
