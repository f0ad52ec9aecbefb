"""Whether transitions look like those of a model at all: where each end lies in the law that the model gives it.

With F the distribution function of a coordinate of the end, given the start, u = F(end) is uniform under the model, and
independent of the start (Rosenblatt 1952); within the cell of the end u is drawn. Means have to vanish: those of u - 1/2
(the mean of the step) and of (u - 1/2)^2 - 1/12 (its spread), each also times Hermite polynomials of the place of the start,
to the third. The statistic is the largest |t| over these, its law that of random signs of the runs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..model.grid import Grid
from ..randomness import private_generator
from .paths import Transitions, along_axis
from .residuals import CLIP

DRAWS = 2000


class Misfit(NamedTuple):
    """The probability of a departure as large, were the model true, and what departs most."""

    p_value: float
    what: str


def misfit(
    p: np.ndarray, column: np.ndarray, ends: np.ndarray, grid: Grid, data: Transitions, units: np.ndarray
) -> Misfit:
    """How far transitions depart from a model.

    Parameters
    ----------
    p : ndarray (n_cells, n_starts)
        Probabilities of the cell of the end, for some cells of the start.
    column : ndarray (n,) of int
        Of each transition the column of its start.
    ends : ndarray (n,) of int
        The raveled cell of its end.
    grid : Grid
    data : Transitions
    units : ndarray (n,) of int
        What is independent: runs or blocks.
    """
    rng = private_generator("places within cells, of the adequacy of a model")
    places = np.unravel_index(ends, grid.shape)
    features, names = [], []
    for axis in range(grid.dim):
        others = tuple(k for k in range(grid.dim) if k != axis)
        mass = p.reshape(*grid.shape, -1).sum(axis=others)
        below = np.concatenate([np.zeros((1, mass.shape[1])), np.cumsum(mass, axis=0)])
        own, total = places[axis], np.maximum(below[-1, column], 1e-300)
        u = (below[own, column] + rng.random(own.size) * mass[own, column]) / total - 0.5
        x = data.starts[:, axis]
        c = np.clip((x - x.mean()) / max(float(x.std()), 1e-300), -CLIP, CLIP)
        where = along_axis(data.names, axis, grid.dim)
        for word, feature in ((f"the mean step{where}", u), (f"the spread of the step{where}", u * u - 1.0 / 12.0)):
            features += [feature, feature * c, feature * (c * c - 1.0), feature * (c**3 - 3.0 * c)]
            names += [word, *(f"{word} by the place" for _ in range(3))]
    sums = np.stack([np.bincount(units, feature) for feature in features], axis=1)
    size = np.maximum(np.sqrt((sums * sums).sum(axis=0)), 1e-300)
    t = np.abs(sums.sum(axis=0)) / size
    signs = rng.choice([-1.0, 1.0], (DRAWS, len(sums)))
    drawn = np.abs(signs @ (sums / size)).max(axis=1)
    worst = int(np.argmax(t))
    return Misfit((1.0 + float((drawn >= t[worst]).sum())) / (DRAWS + 1.0), names[worst])
