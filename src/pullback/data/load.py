"""Data sets by name, and from files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pullback.core.errors import ConfigError, DataError, suggestion
from pullback.data import digits, mnist
from pullback.data.dataset import Data, Dataset, from_arrays
from pullback.data.folder import from_folder

VARIABLE = "PULLBACK_DATA_DIR"
FOLDER_OPTIONS = ("size", "channels", "classes", "unreadable", "stream")


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that can be named: what it is, and where it is at hand (None: nowhere yet)."""

    name: str
    description: str
    path: Path | None


def cache_folder() -> Path:
    """Return the folder that downloads go to."""
    from platformdirs import user_cache_path

    return user_cache_path("pullback")


def _mnist_folder(data_dir: str | Path | None) -> Path | None:
    """Return where MNIST is at hand; a folder that was named is always it."""
    named = data_dir or os.environ.get(VARIABLE)
    if named:
        return Path(named) / "mnist"
    cached = cache_folder() / "mnist"
    return cached if mnist.find(cached) else None


def _load_mnist(data_dir: str | Path | None) -> Data:
    folder = _mnist_folder(data_dir)
    if folder is None:
        folder = cache_folder() / "mnist"
        mnist.fetch(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: there is no such folder; --data-dir and {VARIABLE} name a folder with one "
            "folder for each data set"
        )
    return mnist.read(folder)


def _bundled(data_dir: str | Path | None) -> Path:
    del data_dir
    return Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class _Source:
    description: str
    load: Callable[..., Data]
    find: Callable[[str | Path | None], Path | None]
    options: tuple[str, ...] = ()


def _folder(kind: str, data_dir: str | Path | None) -> Path:
    """Return the folder of what is not downloaded: a named one, or that of the downloads."""
    named = data_dir or os.environ.get(VARIABLE)
    return (Path(named) if named else cache_folder()) / kind


def _finder(kind: str, file: str) -> Callable[[str | Path | None], Path | None]:
    def find(data_dir: str | Path | None) -> Path | None:
        folder = _folder(kind, data_dir)
        return folder if (folder / file).is_file() else None

    return find


def _load_speech(data_dir: str | Path | None, **options: Any) -> Data:
    from pullback.data.audio import speech

    return speech.read(_folder("speech", data_dir), **options)


def _load_connected(data_dir: str | Path | None, **options: Any) -> Data:
    from pullback.data.audio import speech

    return speech.connected(_folder("speech", data_dir), **options)


def _load_pima(data_dir: str | Path | None) -> Data:
    from pullback.data import patients

    return patients.pima(_folder("tables", data_dir))


def _load_breast_cancer(data_dir: str | Path | None) -> Data:
    from pullback.data import patients

    del data_dir
    return patients.breast_cancer()


def _load_ratings(data_dir: str | Path | None) -> Data:
    from pullback.data import movielens

    return movielens.movielens(_folder("ratings", data_dir))


def _text(name: str, kind: str, file: str, description: str, *options: str) -> _Source:
    def read(data_dir: str | Path | None, **chosen: Any) -> Data:
        from pullback.data.text.sources import READERS

        return READERS[name](_folder(kind, data_dir), **chosen)

    return _Source(description, read, _finder(kind, file), options)


SOURCES: dict[str, _Source] = {
    "digits": _Source(
        "1,797 handwritten digits, 8 x 8, 10 classes (UCI; CC BY 4.0), bundled",
        lambda data_dir: digits.read(),
        _bundled,
    ),
    "mnist": _Source(
        "70,000 handwritten digits, 28 x 28, 10 classes (CC BY-SA 3.0), 11 MB",
        _load_mnist,
        lambda data_dir: (
            folder if (folder := _mnist_folder(data_dir)) and mnist.find(folder) else None
        ),
    ),
    "breast_cancer": _Source(
        "569 tumours, benign and malignant, as 30 numbers (UCI; CC BY 4.0), bundled",
        _load_breast_cancer,
        _bundled,
    ),
    "pima": _Source(
        "768 women, with and without diabetes, as 8 numbers (UCI), 23 kB",
        _load_pima,
        _finder("tables", "pima-indians-diabetes.csv"),
    ),
    "ratings": _Source(
        "100,000 ratings of 1,682 films by 943 users (MovieLens 100K; for research), 2 MB",
        _load_ratings,
        _finder("ratings", "u1.base"),
    ),
    "speech": _Source(
        "3,000 spoken digits of 6 speakers, 8,000 samples a second (CC BY-SA 4.0), 16 MB",
        _load_speech,
        _finder("speech", "free-spoken-digits.zip"),
        ("held",),
    ),
    "connected": _Source(
        "sequences of three to six of those digits by one speaker",
        _load_connected,
        _finder("speech", "free-spoken-digits.zip"),
        ("count", "tests"),
    ),
    "shakespeare": _text(
        "shakespeare",
        "text",
        "tinyshakespeare.txt",
        "1,115,394 characters of plays, as windows (char-rnn), 1.1 MB",
        "length",
    ),
    "reviews": _text(
        "reviews",
        "text",
        "review_polarity.tar.gz",
        "2,000 film reviews, negative and positive (Pang and Lee 2004), 3 MB",
        "fold",
        "length",
        "vocabulary",
    ),
    "messages": _text(
        "messages",
        "text",
        "SMSSpamCollection",
        "5,574 text messages, ham and spam (UCI; CC BY 4.0), 0.5 MB",
        "length",
        "size",
        "seed",
    ),
    "translation": _text(
        "translation",
        "translation",
        "train.en.gz",
        "31,014 sentences in English and German (Multi30k), 1.2 MB",
        "size",
        "longest",
        "source",
        "target",
    ),
}


TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".csv.gz", ".tsv.gz")
TABLE_OPTIONS = ("target", "header", "test", "split")


def available(data_dir: str | Path | None = None) -> list[DatasetInfo]:
    """Return the data sets that ``load`` knows by name."""
    return [
        DatasetInfo(name, source.description, source.find(data_dir))
        for name, source in SOURCES.items()
    ]


def load(name: str, data_dir: str | Path | None = None, **options: Any) -> Data:
    """Return the data set ``name``, or the contents of a table, an ``.npz`` file or a folder.

    Args:
        name: see ``available``, or a path that ends in ``.npz``, or that of a folder.
        data_dir: a folder with one folder for each data set; by default what
            ``PULLBACK_DATA_DIR`` says, else the cache, into which MNIST is downloaded.
        options: how a table is read, see ``table``, or the pictures of a folder, see
            ``from_folder``; of ``speech`` which part is ``held`` out; of texts ``length`` and
            more, see ``pullback.data.text.sources``.

    Raises:
        ConfigError: an unknown name, or options of folders for something else.
        DataError: files that are missing, damaged or do not fit together.
    """
    name = str(name)
    if name in SOURCES:
        source = SOURCES[name]
        _check_options(name, options, source.options)
        return source.load(data_dir, **options)
    if Path(name).name.lower().endswith(TABLE_ENDINGS):
        from pullback.data.tables import table

        _check_options(name, options, TABLE_OPTIONS)
        return table(name, **options)
    if Path(name).is_dir():
        _check_options(name, options, FOLDER_OPTIONS)
        return from_folder(name, **options)
    if name.endswith(".npz"):
        _check_options(name, options, ())
        return load_npz(name)
    raise ConfigError(
        f"unknown data set {name!r}.{suggestion(name, SOURCES)} A file's name ends in .npz, "
        "and there is no folder of this name."
    )


def _check_options(name: str, options: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in options:
        if not known:
            raise ConfigError(
                f"{name}: {key} can be chosen for a folder of pictures, and this is none"
            )
        if key not in known:
            kind = "this data set" if name in SOURCES else "a folder"
            raise ConfigError(f"{name}: no option {key!r} for {kind}.{suggestion(key, known)}")


def load_npz(path: str | Path) -> Data:
    """Return the data of an ``.npz`` file with ``x, y`` or ``x_train, y_train, x_test, y_test``.

    Whole-number ``y`` are class numbers; an array ``classes`` names them.

    Raises:
        DataError: missing, damaged, or without these arrays.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Exception as error:  # damage shows in many ways: in zipfile, zlib, or NumPy's parser
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a readable .npz file of numbers ({reason})") from None
    names = ("x", "y") if "x" in arrays else ("x_train", "y_train")
    if any(name not in arrays for name in names):
        raise DataError(
            f"{path}: holds {', '.join(arrays) or 'nothing'}; "
            "expected x and y, or x_train, y_train, x_test and y_test"
        )
    given = tuple(map(str, arrays["classes"])) if "classes" in arrays else None
    if "x_test" in arrays and "y_test" in arrays:
        _check_parts(path, arrays, names)
        if given is None:
            given = _classes(np.concatenate([arrays[names[1]], arrays["y_test"]]))
    train = from_arrays(arrays[names[0]], arrays[names[1]], classes=given, name=str(path))
    test = None
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise DataError(f"{path}: has one of x_test and y_test; expected both, or neither")
    if "x_test" in arrays:
        test = Dataset(arrays["x_test"], arrays["y_test"], None, train.classes, f"{path} (test)")
    return Data(train, test, path.stem)


def _check_parts(path: Path, arrays: dict[str, np.ndarray], names: tuple[str, str]) -> None:
    for name, test in zip(names, ("x_test", "y_test"), strict=True):
        if arrays[name].shape[1:] != arrays[test].shape[1:] or not arrays[test].ndim:
            raise DataError(
                f"{path}: {name} {arrays[name].shape} and {test} {arrays[test].shape}; expected "
                "examples of the same shape in both"
            )


def _classes(y: np.ndarray) -> tuple[str, ...] | None:
    if y.ndim != 1 or y.dtype.kind not in "ui" or not y.size:
        return None
    return tuple(str(i) for i in range(int(y.max()) + 1))
