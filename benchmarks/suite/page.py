"""The measured part of the page, made of what the JSON file holds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from suite.numbers import disturbed, quantity
from suite.peers import PEERS
from suite.workloads import (
    Allocation,
    Examples,
    ExamplesMemory,
    Growth,
    Images,
    Inference,
    Programs,
    Sequences,
    Training,
    Update,
    Watching,
    Workload,
)

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
KINDS = (
    Training,
    Images,
    Sequences,
    Watching,
    Examples,
    ExamplesMemory,
    Inference,
    Update,
    Programs,
    Allocation,
    Growth,
)
HEAD = (
    "| Peer | Ratio, median | Smallest and largest | Rounds | Pullback | Peer |",
    "|---|---|---|---|---|---|",
)


def write(page: Path, results: dict[str, Any], workloads: dict[str, Workload]) -> None:
    """Replace what stands between the markers of ``page``."""
    text = page.read_text("utf-8") if page.exists() else ""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(_lines(results, workloads))
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}", "utf-8")


def _lines(results: dict[str, Any], workloads: dict[str, Workload]) -> Iterator[str]:
    yield from _machine(results)
    for kind in KINDS:
        found = {
            name: results["workloads"][name]
            for name, workload in workloads.items()
            if isinstance(workload, kind) and name in results["workloads"]
        }
        if found:
            yield f"### {kind.section}"
            yield ""
        for name, result in found.items():
            yield f"**{workloads[name].title}.** {workloads[name].note}".rstrip()
            yield ""
            yield from _result(result)


def _machine(results: dict[str, Any]) -> Iterator[str]:
    found = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    peaks = [
        peak
        for result in results["workloads"].values()
        for peak in result.get("of_peak", {}).get("peaks", ())
    ]
    yield f"- Machines of {found['cores']} processors, {found['system']}; which, each row says."
    yield f"- Versions: Python {found['python']}, {versions}."
    if peaks:
        yield (
            f"- Matrix products in float32: {_flops(max(peaks))} at most, "
            f"{_flops(statistics.median(peaks))} in the middle."
        )
    yield ""


def _flops(multiply_adds: float) -> str:
    return f"{2 * multiply_adds / 1e9:.0f} GFLOP/s"


def _result(result: dict[str, Any]) -> Iterator[str]:
    if "failed" in result:
        yield f"Not measured: {_first_line(result['failed'])}"
        yield ""
        return
    if result["peers"]:
        yield from HEAD
        for peer, row in result["peers"].items():
            yield _row(PEERS[peer].title, row, result["unit"])
        yield ""
    if "ours" in result:
        yield f"{quantity(result['median'], result['unit'])} (of {len(result['ours'])} steps)."
        yield ""
    if "examples" in result:
        for axis in ("examples", "parameters"):
            yield f"- Slope of the logarithms by {axis}: {result[axis]['slope']:.2f}."
        yield ""
        yield "![Seconds of an epoch by examples, and by parameters](images/cost.png)"
        yield ""
    yield _circumstances(result)
    yield ""


def _row(title: str, row: dict[str, Any], unit: str) -> str:
    if "failed" in row:
        return f"| {title} | {_first_line(row['failed'])} | | | | |"
    ratio = row["ratio"]
    middle = f"{ratio['median']:.2f}" if row["comparable"] else "not comparable"
    return (
        f"| {title} | {middle} | {ratio['smallest']:.2f} to {ratio['largest']:.2f} "
        f"| {row['rounds']} | {quantity(statistics.median(row['ours']), unit)} "
        f"| {quantity(statistics.median(row['theirs']), unit)} |"
    )


def _circumstances(result: dict[str, Any]) -> str:
    dates = sorted({result["date"], *(row["date"] for row in result["peers"].values())})
    where = f"on {result['processor']}, {result['threads']} threads"
    words = [f"Measured on {' and '.join(dates)} {where}."]
    if "of_peak" in result:
        shares = result["of_peak"]
        words.append(
            f"Our multiply-adds a second over those of the machine's matrix products: "
            f"{shares['median']:.2f} ({shares['smallest']:.2f} to {shares['largest']:.2f})."
        )
    if "others" in result:
        words.append(f"{disturbed(result['others'])}.")
    return " ".join(words)


def _first_line(text: str) -> str:
    return text.splitlines()[0].replace("|", "/")
