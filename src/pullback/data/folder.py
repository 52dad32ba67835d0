"""A folder of pictures, one folder for each class, as a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pullback.core.errors import ConfigError, DataError
from pullback.data.dataset import Data, Dataset
from pullback.data.files import PIECE, Pictures, reading_pool
from pullback.data.images import PictureFormat
from pullback.data.pictures import header
from pullback.data.rows import spread

PARTS = ("train", "test")
RESIDENT_BYTES = 1 << 30
"""Decoded pictures up to this size are held in memory; larger folders are read while training."""
LARGEST_SIDE = 224
"""Of pictures whose size is not given."""
CHOICES = ("refuse", "skip")
TEXT = {
    "layout": "expected a folder for each class, or the folders train and test of such",
    "advice": "remove it, or leave out such files with unreadable='skip' (--unreadable skip)",
    "skipped": "{root}: {count} of {total} files skipped, the first: {first}",
}

Size = int | Sequence[int]


def from_folder(
    path: str | Path,
    *,
    size: Size | None = None,
    channels: int | None = None,
    classes: Sequence[str] | None = None,
    unreadable: str = "refuse",
    stream: bool | None = None,
) -> Data:
    """Return the pictures of a folder: ``class/name.png``, or ``train/class/...`` and ``test``.

    The classes are the names of the folders, sorted. Pictures may lie deeper in a class's folder.
    Hidden files and folders, whose names begin with a dot, are left out. Every picture is brought
    to one size (see ``PictureFormat``) and to grey or colour, as bytes.

    Args:
        path: the folder.
        size: of the examples: the side of a square, or ``(height, width)``. By default the most
            frequent size among up to 512 training pictures, reduced to a longer side of 224 where
            it is larger.
        channels: 1 for grey, 3 for colour; by default 3 where one of those is coloured.
        classes: the classes to expect, in the order of their numbers; some may have no folder.
        unreadable: what becomes of a file that is not a picture that can be read. ``"refuse"`` is
            an error that names it; ``"skip"`` leaves it out and counts it (``Data.skipped``), for
            which all files are read once more.
        stream: whether pictures are read from the files whenever they are used (see ``Pictures``)
            rather than once. By default, where they would take more than 1 GB of memory.

    Raises:
        ConfigError: a size, a number of channels or a choice that cannot be used.
        DataError: there is no such folder, it has another layout, or a file cannot be read.
    """
    if unreadable not in CHOICES:
        raise ConfigError(f"unreadable={unreadable!r}; expected one of {', '.join(CHOICES)}")
    listing = _list(Path(path))
    if listing.odd and unreadable == "refuse":
        raise DataError(f"{listing.odd[0]}; {TEXT['advice']}")
    names = _class_names(listing, classes)
    image = _format(listing, size, channels)
    sets, skipped = [], [*listing.odd]
    for part in listing.parts:
        pictures, y = listing.pictures(part, names, image)
        if unreadable == "skip":
            pictures, y = _readable(pictures, y, skipped)
        resident = len(y) * image.size <= RESIDENT_BYTES if stream is None else not stream
        x = pictures if unreadable == "skip" and not resident else _checked(pictures, resident)
        sets.append(Dataset(x, y, None, names, str(listing.root / part)))  # type: ignore[arg-type]
    if skipped:
        _note(listing.root, skipped, sum(map(len, sets)))
    test = sets[1] if len(sets) > 1 else None
    return Data(sets[0], test, listing.root.resolve().name, image, skipped=tuple(skipped))


def pictures_in(path: str | Path) -> list[str]:
    """Return the paths of all files in a folder that are not hidden; of a file, its own.

    Raises:
        DataError: the folder has none, or something that is neither a file nor a folder.
    """
    root = Path(path)
    if not root.is_dir():
        return [str(path)]
    odd: list[str] = []
    names = _files(root, "", odd)
    if odd or not names:
        raise DataError(odd[0] if odd else f"{path}: no pictures in this folder")
    return [str(root / name) for name in names]


# -- what there is


@dataclass(frozen=True)
class _Listing:
    """The files of a folder: part to class to names; and what is neither, with the reason."""

    root: Path
    parts: Mapping[str, Mapping[str, Sequence[str]]]
    odd: Sequence[str]

    def pictures(
        self, part: str, classes: tuple[str, ...], image: PictureFormat
    ) -> tuple[Pictures, np.ndarray]:
        """Return the pictures of a part and their class numbers ``(N,)``."""
        number = {name: i for i, name in enumerate(classes)}
        found = self.parts[part]
        names = tuple(name for files in found.values() for name in files)
        counts = [len(files) for files in found.values()]
        y = np.repeat(np.array([number[name] for name in found], np.int64), counts)
        return Pictures(self.root, names, image, np.arange(len(names))), y


def _list(root: Path) -> _Listing:
    parts: dict[str, dict[str, list[str]]] = {}
    odd: list[str] = []
    for part in _parts(root):
        parts[part] = {}
        for entry in _visible(root / part):
            if entry.is_dir():
                inside = os.path.relpath(entry.path, root)
                parts[part][_class_name(entry)] = _files(root, inside, odd)
            else:
                odd.append(f"{entry.path}: not in a class's folder")
    if "" not in parts:
        loose = [entry.path for entry in _visible(root) if not entry.is_dir()]
        odd += [f"{path}: not in a class's folder" for path in loose]
    return _Listing(root, parts, odd)


def _parts(root: Path) -> tuple[str, ...]:
    """Return ``("",)``, or the names of the folders for training and test, where these are."""
    names = [entry.name for entry in _visible(root) if entry.is_dir()]
    if PARTS[0] not in names or not any(e.is_dir() for e in _visible(root / PARTS[0])):
        return ("",)
    for name in names:
        if name not in PARTS:
            raise DataError(f"{root / name}: a folder beside train and test; {TEXT['layout']}")
    return tuple(part for part in PARTS if part in names)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder and not hidden, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        raise DataError(f"{folder}: there is no such folder") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be read as a folder ({error.strerror})") from None
    return sorted(found, key=lambda entry: entry.name)


def _files(root: Path, folder: str, odd: list[str]) -> list[str]:
    """Return the names, from the root, of the files in a folder and the folders in it."""
    found: list[str] = []
    for entry in _visible(root / folder):
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            found += _files(root, name, odd)
        elif entry.is_file():
            found.append(name)
        else:  # reading from a pipe would wait for ever
            odd.append(f"{entry.path}: not a file")
    return found


def _class_name(entry: os.DirEntry[str]) -> str:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{entry.path!r}: the name of a class that is not UTF-8") from None
    return entry.name


def _class_names(listing: _Listing, expected: Sequence[str] | None) -> tuple[str, ...]:
    first, *others = listing.parts.items()
    if expected is None:
        if len(first[1]) < 2:
            raise DataError(
                f"{listing.root / first[0]}: {len(first[1])} folders with pictures; "
                f"{TEXT['layout']}, and two classes at least"
            )
        for name, files in first[1].items():
            if not files:
                raise DataError(
                    f"{listing.root / first[0] / name}: a class without pictures; "
                    "add some, or remove the folder"
                )
    names = tuple(first[1] if expected is None else expected)
    for part, found in (first, *others):
        for name in found:
            if name not in names:
                known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
                raise DataError(
                    f"{listing.root / part / name}: not one of the {len(names)} classes ({known})"
                )
    if not any(files for files in first[1].values()):
        raise DataError(f"{listing.root / first[0]}: no pictures; {TEXT['layout']}")
    return names


# -- what it becomes


def _format(listing: _Listing, size: Size | None, channels: int | None) -> PictureFormat:
    """Return the form of the examples: what is given, or what the training pictures suggest."""
    if size is None or channels is None:
        found = _headers(listing)
        if size is None:
            (side, _), *_ = Counter(each[:2] for each in found).most_common(1)
            factor = min(1.0, LARGEST_SIDE / max(side))
            size = tuple(max(1, round(length * factor)) for length in side)
        channels = max(each[2] for each in found) if channels is None else channels
    sides = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise ConfigError(f"size={size!r}; expected a whole number, or (height, width)")
    return PictureFormat(sides[0], sides[1], channels)


def _headers(listing: _Listing) -> list[tuple[int, int, int]]:
    """Return height, width and channels of a sample of the training pictures."""
    first = next(iter(listing.parts.values()))
    names = [name for files in first.values() for name in files]
    found, refused = [], []
    for row in spread(len(names)):
        try:
            found.append(header(listing.root / names[row]))
        except DataError as error:
            refused.append(error)
    if not found:
        raise DataError(f"{refused[0]}; and no other of {len(refused)} files can be read")
    return found


def _refused(pictures: Pictures, read: Callable[[str], object]) -> dict[int, str]:
    """Return the rows that ``read`` refuses, and why."""

    def look(start: int) -> dict[int, str]:
        bad = {}
        for row in range(start, min(start + PIECE, len(pictures))):
            try:
                read(pictures.path(row))
            except DataError as error:
                bad[row] = str(error)
        return bad

    refused: dict[int, str] = {}
    with reading_pool() as pool:
        for bad in pool.map(look, range(0, len(pictures), PIECE)):
            refused |= bad
    return refused


def _readable(pictures: Pictures, y: np.ndarray, skipped: list[str]) -> tuple[Pictures, np.ndarray]:
    refused = _refused(pictures, pictures.image.read)
    skipped += refused.values()
    kept = np.setdiff1d(np.arange(len(y)), np.fromiter(refused, np.int64))
    if not len(kept):
        raise DataError(f"{skipped[0]}; and no other of {len(skipped)} files can be read")
    return pictures[kept], y[kept]


def _checked(pictures: Pictures, resident: bool) -> Pictures | np.ndarray:
    """Return the pictures, decoded or with their headers looked at.

    Raises:
        DataError: one of them cannot be read.
    """
    if resident:
        try:
            return np.asarray(pictures)
        except DataError as error:
            raise DataError(f"{error}; {TEXT['advice']}") from None
    for reason in _refused(pictures, header).values():
        raise DataError(f"{reason}; {TEXT['advice']}")
    return pictures


def _note(root: Path, skipped: Sequence[str], kept: int) -> None:
    import logging

    note = TEXT["skipped"].format(
        root=root, count=len(skipped), total=kept + len(skipped), first=skipped[0]
    )
    logging.getLogger("pullback").warning(note)
