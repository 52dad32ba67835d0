"""``pullback compare``: runs side by side, or two models map by map."""

from __future__ import annotations

import io
import json
from pathlib import Path

from pullback.cli.parity import are_models, parity_command
from pullback.core.errors import ConfigError
from pullback.train.compare import compare
from pullback.train.storage import write_whole

TEXT = {
    "wrote": "see {path}",
    "models": "{option} is of runs, and these are models",
    "runs": "--data is of two models, one of which is named as a file; these are runs",
    "kind": "--plot {path}: there are no pictures of kind {kind!r}; expected .png, .svg or .pdf",
}


def compare_command(
    runs: tuple[str, ...], metric: str | None, plot: str | None, data: str | None, as_json: bool
) -> None:
    """Print the table of runs and, where a file is named for it, draw the curves.

    Two paths of which one is a file of a model or of weights are compared as models.
    """
    if are_models(runs):
        for option, value in (("--metric", metric), ("--plot", plot)):
            if value is not None:
                raise ConfigError(TEXT["models"].format(option=option))
        parity_command(runs[0], runs[1], data, as_json)
        return
    if data is not None:
        raise ConfigError(TEXT["runs"])
    found = compare(runs, by=metric)
    if plot is not None:
        drawing = io.BytesIO()
        kind = Path(plot).suffix.removeprefix(".") or "png"
        try:
            found.plot(drawing, format=kind)
        except ValueError:  # matplotlib's, who alone knows which kinds there are
            raise ConfigError(TEXT["kind"].format(path=plot, kind=kind)) from None
        write_whole(Path(plot), drawing.getvalue())
    if as_json:
        print(json.dumps({**found.to_dict(), **({"plot": plot} if plot else {})}))
        return
    print(found)
    if plot is not None:
        print(TEXT["wrote"].format(path=plot))
