"""The slowest modes of a generator or a transfer operator: relaxation rates, escape rates, and where a surviving path is.

A mode of Q with eigenvalue z decays at the rate -Re z, one of T with eigenvalue z at -ln |z| per step. The slowest are found
by Arnoldi iteration on an inverse; `spectrum_certificate` then says whether any was missed, and where to look for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eig, eigh_tridiagonal
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, SuperLU, eigs, eigsh, splu

from ...errors import ConvergenceError
from ...progress import Pace
from ..discretization.generator import Generator
from .closed_classes import closed_classes
from .detailed_balance import Potential, log_masses
from .rates import Rates
from .spectrum_certificate import MOST_SHIFTS, Disc, excessive_masses, next_shift, spectral_parabola

DENSE = 400  # cells up to which all eigenpairs of a generator are found at once; 1000 for a transfer operator
UNRESOLVED = 16.0 * float(np.finfo(float).eps)  # of the fastest rate: eigenvalues below are rounding, but on a chain
ROUGH = 1e-6  # accuracy of eigenvalues that only say where none is missed
SAME = 1e-8  # distance, relative to that from the shift, at which two eigenvalues found from different shifts are one
FLATTEST = 1e-6  # least scale of a cell, of the largest
EQUAL = 1e-6  # relative distance of eigenvalues that count as equal where vectors are paired
ROUNDED = 1e-9  # of an eigenvalue: an imaginary part that rounding may make of two modes at one rate
POWERS = 4e9  # multiplications spent on powers of T


class Modes(NamedTuple):
    """The slowest modes by rising decay rate, conjugate pairs whole.

    values : eigenvalues of Q or T (k,); rates : decay rates per time or step (k,); right, left : (n, k) with
    left^T right = 1, right vectors masses, left ones functions of the starting cell; missed : why slower modes may have
    been missed, empty where it is certain that none was.
    """

    values: np.ndarray
    rates: np.ndarray
    right: np.ndarray
    left: np.ndarray
    missed: str


class Found(NamedTuple):
    """Eigenvalues z of Q, or of T - 1, with right and left vectors (n, count), in any order."""

    values: np.ndarray
    right: np.ndarray
    left: np.ndarray

    def chosen(self, which: list[int]) -> Found:
        """Some of them."""
        return Found(self.values[which], self.right[:, which], self.left[:, which])

    def conjugates(self) -> Found:
        """Their conjugates."""
        return Found(self.values.conj(), self.right.conj(), self.left.conj())

    def joined(self, other: Found, tolerance: float) -> Found:
        """With those of another that are not among these, and with all their conjugates."""
        result = self
        for i in range(other.values.size):
            one = other.chosen([i])
            for new in (one, one.conjugates()):
                if (np.abs(result.values - new.values) > tolerance).all():
                    result = result.followed_by(new)
        return result

    def followed_by(self, other: Found) -> Found:
        """These and all of another."""
        return Found(*(np.concatenate(parts, axis=-1) for parts in zip(self, other, strict=True)))


def generator_modes(q: Generator, k: int) -> Modes:
    """The k slowest modes of a rate matrix, one more where a conjugate pair would be cut apart.

    On a chain in 1D each eigenvalue is right to its own digits; on a few cells all are computed. Without detailed balance Q
    is scaled by the root of the masses of slow states: so it is nearly normal, and eigenvalues keep their digits.
    """
    rates = Rates.of_generator(q)
    if not q.outflow.any():  # nothing moves
        still = np.eye(q.grid.size, min(k, q.grid.size))
        return Modes(np.zeros(still.shape[1]), np.zeros(still.shape[1]), still, still, "")
    if _is_chain(q):
        return slowest_of(_chain_modes(q, k), "", rates, k, decay_rates)
    potential = log_masses(q, np.arange(q.grid.size)) if q.jumps is None else None
    if potential is not None and q.grid.size > max(DENSE, k + 8):
        return slowest_of(*_counted(q, potential, k), rates=rates, k=k, decay=decay_rates)
    masses = excessive_masses(rates)
    scale = np.maximum(np.sqrt(masses), FLATTEST)  # left vectors are divided by it, and keep some ten digits
    scaled = sp.csc_array(sp.diags_array(1.0 / scale) @ q.matrix @ sp.diags_array(scale))
    few = q.grid.size <= max(DENSE, k + 2)
    found, missed = (_dense_modes(scaled.toarray()), "") if few else _searched(rates, scaled, masses, k)
    found = found._replace(right=found.right * scale[:, None], left=found.left / scale[:, None])
    return slowest_of(found, missed, rates, k, decay_rates)


def transfer_modes(t: sp.csc_array, k: int) -> Modes:
    """The k modes of largest modulus of a transfer operator, one more where a conjugate pair would be cut apart."""
    rates, n = Rates.of_steps(t), t.shape[0]
    less_one = sp.csc_array(t - sp.eye_array(n))
    if n <= max(1000, k + 2):
        return slowest_of(_dense_modes(less_one.toarray()), "", rates, k, _decay_in_steps, steps=True)
    found = _nearest(less_one, 1e-9, k + 6)
    return slowest_of(*_powers(t, found, k), rates=rates, k=k, decay=_decay_in_steps, steps=True)


def _searched(rates: Rates, q: sp.csc_array, masses: np.ndarray, k: int) -> tuple[Found, str]:
    """The slowest modes near 0, with those that shifts along the parabola of the spectrum add until none can be missed."""
    parabola = spectral_parabola(rates, masses)
    found = _nearest(q, 1e-9 * float(rates.outflow.max()), k + 6)
    found = found.joined(found, 0.0)  # the last conjugate
    discs = [Disc(0.0, float(np.abs(found.values).max()) * (1.0 - SAME))]
    pace = Pace(__name__, "spectrum")
    while True:
        slowest = float(np.sort(decay_rates(found.values))[k - 1]) * (1.0 + SAME)
        shift = next_shift(discs, slowest, parabola)
        if shift is None or len(discs) > MOST_SHIFTS:
            break
        pace(min(abs(shift.imag) / max(parabola[0] * slowest**0.5, 1e-300), 1.0), f"{len(discs)} parts of the plane")
        near, _ = _arnoldi(_factor_at(q, shift), shift, k // 2 + 6, "N", ROUGH)
        radius = float(np.abs(near - shift).max()) * (1.0 - 10.0 * ROUGH)
        discs.append(Disc(shift, radius))
        tolerance = 10.0 * ROUGH * (radius + abs(shift))
        slow = near[decay_rates(near) <= slowest]
        if (np.abs(found.values[:, None] - slow).min(axis=0, initial=np.inf) > tolerance).any():
            found = found.joined(_nearest(q, shift, k // 2 + 6), tolerance)
    if shift is None:
        return found, ""
    return found, f"oscillating modes between the frequencies {shift.imag:.3g} and {parabola[0] * slowest**0.5:.3g}"


def _counted(q: Generator, potential: Potential, k: int) -> tuple[Found, str]:
    """The slowest modes under detailed balance, all of them real, with Sylvester's count of how many there are.

    A diagonal scaling makes Q symmetric, S = P^-1/2 Q P^1/2. As many pivots of S - s are positive as there are eigenvalues
    above s.
    """
    rates = sp.csr_array(q.matrix)
    root = rates.multiply(rates.T).sqrt()  # which leaves the diagonal positive
    symmetric = (root - sp.diags_array(2.0 * q.outflow)).tocsc()
    scale = np.exp(np.clip(0.5 * (potential.logs - potential.logs.max()), -300.0, 0.0))[:, None]
    shift, many = 1e-9 * float(q.outflow.max()), k + 4
    for _ in range(3):
        values, vectors = _symmetric_nearest(symmetric, shift, many)
        decay = np.sort(-values)
        last = k + int(np.argmax(np.diff(decay[k - 1 :]))) if decay.size > k else k
        level = 0.5 * (decay[last - 1] + decay[last]) if decay.size > last else decay[-1] * (1.0 + EQUAL)
        factor = _factor_at(symmetric, -level, symmetric=True)
        count = int((factor.U.diagonal() > 0.0).sum()) if (factor.perm_r == factor.perm_c).all() else -1
        missed = "" if count == last else f"modes that decay more slowly than {level:.3g}"
        if not missed:
            break
        many = max(count, many) + 4
    # functions of the start are found unscaled: in the tails a scaled vector has no digits left
    left = _arnoldi(_factor_at(rates, shift), shift, many, "T", 1e-12)
    return paired((values, vectors * scale), left), missed


def _powers(t: sp.csc_array, found: Found, k: int) -> tuple[Found, str]:
    """Modes found nearest to 1, with those elsewhere near the unit circle, by Arnoldi iteration on a power of T."""
    found = found.joined(found, 0.0)
    slowest = float(np.sort(_decay_in_steps(found.values))[k - 1])
    power = int(np.clip(1.0 / max(slowest, 1e-12), 1, max(POWERS / (60.0 * t.nnz), 1)))
    pairs = []
    for matrix in (t.tocsr(), t.T.tocsr()):

        def apply(x: np.ndarray, matrix: sp.csr_array = matrix) -> np.ndarray:
            x = x.ravel()
            for _ in range(power):
                x = matrix @ x
            return x

        operator = LinearOperator(t.shape, matvec=apply, dtype=float)
        try:
            _, vectors = eigs(
                operator, k=min(k + 2, t.shape[0] - 2), v0=start_vector(t.shape[0], k), tol=1e-9, maxiter=20
            )
        except ArpackNoConvergence:
            return found, f"modes of modulus above {np.exp(-slowest):.6g} that oscillate"
        pairs.append((rayleigh(matrix, vectors) - 1.0, vectors))
    other = paired(*pairs)
    residual = np.abs(t @ other.right - other.right * (1.0 + other.values)).max(axis=0) / np.abs(other.right).max(
        axis=0
    )
    if (residual > 1e-5).any():
        return found, f"modes of modulus above {np.exp(-slowest):.6g} whose powers are equal"
    return found.joined(other, 1e-7), ""


def check_resolved(q: Generator, modes: Modes, result: object) -> None:
    """Raise ConvergenceError with the result where eigenvalues other than those of closed classes are rounding alone."""
    floor = 0.0 if _is_chain(q) else UNRESOLVED * float(q.outflow.max(initial=0.0))
    closed = len(closed_classes(Rates.of_generator(q)))
    lost = int((np.abs(modes.values[closed:]) < floor).sum())
    if lost:
        raise ConvergenceError(
            f"{lost} of the eigenvalues lie below {floor:.1e}, the rounding of the fastest rate {q.outflow.max():.1e}. "
            "Take a larger diffusion or a coarser grid; the others are in the error's `partial`.",
            result,
        )


def decay_rates(z: np.ndarray) -> np.ndarray:
    """Decay rates of modes of Q."""
    return -z.real


def _decay_in_steps(z: np.ndarray) -> np.ndarray:
    """Decay rates -ln |1 + z| per step of modes of T, from the eigenvalues z of T - 1."""
    with np.errstate(divide="ignore"):
        return -0.5 * np.log1p(np.maximum(2.0 * z.real + np.abs(z) ** 2, -1.0))


def slowest_of(
    found: Found,
    missed: str,
    rates: Rates,
    k: int,
    decay: Callable[[np.ndarray], np.ndarray],
    steps: bool = False,
) -> Modes:
    """The k slowest of the modes found, with the conjugate of the last."""
    values = found.values.astype(complex)
    order = np.lexsort((values.imag, decay(values)))
    values, right, left = values[order], found.right[:, order], found.left[:, order]
    k = min(k, values.size)
    if values[k - 1].imag and k < values.size and values[k] == values[k - 1].conj():
        k += 0 if k > 1 and values[k - 2] == values[k - 1].conj() else 1
    values[: len(closed_classes(rates))] = 0.0
    right, left = _biorthogonal(values, right, left, k)
    decays = decay(values[:k])
    values = values[:k] + 1.0 if steps else values[:k]
    if np.abs(values.imag).max(initial=0.0) <= 1e-12 * np.abs(values).max(initial=1e-300):
        values, right, left = values.real, right.real, left.real
    return Modes(values, decays, right, left, missed)


def _biorthogonal(values: np.ndarray, right: np.ndarray, left: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k right vectors with unit 1-norm, their sums not negative, and left vectors with left^T right = 1.

    Equal eigenvalues share their vectors: their left vectors are combined, before any of them is cut off.
    """
    equal = np.abs(values[:, None] - values) <= EQUAL * (np.abs(values)[:, None] + np.abs(values))
    together = equal[:k].any(axis=0)
    right, left = right[:, together], left[:, together]
    right = right / np.abs(right).sum(axis=0)
    sums = right.sum(axis=0)
    right = right / np.where(np.abs(sums) > 1e-9, sums / np.maximum(np.abs(sums), 1e-300), 1.0)
    own = np.einsum("ni,ni->i", left, right)
    left = left / np.where(own == 0.0, np.abs(left).max(axis=0), own)
    product = np.where(equal[np.ix_(together, together)], left.T @ right, 0.0)
    return right[:, :k], (np.linalg.pinv(product) @ left.T).T[:, :k]


