"""When a measured error is large enough for a warning, and how many cells would do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import GridErrorWarning, warn
from ..model.grid import Grid

LARGE = 0.05  # 1-norm of a density's error, from which it is spoken of
OFF = 0.1  # relative error of a rate, a mean time or a deviation of times; error of a probability
STRAYING = 2.0  # by which an error may be larger than its estimate, where the answer does not converge
GOAL = 0.01  # error for which a number of cells is advised
HIGHEST = 2.0  # order of the scheme
TELLING = 0.75  # order below which three grids do not foretell how many cells an error takes
MOST_CELLS = 1e6  # along an axis; more are not advised


def warn_of_error(size: float, order: float, converging: bool, limit: float, what: str, grid: Grid) -> bool:
    """A warning where the error of `what` is above the limit, or may be as it does not converge; whether there was one."""
    if math.isnan(size) or size * (1.0 if converging else STRAYING) <= limit:
        return False
    if not converging:
        wider = _shape([4 * n if n > 1 else 1 for n in grid.shape])
        if math.isinf(size):
            text = f"the error of {what} is not known, as nothing is left of it on wider cells. Take {wider} cells."
            warn(text, GridErrorWarning)
            return True
        text = (
            f"the grid does not resolve {what}: halving the cells still makes a difference of {size:.2g}, and the error may be "
            f"larger than that. Take {wider} cells: those twice and four times as wide are then no wider than these."
        )
        warn(text, GridErrorWarning)
        return True
    seen = f"the error of {what} is about {size:.2g}, as seen on three grids"
    text = f"{seen}: {_wished(size, order, grid)} should give {GOAL:g}."
    if order < TELLING and math.isfinite(size) and _factor(size, order) > 4.0:
        # two changes that are nearly alike say little of the next
        wider = _shape([4 * n if n > 1 else 1 for n in grid.shape])
        text = f"{seen} that are too coarse to tell how many cells give {GOAL:g}: take {wider} cells, which tell more."
    warn(text, GridErrorWarning)
    return True


def _wished(size: float, order: float, grid: Grid) -> str:
    """How many cells should bring an error down to `GOAL`.

    No order above that of the scheme is counted on. Beyond a barrier a relative error is that of a logarithm, exponentiated.
    """
    factor = _factor(size, order)
    wished = [max(n * factor, n + 1.0) if n > 1 else 1.0 for n in grid.shape]
    if max(wished) <= MOST_CELLS:
        return f"{_shape([_rounded(n) for n in wished])} cells"
    if not math.isfinite(factor):
        return "no number of cells"
    cells = _shape([f"{n:.0e}" if n > 1 else "1" for n in wished])
    return f"only {cells} equal cells (try graded ones, or a smaller box)"


def _factor(size: float, order: float) -> float:
    """How many times as many cells along each axis should bring an error down to `GOAL`."""
    return (math.log1p(size) / GOAL) ** (1.0 / min(max(order, 0.5), HIGHEST))


def _shape(cells: Sequence[object]) -> str:
    return " x ".join(map(str, cells))


def _rounded(n: float) -> int:
    """Two digits, upwards."""
    scale = 10.0 ** max(math.floor(math.log10(max(n, 1.0))) - 1, 0)
    return int(math.ceil(n / scale) * scale)
