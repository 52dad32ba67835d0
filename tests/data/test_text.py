"""Tokenizers, and text from files: read as it is or refused by name, in bounded memory."""

import gzip
import json
import sys
import tracemalloc
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback.core.config import from_config, to_config
from pullback.core.errors import ConfigError, DataError
from pullback.data.text import (
    TOKENIZERS,
    BytePairs,
    Bytes,
    Characters,
    Library,
    Words,
    lines,
    random_windows,
    read_text,
    read_tokens,
    text_pieces,
    windows,
)
from pullback.data.text import readers as module
from pullback.data.text.bpe import PARTS

TEXT = "The quick brown fox, the lazy dog: 'quick' isn't lazy.\n\n  Zwei Büsche 漢字 — 12345!\t" * 3
MADE = {
    "Bytes": Bytes(("<end>",)),
    "Characters": Characters.of([TEXT], specials=("<begin>", "<end>")),
    "Words": Words.of([TEXT], specials=("<end>",)),
    "BytePairs": BytePairs.train([TEXT], 300, ("<begin>", "<end>")),
}
try:
    MADE["Library"] = Library.train([TEXT], 300, ("<end>",))
except ConfigError:
    HAS_LIBRARY = False
else:
    HAS_LIBRARY = True
each = pytest.mark.parametrize("tokenizer", MADE.values(), ids=MADE)


def test_the_table_covers_the_registry():
    assert set(MADE) | {"Library"} == set(TOKENIZERS)


@each
def test_tokens_are_in_range_and_never_special(tokenizer):
    ids = tokenizer.encode(TEXT + "<end> ☃ \x00")
    assert ids.dtype == tokenizer.dtype == np.int16
    assert ids.min() >= 0
    assert ids.max() < tokenizer.plain
    assert (
        tokenizer.special("<end>")
        == tokenizer.size - 1
        == tokenizer.plain + (len(tokenizer.specials) - 1)
    )
    assert len(tokenizer.encode("")) == 0


@each
def test_special_tokens_and_padding_are_left_out(tokenizer):
    ids = [*tokenizer.encode("the dog"), tokenizer.special("<end>"), -1, -1]
    assert tokenizer.decode(ids) == "the dog"
    with pytest.raises(DataError, match="expected numbers below"):
        tokenizer.decode([tokenizer.size])
    with pytest.raises(ConfigError, match="no special token '<pad>'; there are: <"):
        tokenizer.special("<pad>")


@each
def test_descriptions_are_plain_data(tokenizer):
    again = from_config(json.loads(json.dumps(to_config(tokenizer))))
    assert again == tokenizer
    np.testing.assert_array_equal(again.encode(TEXT), tokenizer.encode(TEXT))


@each
def test_a_text_in_pieces_is_the_text(tokenizer):
    whole = tokenizer.encode(TEXT)
    for size in (1, 7, 50):
        found, rest = [], ""
        for start in range(0, len(TEXT), size):
            rest += TEXT[start : start + size]
            end = tokenizer.complete(rest)
            found.append(tokenizer.encode(rest[:end]))
            rest = rest[end:]
        np.testing.assert_array_equal(np.concatenate([*found, tokenizer.encode(rest)]), whole)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_every_text_comes_back(text):
    for name in ("Bytes", "BytePairs"):
        assert MADE[name].decode(MADE[name].encode(text)) == text
    assert "".join(PARTS.findall(text)) == text
    known = "".join(c if c in MADE["Characters"].alphabet else "�" for c in text)
    assert MADE["Characters"].decode(MADE["Characters"].encode(text)) == known


def test_characters_by_frequency():
    letters = Characters.of(["banana", "cab"], fewest=2)
    assert letters.alphabet == "abn"
    assert letters.encode("cab").tolist() == [3, 0, 1]
    with pytest.raises(DataError, match="character 1: 'x' is not one of the 3"):
        Characters("anb", unknown=False).encode("axb")
    with pytest.raises(ConfigError, match="'a' is twice"):
        Characters("aba")
    assert Characters("").encode("ab").tolist() == [0, 0]


def test_words_by_frequency():
    words = Words.of(["A cat. A dog isn't a cat."], most=3)
    assert words.vocabulary == ("a", ".", "cat")
    assert words.encode("A bird, a cat.").tolist() == [0, 3, 3, 0, 2, 1]
    with pytest.raises(ConfigError, match="twice in the vocabulary"):
        Words(("a", "a"))


def slow_byte_pairs(text, wanted):
    """The paper's algorithm as it stands: all pairs counted again for every merger."""
    words = Counter(PARTS.findall(text))
    tokens = {word: list(word.encode()) for word in words}
    merges = []
    while len(merges) < wanted:
        counts = Counter()
        for word, times in words.items():
            for pair in pairwise(tokens[word]):
                counts[pair] += times
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        for word, old in tokens.items():
            new = []
            for token in old:
                new.append(token)
                while tuple(new[-2:]) == best:
                    new[-2:] = [256 + len(merges)]
            tokens[word] = new
        merges.append(best)
    return tuple(merges)


@pytest.mark.parametrize("seed", range(10))
def test_training_is_the_papers(seed):
    rng = np.random.default_rng(seed)
    text = "".join(rng.choice(list("aabbbc dé "), 400))
    assert BytePairs.train([text], 256 + 40).merges == slow_byte_pairs(text, 40)


def test_mergers_that_cannot_be():
    with pytest.raises(ConfigError, match=r"merges\[1\]=\(5, 257\); expected tokens before 257"):
        BytePairs(((1, 2), (5, 257)))
    with pytest.raises(ConfigError, match="merged twice"):
        BytePairs(((1, 2), (1, 2)))
    with pytest.raises(ConfigError, match="size=256; expected at least 257"):
        BytePairs.train(["a"], 256, ("<end>",))


