"""How well the cells resolve the noise: cell Peclet numbers, and the numerical diffusion that upwinding adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from .generator import Generator, Links, half_widths

NOTICED = 0.1  # of D, from which numerical diffusion counts
UPWIND = 6.0  # cell Peclet number: (w/2) coth(w/2) - 1 is w/2 - 1 to a half per cent of it


@dataclass(frozen=True, kw_only=True, eq=False)
class Resolution:
    """How well a grid resolves the noise where the probability is; nan (order 0) for what has none.

    Attributes
    ----------
    peclet : float
        Largest cell Peclet number |w| on links that carry more than 1e-6 of the mass.
    diffusion, numerical_diffusion : float
        D and what upwinding adds to it, L |v| (coth(w/2) / 2 - 1/w) on a link, averaged over the mass, in the direction and at
        the time where the latter is largest beside the former. Jumps count as the diffusion that spreads the density as fast
        over its width.
    added_diffusion : float
        What a nearly degenerate tensor was widened by, as a share of its mean eigenvalue, averaged likewise.
    order : int
        Of the error in the cell size: 2, or 1 where the numerical diffusion exceeds a tenth of D, or D vanishes and the scheme
        does not treat that (`Generator.untreated`).
    """

    peclet: float = math.nan
    diffusion: float = math.nan
    numerical_diffusion: float = math.nan
    added_diffusion: float = math.nan
    order: int = 0


def resolution(q: Generator, densities: tuple[np.ndarray, ...]) -> Resolution:
    """How well the grid resolves the noise where the probability is.

    Parameters
    ----------
    q : Generator
    densities : masses at some times, each of shape grid.shape
    """
    share = [np.asarray(m, dtype=float).ravel() for m in densities]
    averages, peclet = _averages(q, share)
    beside = [_worst_direction(own, added) for own, added, _ in averages]
    physical_part, numerical_part = max(beside, key=lambda pair: pair[1] / max(pair[0], 1e-300))
    widened = 0.0 if q.added_diffusion is None else float(max((q.added_diffusion * p).sum() for p in share))
    return Resolution(
        peclet=peclet,
        diffusion=physical_part,
        numerical_diffusion=numerical_part,
        added_diffusion=widened,
        order=1 if numerical_part > NOTICED * physical_part or q.untreated else 2,
    )


def upwinded_tensor(q: Generator, masses: np.ndarray) -> bool:
    """Whether a full tensor's drift is so strong, where the masses (*grid.shape) are, that its order is 1.

    On links of a cell Peclet number beyond UPWIND the numerical diffusion goes with the cell size, not with its square. Where
    there are links in several directions, two grids before that regime and one in it may seem to be of order 2.
    """
    if not any(np.count_nonzero(link.offset) > 1 for link in q.links):
        return False
    ((own, _, upwinded),), _ = _averages(q, [np.asarray(masses, dtype=float).ravel()])
    diffusion, added = _worst_direction(own, upwinded)
    return added > NOTICED * diffusion


def _averages(q: Generator, share: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """D, the numerical diffusion, and its part on links beyond UPWIND, averaged over masses (n,) each, and the largest |w|.

    (len(share), 3, dim, dim), of symmetric tensors the lower halves.
    """
    half = [np.broadcast_to(w, q.grid.shape).ravel() for w in half_widths(q.grid)]
    dim, peclet = q.grid.dim, 0.0
    averages = np.zeros((len(share), 3, dim, dim))
    for link in q.links:
        length, _, w, diffusion, added = _link_parts(q, link, half)
        parts = _direction_products(link, half, length)
        upwinded = np.where(w > UPWIND, added, 0.0)
        for i, p in enumerate(share):
            weight = 0.5 * (p[link.lower] + p[link.upper])
            if link.integrated is not None:
                weight = np.where(link.integrated, 0.0, weight)
            for a, b, part in parts:
                along = weight * part
                # sums, not dot products: threads of the linear algebra library would spin on vectors as short as these
                averages[i, :, b, a] += [(along * size).sum() for size in (diffusion, added, upwinded)]
            peclet = max(peclet, float(w[weight > 1e-6].max(initial=0.0)))
    if q.jumps is not None:
        averages[:, 0] += np.array([np.diag(q.jumps.equivalent_diffusion(p)) for p in share])
    return averages, peclet


def _direction_products(
    link: Links, half: list[np.ndarray], length: np.ndarray
) -> list[tuple[int, int, np.ndarray | float]]:
    """u_a u_b of the unit vectors along links, for the pairs of axes a <= b that they move along."""
    axes = np.flatnonzero(link.offset).tolist()
    if len(axes) == 1:
        return [(axes[0], axes[0], 1.0)]
    steps = {a: link.offset[a] * (half[a][link.lower] + half[a][link.upper]) / length for a in axes}
    return [(a, b, steps[a] * steps[b]) for a, b in combinations_with_replacement(axes, 2)]


def _worst_direction(physical: np.ndarray, numerical: np.ndarray) -> tuple[float, float]:
    """D and the numerical diffusion, both symmetric (d, d) by their lower halves, where the second is largest beside the first.

    That is the eigenvector of the largest eigenvalue of D^-1 N.
    """
    if len(physical) == 1:
        return float(physical[0, 0]), float(numerical[0, 0])
    scale = max(physical.trace(), numerical.trace(), 1e-300)
    values, vectors = np.linalg.eigh(physical / scale)
    added = (np.tril(numerical) + np.tril(numerical, -1).T) / scale
    root = vectors / np.sqrt(np.maximum(values, 1e-12))
    direction = root @ np.linalg.eigh(root.T @ added @ root)[1][:, -1]
    direction /= np.linalg.norm(direction)
    d = vectors * values @ vectors.T
    return max(scale * float(direction @ d @ direction), 0.0), max(scale * float(direction @ added @ direction), 0.0)


def upwind_gain(q: Generator, masses: np.ndarray, values: np.ndarray) -> float:
    """What <values> (n,) gains per time by the flux that upwinding adds, for masses (n,)."""
    half = [np.broadcast_to(w, q.grid.shape).ravel() for w in half_widths(q.grid)]
    gain = 0.0
    for link in q.links:
        length, width, _, _, added = _link_parts(q, link, half)
        if link.integrated is not None:
            added = np.where(link.integrated, 0.0, added)
        low, high = masses[link.lower] / width[link.lower], masses[link.upper] / width[link.upper]
        gain += float((added / length * (low - high) * (values[link.upper] - values[link.lower])).sum())
    return gain


def _link_parts(q: Generator, link: Links, half: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Lengths of links, extents of all cells along them, |w|, D, and what upwinding adds to D."""
    length = np.sqrt(
        sum((abs(o) * (h[link.lower] + h[link.upper])) ** 2 for o, h in zip(link.offset, half, strict=True))
    )
    width = np.sqrt(sum((2 * o * h) ** 2 for o, h in zip(link.offset, half, strict=True)))
    out, back = link.forward * width[link.lower], link.backward * width[link.upper]
    w, diffusion = _link_diffusion(out, back, length)
    return length, width, w, diffusion, np.maximum(0.5 * length * (out + back) - diffusion, 0.0)


def _link_diffusion(out: np.ndarray, back: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|w| and D of links from their two velocities: w = ln(out / back), D = L (out - back) / w."""
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.abs(np.log(out) - np.log(back))
        diffusion = np.where(w > 1e-6, length * np.abs(out - back) / w, 0.5 * length * (out + back))
    idle = (out == 0.0) & (back == 0.0)
    return np.where(idle, 0.0, w), np.where(idle, 0.0, diffusion)
