"""From outputs to sequences: labels, texts, translations, and how far they are from right."""

from pullback.decode.beam import Hypothesis, beam_search
from pullback.decode.ctc import ctc_beam, ctc_greedy
from pullback.decode.distance import edit_distance, error_rate
from pullback.decode.generation import generate
from pullback.decode.incremental import Incremental
from pullback.decode.sampling import sample_tokens, token_probabilities

__all__ = [
    "Hypothesis",
    "Incremental",
    "beam_search",
    "ctc_beam",
    "ctc_greedy",
    "edit_distance",
    "error_rate",
    "generate",
    "sample_tokens",
    "token_probabilities",
]
