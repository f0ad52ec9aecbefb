"""How far a stationary state is from equilibrium: entropy production and current, with what rounding does to them.

On a link with rates f, b between cells of masses P_i, P_j the force is X = ln(f P_i / b P_j), the flow J = f P_i - b P_j
= 2 (f P_i b P_j)^1/2 sinh(X / 2), and entropy is produced at the rate sum J X (Schnakenberg 1976). X is known up to some
rounding d of its logarithms, so that the sum is known up to 2 (s n)^1/2 + n, where s is the sum itself and n = sum of
d^2 (f P_i + b P_j) / 2. Whether there is a current at all is decided by the affinities of cycles, see `detailed_balance`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..discretization.generator import Generator
from .dense import dense_entropy_production
from .detailed_balance import Steps, potential_of
from .gmres import is_symmetric
from .ring import ring_state

SYMMETRIC = 1e-9  # flows by jumps, relative to the traffic, that count as balanced
ROUNDING = 64.0 * float(np.finfo(float).eps)  # of the logarithms in the force of a link
NEGLIGIBLE = 1e-280  # of the largest traffic of a link: products of tiny masses underflow on one side first


class Irreversibility(NamedTuple):
    """What is known of the distance from equilibrium.

    is_equilibrium : whether every cycle is balanced as far as rounding can tell; entropy_production : per time, 0 in
    equilibrium, infinite where a link goes one way; rounding : what rounding may add to it, or hide; current_rounding
    (dim,) : the same for the largest component of the current along each axis.
    """

    is_equilibrium: bool
    entropy_production: float
    rounding: float
    current_rounding: np.ndarray


class _Traffic(NamedTuple):
    """The links of a family that carry probability: both ends, the axis extents of the offset, ln(f / b), both flows."""

    low: np.ndarray
    high: np.ndarray
    offset: tuple[int, ...]
    ratio: np.ndarray
    out: np.ndarray
    back: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Half the traffic both ways."""
        return 0.5 * (self.out + self.back)


def irreversibility(q: Generator, masses: np.ndarray) -> Irreversibility:
    """The distance of stationary masses (*grid.shape) from equilibrium."""
    p = masses.ravel()
    if q.jumps is not None:
        return _with_jumps(q, p)
    families = list(_traffic(q, p))
    errors = _force_errors(families, p)
    current = _current_bound(q, families, errors)
    noise = sum(float((f.mean * e**2).sum()) for f, e in zip(families, errors, strict=True))
    ring = ring_state(q)
    if ring is not None:
        still = abs(ring.affinity) <= ring.rounding
        production = 0.0 if still else float(ring.current * ring.affinity)
        share = float(ring.rounding / max(abs(ring.affinity), ring.rounding))
        bound = noise if still else 2.0 * production * share
        return Irreversibility(still, production, bound, current if still else np.abs([ring.current]) * share)
    if any((f.out == 0.0).any() or (f.back == 0.0).any() for f in families):
        return Irreversibility(False, np.inf, np.inf, current)
    if _is_balanced(families, q):
        return Irreversibility(True, 0.0, noise, current)
    production = sum(_production(f, p) for f in families)
    return Irreversibility(False, production, 2.0 * (production * noise) ** 0.5 + noise, current)


def stationary_current(q: Generator, masses: np.ndarray) -> np.ndarray:
    """The current J of stationary masses (*grid.shape), (dim, *grid.shape); on a ring without subtracting flows."""
    ring = ring_state(q)
    if ring is None:
        return q.current(masses)
    return np.full((1, q.grid.size), ring.current if abs(ring.affinity) > ring.rounding else 0.0)


def net_flow_share(q: Generator, masses: np.ndarray) -> float:
    """The net flow through all links, relative to the traffic in both directions."""
    if q.jumps is not None:
        return 0.0 if is_symmetric(q, masses, SYMMETRIC) else 1.0
    families = list(_traffic(q, masses.ravel()))
    traffic = sum(float(f.mean.sum()) for f in families)
    return sum(float(np.abs(f.out - f.back).sum()) for f in families) / max(2.0 * traffic, 1e-300)