def _dense_modes(q: np.ndarray) -> Found:
    """All modes of a full matrix."""
    values, left, right = eig(q, left=True, right=True)
    return Found(values, right, left.conj())


def _factor_at(q: sp.sparray, shift: complex, symmetric: bool = False) -> SuperLU:
    """Factors of Q - shift; where `symmetric`, with pivots from the diagonal."""
    matrix = (q - shift * sp.eye_array(q.shape[0])).tocsc()
    if not symmetric:
        return splu(matrix, permc_spec="MMD_AT_PLUS_A")
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _nearest(q: sp.sparray, shift: complex, count: int) -> Found:
    """The `count` modes nearest to a shift, by Arnoldi iteration on the inverse."""
    factor = _factor_at(q, shift)
    return paired(*(_arnoldi(factor, shift, count, mode, 1e-12) for mode in ("N", "T")))


def _symmetric_nearest(q: sp.csc_array, shift: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a symmetric matrix nearest to a shift, and vectors, by Lanczos iteration on the inverse."""
    n = q.shape[0]
    factor = _factor_at(q, shift, symmetric=True)
    inverse = LinearOperator((n, n), matvec=lambda x: factor.solve(np.ascontiguousarray(x.ravel())), dtype=float)
    return eigsh(q, k=min(count, n - 1), sigma=shift, OPinv=inverse, v0=start_vector(n, count), tol=1e-13)


def _arnoldi(factor: SuperLU, shift: complex, count: int, mode: str, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues nearest to a shift and vectors, right ("N") or left ("T"), from factors of Q - shift."""
    n = factor.shape[0]
    kind = complex if np.iscomplexobj(shift) else float
    start = start_vector(n, count).astype(kind)

    pace, done = Pace(__name__, "eigenvalues"), 0

    def solve(x: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 1
        pace(0.0, f"{done} systems solved")
        return factor.solve(np.ascontiguousarray(x.ravel(), dtype=kind), mode)

    inverse = LinearOperator((n, n), matvec=solve, dtype=kind)
    values, vectors = eigs(inverse, k=min(count, n - 2), v0=start, tol=tolerance)
    return shift + 1.0 / values, vectors


def start_vector(n: int, count: int) -> np.ndarray:
    """Where an Arnoldi iteration for so many modes begins, (n,): the same in every run."""
    return np.random.default_rng([n, count]).standard_normal(n)


def rayleigh(matrix: sp.sparray, vectors: np.ndarray) -> np.ndarray:
    """v* A v / v* v for each of the vectors (n, k)."""
    return np.einsum("ni,ni->i", vectors.conj(), matrix @ vectors) / np.einsum("ni,ni->i", vectors.conj(), vectors)


def paired(right: tuple[np.ndarray, np.ndarray], left: tuple[np.ndarray, np.ndarray]) -> Found:
    """Right and left modes found apart, (values, vectors) each, brought together by their eigenvalues."""
    right, left = _without_false_pairs(*right), _without_false_pairs(*left)
    values: np.ndarray = right[0]
    used: list[int] = []
    for z in values:
        distance = np.abs(left[0] - z)
        distance[used] = np.inf
        used.append(int(np.argmin(distance)))
    return Found(values, right[1], left[1][:, used])


def _without_false_pairs(values: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Modes in which conjugate pairs that rounding makes of two modes at one rate are these two."""
    false = (np.imag(values) != 0.0) & (np.abs(np.imag(values)) <= ROUNDED * np.abs(values))
    if not false.any():
        return values, vectors
    two = np.where(np.imag(values) > 0.0, vectors.real, vectors.imag)
    return np.where(false, np.real(values), values), np.where(false, two, vectors)


def _is_chain(q: Generator) -> bool:
    """Neighbour links in 1D, all of them two-way, and ways out at the ends only: similar to a symmetric tridiagonal matrix."""
    rates = [link.forward for link in q.links] + [link.backward for link in q.links]
    chain = q.jumps is None and q.grid.dim == 1 and not (q.escape[1:-1] > 0.0).any()
    return chain and [link.stride for link in q.links] == [1] and all((r > 0.0).all() for r in rates)


def _chain_modes(q: Generator, k: int) -> Found:
    """Modes of a chain, right to a relative 1e-15 however slow.

    Made symmetric, -Q = B^T B, where B has a row (sqrt(forward), -sqrt(backward)) for each link and one for each
    absorbing wall. Its singular values are the eigenvalues of [[0, B^T], [B, 0]], which in the order cell, link, cell ...
    is tridiagonal with a diagonal of zeros: bisection then finds each to its own last digits (Demmel and Kahan 1990).
    """
    (link,) = q.links
    n = q.grid.size
    walls = q.escape[[0, -1]] > 0.0
    between = np.stack([np.sqrt(link.forward), -np.sqrt(link.backward)], axis=1).ravel()
    entries = np.concatenate([np.sqrt(q.escape[:1][walls[:1]]), between, np.sqrt(q.escape[-1:][walls[1:]])])
    first = n - 1 + int(walls.sum())  # below are the negative pairs and, with two walls, a zero of the links alone
    chosen = (first, first + min(k, n) - 1)
    roots, vectors = eigh_tridiagonal(
        np.zeros(entries.size + 1), entries, select="i", select_range=chosen, lapack_driver="stebz", tol=1e-300
    )
    vectors = vectors[int(walls[0]) :: 2][:n]
    log_scale = 0.5 * np.concatenate([[0.0], np.cumsum(np.log(link.forward) - np.log(link.backward))])
    scale = np.exp(np.clip(log_scale - log_scale.max(), -300.0, 0.0))[:, None]
    return Found(-(roots**2), vectors * scale, vectors / scale)
