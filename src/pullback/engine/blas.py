"""NumPy's own BLAS, to be called from kernels: where its functions lie in memory."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np  # loads the BLAS that is looked for
from threadpoolctl import ThreadpoolController

SPELLINGS = (
    ("scipy_", "64_"),  # NumPy's wheels
    ("scipy_", ""),
    ("", "64_"),
    ("", ""),  # those of most distributions
)
"""What stands before and after a function's usual name; ``64_`` takes 64-bit sizes."""


@dataclass(frozen=True)
class Blas:
    """Addresses of functions: matrix products by dtype, and the number of threads."""

    gemm: dict[str, int]
    get_threads: int
    set_threads: int
    wide: bool
    """Whether sizes are 64-bit integers."""


@cache
def find_blas() -> Blas | None:
    """Return the OpenBLAS that NumPy uses, or None where it uses something else."""
    folder = np.__path__[0]
    found = ThreadpoolController().select(internal_api="openblas").lib_controllers
    # another library's copy may be loaded as well: NumPy's own first
    for library in sorted(found, key=lambda each: folder not in each.filepath):
        for prefix, suffix in SPELLINGS:
            blas = _look_up(ctypes.CDLL(library.filepath), prefix, suffix)
            if blas is not None:
                return blas
    return None


def _look_up(library: ctypes.CDLL, prefix: str, suffix: str) -> Blas | None:
    def address(name: str) -> int:
        function = getattr(library, f"{prefix}{name}{suffix}")
        return int(ctypes.cast(function, ctypes.c_void_p).value or 0)

    try:
        return Blas(
            {"float32": address("cblas_sgemm"), "float64": address("cblas_dgemm")},
            address("openblas_get_num_threads"),
            address("openblas_set_num_threads"),
            suffix == "64_",
        )
    except AttributeError:
        return None
