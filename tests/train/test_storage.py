"""Files are there whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pullback.core.errors import StorageError
from pullback.train.storage import make_folder, write_whole

OLD, NEW = b"what was there", b"what is new" * 1000


def fail(number: int):
    def raising(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return raising


class Reluctant:
    """A file that takes half of what is written, and then fails."""

    def __init__(self, file, number: int) -> None:
        self.file, self.number = file, number

    def __enter__(self):
        return self

    def __exit__(self, *reason) -> None:
        self.file.close()

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        raise OSError(self.number, os.strerror(self.number))

    def __getattr__(self, name: str):
        return getattr(self.file, name)


def break_write(monkeypatch, number: int) -> None:
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda *a, **k: Reluctant(opened(*a, **k), number))


def break_flush(monkeypatch, number: int) -> None:
    monkeypatch.setattr(os, "fsync", fail(number))


def break_rename(monkeypatch, number: int) -> None:
    monkeypatch.setattr(Path, "replace", fail(number))


def break_open(monkeypatch, number: int) -> None:
    monkeypatch.setattr(Path, "open", fail(number))


BREAKS = [break_open, break_write, break_flush, break_rename]
REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk is full; free some space",
    errno.EIO: "cannot be written (Input/output error)",
    errno.EROFS: "cannot be written (Read-only file system)",
}


def test_new_and_replaced_files(tmp_path):
    path = tmp_path / "file"
    for content in (OLD, NEW, b""):
        write_whole(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("number", REASONS, ids=errno.errorcode.get)
@pytest.mark.parametrize("spoil", BREAKS, ids=lambda f: f.__name__)
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, spoil, number, existing):
    path = tmp_path / "file"
    if existing:
        path.write_bytes(OLD)
    with monkeypatch.context() as patch:
        spoil(patch, number)
        with pytest.raises(StorageError) as caught:
            write_whole(path, NEW)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert REASONS[number] in message
    assert "--out" in message
    assert "\n" not in message
    assert [p.name for p in tmp_path.iterdir()] == (["file"] if existing else [])
    if existing:
        assert path.read_bytes() == OLD


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, events = tmp_path / "file", []
    fsync, replace = os.fsync, Path.replace

    def seen_fsync(descriptor: int) -> None:
        events.append(("flushed", os.fstat(descriptor).st_size, path.exists()))
        fsync(descriptor)

    def seen_replace(self: Path, target: Path) -> Path:
        events.append(("renamed", self.stat().st_size, path.exists()))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    write_whole(path, NEW)
    assert events[:2] == [("flushed", len(NEW), False), ("renamed", len(NEW), False)]


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(StorageError, match="No such file or directory"):
        write_whole(tmp_path / "none" / "file", NEW)


def test_folders(tmp_path):
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    make_folder(folder)
    assert folder.is_dir()
    (tmp_path / "file").write_bytes(OLD)
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="cannot be written"):
            make_folder(place)