def test_a_long_word_takes_linear_time():
    ids = MADE["BytePairs"].encode("a" * 1_000_000)
    assert MADE["BytePairs"].decode(ids) == "a" * 1_000_000


def test_the_library_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"pip install 'pullback\[text\]'"):
        Library("{}")


@pytest.mark.skipif(not HAS_LIBRARY, reason="the tokenizers library is not installed")
def test_the_library():
    assert MADE["Library"].decode(MADE["Library"].encode(TEXT)) == TEXT
    with pytest.raises(ConfigError, match="not a tokenizer of the library"):
        Library("{}")


# -- files


@pytest.fixture
def path(tmp_path):
    return tmp_path / "text.txt"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
def test_text_from_files(path, monkeypatch, packed, piece):
    monkeypatch.setattr(module, "PIECE", piece)
    content = ("\ufeff" + TEXT).encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    assert read_text(path) == TEXT
    assert list(lines(path)) == TEXT.split("\n")
    for name in ("Characters", "Words", "BytePairs"):
        np.testing.assert_array_equal(read_tokens(path, MADE[name]), MADE[name].encode(TEXT))
    np.testing.assert_array_equal(read_tokens(path, Bytes()), list(content))


def test_tokens_in_a_file(path, tmp_path):
    path.write_text(TEXT * 50, "utf-8")
    found = read_tokens(path, MADE["BytePairs"], tmp_path / "ids")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, MADE["BytePairs"].encode(TEXT * 50))
    assert np.asarray(windows(found, 8).x[3]).tolist() == found[3:11].tolist()


@pytest.mark.parametrize("piece", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "byte"),
    [(b"ab\xffcd", 2), ("é漢".encode("latin-1", "replace"), 0), ("漢字".encode()[:-1], 3),
     (b"a\xc3", 1), ("é".encode("utf-16"), 0), (b"abc\xed\xa0\x80", 3)],
)  # fmt: skip
def test_what_is_not_utf8_is_refused_at_its_byte(path, monkeypatch, piece, content, byte):
    monkeypatch.setattr(module, "PIECE", piece)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"byte {byte}: expected UTF-8, found ") as found:
        read_text(path)
    assert str(found.value).startswith(f"{path}: ")
    with pytest.raises(UnicodeDecodeError) as right:
        content.decode()
    assert right.value.start == byte
    np.testing.assert_array_equal(read_tokens(path, Bytes()), list(content))


@pytest.mark.parametrize("seed", range(5))
def test_damaged_text_is_read_or_refused_where_it_is_damaged(path, monkeypatch, seed):
    monkeypatch.setattr(module, "PIECE", 5)
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(60):
        content = bytearray(TEXT[:90].encode())
        for at in rng.integers(0, len(content), 2):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            right = content.decode()
        except UnicodeDecodeError as error:
            refused += 1
            with pytest.raises(DataError, match=f"byte {error.start}: expected UTF-8"):
                read_text(path)
        else:
            assert read_text(path) == right.removeprefix("\ufeff")
    assert refused


def test_files_that_hold_nothing(path):
    with pytest.raises(DataError, match="there is no such file"):
        read_text(path)
    for content in (b"", gzip.compress(b"")):
        path.write_bytes(content)
        with pytest.raises(DataError, match="the file is empty"):
            read_text(path)
    path.write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(DataError, match="damaged gzip data"):
        read_text(path)


def test_a_long_line_takes_little_memory(path):
    with gzip.open(path, "wb", 1) as file:
        for _ in range(64):
            file.write(b"a" * (1 << 20))
    tracemalloc.start()
    try:
        assert sum(len(piece) for piece in text_pieces(path)) == 64 << 20
        with pytest.raises(DataError, match="line 1: longer than 1,048,576 characters"):
            list(lines(path))
        with pytest.raises(DataError, match="character 0: more than 1,048,576 without a space"):
            read_tokens(path, MADE["Words"])
        out = path.parent / "ids"
        assert len(read_tokens(path, Bytes(), out)) == 64 << 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


# -- windows


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 1), (4, 3), (4, 4), (9, 2)])
def test_windows_are_followed_by_the_next_token(length, stride):
    ids = np.arange(10, dtype=np.int16)
    data = windows(ids, length, stride)
    assert len(data) == len(range(0, 10 - length, stride))
    x, y = np.asarray(data.x), np.asarray(data.y)
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(x[:, 0], np.arange(0, 10 - length, stride))
    part = data[np.array([len(data) - 1, 0])]
    np.testing.assert_array_equal(np.asarray(part.x), x[[-1, 0]])
    np.testing.assert_array_equal(data.x[0], x[0])
    assert data.x.dtype == np.int16


def test_windows_that_cannot_be():
    with pytest.raises(DataError, match="10 tokens; expected more than the 10 of a window"):
        windows(np.arange(10), 10)
    with pytest.raises(ConfigError, match="stride=0"):
        windows(np.arange(10), 2, 0)
    with pytest.raises(DataError, match=r"float64 \(10,\); expected whole numbers"):
        windows(np.arange(10.0), 2)


def test_random_windows_are_a_function_of_the_step():
    ids = np.arange(1000)
    x, y = random_windows(ids, 8, 50, seed=1, step=7)
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(x, random_windows(ids, 8, 50, seed=1, step=7)[0])
    assert not np.array_equal(x, random_windows(ids, 8, 50, seed=1, step=8)[0])
    starts = np.concatenate([random_windows(ids, 990, 50, 0, s)[0][:, 0] for s in range(20)])
    assert set(starts) == set(range(10))
