"""Memory that linear systems take: estimates from measured peaks, before any work."""

from __future__ import annotations

import math

from ...arguments import free_memory
from ...model.grid import Grid
from .multigrid import many

FILL = {  # bytes a cell whatever the factors, and by them: times log2 n in 2D and n^(1/3) in 3D
    "balanced": (0.0, 0.0),
    "stationary": (50.0, 140.0),
    "passage": (81.0, 90.0),
    "modes": (160.0, 680.0),
}
BY_MULTIGRID = {
    "balanced": 150.0,
    "stationary": 350.0,
    "passage": 900.0,
}  # bytes a cell of a 3D grid that is solved for
OWN = {1: 800.0, 2: 560.0, 3: 560.0}  # bytes a cell: the generator, its matrix and what is made of them
OUTSIDE = 250.0  # of these where nothing is solved for, as on a target
SOUGHT = 280.0, 230.0  # bytes a cell in 3D while edges of regions are sought: whatever they are, and for each
TENSOR = 1.4, 600.0  # links in more directions: times that in 2D, plus that in 3D


def bytes_of(grid: Grid, question: str, cells: int | None = None, tensor: bool = False, regions: int = 1) -> float:
    """What a question takes: "balanced" and "stationary" densities, "passage" or "modes", measured peaks.

    cells: how many are solved for, all if None; tensor: whether D is a full matrix; regions: how many end a passage.
    """
    n = grid.size if cells is None else cells
    if question not in BY_MULTIGRID or not many(grid, n):
        need = bytes_of_factors(grid, question, cells)
    elif question == "passage":
        solving = 1.2 * OUTSIDE * grid.size + BY_MULTIGRID[question] * n
        need = max(solving, (SOUGHT[0] + SOUGHT[1] * regions) * grid.size)
    else:
        need = (OWN[3] + BY_MULTIGRID[question]) * n
    if not tensor:
        return need
    return TENSOR[0] * need if grid.dim == 2 else need + TENSOR[1] * grid.size


def bytes_of_factors(grid: Grid, question: str, cells: int | None = None) -> float:
    """What it takes by factors.

    Nested dissection fills of the order of log n numbers a cell in 2D and n^(1/3) in 3D (George 1973); modes keep a basis
    beside the factors.
    """
    n = float(grid.size if cells is None else cells)
    growth = {1: 0.0, 2: math.log2(n + 1.0), 3: n ** (1.0 / 3.0)}[grid.dim]
    own = OUTSIDE if question == "passage" and grid.dim == 2 else OWN[grid.dim]
    return own * grid.size + n * (FILL[question][grid.dim - 2] if grid.dim > 1 else 0.0) * growth


def factors_fit(grid: Grid, question: str) -> bool:
    """Whether factors fit into what is free, where multigrid did not get there."""
    return bytes_of_factors(grid, question) < free_memory()
