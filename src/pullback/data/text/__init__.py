"""Text: tokens, files larger than memory, texts with classes, translations."""

from pullback.data.text.bpe import BytePairs
from pullback.data.text.labelled import Pairs, Texts, read_files, read_pairs, read_table
from pullback.data.text.library import Library
from pullback.data.text.readers import lines, read_text, read_tokens, text_pieces
from pullback.data.text.tokens import TOKENIZERS, Bytes, Characters, Tokenizer, Words
from pullback.data.text.windows import Windows, random_windows, windows

__all__ = [
    "TOKENIZERS",
    "BytePairs",
    "Bytes",
    "Characters",
    "Library",
    "Pairs",
    "Texts",
    "Tokenizer",
    "Windows",
    "Words",
    "lines",
    "random_windows",
    "read_files",
    "read_pairs",
    "read_table",
    "read_text",
    "read_tokens",
    "text_pieces",
    "windows",
]
