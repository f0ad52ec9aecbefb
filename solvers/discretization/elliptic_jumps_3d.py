"""Levy noise in three dimensions, isotropic or with a covariance C that changes from place to place: sums of convolutions.

The rate to the cell at an offset is the measure that the jumps of one C give to that cell, so that it is nonnegative for any C,
rank one included. Near the start it is found along rays: the jumps along u = C^(1/2) v / |C^(1/2) v|, v one of 4000 unit
vectors, have the density c |C^(1/2) v|^a / rho^(1 + a) in their length. Further out, where the ellipsoids of C are wider
than cells, it is the density at the center of the cell. Steps to the 26 cells around leave the convolution. A diffusion tensor

    D = (1/2) (second moment of the jumps to these cells + that of the jumps to near cells less that of their offsets)

makes up for them, with what is negative in it left out. It joins the tensor scheme.

Where the shape of C changes, its exponent (k . C k)^(a/2) is a sum with nonnegative weights of those of a few shapes, the
nodes, each with a convolution. Nodes are shapes that lie far apart, made sharper by a power, of which others are mixtures:
as many as bring the exponents at 100 k to 2 %, 64 at most. What is then still off is said.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import nnls

from ...errors import bad_value
from ...model.grid import Grid
from ..kernels.elliptic_rates import add_far_rates, directions
from ..kernels.selling import decompose
from .elliptic_jumps import EllipticJumps
from .fractional_laplacian import jump_constant
from .levy_jumps import Convolution, Jumps, Ring

RAYS, FEWER, LONG = 4000, 2000, 16  # the second where they are followed for more cells than the third
SHORT = 2  # the longest lattice offset of D: those of needles grow beyond waves, while a widened needle is off by 5 %
SPREAD = 0.05  # of D: how far it may be widened without a word
PART = 0.1  # of the way to the wall of the 27 cells: steps along a ray, a quarter of a cell and less,
GROWING, LEFT, FARTHEST = (
    1.02,
    1e-3,
    1e6,
)  # and from one to the next where needles go round a ring, until little is left
INNER = 1.5  # cells from the start to that wall
LEAST_NEAR, WIDE = 8, 2.0  # cells up to which rays are followed at least, and until ellipsoids are so many cells wide
IMAGES = 1  # boxes on each side whose images are summed one by one; beyond, they are spread evenly
WAVES = directions(100)
COUNTS, POWERS = (4, 8, 16, 32, 48, 64), (1.0, 2.0, 3.0)  # of nodes, and of how sharp they are
TARGETS = 300  # shapes for which nodes are tried
GOOD, POOR = 0.02, 0.05  # of the largest exponent of a place: what ends the search, and what is said
SAME = 1e-9
SWEEPS = 150  # of the weights of all cells, from those of the nearest target


def elliptic_jumps_3d(grid: Grid, covariance: np.ndarray, stability: float) -> EllipticJumps:
    """The jumps of a covariance field on a grid, and the diffusion tensor for the short ones.

    Parameters
    ----------
    grid : Grid of three axes
    covariance : ndarray (3, 3, *grid.shape)
        C at the cell centers, symmetric and positive semidefinite.
    stability : float
    """
    if stability == 2.0:
        return EllipticJumps(Jumps(grid, (), stability), covariance.astype(float))
    rings = tuple(Ring.of(n, walls) for n, walls in zip(grid.shape, grid.boundary, strict=True))
    if 0 < sum(ring.period > 0 for ring in rings) < 3:
        rule = "absorbing along all axes or along none together with jumps in three dimensions"
        raise bad_value("boundary", rule, grid.boundary, "Make the walls alike, or use fp.simulate.")
    nodes, weights, off = mixture(np.moveaxis(covariance.reshape(3, 3, -1), -1, 0), stability)
    parts, tensor, widened = [], np.zeros((3, 3, grid.size)), 0.0
    for node, weight in zip(nodes, weights.T, strict=True):
        kernel, total, short, added = _kernel(rings, tuple(float(w.mean()) for w in grid.widths), node, stability)
        parts.append(Convolution(grid, (0, 1, 2), rings, kernel, total, weight.reshape(grid.shape)))
        tensor += short[:, :, None] * weight
        widened = max(widened, added)
    said = []
    if off > POOR:
        said.append(
            f"the covariance of the jumps is too narrow and too varied for {len(nodes)} shapes to stand for it: the "
            f"exponent of their characteristic function is off by up to {off:.2g} of its largest value"
        )
    if widened > SPREAD:
        said.append(
            f"the covariance of the jumps is nearly singular: short jumps are spread by up to {widened:.2g} of their diffusion "
            "across it"
        )
    return EllipticJumps(Jumps(grid, tuple(parts), stability), tensor.reshape(3, 3, *grid.shape), tuple(said))


def mixture(covariance: np.ndarray, stability: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Nodes (k, 3, 3), weights (n, k) >= 0 and the largest error of the exponents of matrices (n, 3, 3).

    (k . C k)^(a/2) is about the sum of the weights times those of the nodes; the error is relative to its largest value.
    """
    sizes = np.trace(covariance, axis1=1, axis2=2)
    shapes = np.where(
        sizes[:, None, None] > 0.0, covariance / np.maximum(sizes, 1e-300)[:, None, None], np.eye(3) / 3.0
    )
    powers = np.maximum(sizes, 0.0) ** (0.5 * stability)
    seen = shapes[sizes > 0.0] if (sizes > 0.0).any() else shapes
    if np.abs(seen - seen[0]).max() < SAME:
        return seen[:1], powers[:, None], 0.0
    targets = seen[_apart(_exponents(seen, stability), TARGETS)]
    goal = _exponents(targets, stability)
    best = (np.inf, targets, goal)
    for count in COUNTS:
        for power in POWERS:
            sharper = _sharpened(targets, power)
            nodes = sharper[_apart(_exponents(sharper, stability), count)]
            rows = _exponents(nodes, stability)
            found = np.array([nnls(rows.T, one)[0] for one in goal])
            off = _off(found @ rows, goal)
            if off < best[0]:
                best = off, nodes, found
        if best[0] <= GOOD:
            break
    _, nodes, found = best
    weights = _weights(_exponents(shapes, stability), _exponents(nodes, stability), goal, found)
    some = sizes > 0.0
    off = _off(weights[some] @ _exponents(nodes, stability), _exponents(shapes[some], stability))
    used = weights.max(axis=0) > SAME
    return nodes[used], weights[:, used] * powers[:, None], off


