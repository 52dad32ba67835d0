"""What is told on the console while it is measured, targets included."""

from __future__ import annotations

import statistics
from typing import Any

from suite.numbers import disturbed, quantity
from suite.workloads import Training, Workload


def tell(name: str, workload: Workload, result: dict[str, Any]) -> bool:
    """Print a workload's rows; tell whether all of them could be compared."""
    print(f"{name}: {workload.title}", flush=True)
    if "failed" in result:
        print(f"  failed: {result['failed']}")
        return False
    sound = True
    for peer, row in result["peers"].items():
        if "failed" in row:
            print(f"  {peer:18} {row['failed']}")
            sound = sound and row["failed"].startswith("not installed")
            continue
        sound = sound and row["comparable"]
        print(f"  {peer:18} {_figures(row, result['unit'])}{_verdict(workload, peer, row)}")
    if "of_peak" in result:
        share = result["of_peak"]["median"]
        wanted = workload.peak if isinstance(workload, Training) else None
        mark = "" if wanted is None else f"  target {wanted}: {_met(share >= wanted)}"
        print(f"  of the peak        {share:.2f}{mark}")
    if "ours" in result:
        print(f"  {quantity(result['median'], result['unit'])}")
    if "examples" in result:
        slopes = [f"{axis} {result[axis]['slope']:.2f}" for axis in ("examples", "parameters")]
        print(f"  slopes: {', '.join(slopes)}")
    if "others" in result:
        print(f"  {disturbed(result['others'])}")
    return sound


def _figures(row: dict[str, Any], unit: str) -> str:
    ratio = row["ratio"]
    ours = quantity(statistics.median(row["ours"]), unit)
    theirs = quantity(statistics.median(row["theirs"]), unit)
    spread = f"{ratio['smallest']:.2f} to {ratio['largest']:.2f}"
    return f"{ratio['median']:.2f} ({spread}; {row['rounds']} rounds; {ours} / {theirs})"


def _verdict(workload: Workload, peer: str, row: dict[str, Any]) -> str:
    if not row["comparable"]:
        return f"  NOT COMPARABLE: outcomes {row['apart']:.2g} apart, at most {row['tolerance']:g}"
    wanted = workload.targets.get(peer)
    if wanted is None:
        return ""
    return f"  target {wanted}: {_met(row['ratio']['median'] <= wanted)}"


def _met(reached: bool) -> str:
    return "met" if reached else "missed"
