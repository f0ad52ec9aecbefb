"""The fixed part of the generated source files: code as text, since numba caches a function only beside its callees."""

from __future__ import annotations

HEADER = """import numpy as np
from numba import njit
from numpy import cos, cosh, exp, log, sin, sinh, sqrt, tan, tanh

OPTIONS = dict(cache=True, nogil=True, error_model="numpy")


@njit(**OPTIONS)
def softplus(x):
    return max(x, 0.0) + np.log1p(exp(-abs(x)))


@njit(**OPTIONS)
def sigmoid(x):
    small = exp(-abs(x))
    return (1.0 if x >= 0.0 else small)/(1.0 + small)


@njit(**OPTIONS)
def magnitude(x):
    return abs(x)


@njit(**OPTIONS)
def signum(x):
    return np.sign(x)
"""

SIMULATE = """LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


@njit(**OPTIONS)
def draw_repeated(rng, words, left, index, b, active, n_samples, power, reject, picks):
    # Sample numbers with replacement. A 32-bit word w gives `picks` of them: the integer part of w n/2^32 is the first,
    # the fractional part serves as the next word. They are exactly uniform once words with (w n^picks mod 2^32) below
    # 2^32 mod n^picks are drawn again (Brackett-Rozinsky and Lemire, 2024).
    if left == 0:
        for p in range(active):
            word = np.uint64(rng.integers(0, 4294967296))
            while (word*power) & LOW < reject:
                word = np.uint64(rng.integers(0, 4294967296))
            words[p] = word
        left = picks
    for p in range(active):
        product = words[p]*n_samples
        index[p, b] = product >> HALF
        words[p] = product & LOW
    return left - 1


@njit(**OPTIONS)
def draw_distinct(rng, order, index, active, batch):
    # Sample numbers without replacement: the first steps of a shuffle. They are uniform whatever order the shuffle
    # starts from, so all paths share one row and nobody resets it.
    n_samples = order.shape[1]
    for p in range(active):
        for b in range(batch):
            other = b + rng.integers(0, n_samples - b)
            chosen = order[0, other]
            order[0, other] = order[0, b]
            order[0, b] = chosen
            index[p, b] = chosen


@njit(**OPTIONS)
def draw_epoch(rng, order, ids, index, active, batch, step):
    # The next samples of an epoch that visits each once: the shuffle of a path's own row goes on where it stopped.
    # All paths are at the same place of their epochs. The last batch may be smaller; its size is returned.
    n_samples = order.shape[1]
    done = ((step - 1) % ((n_samples + batch - 1)//batch))*batch
    size = min(batch, n_samples - done)
    for p in range(active):
        row = ids[p]
        for b in range(done, done + size):
            other = b + rng.integers(0, n_samples - b)
            chosen = order[row, other]
            order[row, other] = order[row, b]
            order[row, b] = chosen
            index[p, b - done] = chosen
    return size
"""

ARRIVE = """@njit(**OPTIONS)
def arrive(theta, words, ids, exits, active, step):
    # Note the step at which paths are inside the target, and move them behind the active ones.
    p = 0
    while p < active:
{loads}
        if {condition}:
            active -= 1
            exits[ids[p]] = step
            ids[p], ids[active] = ids[active], ids[p]
            words[p], words[active] = words[active], words[p]
            for k in range(theta.shape[0]):
                theta[k, p], theta[k, active] = theta[k, active], theta[k, p]
        else:
            p += 1
    return active
"""

KERNELS = """@njit(**OPTIONS)
def advance(
    theta, words, ids, exits, order, index, data, rng, learning_rate, momentum, mode, constants, left, active, first, n
):
    # n steps of SGD for the first `active` columns of theta. mode: 0 every sample, 1 with replacement, 2 without,
    # 3 epochs that visit each sample once.
    n_samples, power, reject = constants[0], constants[1], constants[2]
    picks = np.int64(constants[3])
    batch = data.shape[0] if mode == 0 else index.shape[1]
    for step in range(first + 1, first + n + 1):
        if active == 0:
            break
        if mode == 1:
            for b in range(batch):
                left = draw_repeated(rng, words, left, index, b, active, n_samples, power, reject, picks)
        elif mode == 2:
            draw_distinct(rng, order, index, active, batch)
        elif mode == 3:
            batch = draw_epoch(rng, order, ids, index, active, index.shape[1], step)
        move(theta, active, index, data, batch, mode == 0, learning_rate, momentum)
        active = arrive(theta, words, ids, exits, active, step)
    return left, active
"""
