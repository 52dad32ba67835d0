"""A large table: seconds to read it, beside pandas, and the memory that training on it takes.

    python benchmarks/programs/large_table.py write big.csv [--rows 1000000] [--quoted]
    python benchmarks/programs/large_table.py read big.csv [--rounds 5]
    python benchmarks/programs/large_table.py train big.csv [options of pullback train]

A row has 70 quantities, 30 columns of words, two dates, a town of 5,000, a text, and a class that
goes with a few of them; one cell in fifty is missing. A million rows are about a gigabyte. With
``--quoted`` every word has quotation marks, for which pandas and we have to look closer. Each
reading and the training are a process of their own, whose peak of resident memory is told.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import csv
from resident import peak_bytes

TARGET = "y"
BLOCK = 50_000
READERS = ("ours", "pandas")


def block(rng: np.random.Generator, first: int, rows: int) -> pyarrow.Table:
    """Return rows of the table."""
    columns: dict[str, pyarrow.Array] = {"id": pyarrow.array(np.arange(first, first + rows))}

    def add(name: str, values: np.ndarray) -> None:
        columns[name] = pyarrow.array(values, mask=rng.random(rows) < 0.02)

    score = np.zeros(rows)
    for i in range(70):
        draw = rng.normal(size=rows)
        kind = i % 4
        if kind == 0:
            values: np.ndarray = np.round(100 * draw, 3)
        elif kind == 1:
            values = np.round(np.exp(3 + draw), 2)
        elif kind == 2:
            values = rng.integers(0, 100_000, rows)
        else:
            values = np.round(draw, 6)
        add(f"quantity {i}", values)
        if i < 8:
            score += draw * np.sin(draw + i)
    for i in range(30):
        words = np.array([f"kind {i} of {j}" for j in range(3 + 2 * i)])
        code = np.minimum(rng.geometric(0.2, rows) - 1, len(words) - 1)
        add(f"words {i}", words[code])
        if i < 4:
            score += np.cos(code + i)
    towns = np.array([f"town {j}" for j in range(5_000)])
    add("town", towns[rng.integers(0, len(towns), rows)])
    for name in ("born", "seen"):
        add(name, np.datetime64("1990-01-01") + rng.integers(0, 12_000, rows))
    letters = rng.integers(97, 123, (rows, 60)).astype(np.uint8)
    letters[:, 7::8] = 32
    add("said", letters.view("S60").ravel().astype("U60"))
    noise = rng.logistic(size=rows)
    columns[TARGET] = pyarrow.array(np.where(score + noise > 1.5, "yes", "no"))
    return pyarrow.table(columns)


def write(path: Path, rows: int, quoted: bool) -> None:
    rng, style = np.random.default_rng(0), "needed" if quoted else "none"
    with path.open("wb") as file:
        for first in range(0, rows, BLOCK):
            part = block(rng, first, min(BLOCK, rows - first))
            if first == 0:  # whose names it would quote in any style
                file.write((",".join(part.column_names) + "\n").encode())
            csv.write_csv(part, file, csv.WriteOptions(include_header=False, quoting_style=style))
    print(f"{rows} rows, {path.stat().st_size / 1e9:.2f} GB: {path}")


def read_once(reader: str, path: str) -> None:
    """Read in this process, and print the seconds and the peak of memory."""
    if reader == "ours":
        from pullback.data.tables import read_table as read
    else:
        from pandas import read_csv as read
    began, worked = time.perf_counter(), time.process_time()
    table = read(path)
    print(time.perf_counter() - began, time.process_time() - worked, peak_bytes() / 1e9, len(table))


def read(path: Path, rounds: int) -> None:
    """Read by turns, and print each reader's median."""
    found: dict[str, list[tuple[float, ...]]] = {reader: [] for reader in READERS}
    for _ in range(rounds):
        for reader in READERS:
            command = [sys.executable, __file__, "once", str(path), "--reader", reader]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[reader].append(tuple(map(float, said.split())))
    for reader, each in found.items():
        seconds, worked, peaks, rows = zip(*each, strict=True)
        print(
            f"{reader}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to "
            f"{max(seconds):.2f}), of the processors {statistics.median(worked):.2f} s, "
            f"{max(peaks):.2f} GB, {rows[0]:.0f} rows"
        )
    pairs = zip(*(found[reader] for reader in READERS), strict=True)
    ratios = [ours[0] / theirs[0] for ours, theirs in pairs]
    print(f"ours over pandas: {statistics.median(ratios):.2f} in {rounds} rounds")


def train(path: Path, options: list[str]) -> None:
    """Train as the command does, and print the peak of memory and the seconds."""
    from pullback.cli.main import cli

    began = time.perf_counter()
    given = ["train", str(path), "--target", TARGET, *options]
    cli.main(given, standalone_mode=False)
    print(f"{time.perf_counter() - began:.0f} s, peak of memory {peak_bytes() / 1e9:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("write", "read", "once", "train"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--quoted", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reader", choices=READERS, default="ours")
    given, others = parser.parse_known_args()
    if given.what == "write":
        write(given.path, given.rows, given.quoted)
    elif given.what == "read":
        read(given.path, given.rounds)
    elif given.what == "once":
        read_once(given.reader, str(given.path))
    else:
        train(given.path, others)


if __name__ == "__main__":
    main()
