"""``pullback compare``: runs side by side."""

from __future__ import annotations

import io
import json
from pathlib import Path

from pullback.core.errors import ConfigError
from pullback.train.compare import compare
from pullback.train.storage import write_whole

TEXT = {
    "wrote": "see {path}",
    "kind": "--plot {path}: there are no pictures of kind {kind!r}; expected .png, .svg or .pdf",
}


def compare_command(
    runs: tuple[str, ...], metric: str | None, plot: str | None, as_json: bool
) -> None:
    """Print the table and, where a file is named for it, draw the curves."""
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
