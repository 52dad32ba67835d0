"""A worker of three is killed, stopped, raises or leaves, at five places: who is told, and when.

    python benchmarks/programs/lost_workers.py

Of each of the 20: whether one line names it with host and step, seconds from the fault to the end
of all processes, those that are left over, and how far what is resumed is from a run that nothing
happened to.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import pullback as pb

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "train" / "worker_script.py"
LAUNCH = "import sys; from pullback.cli.launch import launch; sys.exit(launch(3, {command}))"
KINDS = ("killed", "stopped", "raising", "exiting")
PLACES = ("start", "forward", "reduce", "save", "end")


def one(kind: str, place: str, folder: Path) -> tuple[bool, float, int]:
    """Return whether the worker was named, the seconds it took, and how many are left over."""
    command = [sys.executable, str(SCRIPT), str(folder), kind, place]
    program = [sys.executable, "-c", f"{LAUNCH.format(command=command)}"]
    watched = f"import time,subprocess; subprocess.run({program}); print('ended', time.time())"
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True)
    ended = float(done.stdout.split()[-1])
    named = any("worker 1" in li and " at step " in li for li in done.stderr.splitlines())
    left = subprocess.run(["pgrep", "-f", str(folder)], capture_output=True, text=True).stdout
    return named, ended - float((folder / "fault").read_text()), len(left.split())


def resumed(folder: Path) -> np.ndarray:
    data = pb.data.load("digits").train
    if not (folder / "checkpoint.safetensors").exists():
        return np.empty(0)  # it never came to one
    return pb.resume(folder, pb.data.from_arrays(data.x[:101], data.y[:101])).model.theta.flat


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole"
        whole.mkdir()
        subprocess.run([sys.executable, str(SCRIPT), str(whole), "none", "none"], check=True)
        right = pb.load_model(whole / "run" / "model.safetensors").theta.flat
        good = 0
        for kind in KINDS:
            for place in PLACES:
                folder = Path(name) / f"{kind}-{place}"
                folder.mkdir()
                named, seconds, left = one(kind, place, folder)
                found = resumed(folder / "run")
                gap = float(np.abs(found - right).max()) if found.size else None
                fine = named and seconds < 10 and not left and (gap is None or gap < 1e-12)
                good += fine
                print(
                    f"{kind} at {place}: named {named}, {seconds:.1f} s, left over {left}, "
                    f"resumed {'from the start' if gap is None else f'within {gap:.0e}'}",
                    flush=True,
                )
        print(f"{good} of {len(KINDS) * len(PLACES)}")


if __name__ == "__main__":
    main()
