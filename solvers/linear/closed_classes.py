"""Closed classes: the sets of cells that probability ends up in, and how much of it ends up in each."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ...errors import ConvergenceError, bad_value
from ...model.grid import Grid
from .rates import Rates

# share of the probability that rounding may take or add before a closed class is reached, above which weights are refused
TOO_MUCH = 1e-3


def closed_classes(rates: Rates) -> list[np.ndarray]:
    """The sets of cells that reach each other and that nothing ever leaves, as raveled cells, largest first."""
    if rates.connected:
        return [] if (rates.leak > 0.0).any() else [np.arange(rates.size)]
    to, of, _ = rates.links()
    graph = sp.coo_array((np.ones(to.size), (to, of)), shape=(rates.size, rates.size))
    count, label = connected_components(graph, directed=True, connection="strong")
    is_open = np.zeros(count, dtype=bool)
    is_open[label[of[label[to] != label[of]]]] = True
    is_open[label[rates.leak > 0.0]] = True
    order = np.argsort(label, kind="stable")
    classes = np.split(order, np.cumsum(np.bincount(label, minlength=count))[:-1])
    return sorted((c for c, leaves in zip(classes, is_open, strict=True) if not leaves), key=len, reverse=True)


def ending_classes(
    rates: Rates, grid: Grid, name: str, start: np.ndarray | None, atoms: tuple[float, ...] = ()
) -> tuple[list[np.ndarray], np.ndarray]:
    """The closed classes and the probability that ends up in each, from initial masses (n,).

    atoms: points that keep what arrives, into which the cells may leak.

    Raises
    ------
    ValueError
        If there is no closed class, or several and no start; `name` is what has them.
    """
    classes = closed_classes(rates)
    if not classes and not atoms:
        then = "Make a wall reflecting; with absorbing walls ask for the survival."
        raise bad_value(
            "grid",
            "closed somewhere for a stationary density",
            "absorbing walls, or killing, that take everything",
            then,
        )
    if start is not None:
        return classes, class_weights(rates, classes, start)
    if len(classes) + len(atoms) > 1:
        parts = [_extent(grid, cells) for cells in classes] + [f"the point {x:.6g}" for x in atoms]
        shown = "; ".join(parts[:4]) + ("; ..." if len(parts) > 4 else "")
        then = "Pass p0 to say where the probability starts."
        got = f"{len(parts)} closed parts: {shown}"
        raise bad_value(name, "such that its stationary density is unique", got, then)
    return classes, np.ones(len(classes))


def _extent(grid: Grid, cells: np.ndarray) -> str:
    index = np.unravel_index(cells, grid.shape)
    sides = [f"[{e[i.min()]:.4g}, {e[i.max() + 1]:.4g}]" for e, i in zip(grid.edges, index, strict=True)]
    return " x ".join(sides)


def class_weights(rates: Rates, classes: list[np.ndarray], masses: np.ndarray) -> np.ndarray:
    """The share of the initial masses (n,) that ends up in each closed class, (n_classes,).

    Raises
    ------
    ConvergenceError
        If so many moves between cells come before that rounding would decide.
    """
    weights = np.array([masses[cells].sum() for cells in classes])
    transient = np.setdiff1d(np.arange(rates.size), np.concatenate(classes) if classes else [])
    if transient.size == 0:
        return weights
    try:
        factor = rates.factor(transient)
    except RuntimeError as error:  # the factors are exactly singular
        raise weights_lost(np.inf, None) from error
    stay = np.zeros(rates.size)  # expected time spent in each transient cell
    stay[transient] = factor.solve(masses[transient])
    to, of, rate = rates.links()
    arriving = np.bincount(to, rate * stay[of], rates.size)
    weights += np.array([arriving[cells].sum() for cells in classes])
    moves = float((rates.outflow * np.abs(stay)).sum())
    if not moves * np.finfo(float).eps <= TOO_MUCH:
        raise weights_lost(moves, weights)
    return weights


def weights_lost(moves: float, partial: np.ndarray | None) -> ConvergenceError:
    """What to say where rounding would decide the weights of wells."""
    shown = f"some {moves:.0e}" if moves < 1e15 else "more than 1e+15"
    return ConvergenceError(
        f"the weights of the wells are beyond double precision here: leaving one takes {shown} jumps between cells. "
        "Take a larger diffusion or a coarser grid; or follow each well by fp.solve from a start in it.",
        partial,
    )
