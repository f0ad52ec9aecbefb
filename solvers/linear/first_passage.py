"""First passage: times until a target is reached, and which of two is reached first.

A target absorbs where it begins: the links that enter it are cut at its edge and shortened to that length, with the
density zero there. The backward equations are then solved on the cells outside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import splu

from ...errors import ConvergenceError
from ...model.grid import Grid
from ..discretization.generator import Exit, Generator, Links
from ..kernels.bernoulli import exponential_fit_all
from ..kernels.tridiagonal import solve_chain
from .dense import FEW
from .gmres import solve_jumps
from .rates import Rates, never_leaving

Inside = Callable[..., np.ndarray]


def absorb(q: Generator, target: np.ndarray, inside: Inside | None) -> Generator:
    """The generator killed on a target.

    Parameters
    ----------
    q : Generator
    target : ndarray of bool (*grid.shape)
        Cells whose centers lie in the target. They keep no links.
    inside : callable or None
        The target as a function of the coordinates; its edge is then found on each link by bisection. Otherwise the edge
        is the face between the cells.
    """
    mask = target.ravel()
    links: list[Links] = []
    exits = [
        wall._replace(cells=wall.cells[~mask[wall.cells]], rates=wall.rates[~mask[wall.cells]]) for wall in q.exits
    ]
    for link in q.links:
        into = mask[link.lower], mask[link.upper]
        free = ~into[0] & ~into[1]
        integrated = None if link.integrated is None else link.integrated[free]
        links.append(
            Links(link.offset, link.stride, link.lower[free], link.forward[free], link.backward[free], integrated)
        )
        axis = int(np.flatnonzero(link.offset)[0])
        for side, entering in ((1, ~into[0] & into[1]), (0, into[0] & ~into[1])):
            if entering.any():
                cells, rates = _entry_rates(q.grid, link, np.flatnonzero(entering), bool(side), inside)
                exits.append(Exit(axis, side, cells, rates))
    jumps = None
    if q.jumps is not None:
        outside = np.flatnonzero(~mask)
        exits.append(Exit(0, 1, outside, q.jumps.into(mask)[outside]))
        jumps = q.jumps.without(mask)
    return Generator(
        q.grid,
        tuple(links),
        tuple(exits),
        q.added_diffusion,
        q.force_on_links,
        jumps,
        q.found,
        q.singular,
        q.logarithmic,
    )


def _entry_rates(
    grid: Grid, link: Links, chosen: np.ndarray, upward: bool, inside: Inside | None
) -> tuple[np.ndarray, np.ndarray]:
    """Cells outside the target and their rates into it, through links cut at its edge."""
    low, high = link.lower[chosen], link.upper[chosen]
    start, end = (low, high) if upward else (high, low)
    out, back = (link.forward, link.backward) if upward else (link.backward, link.forward)
    widths = _extent(grid, link.offset)
    # velocities of the whole link, and its conductance d from w = ln(out / back) = v / d
    out, back = out[chosen] * widths[start], back[chosen] * widths[end]
    velocity = out - back
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.log(out) - np.log(back)
        conductance = np.where(np.abs(w) > 1e-6, velocity / w, 0.5 * (out + back))
    conductance = np.nan_to_num(np.where(np.isfinite(w), conductance, 0.0))
    share = (
        widths[start] / (widths[start] + widths[end])
        if inside is None
        else _edge(grid, link.offset, start, upward, inside)
    )
    rate, _ = exponential_fit_all(velocity, conductance / np.maximum(share, 1e-3))
    return start, rate / widths[start]


def _extent(grid: Grid, offset: tuple[int, ...]) -> np.ndarray:
    """Length of the offset in each cell's widths, (n,)."""
    lines = np.meshgrid(*grid.widths, indexing="ij", sparse=True)
    square = sum((o * w) ** 2 for o, w in zip(offset, lines, strict=True))
    return np.sqrt(np.broadcast_to(square, grid.shape)).ravel()


