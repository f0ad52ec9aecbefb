"""Where training starts: random weights, small or large, and weights aligned with the teacher."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..arguments import number, reals
from ..errors import bad_value
from .network import DeepLinear


@dataclass(frozen=True)
class RandomStart:
    """Independent weights N(0, w^-gamma), w the largest hidden width (the number of inputs where there is none).

    Jacot, Ged, Simsek, Hongler and Gabriel (arXiv:2106.15933): as w grows, starts with gamma < 1 lie close to a global
    minimum ("lazy"; the outputs are of order one at gamma = 1 - 1/L), those with gamma > 1 close to a saddle. The larger
    gamma, the longer the stays at the saddles.

    Parameters
    ----------
    gamma : float, optional
        Default 1 - 1/L.
    """

    gamma: float | None = None

    def draw(self, net: DeepLinear, rng: np.random.Generator) -> list[np.ndarray]:
        """Weights of one run."""
        gamma = 1.0 - 1.0 / net.depth if self.gamma is None else self.gamma
        width = max(net.widths[1:-1], default=net.widths[0])
        std = width ** (-0.5 * gamma)
        return [std * rng.standard_normal((n, m)) for n, m in zip(net.widths[1:], net.widths, strict=False)]


def small_start(gamma: float = 2.0) -> RandomStart:
    """A start near the saddle at the origin, weights N(0, w^-gamma) with gamma > 1."""
    then = "large_start() takes those below."
    return RandomStart(number("gamma", gamma, "above 1 for a start near a saddle", lambda v: 1.0 < v < math.inf, then))


def large_start(gamma: float | None = None) -> RandomStart:
    """A lazy start, weights N(0, w^-gamma) with gamma < 1; by default 1 - 1/L, where outputs are of order one."""
    if gamma is not None:
        then = "small_start() takes those above."
        gamma = number("gamma", gamma, "below 1 for a lazy start", lambda v: -math.inf < v < 1.0, then)
    return RandomStart(gamma)


@dataclass(frozen=True)
class AlignedStart:
    """Balanced weights that share the teacher's singular vectors: W_l = R_l diag(s0^(1/L)) R_(l-1)^T.

    R_0 and R_L are the teacher's singular vectors, the hidden R_l are orthonormal and drawn at random. The end-to-end
    matrix then is sum_k s0_k u_k v_k^T, and each mode of gradient flow follows its own equation (Saxe, McClelland and
    Ganguli 2014): ds/dt = L s^(2 - 2/L) (s* - s) for inputs of unit covariance.

    Parameters
    ----------
    modes : float or sequence of float
        s0, for each mode from the largest singular value of the teacher down; one number: for every mode of the teacher
        that is not zero.
    """

    modes: Any

    def draw(self, net: DeepLinear, rng: np.random.Generator) -> list[np.ndarray]:
        """Weights of one run."""
        left, values, right = np.linalg.svd(net.target)
        rank = int((values > 1e-12 * values[0]).sum())
        modes = reals("modes", self.modes, f"at most {min(net.widths)} numbers not below 0")
        start = np.full(rank, modes) if modes.ndim == 0 else modes
        if start.ndim != 1 or start.size > min(net.widths) or (start < 0.0).any():
            raise bad_value("modes", f"at most {min(net.widths)} numbers not below 0", self.modes)
        k = start.size
        bases = [right[:k].T, *(_orthonormal(n, k, rng) for n in net.widths[1:-1]), left[:, :k]]
        root = start ** (1.0 / net.depth)
        return [(b * root) @ a.T for a, b in pairwise(bases)]


def _orthonormal(n: int, k: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((n, k)))[0]
