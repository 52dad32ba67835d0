"""``pullback recommend``: what a user of a model of ratings would rate highest."""

from __future__ import annotations

import json

from pullback.recipes.recommend import best
from pullback.train.model_file import load_model


def recommend_command(run: str, user: str, as_json: bool) -> None:
    """Print the ten best items that the user has not rated, and the ratings to expect."""
    found = best(load_model(run), user)
    if as_json:
        items = [{"item": title, "rating": rating} for title, rating in found]
        print(json.dumps({"user": user, "items": items}))
        return
    for place, (title, rating) in enumerate(found, start=1):
        print(f"{place:2}. {title}  ({rating:.2f})")