def _edge(grid: Grid, offset: tuple[int, ...], start: np.ndarray, upward: bool, inside: Inside) -> np.ndarray:
    """Fraction of each link, from the cell outside, at which the target begins."""
    index = np.unravel_index(start, grid.shape)
    origin, step = [], []
    for axis, (cells, o) in enumerate(zip(index, offset, strict=True)):
        n = grid.shape[axis]
        target = cells + (o if upward else -o)
        period = grid.edges[axis][-1] - grid.edges[axis][0]
        there = grid.centers[axis][target % n] + period * np.floor_divide(target, n)
        origin.append(grid.centers[axis][cells])
        step.append(there - grid.centers[axis][cells])
    low, high = np.zeros(start.size), np.ones(start.size)
    for _ in range(45):
        middle = 0.5 * (low + high)
        hit = np.asarray(inside(*(x + middle * dx for x, dx in zip(origin, step, strict=True))), dtype=bool)
        low, high = np.where(hit, low, middle), np.where(hit, middle, high)
    return high


def solve_backward(q: Generator, outside: np.ndarray, source: np.ndarray, *, lasting: bool = False) -> np.ndarray:
    """u with Q^T u = -source on the cells `outside` (n, bool) of a killed generator, zero elsewhere; source >= 0.

    Infinite where a source is met forever, because nothing is reached from there. lasting: whether the source is met at
    the points too that keep what arrives.
    """
    result = np.zeros(outside.size)
    finite, endless = _reachability(q, outside, source, lasting)
    result[endless] = np.inf
    cells = np.flatnonzero(finite)
    if cells.size == 0:
        return result
    strides = {link.stride for link in q.links}
    if q.jumps is not None and cells.size > FEW:
        result[cells] = solve_jumps(q, 0.0, np.where(finite, source, 0.0), adjoint=True)[cells]
        return result
    if q.jumps is not None:
        result[cells] = np.linalg.solve(q.matrix[cells][:, cells].toarray().T, -source[cells])
        return result
    if q.grid.dim == 1 and strides <= {1} and not endless.any():
        result[cells] = chain_rates(q, outside, source)[cells]
        return result
    inner = q.matrix[cells][:, cells].T.tocsc()
    factor = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    values = factor.solve(-source[cells])
    # the rounding of the diagonal acts like an escape rate of 1e-16 of the largest
    _check_stiff(q, factor.solve(-np.ones(cells.size)), values)
    result[cells] = values
    return result


def _check_stiff(q: Generator, times: np.ndarray, values: np.ndarray) -> None:
    loss = 1e-15 * float(times.max(initial=0.0)) * float(q.outflow.max(initial=0.0))
    if loss > 1e-2 or not np.isfinite(values).all() or values.min(initial=0.0) < 0.0:
        raise ConvergenceError(
            f"passage takes some {np.abs(times).max():.0e} while the fastest rate is {q.outflow.max():.1e}: "
            "beyond double precision. "
            "Lower the barrier, coarsen the grid, or use the spectrum of a smaller box.",
            values,
        )


def chain_rates(q: Generator, outside: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The same in 1D by elimination without subtraction, exact to round-off behind any barrier."""
    n = q.grid.size
    up, down = np.zeros(n), np.zeros(n)
    for link in q.links:
        up[link.lower] = link.forward
        down[link.upper] = link.backward
    result = np.empty(n)
    solve_chain(up, down, q.escape, np.where(outside, source, 0.0), outside, result)
    return result


def _reachability(
    q: Generator, outside: np.ndarray, source: np.ndarray, lasting: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(cells from which an exit is certain to be reached, cells from which it may never be and a source is met)."""
    if q.jumps is not None and all((part.strength.ravel()[outside] > 0.0).all() for part in q.jumps.parts):
        return (outside, ~outside & False) if q.exits else (outside & False, outside)
    kept = sum(q.atoms.values(), np.zeros(outside.size)) if lasting and q.atoms else None
    reach, endless = never_leaving(Rates.of_generator(q), outside, kept)
    if not (source[endless] > 0.0).any():
        return reach, endless & False
    return outside & ~endless, endless
