"""The transition matrix exp(Q tau) of an equation on a grid and its derivatives with respect to parameters.

Where Q is that of a chain (1D, no periodic wall, both rates of each link positive) it is symmetric in the scale of its
equilibrium, A = W^-1 Q W, W = sqrt(pi), and with its eigenvalues l and vectors V (tridiagonal, some n^2 operations)

    P = W V exp(l tau) V^T W^-1,      dP = W V [(V^T W^-1 dQ W V) o F] V^T W^-1,      F_ab = (e^la - e^lb) / (la - lb)

(Daleckii and Krein; Jennrich and Bright 1976). Otherwise, and where probabilities below the rounding of this are needed,
by scaling and squaring with nonnegative factors, which keeps the digits of small entries.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh_tridiagonal

from ..errors import bad_value
from ..solvers.discretization.generator import Generator, Links

SPREAD = np.log(1e6)  # of W: eigenvectors are right to 1e-15, and P then to 1e-9
FASTEST = 1e8  # jumps in a lag from which rounding decides
TERMS = 14  # of the exponential series at norm 1/2: 1e-16


def fourth_order(q: Generator) -> Generator:
    """The generator with the diffusion that exponential fitting adds taken off each link.

    A link with velocity v and conductance d has w = v / d and the rates d B(-w), d B(w), B(z) = z / (e^z - 1), which
    diffuse by d (1 + w^2 / 12 - w^4 / 720 + ...). With B(z) - (z^2 / 12) exp(-z^4 / 32), positive as well, the term of
    second order is gone.
    """
    widths = np.asarray(q.grid.volumes).ravel()
    links = []
    for link in q.links:
        out, back = link.forward * widths[link.lower], link.backward * widths[link.upper]
        out, back = _corrected(out, back)
        links.append(Links(link.offset, link.stride, link.lower, out / widths[link.lower], back / widths[link.upper]))
    return Generator(q.grid, tuple(links), q.exits, q.added_diffusion, q.force_on_links, q.jumps)


def _corrected(out: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two velocities of links less the added diffusion; w = ln(out / back), d = (out - back) / w."""
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.log(out) - np.log(back)
        d = np.where(np.abs(w) > 1e-6, (out - back) / w, 0.5 * (out + back))
        excess = np.nan_to_num(d * (w * w / 12.0) * np.exp(-(w**4) / 32.0), posinf=0.0, neginf=0.0)
    return out - excess, back - excess


def transition_matrix(
    q: Generator, slopes: list[np.ndarray], tau: float, starts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """P = exp(Q tau), (n, n), columns the starts, and its derivatives, (m, n, n).

    Parameters
    ----------
    q : Generator
    slopes : list of ndarray (n, n)
        Derivatives of Q.
    tau : float
    starts : ndarray of bool (n,), optional
        The columns that matter; the faster way is taken where it is right to 1e-9 in these.

    Raises
    ------
    ValueError
        Where rates are so fast that rounding would decide.
    """
    dense = q.matrix.toarray()
    n = len(dense)
    fastest = tau * float(np.abs(np.diagonal(dense)).max())
    if fastest > FASTEST:
        rule = f"of at most {FASTEST:g} jumps between cells in a lag"
        raise bad_value("model", rule, f"{fastest:.3g}", "Its diffusion is too large somewhere on the grid.")
    root = _equilibrium_root(q) if starts is not None else None
    if root is not None and starts is not None and root.max() - root[starts].min() < SPREAD:
        return _by_eigenvectors(dense, slopes, tau, root, starts)
    return _by_squaring(dense, np.array(slopes).reshape(-1, n, n), tau)


def _equilibrium_root(q: Generator) -> np.ndarray | None:
    """ln sqrt(pi) of a chain, or None where Q is none."""
    if q.jumps is not None or q.grid.dim > 1 or {link.stride for link in q.links} != {1}:
        return None
    forward, backward = (np.concatenate([getattr(link, side) for link in q.links]) for side in ("forward", "backward"))
    if len(q.links) != 1 or not ((forward > 0.0) & (backward > 0.0)).all():
        return None
    return np.concatenate([[0.0], np.cumsum(0.5 * (np.log(forward) - np.log(backward)))])


def _by_eigenvectors(
    dense: np.ndarray, slopes: list[np.ndarray], tau: float, root: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """With root = ln W; columns other than the starts are left zero, where 1 / W may be beyond all numbers."""
    off = np.sqrt(np.diagonal(dense, 1) * np.diagonal(dense, -1))
    values, vectors = eigh_tridiagonal(np.diagonal(dense), off)
    scale = np.exp(root - root.max())
    left = scale[:, None] * vectors
    right = vectors.T * np.where(starts, np.exp(np.where(starts, root.max() - root, 0.0)), 0.0)
    growth = np.exp(tau * values)
    p = (left * growth) @ right
    gaps = tau * (values[:, None] - values)
    mean = 0.5 * (growth[:, None] + growth)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.where(np.abs(gaps) > 1e-4, (growth[:, None] - growth) / gaps, mean * (1.0 - gaps * gaps / 12.0))
    quotient = tau * quotient
    derivatives = []
    for slope in slopes:
        inner = vectors.T @ _balanced_times(slope, root, vectors)
        derivatives.append(left @ (inner * quotient) @ right)
    return p, np.array(derivatives).reshape(-1, *p.shape)


def _balanced_times(slope: np.ndarray, root: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """W^-1 dQ W V, (n, n), for a tridiagonal dQ: scaled entry by entry, as neighbours differ little while W spans hundreds
    of orders.
    """
    ratio = np.exp(np.diff(root))  # W above over W below
    result = np.diagonal(slope)[:, None] * vectors
    result[1:] += (np.diagonal(slope, -1) / ratio)[:, None] * vectors[:-1]
    result[:-1] += (np.diagonal(slope, 1) * ratio)[:, None] * vectors[1:]
    return result


def _by_squaring(dense: np.ndarray, slopes: np.ndarray, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """exp(Q tau) = exp(-r) exp(A) with A = Q tau + r >= 0, by a series at r / 2^k <= 1/2 and k squarings."""
    rate = tau * float(np.abs(np.diagonal(dense)).max())
    k = max(0, int(np.ceil(np.log2(max(2.0 * rate, 1e-300)))))
    scale = tau / 2.0**k
    shift = rate / 2.0**k
    a = scale * dense + shift * np.eye(len(dense))
    a = np.maximum(a, 0.0)
    da = scale * slopes
    p, dp = np.eye(len(a)), np.zeros_like(da)
    term, dterm = p.copy(), dp.copy()
    for order in range(1, TERMS + 1):
        dterm = (dterm @ a + term @ da) / order
        term = term @ a / order
        p, dp = p + term, dp + dterm
    p, dp = np.exp(-shift) * p, np.exp(-shift) * dp
    for _ in range(k):
        dp = dp @ p + p @ dp
        p = p @ p
    return p, dp
