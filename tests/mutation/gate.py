"""The mutation gate: faults are planted one at a time, and the gradient tests must see them.

    python tests/mutation/gate.py [--jobs 2] [--only PATTERN] [--sample N]

The tests are collected once. Each fault then lives in a process of its own, forked from the one
that has everything loaded, where they run until the first failure: first those that have seen
faults of the same function or file, then those that name its class, then all others, the quickest
first. Survivors are listed. The exit code is 1 where fewer than 99% of the faults were seen (of a
sample: where so few would be a chance below 1 in 100 if 99% of all were seen), or fewer than 300
planted, and 2 where the tests fail without a fault; faults that change nothing are listed in
``equivalent.py`` with the reason, and do not count.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"  # a forked process has lost the threads of its parent

import argparse
import collections
import contextlib
import hashlib
import json
import math
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
os.chdir(ROOT)

import pytest
from mutation.equivalent import EQUIVALENT
from mutation.plant import Mutant, mutants

SUITE = (
    "tests/maps", "tests/losses", "tests/engine", "tests/check", "tests/core/test_contraction.py",
    "tests/core/test_theta.py", "tests/core/test_compose.py", "tests/core/test_lift.py",
    "tests/decode/test_incremental.py", "tests/extend",
)  # fmt: skip
LEAST, SHARE, CHANCE = 300, 0.99, 0.01
SECONDS = 60
"""The least that a fault gets before it counts as one that makes the tests hang."""
SURVIVED, SEEN, BROKEN, HUNG = "survived", "seen", "broken", "hung"


class Child:
    """A forked process that runs the tests on a mutant, or on the library as it is."""

    def __init__(self, mutant: Mutant | None, tests: list[pytest.Item], seconds: float) -> None:
        self.mutant = mutant
        self._said = tempfile.NamedTemporaryFile(prefix="mutant")  # noqa: SIM115
        self.process = os.fork()
        if not self.process:
            self._run(tests, seconds)

    def _run(self, tests: list[pytest.Item], seconds: float) -> None:
        said: dict[str, object] = {"outcome": BROKEN}
        with contextlib.suppress(BaseException):
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1), os.dup2(devnull, 2)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            if self.mutant is not None:
                self.mutant.install()
            said = run_tests(tests)
        Path(self._said.name).write_text(json.dumps(said), "utf-8")
        os._exit(0)

    def result(self, status: int) -> dict[str, object]:
        """Return what the process said, or what can be seen of its end."""
        with self._said:
            if os.WIFSIGNALED(status):  # by the alarm, or a fault that took the process with it
                return {"outcome": HUNG if os.WTERMSIG(status) == signal.SIGALRM else SEEN}
            return json.loads(Path(self._said.name).read_text("utf-8"))


def run_tests(tests: list[pytest.Item]) -> dict[str, object]:
    """Run tests until one fails: the outcome, the test that failed, the seconds of each."""
    seen = Failures()
    seconds = []
    tests[0].config.pluginmanager.register(seen)
    for test, following in zip(tests, [*tests[1:], None], strict=True):
        began = time.monotonic()
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        seconds.append(time.monotonic() - began)
        if seen.any:
            return {"outcome": SEEN, "by": test.nodeid}
    return {"outcome": SURVIVED, "seconds": seconds}


class Failures:
    """Listens to the tests."""

    any = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.any = self.any or report.failed


class Gate:
    """A plugin that runs, in the place of the tests, the tests on every mutant."""

    def __init__(self, chosen: list[Mutant], jobs: int) -> None:
        self.chosen, self.jobs = chosen, jobs
        self.survivors: list[Mutant] = []
        self.hung: list[Mutant] = []
        self.fit, self.by = False, ""
        self._recent: dict[str, collections.deque[int]] = collections.defaultdict(
            lambda: collections.deque(maxlen=8)
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            self.by = "what could not be collected"
            return True
        self.items = session.items
        self.places = {item.nodeid: i for i, item in enumerate(self.items)}
        clean = Child(None, self.items, 1e4)
        found = clean.result(os.waitpid(clean.process, 0)[1])
        self.fit, self.by = found["outcome"] == SURVIVED, str(found.get("by"))
        if self.fit:
            print(f"{len(self.items)} tests pass without a fault", flush=True)
            self.seconds: list[float] = found["seconds"]
            self._all()
        return True

    def _all(self) -> None:
        limit = max(SECONDS, 10 * sum(self.seconds))
        waiting, running, done = collections.deque(self.chosen), {}, 0
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.popleft()
                child = Child(mutant, self._in_order(mutant), limit)
                running[child.process] = child
            process, status = os.wait()
            child = running.pop(process)
            self._note(child.mutant, child.result(status))
            done += 1
            if done % 100 == 0:
                print(f"{done} of {len(self.chosen)}", flush=True)

    def _in_order(self, mutant: Mutant) -> list[pytest.Item]:
        """The tests, those that are most likely to see the fault first."""
        owner = mutant.function.partition(".")[0].removeprefix("Lowered")
        recent = [*self._recent[mutant.function], *self._recent[mutant.file]]
        rank = {place: i for i, place in reversed(list(enumerate(recent)))}

        def key(place: int) -> tuple[float, ...]:
            named = owner in self.items[place].nodeid
            return rank.get(place, len(recent)), not named, self.seconds[place]

        return [self.items[place] for place in sorted(range(len(self.items)), key=key)]

    def _note(self, mutant: Mutant, found: dict[str, object]) -> None:
        outcome = found["outcome"]
        place = self.places.get(str(found.get("by")))
        if place is not None:
            for name in (mutant.function, mutant.file):
                if place not in self._recent[name]:
                    self._recent[name].appendleft(place)
        if outcome == HUNG:
            self.hung.append(mutant)
        elif outcome != SEEN:  # what could not be planted has not been seen either
            self.survivors.append(mutant)
            print(f"{outcome}: {mutant}", flush=True)


def table(chosen: list[Mutant], survivors: list[Mutant], column: str) -> None:
    """Print the faults seen and planted, by a column of theirs."""
    missed = collections.Counter(getattr(m, column) for m in survivors)
    for name, count in collections.Counter(getattr(m, column) for m in chosen).most_common():
        print(f"{name:24} {count - missed[name]:4} of {count:4}")


def report(gate: Gate, seconds: float) -> float:
    """Print what has been found; return the share of the faults that were seen."""
    for column in ("operator", "file"):
        table(gate.chosen, gate.survivors, column)
        print()
    for mutant in gate.hung:
        print(f"seen, as the tests did not end: {mutant}")
    for mutant in gate.survivors:
        print(f"not seen: {mutant}")
    planted = len(gate.chosen)
    killed = planted - len(gate.survivors)
    share = killed / max(1, planted)
    print(f"{killed} of {planted} faults seen ({share:.2%}), in {seconds:.0f} s")
    return share


def chance(count: int, missed: int) -> float:
    """Return the chance that as many or more of ``count`` are missed where ``SHARE`` are seen."""
    fewer = (math.comb(count, k) * (1 - SHARE) ** k * SHARE ** (count - k) for k in range(missed))
    return 1 - sum(fewer)


def choose(planted: list[Mutant], only: str, sample: int) -> list[Mutant]:
    """Return the faults that are asked for, without those that change nothing.

    A sample are those with the lowest digests: it stays as it is where the code does.
    """
    chosen = [m for m in planted if m.what not in EQUIVALENT and only in f"{m.file} {m.function}"]

    def digest(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{mutant.file} {mutant.what}".encode()).digest()

    return sorted(chosen, key=digest)[:sample] if sample else chosen


def main() -> int:
    parser = argparse.ArgumentParser(description="Plant faults; the gradient tests must see them.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="a part of a file's or a function's name")
    parser.add_argument("--sample", type=int, default=0, help="so many, as if at random")
    options = parser.parse_args()
    planted = mutants()
    if stale := EQUIVALENT.keys() - {m.what for m in planted}:
        print("equivalent.py lists what is not planted:", *sorted(stale), sep="\n")
        return 2
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(1)
    gate = Gate(choose(planted, options.only, options.sample), options.jobs)
    began = time.monotonic()
    pytest.main(["-q", "-s", "-p", "no:cacheprovider", "--tb=no", *SUITE], plugins=[gate])
    if not gate.fit:
        print(f"the tests fail without a fault; mend them first: {gate.by}")
        return 2
    share = report(gate, time.monotonic() - began)
    if options.sample:
        return 0 if chance(len(gate.chosen), len(gate.survivors)) >= CHANCE else 1
    return 0 if share >= SHARE and (len(gate.chosen) >= LEAST or options.only) else 1


if __name__ == "__main__":
    sys.exit(main())
