"""Jobs and the threads that share them, for teams of one thread and of more than processors."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.core.map import init
from pullback.core.spec import Spec
from pullback.core.theta import write_gradient
from pullback.engine import lower, set_threads
from pullback.engine.blas import find_blas
from pullback.engine.team import WORTH_SHARING, Job, NotReplayable, team
from pullback.maps import BatchNorm, Chain, LayerNorm, Linear, ReLU


@pytest.fixture(params=[1, 2, 3, 5])
def threads(request):
    before = team().threads
    set_threads(request.param)
    yield request.param
    set_threads(before)


def column_sums(columns: int, dtype: str = "float64") -> Job:
    from pullback.engine.kernels.dense import column_sums as kernel

    return Job(kernel, dtype, 2, (columns,), work=WORTH_SHARING)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 16), (2, 47), (40, 333)], ids=str)
def test_a_job_is_done_whole_by_any_number_of_threads(threads, shape, rng):
    job, x, out = column_sums(shape[1]), rng.standard_normal(shape), np.full(shape[1], np.nan)
    assert team().threads == threads
    for _ in range(300):
        x += 1
        job(len(x), x, out)
        np.testing.assert_allclose(out, x.sum(axis=0), rtol=1e-13)


SIZES = [(1, 1, 1), (2, 300, 3), (70, 90, 50), (33, 17, 129), (3, 2000, 25), (9, 1003, 61)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_networks_on_any_number_of_threads(threads, sizes, rng):
    n, k, m = sizes
    net = Chain(Linear(m), ReLU(), LayerNorm(), Linear(k), BatchNorm(), ReLU(), Linear(m))
    x = rng.standard_normal((n + 1, k))
    p, state = init(net, x, dtype="float64")
    fast = lower(net, Spec((k,), "float64"), n + 1, input_gradient=True)
    ctx, gy = Context(True, state=state), rng.standard_normal((n + 1, m))
    found = []
    for form in (net, fast):
        y, res = form.forward(p, x, ctx)
        gx, delta = form.pullback(p, res, gy)
        gradient = p.copy()
        write_gradient(form.grads(p, res, delta), gradient)
        found.append((y.copy(), gx.copy(), gradient.flat))
    for right, mine in zip(*found, strict=True):
        assert np.linalg.norm(mine - right) <= 1e-11 * np.linalg.norm(right)


def test_who_sleeps_is_not_waited_for(rng):
    job, x, out = column_sums(500), rng.standard_normal((20, 500)), np.empty(500)
    for _ in range(5):
        time.sleep(0.05)  # long enough for the others to go to sleep
        x += 1
        job(20, x, out)
        np.testing.assert_allclose(out, x.sum(axis=0), rtol=1e-13)


def test_several_threads_of_python_ask_at_once(rng):
    wrong: list[int] = []

    def work(number: int) -> None:
        x, job, out = np.full((30, 400), float(number)), column_sums(400), np.empty(400)
        for i in range(2000):
            job(30, x, out)
            if not (out == 30 * number).all():
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_does_it_alone(rng):
    job, x, out = column_sums(400), rng.standard_normal((30, 400)), np.empty(400)
    job(30, x, out)
    child = os.fork()
    if not child:
        out[:] = np.nan
        job(30, x + 1, out)
        os._exit(0 if np.allclose(out, (x + 1).sum(axis=0)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_process_ends_while_its_threads_look_for_work():
    program = """
        import numpy as np
        from pullback.engine.kernels.dense import column_sums
        from pullback.engine.team import Job
        job, out = Job(column_sums, "float64", 2, (400,), work=10_000), np.empty(400)
        job(30, np.ones((30, 400)), out)
        print(out.sum())
    """
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "12000.0\n", "")


def test_arrays_in_another_order_are_seen_as_they_are(rng):
    job, out = column_sums(6), np.empty(6)
    for x in (
        np.asfortranarray(rng.standard_normal((5, 6))),
        rng.standard_normal((10, 12))[::2, ::2],
    ):
        for _ in range(3):
            x += 1
            job(5, x, out)
            np.testing.assert_allclose(out, x.sum(axis=0), rtol=1e-14)
        with pytest.raises(NotReplayable):
            job.snapshot()


def test_numbers_of_another_type_are_refused():
    with pytest.raises(TypeError, match="float64 numbers was given float32"):
        column_sums(3)(2, np.zeros((2, 3), np.float32), np.zeros(3))


def test_arrays_are_not_kept_longer_than_the_job(rng):
    job, out = column_sums(3), np.zeros(3)
    x = np.zeros((2, 3))
    references = len(gc.get_referrers(x))
    job(2, x, out)
    job(2, np.ones((2, 3)), out)
    assert len(gc.get_referrers(x)) == references


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None])
def test_a_number_of_threads_that_is_none_is_refused(count):
    with pytest.raises(ConfigError, match="threads"):
        set_threads(count)


def test_the_environment_says_how_many_threads():
    program = "from pullback.engine.team import team; print(team().threads)"
    for value, expected in (("3", "3"), ("", str(len(os.sched_getaffinity(0)))), ("x", None)):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OMP_NUM_THREADS": value},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert expected is None or done.stdout.strip() == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("zeros", [0, 0.8])
def test_parts_of_a_batch_that_lie_apart(threads, numbers, dtype, zeros, rng):
    """Gathered into blocks, and read from them by the products: as by rows, bit for bit."""
    n, k, m, shift = 37, 777, 80, 0.0 if zeros else -3.0
    data = rng.integers(1, 256, (50, k)).astype(dtype if numbers else np.uint8)
    data[rng.random(data.shape) < zeros] = 0
    data[:, 100:180] = 0 if zeros else 7
    rows, w = rng.permutation(50)[:n], rng.standard_normal((k, m)).astype(dtype)
    d = rng.standard_normal((n, m)).astype(dtype)
    found = []
    for apart in (False, True):
        x, terms, gradient = (np.empty(s, dtype) for s in ((n, k), (threads, n, m), (k, m)))
        gather, product, outer = _users_of_a_batch(numbers, dtype, k, m, n, bool(zeros), apart)
        gather.numbers[:] = 0.5, shift
        gather(n, data, rows, x)
        product(n, x, w, terms), outer(n, d, x, gradient)
        found.append((x, terms, gradient))
    x, terms, gradient = found[0]
    right = data[rows].astype(dtype) * dtype_of(dtype, 0.5) + dtype_of(dtype, shift)
    np.testing.assert_allclose(x, right, rtol=1e-6)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(terms.sum(axis=0), x @ w, rtol=tolerance, atol=tolerance * 1e3)
    np.testing.assert_allclose(gradient, x.T @ d, rtol=tolerance, atol=tolerance * 1e3)
    for plain, block in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_array_equal(block, plain)


def _users_of_a_batch(numbers, dtype, k, m, n, are_sparse, apart):
    from pullback.engine.kernels import batches, dense, sparse

    gather = batches.gather_numbers if numbers else batches.gather_bytes
    jobs = [Job(gather, dtype, 3, (k, apart), numbers=2, work=WORTH_SHARING)]
    if are_sparse:
        words = np.empty(n * (k // 32 + 9), np.uint32)
        jobs[0].words = words  # as long as the jobs
        sizes, kernels = (
            (k, m, words.ctypes.data, apart),
            (sparse.sparse_partial, sparse.sparse_outer),
        )
    else:
        blas = find_blas()
        sizes, kernels = (
            (blas.gemm[dtype], int(blas.wide), k, m, apart),
            (dense.linear_partial, dense.outer),
        )
    return *jobs, *(
        Job(kernel, dtype, 3, sizes, work=k * m, blas=not are_sparse) for kernel in kernels
    )


def dtype_of(dtype: str, number: float):
    return np.dtype(dtype).type(number)
