"""What a workload can be. Each file in ``workloads/`` states one, as ``WORKLOAD``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from suite.peers import OURS

FOLDER = Path(__file__).parents[1] / "workloads"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Base: what is compared, with whom, how often.

    ``targets`` are ratios, ours over the peer's, that we want to be below.
    """

    title: str
    note: str = ""
    rounds: int = 11
    targets: Mapping[str, float] = field(default_factory=dict)

    def small(self) -> Workload:
        """Return the same at a size for trying out the suite."""
        return replace(self, rounds=2)


@dataclass(frozen=True, kw_only=True)
class Work(Workload):
    """Base of what workers do: ``kind`` is what they call it."""

    kind: ClassVar[str]
    section: ClassVar[str]
    peers: tuple[str, ...]

    def job(self) -> dict[str, Any]:
        """Return the numbers that a worker needs beside the arrays."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Training(Work):
    """An epoch of plain SGD with cross-entropy: the first ``examples`` of a data set.

    The network has ReLU between ``widths``. ``peak`` is the share of the machine's matrix
    products that we want to be above.
    """

    kind = "training"
    section = "Training: seconds an epoch"
    data: str
    widths: tuple[int, ...]
    batch: int
    examples: int
    lr: float = 0.01
    peak: float | None = None

    def small(self) -> Training:
        """Return the same with few examples."""
        few = max(self.batch + 1, self.examples // 50)
        return replace(self, examples=few, rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"widths": self.widths, "batch": self.batch, "lr": self.lr}

    def parameters(self) -> int:
        """Return the number of weights and biases."""
        return sum((a + 1) * b for a, b in pairwise(self.widths))

    def multiply_adds(self) -> int:
        """Return those of an epoch: forward, weight gradients, and all input gradients but one."""
        layers = [a * b for a, b in pairwise(self.widths)]
        return self.examples * (3 * sum(layers) - layers[0])


@dataclass(frozen=True, kw_only=True)
class Images(Work):
    """An epoch of plain SGD of a convolutional network: the first ``examples`` of MNIST.

    ``network`` is a name that the workers know.
    """

    kind = "images"
    section = "Training of convolutional networks: seconds an epoch"
    network: str
    batch: int
    examples: int
    lr: float = 0.01

    def small(self) -> Images:
        """Return the same with few examples."""
        return replace(self, examples=2 * self.batch, rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"network": self.network, "batch": self.batch, "lr": self.lr}


@dataclass(frozen=True, kw_only=True)
class Sequences(Work):
    """An epoch of a network of sequences of ``steps``: the first ``examples`` of a data set.

    ``data`` is ``"mnist"``, each picture cut into steps, whose class is wanted, by plain SGD; or
    ``"shakespeare"``, windows of characters, of which each next one is wanted, by AdamW.
    """

    kind = "sequences"
    section = "Training of networks of sequences: seconds an epoch"
    network: str
    data: str
    steps: int
    batch: int
    examples: int
    lr: float = 0.01

    def small(self) -> Sequences:
        """Return the same with few examples."""
        return replace(self, examples=2 * self.batch, rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"network": self.network, "batch": self.batch, "lr": self.lr}


@dataclass(frozen=True, kw_only=True)
class Watching(Work):
    """The epoch of ``plain`` with quantities watched in every step, ours, against that without."""

    kind = "watching"
    section = "Watching quantities while training: seconds an epoch"
    plain: Training | Images | Sequences
    peers: tuple[str, ...] = ("unwatched",)

    def small(self) -> Watching:
        """Return the same with few examples."""
        return replace(self, plain=self.plain.small(), rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers, and what to train."""
        return self.plain.job() | {"trains": self.plain.kind}


@dataclass(frozen=True, kw_only=True)
class Inference(Work):
    """The outputs of a network, ``calls`` times in a row for the same ``batch`` examples."""

    kind = "inference"
    section = "Inference: seconds a call"
    data: str
    widths: tuple[int, ...]
    batch: int
    calls: int

    def small(self) -> Inference:
        """Return the same with fewer calls."""
        return replace(self, calls=self.calls // 20, rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"widths": self.widths, "batch": self.batch, "calls": self.calls, "lr": 0.01}


@dataclass(frozen=True, kw_only=True)
class Examples(Work):
    """The gradients of all parameters for each example of a batch of MNIST, formed.

    ``calls`` times in a row, what the last call made being freed first.
    """

    kind = "examples"
    section = "Gradients of single examples, formed: seconds a batch"
    network: str
    batch: int
    calls: int

    def small(self) -> Examples:
        """Return the same with few examples and calls."""
        return replace(self, batch=8, calls=2, rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"network": self.network, "batch": self.batch, "calls": self.calls}


@dataclass(frozen=True, kw_only=True)
class Update(Work):
    """The update of Adam alone, ``calls`` times, of ``size`` parameters in ``tensors`` parts."""

    kind = "update"
    section = "Update: seconds an update"
    size: int
    tensors: int
    calls: int
    lr: float = 0.001

    def small(self) -> Update:
        """Return the same with fewer parameters."""
        return replace(self, size=self.size // 20, rounds=2)

    def job(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"tensors": self.tensors, "calls": self.calls, "lr": self.lr}


@dataclass(frozen=True, kw_only=True)
class Programs(Workload):
    """Whole processes, whose last line of JSON on standard output is read.

    ``commands`` are arguments of each peer's Python; ``{programs}``, ``{mnist}``, ``{folder}``
    (empty, a new one each time) and ``{seed}`` (the round) are filled in. ``measure`` is
    ``"seconds"``, of the process from its start to its end, or a key of the JSON with bytes.
    All must agree on the JSON's ``agree`` to ``tolerance``, relatively.
    """

    section = "Whole processes"
    commands: Mapping[str, tuple[str, ...]]
    measure: str = "seconds"
    agree: str
    tolerance: float
    rounds: int = 5

    @property
    def peers(self) -> tuple[str, ...]:
        """All but ourselves."""
        return tuple(name for name in self.commands if name != OURS)


@dataclass(frozen=True, kw_only=True)
class ExamplesMemory(Workload):
    """The most memory that the process of a worker holds for ``examples``, a new one each turn."""

    section = "Gradients of single examples, formed: memory of the process"
    examples: Examples
    rounds: int = 3

    @property
    def peers(self) -> tuple[str, ...]:
        """Those of the work."""
        return self.examples.peers

    def small(self) -> ExamplesMemory:
        """Return the same with few examples."""
        return replace(self, examples=self.examples.small(), rounds=2)


@dataclass(frozen=True, kw_only=True)
class Allocation(Workload):
    """The memory that one step of ``training`` takes and gives back, ours only."""

    section = "Memory of a step"
    training: Training
    rounds: int = 5


@dataclass(frozen=True, kw_only=True)
class Growth(Workload):
    """How the time of an epoch, ours only, grows with examples and with parameters."""

    section = "Growth"
    by_examples: tuple[Training, ...]
    by_parameters: tuple[Training, ...]
    rounds: int = 5

    def small(self) -> Growth:
        """Return the same with few examples."""
        return replace(
            self,
            by_examples=tuple(t.small() for t in self.by_examples),
            by_parameters=tuple(t.small() for t in self.by_parameters),
            rounds=2,
        )


def all_workloads() -> dict[str, Workload]:
    """Return the workloads of the folder by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.py"))}


def _read(path: Path) -> Workload:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Workload = module.WORKLOAD
    return found
