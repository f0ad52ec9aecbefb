"""Whether a stationary state of an equation that reads its own density is stable: how small perturbations grow.

dv/dt = J v with J v = Q[p] v + (dQ[p] / dp . v) p = (Q + K) v, over perturbations v that keep the mass. Q is the generator of
a Markov process, so that the resolvent (s - Q)^-1 has the 1-norm 1 / s, and no eigenvalue of J has a real part above the 1-norm
of K, which is estimated from how some perturbations are read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, gmres, splu

from ...errors import ConvergenceError
from ...progress import Pace
from ...randomness import private_generator
from ..discretization.generator import Generator
from ..linear.multigrid import many

STEP = 1e-5  # 1-norm of a perturbation by which dQ / dp is taken
USUAL = 40  # solutions that Arnoldi's iteration asks for
MODES, SHIFTS = 4, (1.0, 0.03)  # eigenvalues nearest to a shift, and the shifts in units of the bound on growth
LOOKS, MARGIN = 12, 2.0  # perturbations from which the bound is taken, and by how much they may miss it
SAME = 1e-4  # relative: two eigenvalues are one
RTOL, WORST = 1e-9, 1e-4  # of linear systems: asked for, and refused
APART = 3.0  # factor between frequencies around which turning modes are looked for
RESTARTS = 20  # of Arnoldi's iteration for each of these
ROUNDING = 1e-6  # of the largest rate among those found: growth below is none that can be told


class Stability(NamedTuple):
    """The largest growth rate of a small perturbation (nan where not known), the rates (k,) complex, and their rounding."""

    growth: float
    rates: np.ndarray
    rounding: float


UNKNOWN = Stability(np.nan, np.zeros(0, dtype=complex), np.inf)


def linear_stability(
    of: Callable[[np.ndarray], Generator], p: np.ndarray, observed: np.ndarray | None = None
) -> Stability:
    """Of stationary masses (n,), for the generator as a function of the masses; unknown in 3D on many cells.

    observed : (k, n), if the generator reads no more of the masses than the averages over them.
    """
    q = of(p)
    if many(q.grid, p.size) or p.size < 2 * MODES + 4:
        return UNKNOWN
    problem = _Linearised(of, q, p, observed)
    slow = float(q.outflow.mean()) / max(q.grid.shape) ** 2  # about what spreads through the box
    bound = max(problem.growth_bound(), slow)
    try:
        found = _all([*problem.turning_ones(bound), *(problem.nearest(MARGIN * bound * share) for share in SHIFTS)])
    except (ConvergenceError, RuntimeError):  # the latter where factors are exactly singular
        return UNKNOWN
    if not found.size:
        return UNKNOWN
    rates = found[np.argsort(-found.real)]
    return Stability(float(rates[0].real), rates, ROUNDING * max(float(np.abs(rates).max()), bound))


def _all(parts: list[np.ndarray]) -> np.ndarray:
    """The eigenvalues found from several shifts, each once; those nearer to zero were found from the last one."""
    found = np.zeros(0, dtype=complex)
    for part in reversed(parts):
        new = [z for z in part if not (np.abs(found - z) <= SAME * (np.abs(z) + np.abs(found).max(initial=0.0))).any()]
        found = np.concatenate([found, new])
    return found


class _Linearised:
    """J on perturbations that keep the mass."""

    def __init__(self, of: Callable[[np.ndarray], Generator], q: Generator, p: np.ndarray, observed: np.ndarray | None):
        self.of, self.q, self.p = of, q, p
        self.by_averages = None if observed is None else self._by_averages(observed)

    def kept(self, v: np.ndarray) -> np.ndarray:
        """A perturbation without what changes the mass."""
        return v - v.sum() * self.p

    def _by_averages(self, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """K in two factors: (n, k), what a change of each average does, and (k, n), how perturbations change these."""
        around = observed - (observed @ self.p)[:, None]
        inverse = np.linalg.pinv(around)
        return np.stack([self._difference(v) for v in inverse.T], axis=1), around

    def read(self, v: np.ndarray) -> np.ndarray:
        """K v."""
        if self.by_averages is None:
            return self._difference(v)
        changed, around = self.by_averages
        return np.asarray(changed @ (around @ v))

    def _difference(self, v: np.ndarray) -> np.ndarray:
        """K v, by a central difference."""
        size = float(np.abs(v).sum())
        if size == 0.0:
            return np.zeros(v.size)
        step = STEP / size
        up, down = (self.of(self.p + sign * step * v).apply(self.p) for sign in (1.0, -1.0))
        return np.asarray((up - down) / (2.0 * step))

    def growth_bound(self) -> float:
        """The 1-norm of K, from how perturbations of many shapes are read."""
        rng = private_generator("perturbations of a stationary state")
        edge = np.linspace(0.0, 1.0, self.p.size)
        shapes = [np.cos(np.pi * k * edge) for k in range(1, LOOKS // 2 + 1)]
        shapes += [rng.standard_normal(self.p.size) for _ in range(LOOKS // 2)]
        tried = [self.kept(shape * self.p) for shape in shapes]
        return max(float(np.abs(self.read(v)).sum()) / max(float(np.abs(v).sum()), 1e-300) for v in tried)

    def nearest(self, shift: float) -> np.ndarray:
        """The eigenvalues (MODES,) nearest to a shift, by Arnoldi's iteration with (J - shift)^-1."""
        values, _ = self._largest(self._inverse(shift))
        return shift + 1.0 / values[values != 0.0]

    def turning_ones(self, slowest: float) -> list[np.ndarray]:
        """Eigenvalues that turn, from the slowest frequency up to the largest rate of any cell.

        Looked for where an interaction reads averages, which takes no inner iteration.
        """
        if self.by_averages is None:
            return []
        fastest = max(float(self.q.outflow.max()), slowest)
        count = math.ceil(math.log(fastest / slowest, APART)) + 1
        return [self.turning(slowest * APART**k) for k in range(count)]

    def turning(self, shift: float) -> np.ndarray:
        """Eigenvalues (MODES,) near +-i `shift` that decay least or grow, by Arnoldi's iteration.

        With f(J) = s J (J + s) (J - s)^-3, whose values are small far from +-i s, and in the left half-plane.
        """
        inverse = self._inverse(shift)

        def filtered(v: np.ndarray) -> np.ndarray:
            once = inverse(v)
            twice = inverse(once)
            return shift * (once + 3.0 * shift * twice + 2.0 * shift**2 * inverse(twice))

        _, vectors = self._largest(filtered, RESTARTS)
        resolvents = [np.vdot(v, inverse(v.real) + 1j * inverse(v.imag)) / np.vdot(v, v) for v in vectors.T]
        return shift + 1.0 / np.array(resolvents, dtype=complex)

    def _inverse(self, shift: float) -> Callable[[np.ndarray], np.ndarray]:
        """(J - shift)^-1, on perturbations that keep the mass."""
        n = self.p.size
        factor = splu(
            (self.q.matrix - shift * sp.eye_array(n)).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0
        )
        pace = Pace(__name__, "stability of a stationary state")
        asked = itertools.count(1)
        if self.by_averages is not None:  # of low rank: Woodbury's formula
            changed, around = self.by_averages
            left = factor.solve(changed)
            small = np.linalg.inv(np.eye(len(around)) + around @ left)

            def direct(b: np.ndarray) -> np.ndarray:
                pace(min(next(asked) / USUAL, 1.0))
                free = factor.solve(self.kept(b))
                return self.kept(free - left @ (small @ (around @ free)))

            return direct
        system = LinearOperator((n, n), matvec=lambda v: v.ravel() + factor.solve(self.read(self.kept(v.ravel()))))

        def inverse(b: np.ndarray) -> np.ndarray:
            pace(min(next(asked) / USUAL, 1.0))
            right = factor.solve(self.kept(b.ravel()))
            x, _ = gmres(system, right, rtol=RTOL, atol=0.0, restart=60, maxiter=2)
            if np.linalg.norm(system @ x - right) > WORST * np.linalg.norm(right):
                raise ConvergenceError("the linearised equation could not be solved", x)
            return self.kept(x)

        return inverse

    def _largest(
        self, product: Callable[[np.ndarray], np.ndarray], restarts: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The eigenvalues (MODES,) of largest modulus and their vectors (n, MODES), by Arnoldi's iteration."""
        n = self.p.size
        start = self.kept(private_generator("perturbations of a stationary state").standard_normal(n) * self.p)
        operator = LinearOperator((n, n), matvec=lambda v: product(v.ravel()), dtype=float)
        try:
            values, vectors = eigs(operator, k=MODES, v0=start, tol=1e-7, ncv=20, maxiter=restarts)
        except ArpackNoConvergence as stopped:
            values, vectors = stopped.eigenvalues, stopped.eigenvectors
        return values, vectors
