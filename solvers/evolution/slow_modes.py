"""The slowest modes of many cells in 3D: Arnoldi iteration on exp(Q tau), whose largest eigenvalues they are.

Products with Q are all that it takes, where factors of Q - z grow like n^2 in time. What decays most slowly is first, whether
it oscillates or not, so that there is nowhere to look for what an inverse at 0 misses. Eigenvalues come from Q itself, by the
Rayleigh quotient of each vector. Arnoldi iteration from one start sees one vector of each eigenvalue: so it is repeated in what
the modes found leave over, until nothing there is as slow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from ..linear.multigrid import many
from ..linear.rates import Rates
from ..linear.spectrum import Found, Modes, decay_rates, generator_modes, paired, rayleigh, slowest_of, start_vector
from .backward import BackwardChebyshev
from .chebyshev import Chebyshev

BRIEF, LONG = 30.0, 3000.0  # expected jumps of the busiest cell in the first tau, and in the longest
DECAYED = 2.0  # decay rate times tau of the fastest mode that is asked for: those beyond are then told apart soon
BESIDE = 2  # modes looked for beside those that are asked for
ROUGH, FINE = 1e-2, 1e-13  # residuals of Arnoldi iteration: where only rates are asked for, and of answers
IN_TIME = 1e-13  # error of exp(Q tau)
BRIEFLY, RESTARTS = 3, 200  # restarts of Arnoldi iteration
ROUNDS = 5  # of looking for what is left over
SAME = 1e-6  # relative distance from the last rate below which what is left over is no slower

Product = Callable[[np.ndarray], np.ndarray]


def slow_modes(q: Generator, k: int) -> Modes:
    """The k slowest modes of a rate matrix, one more where a conjugate pair would be cut apart.

    Raises
    ------
    ConvergenceError
        If the iteration in 3D does not converge.
    """
    if q.jumps is not None or not many(q.grid, q.grid.size) or not q.outflow.any():
        return generator_modes(q, k)
    try:
        found, missed = _deflated(q, k, _duration(q, k))
    except ArpackNoConvergence as stopped:
        text = f"the slowest modes were not found in {RESTARTS} restarts; take fewer cells, or ask for fewer modes"
        raise ConvergenceError(text) from stopped
    return slowest_of(found, missed, Rates.of_generator(q), k, decay_rates)


def _duration(q: Generator, k: int) -> float:
    """A time tau in which the fastest of the modes asked for has decayed by some e^2."""
    busiest = float(q.outflow.max())
    tau = BRIEF / busiest
    try:
        moduli = np.abs(_dominant(_propagator(q, tau), q.grid.size, k + BESIDE, ROUGH, BRIEFLY)[0])
    except ArpackNoConvergence as stopped:
        moduli = np.abs(stopped.eigenvalues)
    fastest = -np.log(moduli.min(initial=1.0)) / tau
    return float(np.clip(DECAYED / fastest, tau, LONG / busiest)) if fastest > 0.0 else tau


def _deflated(q: Generator, k: int, tau: float) -> tuple[Found, str]:
    """The slowest modes, and what may be missing: of several modes at one rate each round finds one more."""
    forward, backward = (_propagator(q, tau, way) for way in (False, True))
    found = _modes(q, forward, backward, k)
    for _ in range(ROUNDS):
        last = float(np.sort(decay_rates(found.values))[k - 1])
        rest, rest_back = _without(forward, found.right, found.left), _without(backward, found.left, found.right)
        modulus = float(np.abs(_dominant(rest, q.grid.size, 1, ROUGH)[0]).max())
        if modulus < np.exp(-last * tau) - 2.0 * ROUGH * modulus:
            return found, ""
        more = _modes(q, rest, rest_back, 1)
        if decay_rates(more.values).min() >= last * (1.0 - SAME):
            return found, ""
        found = found.followed_by(more)
    return found, f"more modes that decay about as slowly as {last:.3g}"


def _modes(q: Generator, forward: Product, backward: Product, k: int) -> Found:
    """The slowest modes of Q from products with exp(Q tau) and its adjoint."""
    pairs = []
    for product, matrix in ((forward, q.matrix), (backward, q.adjoint)):
        _, vectors = _dominant(product, q.grid.size, k + BESIDE, FINE)
        pairs.append((rayleigh(matrix, vectors), vectors))
    return paired(*pairs)


def _without(product: Product, vectors: np.ndarray, duals: np.ndarray) -> Product:
    """A product in what known modes (n, m) with their duals leave over."""
    weights = np.linalg.pinv(duals.T @ vectors) @ duals.T

    def rest(x: np.ndarray) -> np.ndarray:
        return x - (vectors @ (weights @ x)).real

    return lambda x: rest(product(rest(x)))


def _propagator(q: Generator, tau: float, backward: bool = False) -> Product:
    """exp(Q tau) P, or for functions of the start its adjoint."""
    method = (BackwardChebyshev if backward else Chebyshev)(q, IN_TIME, tau)
    return lambda x: method.advance(np.ascontiguousarray(x), tau)[0]


def _dominant(
    product: Product, n: int, count: int, tolerance: float, restarts: int = RESTARTS
) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues (count,) of an operator on vectors (n,), and vectors (n, count)."""
    pace, done = Pace(__name__, "slowest modes"), 0

    def apply(x: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 1
        pace(0.0, f"{done} propagations")
        return product(x.ravel())

    operator = LinearOperator((n, n), matvec=apply, dtype=float)
    return eigs(operator, k=count, v0=start_vector(n, count), tol=tolerance, maxiter=restarts)
