"""``pullback generate``: a text that a language model writes."""

from __future__ import annotations

import json
from typing import Any

from pullback.decode import generate
from pullback.train.model_file import load_model


def generate_command(run: str, prompt: str, as_json: bool, **options: Any) -> None:
    """Print the prompt, and the text after it as it comes."""
    pieces = generate(load_model(run), prompt, **options)
    if as_json:
        print(json.dumps({"prompt": prompt, "text": "".join(pieces)}))
        return
    print(prompt, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
