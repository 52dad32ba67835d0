"""Downloads: from the first mirror that works, checked, cached, and continued where they broke."""

from __future__ import annotations

import errno
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from pullback.core.errors import DataError, StorageError

CHUNK = 1 << 16
TIMEOUT_SECONDS = 30
PARTIAL = ".part"


def download(
    name: str, mirrors: tuple[str, ...], folder: Path, check: Callable[[Path], None]
) -> Path:
    """Return the path of file ``name`` under ``folder``, downloaded if it is not there.

    What has arrived is kept as ``name.part`` when a connection breaks, and the next try, at the
    next mirror or in another process, goes on from there.

    Args:
        name: the file's name, which each mirror's address ends with.
        mirrors: addresses of folders.
        folder: the cache.
        check: raises ``DataError`` where the file is not what it should be.

    Raises:
        DataError: no mirror could give the file.
        StorageError: the file cannot be written.
    """
    target = folder / name
    if target.exists():
        return target
    part = folder / (name + PARTIAL)
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            try:
                _fetch(mirror + name, part)
                check(part)
            except DataError as error:
                part.unlink(missing_ok=True)
                reasons.append(f"{mirror}: {error}")
            except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
                reasons.append(f"{mirror}: {_reason(error)}")
            else:
                part.replace(target)
                return target
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else error.strerror or str(error)
        raise StorageError(
            f"{target}: cannot be written ({what}); make room for it, or put the files in a folder "
            "and give it with --data-dir"
        ) from None
    raise DataError(
        f"{name}: cannot be downloaded ({'; '.join(reasons)}); "
        "check the network, or put the files in a folder and give it with --data-dir"
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__)


def _fetch(url: str, part: Path) -> None:
    """Bring ``part`` up to the whole of ``url``, from where it ends."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            if error.code == 416:  # nothing is left: the check decides whether it is the right file
                return
            raise
    with response:
        continues = have and response.status == 206
        expected = response.headers.get("Content-Length")
        with part.open("ab" if continues else "wb") as file:
            received = _copy(response, file)
    if expected is not None and received != int(expected):
        raise ConnectionError(f"the connection broke after {received:,} of {int(expected):,} bytes")


def _copy(response: object, file: object) -> int:
    received = 0
    while chunk := _next(response):
        file.write(chunk)  # type: ignore[attr-defined]
        received += len(chunk)
    return received


def _next(response: object) -> bytes:
    try:
        return bytes(response.read(CHUNK))  # type: ignore[attr-defined]
    except OSError as error:  # not to be taken for one of the file's
        raise ConnectionError(error.strerror or str(error)) from None
