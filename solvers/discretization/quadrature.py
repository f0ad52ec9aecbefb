"""Gauss's rule on (0, 1), and what goes with it: primitives and derivatives of the polynomial through its nodes."""

from __future__ import annotations

import functools

import numpy as np

NODES = 4  # in a link on a line, and in a piece of one
# Even in number, so that no node falls on a cell face, where D may jump; fewer in 2D and 3D, where links are many
NODES_ACROSS = 2


@functools.cache
def gauss(count: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1) and weights that sum to one, (count,) each."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 * (nodes + 1.0), 0.5 * weights


@functools.cache
def primitive(count: int = NODES) -> np.ndarray:
    """Row k integrates the polynomial through the nodes from 0 to node k, (count, count)."""
    nodes, powers = gauss(count)[0], np.arange(1, count + 1)
    return (nodes[:, None] ** powers / powers) @ np.linalg.inv(nodes[:, None] ** (powers - 1))


@functools.cache
def derivative(count: int = NODES) -> np.ndarray:
    """Row k: the derivative at node k of the polynomial through 0, the nodes and 1 (barycentric), (count, count + 2)."""
    x = np.concatenate([[0.0], gauss(count)[0], [1.0]])
    difference = x[:, None] - x + np.eye(x.size)
    weight = 1.0 / difference.prod(axis=1)
    matrix = weight / weight[:, None] / difference
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix[1:-1]
