"""The JSON file with everything raw, which the page is made of."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from suite.machine import machine
from suite.peers import PEERS


def add(
    path: Path, name: str, result: dict[str, Any], threads: int, versions: dict[str, str]
) -> dict[str, Any]:
    """Put a workload's result into the file, beside what it holds; return all of it.

    Rows of other peers are kept where they were measured with as many threads.
    """
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    date = time.strftime("%Y-%m-%d")
    for row in result["peers"].values():
        row["date"] = date
    workloads = kept.get("workloads", {})
    old = workloads.get(name, {})
    rows = (old["peers"] if old.get("threads") == threads else {}) | result["peers"]
    result = result | {
        "peers": {peer: rows[peer] for peer in PEERS if peer in rows},
        "date": date,
        "threads": threads,
        "processor": machine()["processor"],
    }
    merged = {
        "machine": machine(),
        "versions": dict(sorted((kept.get("versions", {}) | versions).items())),
        "workloads": dict(sorted((workloads | {name: result}).items())),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(merged, indent=1) + "\n", "utf-8")
    return merged
