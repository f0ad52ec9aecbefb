"""The error of what a result offers, from the same question asked on two coarser grids."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ...errors import ConvergenceError
from ...model.coefficients import Points
from ...model.equation import FokkerPlanck
from ...model.grid import Grid
from ...model.initial_density import added_up
from ...model.poisson import PoissonJumps
from ..discretization.killing import killing_jumps
from ..discretization.scharfetter_gummel import untreated_by_tensor
from .coarsening import FEWEST, at_centers, coarsened, coarsened_equation
from .estimates import SLOWEST, Estimate, estimate

JUMP = 4.0  # factor between the D of neighbouring cells, from which D is taken to jump
SINGULAR = (
    1e-10  # of the product of the diagonal of D: a determinant below is that of a tensor without noise in a direction
)
ROUNDING = 1e-12  # of the size of a quantity


class Offer(NamedTuple):
    """What one grid says of one quantity: numbers, judged entry by entry, or a density (..., *shape), by its 1-norm.

    Changes up to `floor` are none: rounding (where it is not given, of the largest number), or the error in time. A density
    that goes by a power of the distance from a point is judged `by_mass`: by the probabilities of cells and of `atoms`.
    """

    values: np.ndarray
    floor: float | np.ndarray | None = None
    density: bool = False
    by_mass: bool = False
    atoms: Mapping[float, Any] = MappingProxyType({})


def repeated(ask: Callable[[FokkerPlanck, Grid], Any], eq: FokkerPlanck, grid: Grid) -> list[Any]:
    """Answers to the same question on cells twice and four times as wide.

    Raises
    ------
    ValueError
        Where an axis has too few cells, or the question cannot be asked on so few.
    ConvergenceError
        Where a coarser grid gives no answer.
    """
    grids = coarser_grids(grid)
    return [ask(coarsened_equation(eq, grid, coarse), coarse) for coarse in grids]


def coarser_grids(grid: Grid) -> list[Grid]:
    """The grids of cells twice and four times as wide; axes of one cell stay."""
    if min((n for n in grid.shape if n > 1), default=0) < 4 * FEWEST:
        raise ValueError(f"an axis has fewer than {4 * FEWEST} cells")
    once = coarsened(grid)
    return [once, coarsened(once)]


def scheme_order(eq: FokkerPlanck, grid: Grid, t: float = 0.0) -> float:
    """1 where the scheme is first order by its structure: Levy noise, no noise in a direction, a D that jumps; else 2.

    1 too where the killing rate jumps inside cells: how much of a cell lies on which side changes from grid to grid.

    Where D of a tensor vanishes in a way that is not treated, the error goes by the probability of the cells there, whose power
    of h is any: no order is believed then but the smallest that counts as converging.
    """
    if eq.jumps is not None and not isinstance(eq.jumps, PoissonJumps):
        return 1.0
    if eq.killing is not None and killing_jumps(eq, grid):
        return 1.0
    if isinstance(eq.diffusion, (int, float)):
        return 2.0 if eq.diffusion > 0.0 else 1.0
    d = eq.diffusion_at(Points.centers(grid), t)
    along = d if d.ndim == grid.dim + 1 else np.einsum("ii...->i...", d)
    if (along <= 0.0).any() or (d.ndim == grid.dim + 2 and _lacks_a_direction(d, along)):
        return 1.0
    for axis in range(grid.dim):
        one = np.moveaxis(along[axis], axis, 0)
        if len(one) > 1 and (np.maximum(one[1:], one[:-1]) > JUMP * np.minimum(one[1:], one[:-1])).any():
            return 1.0
    tensor = d.ndim == grid.dim + 2 and eq.diffusion_is_function
    alone = replace(eq, interaction=None)  # which adds to the drift only: D says where it vanishes
    return SLOWEST if tensor and untreated_by_tensor(alone, grid, t) else 2.0


def _lacks_a_direction(tensor: np.ndarray, along: np.ndarray) -> bool:
    """Whether a tensor (d, d, *shape), with its diagonal (d, *shape), has a direction without noise somewhere."""
    if len(tensor) == 2:  # thirty times faster than by factors
        determinant = tensor[0, 0] * tensor[1, 1] - tensor[0, 1] * tensor[1, 0]
    else:
        determinant = np.linalg.det(np.moveaxis(tensor, (0, 1), (-2, -1)))
    return bool((determinant <= SINGULAR * along.prod(axis=0)).any())


def compared(offers: Sequence[Offer], grids: Sequence[Grid], order: float) -> Estimate:
    """The estimate for one quantity from the offers of three grids, the finest first."""
    values = [np.asarray(offer.values) for offer in offers]
    given = [offer.floor for offer in offers if offer.floor is not None]
    size = 1.0 if offers[0].density else float(np.abs(values[0]).max(initial=0.0))
    floor = functools.reduce(np.maximum, given) if given else ROUNDING * size
    if not offers[0].density:
        return estimate(values[0] - values[1], values[1] - values[2], order, floor)
    if offers[0].by_mass:
        changes = [mass_distance(offers[i], grids[i], offers[i + 1], grids[i + 1]) for i in range(2)]
    else:
        changes = [distance(values[i], grids[i], values[i + 1], grids[i + 1]) for i in range(2)]
    return estimate(changes[0], changes[1], order, floor)


def distance(density: np.ndarray, fine: Grid, other: np.ndarray, coarse: Grid) -> np.ndarray:
    """1-norm of the difference of densities (..., *shape), at the coarse centers, over the last axes."""
    gap = np.abs(at_centers(density, fine, coarse) - other) * coarse.volumes
    return np.asarray(gap.sum(axis=tuple(range(-fine.dim, 0))))


def mass_distance(one: Offer, fine: Grid, other: Offer, coarse: Grid) -> np.ndarray:
    """Sum over the coarse cells, and over the atoms, of the differences of their probabilities, over the last axes."""
    gap = np.abs(added_up(one.values * fine.volumes, fine, coarse) - other.values * coarse.volumes)
    if len(one.atoms) != len(other.atoms):
        raise ValueError("a coarser grid finds other points that keep what arrives")
    # in the order of their places, which may differ by rounding
    pairs = zip(sorted(one.atoms.items()), sorted(other.atoms.items()), strict=True)
    beside = sum(np.abs(np.asarray(here) - there) for (_, here), (_, there) in pairs)
    return np.asarray(gap.sum(axis=tuple(range(-fine.dim, 0))) + beside)


def worst(found: Estimate) -> tuple[float, float, bool]:
    """The largest of the errors, with its order and whether it converges."""
    place = int(np.fmax(found.error, -1.0).argmax())  # of nan none
    return float(found.error.flat[place]), float(found.order.flat[place]), bool(found.converging.flat[place])


def note(found: Estimate, relative: bool = False) -> str:
    """In words, the largest of the errors."""
    error, order, converging = worst(found)
    state = "" if converging else ", NOT CONVERGING: the error may be larger than the estimate"
    how = f"(three grids, order {order:.2f})" if converging else "(three grids)"
    return f"{'relative ' if relative else ''}grid error {error:.1e}{state} {how}"


FAILURES = (ValueError, ConvergenceError)  # of a coarser grid: the answer is there, its error is not known
