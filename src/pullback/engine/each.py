"""Gradients of the single examples, and their norms beside the sum, as jobs.

A form does both for one parameter: ``write`` its sum over the examples while it adds their squared
norms to those of other parameters, and ``gradients``, the gradient of each example.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from pullback.core.arrays import LINE, empty
from pullback.engine.team import WORTH_SHARING, Job, team

MOST = 1 << 18
"""Numbers of a parameter up to which the gradient of each example is formed for its norm: what of
it does not stay in the cache costs more than the products of positions."""


class RowForm:
    """Of a matrix ``(K, M)`` with one row an example, or of its bias: norms without gradients.

    Args:
        job: makes the sum of its operands: cotangents ``(N, M)``, and inputs ``(N, K)`` unless it
            is a bias.
        operands: such arrays.
    """

    def __init__(self, job: Job, operands: tuple[Any, ...]) -> None:
        self._job, self._is_bias = job, len(operands) == 1
        self._m, self._k = operands[0].shape[-1], operands[-1].shape[-1]
        self._sums = np.empty((0, 0), job.dtype)

    @cached_property
    def _row_squares(self) -> Job:
        from pullback.engine.kernels import each

        # each thread takes the columns that it has in its cache, even of few rows
        work = max(self._k, WORTH_SHARING * team().threads)
        return Job(each.row_squares, self._job.dtype, 2, (self._k, False), work=work)

    @cached_property
    def _row_norms(self) -> Job:
        from pullback.engine.kernels import each

        terms = 0 if self._is_bias else team().threads
        return Job(each.row_sq_norms, self._job.dtype, 3, (self._m, terms), work=self._m)

    @cached_property
    def _row_gradients(self) -> Job:
        from pullback.engine.kernels import each

        sizes, work = (self._k, self._m), self._k * self._m
        return Job(each.row_gradient, self._job.dtype, 3, sizes, work=work)

    def write(self, operands: tuple[Any, ...], out: Any, sq_norms: Any) -> None:
        """Write the sum into ``out``; add the squared norms to ``sq_norms (N,)``."""
        count, delta = len(sq_norms), operands[0]
        self._job(count, *operands, out)
        if self._is_bias:
            self._row_norms(count, delta, None, sq_norms)
            return
        if self._sums.shape[1] != count:
            self._sums = empty((team().threads, count), self._job.dtype)
        self._row_squares(count, operands[1], self._sums)
        self._row_norms(count, delta, self._sums, sq_norms)

    def gradients(self, operands: tuple[Any, ...], out: Any) -> None:
        """Write the gradient of each example into ``out (N, numbers)``."""
        if self._is_bias:
            out[...] = operands[0]
        else:
            self._row_gradients(len(out), *operands, out)


class EachForm:
    """Of any other parameter: the job that makes its sum, done for one example at a time.

    Args:
        job: its first arrays are the operands, its last one is the sum.
        operands: such arrays, each with an axis of examples first.
        count: what is the job's count for one example.
        numbers: of the parameter.
        own: a word of the job that holds memory, of which each thread has so many bytes.
        total: a job that adds up the sums of all threads, and its count.
        plain: in place of ``job`` for the gradients, where that has its numbers in another order.
    """

    def __init__(
        self, job: Job, operands: tuple[Any, ...], count: int, numbers: int,
        own: tuple[int, int] = (0, 0), total: tuple[Job, int] | None = None,
        plain: Job | None = None,
    ) -> None:  # fmt: skip
        from pullback.engine.kernels import conv

        threads, self._dtype = team().threads, job.dtype
        self._job, self._plain = job, plain or job
        self._numbers, self._own, self._count = numbers, own, count
        self._examples = [math.prod(array.shape[1:]) * array.itemsize for array in operands]
        adding = Job(conv.conv_total, self._dtype, 2, (threads,), work=threads)
        self._total, self._total_count = total or (adding, numbers)
        self._terms = empty((threads, numbers), self._dtype)

    def _job_of_each(self, kernel: Any, job: Job, more: int) -> Job:
        """Return the job that does another for each example; it has so many more arrays."""
        threads, arrays = team().threads, len(self._examples)
        width = job.first_array + arrays + 1
        room = width * 8 + self._numbers * np.dtype(self._dtype).itemsize
        room = -(-room // LINE) * LINE
        self._room = empty((threads, room), np.uint8)
        moved = [
            word for i, size in enumerate(self._examples) for word in (job.first_array + i, size)
        ]
        sizes = (
            job.code, width, *moved, *(0,) * (4 - len(moved)), self._numbers, *self._own,
            self._room.ctypes.data, room, self._count, *job.sizes,
        )  # fmt: skip
        # every thread has a sum of its own, even of little work
        work = WORTH_SHARING * threads
        return Job(kernel, self._dtype, arrays + 1 + more, sizes, work=work, blas=True)

    @cached_property
    def _norms(self) -> Job:
        from pullback.engine.kernels import each

        return self._job_of_each(each.each_sq_norm, self._job, 1)

    @cached_property
    def _gradients(self) -> Job:
        from pullback.engine.kernels import each

        return self._job_of_each(each.each_gradient, self._plain, 0)

    def write(self, operands: tuple[Any, ...], out: Any, sq_norms: Any) -> None:
        """Write the sum into ``out``; add the squared norms to ``sq_norms (N,)``."""
        self._norms(len(sq_norms), *operands, self._terms, sq_norms)
        self._total(self._total_count, self._terms, out)

    def gradients(self, operands: tuple[Any, ...], out: Any) -> None:
        """Write the gradient of each example into ``out (N, numbers)``."""
        self._gradients(len(out), *operands, out)


Form = RowForm | EachForm
