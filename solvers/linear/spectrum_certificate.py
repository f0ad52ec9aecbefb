"""Where the eigenvalues of a generator can be, and whether those found near some points are all of the slowest.

With a positive measure p that the process does not increase anywhere, Q p <= 0, scale Q to S = P^-1/2 Q P^1/2 = H + K,
symmetric and skew. For a normalised eigenvector f of S with eigenvalue z, written f = g u with g = p^1/2,

    sum_(i<j) H_ij g_i g_j |u_i - u_j|^2 <= -Re z,      |Im z| = |f* K f| <= 2 sum_(i<j) |K_ij| g_i g_j |u_a| |u_i - u_j|

where a is either end of the link. By Cauchy and Schwarz all eigenvalues lie in a parabola, |Im z|^2 <= B^2 |Re z|, with
B^2 = 4 max_i sum_(links of i) K^2/H g_j/g_i, each link counted at its heavier end. K vanishes under detailed balance, and
in the limit of small cells B is the largest irreversible force over the deviation of the noise. The eigenvalues of real part
above -r thus are in a bounded region; it is searched when discs cover it, each of which holds no eigenvalue but those found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .occupation_times import occupation
from .rates import Rates

MOST_SHIFTS = 24
HEIGHTS = 2000  # at which a cover is looked at
ROUNDS = 4


class Disc(NamedTuple):
    """The eigenvalues within `radius` of `center` are all known."""

    center: complex
    radius: float


def spectral_parabola(rates: Rates, masses: np.ndarray) -> tuple[float, float]:
    """(B, m) with |Im z| <= B (m - Re z)^1/2 for every eigenvalue z of the generator, from `excessive_masses`."""
    g = np.sqrt(masses)
    to, of, rate = rates.links()
    scaled = rate * g[of] / g[to]
    shape = (rates.size, rates.size)
    s = sp.csr_array(sp.coo_array((scaled, (to, of)), shape=shape))
    h, k = sp.csr_array(0.5 * (s + s.T)), sp.coo_array(sp.triu(0.5 * (s - s.T), 1))
    slack = float(((h @ g) / g - rates.outflow).max())  # of Q p <= 0, by rounding
    i, j, skew = k.row, k.col, np.abs(k.data)
    both = np.maximum(np.asarray(h[i, j]).ravel(), skew)
    heavy, light = np.where(g[i] >= g[j], (i, j), (j, i))
    share = np.divide(skew**2, both, out=np.zeros_like(skew), where=both > 0.0) * g[light] / g[heavy]
    return 2.0 * float(np.sqrt(np.bincount(heavy, share, rates.size).max(initial=0.0))), max(slack, 0.0)


def excessive_masses(rates: Rates) -> np.ndarray:
    """Masses p > 0 with Q p <= 0, close to those that decay most slowly, (n,), the largest 1.

    Each is where paths started from the one before spend their time; the first ones are spread evenly.
    """
    spent = occupation(rates, np.arange(rates.size))
    masses = np.ones(rates.size)
    for _ in range(ROUNDS):
        masses = spent(masses)
        masses /= masses.max()
    return np.maximum(masses, 1e-290)


def next_shift(discs: list[Disc], slowest: float, parabola: tuple[float, float]) -> complex | None:
    """Where to look next for eigenvalues z with Re z >= -slowest; None where the discs and their images cover the parabola."""
    width, slack = parabola
    top = width * np.sqrt(slowest + slack)
    heights = np.linspace(0.0, top, HEIGHTS)
    right = np.minimum(slack - (heights / width) ** 2, 0.0) if top > 0.0 else np.zeros(HEIGHTS)
    covered = np.zeros(HEIGHTS, dtype=bool)
    for disc in discs:
        for center in (disc.center, np.conj(disc.center)):
            reach = disc.radius - top / HEIGHTS
            ends = np.stack([-slowest + 1j * heights, right + 1j * heights])
            covered |= (np.abs(ends - center) <= reach).all(axis=0)
    if covered.all():
        return None
    first = int(np.argmin(covered))
    height = min(float(heights[first]) + 0.8 * discs[-1].radius, float(top))
    return complex(0.5 * (right[first] - slowest), height)
