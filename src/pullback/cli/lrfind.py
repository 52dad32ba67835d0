"""``pullback lrfind``: a learning rate for the run that the flags describe."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from pullback.cli.request import Request
from pullback.core.errors import NonFiniteError
from pullback.train.finding import Trial
from pullback.train.lrfind import lrfind_settings
from pullback.train.storage import write_whole

NO_LEARNING_RATE = NonFiniteError.exit_code
TEXT = {"wrote": "see {path}"}


def lrfind_command(
    name: str | None, steps: int, plot: str, as_json: bool, options: dict[str, Any]
) -> int:
    """Print the suggestion with its reasons and write the picture; return the exit code."""
    request = Request.of("lrfind", name, options)
    data = request.load()

    def tell(trial: Trial) -> None:
        if not as_json:
            print(trial, flush=True)

    found = lrfind_settings(request.settings(data), data, steps=steps, listener=tell)
    picture = io.BytesIO()
    found.plot(picture)
    write_whole(Path(plot), picture.getvalue())
    if as_json:
        print(json.dumps({**found.to_dict(), "plot": plot}))
    else:
        print(found)
        print(TEXT["wrote"].format(path=plot))
    return 0 if found.lr is not None else NO_LEARNING_RATE
