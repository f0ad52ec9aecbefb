"""Compiled loops over pairs of points between which a matrix on cells is interpolated."""

import numpy as np
from numba import njit


@njit(cache=True)
def read_pairs(matrix, rows, row_weights, columns, column_weights, out):
    """out[t] = sum_ab row_weights[t, a] matrix[rows[t, a], columns[t, b]] column_weights[t, b].

    matrix (n, n); rows, row_weights (m, k); columns, column_weights (m, l); out (m,).
    """
    for t in range(out.size):
        total = 0.0
        for a in range(rows.shape[1]):
            part = 0.0
            for b in range(columns.shape[1]):
                part += matrix[rows[t, a], columns[t, b]] * column_weights[t, b]
            total += row_weights[t, a] * part
        out[t] = total


@njit(cache=True)
def spread_pairs(values, rows, row_weights, columns, column_weights, matrix):
    """The transpose of `read_pairs`: adds values[t] row_weights[t, a] column_weights[t, b] to matrix, in place."""
    for t in range(values.size):
        for a in range(rows.shape[1]):
            share = values[t] * row_weights[t, a]
            for b in range(columns.shape[1]):
                matrix[rows[t, a], columns[t, b]] += share * column_weights[t, b]


@njit(cache=True)
def cubic_weights(position, n, index, weights):
    """Cubic Lagrange interpolation between n nodes at 0, 1, ..., n - 1, extrapolated beyond them.

    position (m,) in units of the spacing; fills index (m, 4) and weights (m, 4); n of at least 4.
    """
    for t in range(position.size):
        low = int(np.floor(position[t])) - 1
        low = min(max(low, 0), n - 4)
        s = position[t] - low
        for a in range(4):
            index[t, a] = low + a
        weights[t, 0] = -(s - 1.0) * (s - 2.0) * (s - 3.0) / 6.0
        weights[t, 1] = s * (s - 2.0) * (s - 3.0) / 2.0
        weights[t, 2] = -s * (s - 1.0) * (s - 3.0) / 2.0
        weights[t, 3] = s * (s - 1.0) * (s - 2.0) / 6.0


@njit(cache=True)
def linear_weights(position, n, index, weights):
    """As `cubic_weights`, linear and constant beyond the nodes: index and weights (m, 2), none of them negative."""
    for t in range(position.size):
        low = min(max(int(np.floor(position[t])), 0), n - 2)
        share = min(max(position[t] - low, 0.0), 1.0)
        index[t, 0] = low
        index[t, 1] = low + 1
        weights[t, 0] = 1.0 - share
        weights[t, 1] = share
