"""One application of the generator against the memory bandwidth measured beside it, and whether threads would pay."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numba import njit, prange, set_num_threads

from fokkerplanck.solvers.discretization.scharfetter_gummel import generator
from fokkerplanck.solvers.kernels.matvec import apply

from .cases import DOUBLE_WELL
from .measure import medians
from .peers.ours import problem


@njit(cache=True)
def triad(a, b, c, scale):
    """STREAM triad, 24 bytes an element."""
    for i in range(a.size):
        a[i] = b[i] + scale * c[i]


@njit(cache=True, parallel=True)
def triad_threads(a, b, c, scale):
    """The same on all threads."""
    for i in prange(a.size):
        a[i] = b[i] + scale * c[i]


@njit(cache=True, parallel=True)
def apply_threads(stride, bands, x, y):
    """y = Q x for five bands, rows of the grid dealt out to threads. Cells at the rim are left out: rates only, no walls."""
    n = x.size
    for row in prange(1, n // stride - 1):
        low, high = row * stride, (row + 1) * stride
        target, here = y[low:high], x[low:high]
        left, right = x[low - 1 : high - 1], x[low + 1 : high + 1]
        below, above = x[low - stride : high - stride], x[low + stride : high + stride]
        b0, b1, b2, b3, b4 = (
            bands[0, low:high],
            bands[1, low:high],
            bands[2, low:high],
            bands[3, low:high],
            bands[4, low:high],
        )
        for i in range(high - low):
            target[i] = b0[i] * here[i] + b1[i] * left[i] + b2[i] * right[i] + b3[i] * below[i] + b4[i] * above[i]


def bandwidth(threads: bool = False, n: int = 2**24) -> float:
    """Bytes a second of the triad (wall time)."""
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    kernel = triad_threads if threads else triad
    kernel(a, b, c, 3.0)
    return 24.0 * n / medians(lambda: kernel(a, b, c, 3.0), least=9)["wall"]


def run_one(started: float, n: int, threads: int = 1) -> dict[str, Any]:
    """One application on n x n cells; the bytes are five coefficients, x and y, 56 a cell."""
    eq, grid, _ = problem(DOUBLE_WELL, n)
    operator = generator(eq, grid).operator
    assert operator.strides.tolist()[:1] == [0]
    assert set(operator.strides.tolist()) == {0, -1, 1, -n, n}
    x, y = np.random.default_rng(0).random(n * n), np.zeros(n * n)
    if threads > 1:
        set_num_threads(threads)
        order = [operator.strides.tolist().index(s) for s in (0, -1, 1, -n, n)]
        bands = np.ascontiguousarray(operator.bands[order])
        run = lambda: apply_threads(n, bands, x, y)  # noqa: E731
    else:
        run = lambda: apply(operator, x, y)  # noqa: E731
    run()
    first_call = time.time() - started
    timing = medians(run, least=15, most=301, budget=1.0)
    timing.pop("result")
    rate = 56.0 * n * n / timing["wall"]
    stream = bandwidth(threads > 1)
    return {"n": n, "threads": threads, "first_call": first_call, "rate": rate, "triad": stream} | timing
