"""A virtual environment for each kind of peer, made once and kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from suite.peers import ENVIRONMENTS

FOLDER = Path(__file__).parents[2] / ".bench"


class NotInstalled(Exception):
    """An environment cannot be made; the message is the first line of the reason."""


_failures: dict[str, str] = {}  # several peers share an environment, and each would try again


def python_of(environment: str | None) -> Path:
    """Return the Python of an environment, which is made where it is not there yet.

    Raises:
        NotInstalled: it cannot be made.
    """
    if environment is None:
        return Path(sys.executable)
    if environment not in _failures:
        try:
            return _made(FOLDER / environment, ENVIRONMENTS[environment])
        except NotInstalled as error:
            _failures[environment] = str(error)
    raise NotInstalled(_failures[environment])


def _made(folder: Path, requirements: tuple[str, ...]) -> Path:
    python, stamp = folder / "bin" / "python", folder / ".installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {folder.name}: {', '.join(requirements)}", file=sys.stderr)
        _do([sys.executable, "-m", "venv", "--clear", str(folder)])
        _do([str(python), "-m", "pip", "install", "--quiet", *requirements])
        stamp.write_text(wanted)
    return python


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reasons = [line for line in lines if line.startswith("ERROR")] or lines or ["no reason"]
        # pip lists every version that there is in brackets
        raise NotInstalled(reasons[0].removeprefix("ERROR: ").partition(" (from versions")[0])
