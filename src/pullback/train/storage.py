"""Writing files so that each is there whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from pullback.core.errors import StorageError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it into place.

    Raises:
        StorageError: the disk is full or the place cannot be written; what was at ``path``
            before is untouched.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(_explain(path, error)) from None


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(_explain(path, error)) from None


def _explain(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: the disk is full; free some space, or choose another folder with --out"
    reason = error.strerror or str(error)
    return f"{path}: cannot be written ({reason}); choose another folder with --out"