def _with_jumps(q: Generator, p: np.ndarray) -> Irreversibility:
    still = is_symmetric(q, p, SYMMETRIC)
    traffic = float((q.outflow * p).sum())
    noise = SYMMETRIC**2 * traffic
    production = 0.0 if still else dense_entropy_production(q, p)
    length = np.array([float(np.ptp(edges)) for edges in q.grid.edges])
    return Irreversibility(still, production, 2.0 * (production * noise) ** 0.5 + noise, SYMMETRIC * traffic * length)


def _traffic(q: Generator, p: np.ndarray) -> Iterator[_Traffic]:
    flows = [(link.forward * p[link.lower], link.backward * p[link.upper]) for link in q.links]
    least = NEGLIGIBLE * max((float(np.maximum(*both).max(initial=0.0)) for both in flows), default=0.0)
    for link, (out, back) in zip(q.links, flows, strict=True):
        busy = np.maximum(out, back) > least
        with np.errstate(divide="ignore"):
            ratio = np.log(link.forward[busy]) - np.log(link.backward[busy])
        yield _Traffic(link.lower[busy], link.upper[busy], link.offset, ratio, out[busy], back[busy])


def _force_errors(families: list[_Traffic], p: np.ndarray) -> list[np.ndarray]:
    """What rounding may have done to ln(f P_i / b P_j) on each link."""
    top = float(np.log(max(p.max(initial=0.0), 1e-300)))
    result = []
    for f in families:
        depth = top - np.log(np.maximum(np.minimum(p[f.low], p[f.high]), 1e-300))
        size = np.where(np.isfinite(f.ratio), np.abs(f.ratio), 0.0)
        result.append(ROUNDING * (1.0 + size + depth))
    return result


def _current_bound(q: Generator, families: list[_Traffic], errors: list[np.ndarray]) -> np.ndarray:
    """Largest component along each axis of the current that rounding may add, (dim,)."""
    grid = q.grid
    total = np.zeros((grid.dim, grid.size))
    widths = np.meshgrid(*grid.widths, indexing="ij", sparse=True)
    half = [0.5 * np.broadcast_to(w, grid.shape).ravel() for w in widths]
    for f, error in zip(families, errors, strict=True):
        for axis in np.flatnonzero(f.offset):
            for cells in (f.low, f.high):
                carried = half[axis][cells] * abs(f.offset[axis]) * f.mean * error
                total[axis] += np.bincount(cells, carried, grid.size)
    return np.asarray((total / grid.volumes.ravel()).max(axis=1))


def _is_balanced(families: list[_Traffic], q: Generator) -> bool:
    low, high, ratio = (np.concatenate([getattr(f, name) for f in families]) for name in ("low", "high", "ratio"))
    return potential_of(Steps(low, high, ratio), q.grid, q.grid.size).exact if low.size else True


def _production(f: _Traffic, p: np.ndarray) -> float:
    """sum J X over a family of links."""
    force = f.ratio + np.log(p[f.low]) - np.log(p[f.high])
    weak = np.abs(force) < 1.0
    small = 2.0 * np.sqrt(f.out * f.back) * np.sinh(0.5 * np.where(weak, force, 0.0))
    return float((np.where(weak, small, f.out - f.back) * force).sum())


def dissipation(current: np.ndarray, velocity: np.ndarray, diffusion: np.ndarray, widths: np.ndarray) -> float:
    """The integral of J . D^-1 J / p; infinite where a current of any weight leaves the range of D.

    current and velocity = J / p have the shape (dim, *grid.shape), diffusion (dim, *grid.shape) or (dim, dim, *grid.shape),
    the cells' widths (dim, *grid.shape). All is measured in cells, so that units of the axes do not matter.
    """
    dim = len(current)
    if diffusion.ndim == dim + 1:
        diffusion = np.einsum("i...,ij->ij...", diffusion, np.eye(dim))
    in_cells = np.moveaxis(diffusion / widths / widths[:, None], (0, 1), (-2, -1))
    eigenvalues, axes = np.linalg.eigh(in_cells)
    along = [np.einsum("...ik,i...->k...", axes, field / widths) for field in (current, velocity)]
    power = along[0] * along[1] * widths.prod(axis=0)
    values = np.moveaxis(eigenvalues, -1, 0)
    silent = values <= 1e-12 * np.abs(values).max(axis=0, keepdims=True)
    if power[silent].sum() > 1e-6 * power.sum():
        return float("inf")
    return float((power[~silent] / values[~silent]).sum())
