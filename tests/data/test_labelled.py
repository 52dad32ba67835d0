"""Texts with classes from tables, folders and archives, and translations."""

import io
import tarfile

import numpy as np
import pytest

from pullback.core.errors import ConfigError, DataError
from pullback.data.text import Characters, read_files, read_pairs, read_table
from pullback.data.text.sources import folds, read_messages, read_reviews, read_translations

LETTERS = Characters("abcdefgh ", specials=("<begin>", "<end>"))


def test_a_table(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('no\t"a ""b""\tc"\tmore\nyes\td\r\n\nno\t"two\nlines"\n')
    found = read_table(path)
    assert found.texts == ('a "b"\tc', "d", "two\nlines")
    assert found.classes == ("no", "yes")
    assert found.labels.tolist() == [0, 1, 0]
    assert found.names == ("line 1", "line 2", "line 5")
    path.write_text("text,kind\na,x\nb,y\n")
    found = read_table(path, ",", label=1, text=0, header=True)
    assert (found.texts, found.classes) == (("a", "b"), ("x", "y"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\nc\n", r"line 2: 1 fields; expected at least 2 with '\\t' between"),
        ('a\t"b\nc\td\n', "line 2: unexpected end of data"),
        ('a\t"b"c\n', "line 1: .*expected after"),
        ("\n\n", "there are no rows"),
        ("a\tb\n" + "c" * (1 << 21), "line 2: longer than 1,048,576 characters"),
    ],
)
def test_tables_that_are_refused(tmp_path, content, message):
    path = tmp_path / "a.tsv"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as found:
        read_table(path)
    assert str(found.value).startswith(f"{path}: ")


FILES = {"pos/b.txt": "good", "pos/a.txt": "fine", "neg/c.txt": "bad", "README": "x", "top.txt": ""}


def archive(path, files, mode="w:gz", **members):
    with tarfile.open(path, mode) as content:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            content.addfile(info, io.BytesIO(text.encode()))
        for kind in members.values():
            info = tarfile.TarInfo("../../neg/evil.txt")
            info.type, info.linkname = kind, "/etc/passwd"
            content.addfile(info)
    return path


@pytest.mark.parametrize("mode", ["w:gz", "w", "w:bz2"])
def test_an_archive_and_a_folder(tmp_path, mode):
    for name, text in FILES.items():
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(text)
    links = {"a": tarfile.SYMTYPE, "b": tarfile.LNKTYPE, "c": tarfile.FIFOTYPE}
    for path in (tmp_path / "texts", archive(tmp_path / "a.tar", FILES, mode, **links)):
        found = read_files(path)
        assert found.texts == ("bad", "fine", "good")
        assert found.classes == ("neg", "pos")
        assert found.labels.tolist() == [0, 1, 1]
        assert found.names == ("neg/c.txt", "pos/a.txt", "pos/b.txt")


def test_nothing_is_written_beside_an_archive(tmp_path):
    path = archive(tmp_path / "a.tar", {"../up/a.txt": "a", "/etc/b.txt": "b"})
    assert read_files(path).classes == ("etc", "up")
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_archives_that_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.tar"
    with pytest.raises(DataError, match="there is no such file"):
        read_files(path)
    path.write_bytes(b"text" * 1000)
    with pytest.raises(DataError, match="not a tar archive"):
        read_files(path)
    with pytest.raises(DataError, match=r"no files class/name\.txt"):
        read_files(archive(path, {"README": "a"}))
    whole = archive(path, FILES).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a tar archive"):
        read_files(path)
    archive(path, FILES)
    monkeypatch.setattr("pullback.data.text.labelled.LARGEST_FILE", 3)
    with pytest.raises(DataError, match=r"pos/b\.txt: 4 bytes are too many"):
        read_files(path)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_archives_are_read_or_refused(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = archive(tmp_path / "a.tar", FILES, "w:gz" if seed % 2 else "w")
    content = bytearray(path.read_bytes())
    for at in rng.integers(0, min(len(content), 3000), 3):
        content[at] = rng.integers(256)
    path.write_bytes(content)
    try:
        message = f"{path}: {len(read_files(path))}"
    except DataError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")


def test_texts_as_tokens(tmp_path):
    texts = read_files(archive(tmp_path / "a.tar", FILES))
    data = texts.dataset(LETTERS)
    assert data.x.tolist() == [[1, 0, 3, -1], [5, 9, 9, 4], [6, 9, 9, 3]]
    assert data.lengths.tolist() == [3, 4, 4]
    assert data.classes == ("neg", "pos")
    assert texts.dataset(LETTERS, 2).x.tolist() == [[1, 0], [5, 9], [6, 9]]
    assert texts.rows(np.array([2])).texts == ("good",)


def test_pairs(tmp_path):
    (tmp_path / "a.en").write_text("ab\nc\n")
    (tmp_path / "a.de").write_text("d\nefg\n")
    pairs = read_pairs(tmp_path / "a.en", tmp_path / "a.de")
    data = pairs.dataset(LETTERS, LETTERS)
    begin, end = LETTERS.special("<begin>"), LETTERS.special("<end>")
    assert data.x[..., 0].tolist() == [[0, 1, end, -1], [2, end, -1, -1]]
    assert data.x[..., 1].tolist() == [[begin, 3, -1, -1], [begin, 4, 5, 6]]
    assert data.y.tolist() == [[3, end, -1, -1], [4, 5, 6, end]]
    assert data.lengths.tolist() == [3, 4]
    data = pairs.dataset(LETTERS, LETTERS, 3)
    assert data.x[..., 0].tolist() == [[0, 1, end], [2, end, -1]]
    assert data.x[..., 1].tolist() == [[begin, 3, -1], [begin, 4, 5]]
    assert data.y.tolist() == [[3, end, -1], [4, 5, end]]
    assert data.tokens
    (tmp_path / "a.de").write_text("d\n")
    with pytest.raises(DataError, match="1 lines for the 2 of"):
        read_pairs(tmp_path / "a.en", tmp_path / "a.de")


def test_the_files_at_hand(data_dir):
    if not (data_dir / "text").is_dir():
        pytest.skip("the texts are not at hand")
    messages = read_messages(data_dir / "text")
    assert np.bincount(messages.labels).tolist() == [4827, 747]
    assert messages.texts[0].startswith("Go until jurong point")
    reviews = read_reviews(data_dir / "text")
    assert np.bincount(reviews.labels).tolist() == [1000, 1000]
    assert np.bincount(folds(reviews)).tolist() == [200] * 10
    if (data_dir / "translation").is_dir():
        counts = [
            len(read_translations(data_dir / "translation", p)) for p in ("validation", "test")
        ]
        assert counts == [1014, 1000]
        with pytest.raises(ConfigError, match="expected one of train, validation, test"):
            read_translations(data_dir / "translation", "dev")
