"""Machine code: compiled when it is first needed, and kept on disk for every later process."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numba
from numba import types
from platformdirs import user_cache_path

log = logging.getLogger("pullback")
NOTE = "compiling the engine for this processor; it is kept, so that this happens once"

Kernel = Callable[..., None]
NUMBERS = {"float32": types.float32, "float64": types.float64}
_compiled: dict[tuple[Kernel, str], Any] = {}
_compiling = Lock()


@cache
def cache_folder() -> Path | None:
    """Return where machine code is kept, or None where nothing can be written.

    Kernels call each other across files, so that every version of their sources has its folder.
    """
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    folder = user_cache_path("pullback") / "kernels" / digest.hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _build(decorate: Callable[..., Any], name: str) -> Any:
    """Return what ``decorate(cache=...)`` makes; say so where it has to be compiled."""
    began, folder = time.perf_counter(), cache_folder()
    if folder is None:
        made = decorate(cache=False)
    else:
        with _kept_in(folder):
            made = decorate(cache=True)
    hits = made.stats.cache_hits if hasattr(made, "stats") else made.cache_hits
    if not hits:
        _say_once()
        log.debug("compiled %s: %.2f s", name, time.perf_counter() - began)
    return made


@cache
def _say_once() -> None:
    log.info(NOTE)


def function(signature: Any, body: Callable[..., Any]) -> Any:
    """Return ``body`` compiled for one signature; it runs without Python's lock."""
    return _build(lambda cache: numba.njit(signature, nogil=True, cache=cache)(body), body.__name__)


def address(kernel: Kernel, dtype: str) -> int:
    """Return the address of ``kernel``'s machine code for ``dtype``."""
    found = _compiled.get((kernel, dtype))
    if found is None:
        with _compiling:
            found = _compiled.get((kernel, dtype)) or _compile(kernel, dtype)
            _compiled[kernel, dtype] = found
    return int(found.address)


def _compile(kernel: Kernel, dtype: str) -> Any:
    word = types.int64
    signature = types.void(types.CPointer(word), word, word, types.CPointer(NUMBERS[dtype]))
    return _build(
        lambda cache: numba.cfunc(signature, cache=cache, error_model="numpy")(kernel),
        f"{kernel.__name__}, {dtype}",
    )


def load_kept(kernels: Iterable[Kernel], dtype: str) -> None:
    """Load the kernels whose machine code is on disk; the others wait until they are needed."""
    folder = cache_folder()
    for kernel in kernels:
        file = f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}-*.nbi"
        if folder is not None and any(folder.glob(f"*/{file}")):
            address(kernel, dtype)