def _exponents(shapes: np.ndarray, stability: float) -> np.ndarray:
    """(k . C k)^(a/2) of matrices (n, 3, 3) at the waves, (n, 100)."""
    return np.maximum(np.einsum("ki,nij,kj->nk", WAVES, shapes, WAVES, optimize=True), 0.0) ** (0.5 * stability)


def _off(found: np.ndarray, goal: np.ndarray) -> float:
    return float((np.abs(found - goal).max(axis=1) / goal.max(axis=1)).max())


def _sharpened(shapes: np.ndarray, power: float) -> np.ndarray:
    """Matrices (n, 3, 3) of trace one to a power, of trace one."""
    values, vectors = np.linalg.eigh(shapes)
    values = np.maximum(values, 0.0) ** power
    return np.einsum("nik,nk,njk->nij", vectors, values / values.sum(axis=1)[:, None], vectors)


def _apart(points: np.ndarray, count: int) -> list[int]:
    """Which of the points (n, m) to take such that each is as far as can be from those before it."""
    distance = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    chosen = [int(distance.argmax())]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count and float(distance.max()) > SAME:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return chosen


def _weights(goal: np.ndarray, rows: np.ndarray, targets: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Nonnegative least squares of all goals (n, m) by rows (k, m), from the weights of the nearest target.

    Accelerated steps along the gradient (Beck and Teboulle 2009); the mean of each exponent is then exact.
    """
    near = ((goal**2).sum(axis=1)[:, None] - 2.0 * goal @ targets.T + (targets**2).sum(axis=1)).argmin(axis=1)
    weights = ahead = found[near]
    square, right, pace = rows @ rows.T, goal @ rows.T, 1.0
    step = 1.0 / float(np.linalg.eigvalsh(square)[-1])
    for _ in range(SWEEPS):
        new = np.maximum(ahead - step * (ahead @ square - right), 0.0)
        later = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * pace**2))
        ahead, weights, pace = new + (pace - 1.0) / later * (new - weights), new, later
    return weights * (goal.mean(axis=1) / np.maximum((weights @ rows).mean(axis=1), 1e-300))[:, None]


def _kernel(
    rings: tuple[Ring, ...], widths: tuple[float, ...], shape: np.ndarray, stability: float
) -> tuple[np.ndarray, float, np.ndarray, float]:
    """K on three rings, images summed, its sum over all offsets, D (3, 3) and what it was widened by, relative to its mean."""
    h = np.array(widths)
    values, vectors = np.linalg.eigh(shape / np.outer(h, h))  # in units of the cells
    values = np.maximum(values, 0.0)
    whole = max(ring.size // 2 + IMAGES * ring.period for ring in rings)
    narrow = math.sqrt(values[0] / values[-1])
    near = whole if narrow * whole < WIDE else max(LEAST_NEAR, math.ceil(WIDE / narrow))
    kernel, total, short = _along_rays(rings, vectors * np.sqrt(values), stability, min(near, whole))
    if near < whole:
        kernel += _far(rings, vectors / values @ vectors.T, math.sqrt(float(values.prod())), stability, near)
    if all(ring.period for ring in rings):
        kernel += max(total - float(kernel.sum()), 0.0) / kernel.size
        total = float(kernel.sum())
    offsets, weights, added = np.zeros((1, 6, 3), np.int64), np.zeros((1, 6)), np.zeros(1)
    decompose(np.ascontiguousarray(short[None]), np.array([SHORT]), offsets, weights, added)
    short = np.einsum("k,ki,kj->ij", weights[0], offsets[0], offsets[0])
    return kernel, total, short * np.outer(h, h), float(added[0])


def _along_rays(
    rings: tuple[Ring, ...], root: np.ndarray, stability: float, near: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """Measures of cells at offsets of 2 to `near` on the rings, that of all beyond 1, and D in units of the cells."""
    a = stability
    rays = RAYS if near <= LONG else FEWER
    z = directions(rays) @ root.T
    length = np.linalg.norm(z, axis=1)
    z, length = z[length > 0.0], length[length > 0.0]
    u = z / length[:, None]
    strength = jump_constant(a, 3) * 4.0 * math.pi / rays * length**a  # both ways along the ray
    wall = INNER / np.abs(u).max(axis=1)  # where it leaves the 27 cells
    inside = np.einsum("m,mi,mj->ij", strength * wall ** (2.0 - a) / (2.0 - a), u, u)
    last = (near + 0.5) / INNER
    edges = np.linspace(1.0, last, math.ceil((last - 1.0) / PART) + 1)
    if near >= max(ring.size // 2 + IMAGES * ring.period for ring in rings) and all(ring.period for ring in rings):
        more = math.ceil(min(-math.log(LEFT) / a, math.log(FARTHEST)) / math.log(GROWING))
        edges = np.append(edges, last * GROWING ** np.arange(1.0, more + 1.0))
    shares = (edges[:-1] ** -a - edges[1:] ** -a) / a
    sizes = [ring.size for ring in rings]
    kernel, moved = np.zeros(math.prod(sizes)), np.zeros((3, 3))
    for middle, share in zip(0.5 * (edges[1:] + edges[:-1]), shares, strict=True):
        place = u * (wall * middle)[:, None]
        cells, mass = np.rint(place), strength * wall**-a * share
        if middle * INNER < LONG:  # what is beyond is too little to count, and would be rounding of long places
            moved += np.einsum("m,mi,mj->ij", mass, place, place) - np.einsum("m,mi,mj->ij", mass, cells, cells)
        kept = np.ones(len(mass), dtype=bool)
        for axis, ring in enumerate(rings):
            kept &= (ring.period > 0) | (np.abs(cells[:, axis]) <= ring.size // 2)  # no wall takes them back
        for sign in (1, -1):
            at = np.mod(sign * cells[kept].astype(np.int64), sizes)
            kernel += np.bincount(np.ravel_multi_index(tuple(at.T), sizes), 0.5 * mass[kept], kernel.size)
    total = float((strength * wall**-a).sum()) / a
    values, vectors = np.linalg.eigh(0.5 * (inside + moved))
    return kernel.reshape(sizes), total, vectors * np.maximum(values, 0.0) @ vectors.T


def _far(rings: tuple[Ring, ...], inverse: np.ndarray, root: float, stability: float, near: int) -> np.ndarray:
    """Densities at the centers of cells at offsets beyond `near`, on the rings; half of the first axis is mirrored."""
    offsets = [ring.offsets for ring in rings]
    half = rings[0].size // 2 + 1
    out = np.zeros((half, *(ring.size for ring in rings[1:])))
    periods = np.array([ring.period for ring in rings])
    images = np.where(periods > 0, IMAGES, 0)
    unit, power = np.ones(3), 0.5 * (3.0 + stability)
    add_far_rates((offsets[0][:half], *offsets[1:]), periods, images, unit, inverse, power, near, out)
    rest = np.arange(half, rings[0].size)
    mirrored = [np.mod(-np.arange(ring.size), ring.size) for ring in rings[1:]]
    below = out[rings[0].size - rest][:, mirrored[0]][:, :, mirrored[1]]
    return jump_constant(stability, 3) / root * np.concatenate([out, below])
