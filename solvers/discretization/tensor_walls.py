"""What a full tensor lacks at a reflecting wall: the diffusion along the wall that links through it would have carried.

Links that leave the box are left out both ways. Where a link e = (t, b), b cells across the wall, is missing, the strip
beside the wall lacks rho b / 2 (e . G)^2 of the dissipation, G the force D^-1 J / p. No current crosses the wall, so that
G = (g, -D_nt g / D_nn) for a force g along it. All in all the wall lacks

    g . M g,    M = sum_k rho_k b_k / 2 P_k P_k^T + R^T K^-1 R,    P_k = t_k - b_k D_nt / D_nn.

The second part is what the density gains by adjusting itself to the missing links row by row: R_j = sum_(b_k > j) rho_k P_k
is what acts on the row number j from the wall, K the stiffness of the links across rows; it vanishes where no b exceeds 1.
M is put back on the cells at the wall as links along it. Without it eigenvalues are of first order only.
"""

from __future__ import annotations

import numpy as np

from ..kernels.selling import decompose

DEPTH = 6  # rows that adjust themselves, in units of the longest link
CHUNK = 256  # cells for which stiffness matrices are held at once


def missing_diffusion(offsets: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """M for cells at a wall across `axis`, (m, t, t) over the other axes, from offsets (m, k, dim) and rho (m, k)."""
    upward = offsets * np.where(offsets[:, :, axis] < 0, -1, 1)[:, :, None]
    across = upward[:, :, axis]
    along = np.delete(upward, axis, axis=2).astype(float)
    normal = (weights * across**2).sum(axis=1)
    tilt = np.einsum("mk,mk,mkt->mt", weights, across, along) / np.where(normal > 0.0, normal, 1.0)[:, None]
    force = along - across[:, :, None] * tilt[:, None]
    missing = np.einsum("mk,mk,mki,mkj->mij", 0.5 * weights, across, force, force)
    longest = int(np.where(weights > 0.0, across, 0).max(initial=0))
    if longest < 2:
        return missing
    rows = np.concatenate([upward.reshape(len(upward), -1), weights], axis=1)
    _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)  # often all cells are alike
    chunks = [first[i : i + CHUNK] for i in range(0, first.size, CHUNK)]
    layer = np.concatenate([_layer(across[c], weights[c], force[c], longest) for c in chunks])
    return missing + layer[which.ravel()]


def _layer(across: np.ndarray, weights: np.ndarray, force: np.ndarray, longest: int) -> np.ndarray:
    """R^T K^-1 R (m, t, t); the row farthest from the wall stays where it is."""
    m, rows = len(across), DEPTH * longest
    stiffness, acting = np.zeros((m, rows, rows)), np.zeros((m, rows, force.shape[2]))
    for b in range(1, longest + 1):
        rho = np.where(across == b, weights, 0.0)
        total = rho.sum(axis=1)[:, None]
        acting[:, :b] += np.einsum("mk,mkt->mt", rho, force)[:, None]
        low, high = np.arange(rows - b), np.arange(b, rows)
        stiffness[:, low, low] += total
        stiffness[:, high, high] += total
        stiffness[:, low, high] -= total
        stiffness[:, high, low] -= total
    scale = np.trace(stiffness, axis1=1, axis2=2)[:, None, None]
    stiffness += 1e-13 * np.where(scale > 0.0, scale, 1.0) * np.eye(rows)
    inner = slice(0, rows - 1)
    moved = np.linalg.solve(stiffness[:, inner, inner], acting[:, inner])
    return np.swapaxes(acting[:, inner], 1, 2) @ moved


def along_wall(missing: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """M (m, t, t) as weights (m, k) of lattice directions (m, k, t) along the wall."""
    m, t = missing.shape[:2]
    if t == 1:
        return np.ones((m, 1, 1), np.int64), missing[:, :, 0]
    symmetric = np.ascontiguousarray(0.5 * (missing + np.swapaxes(missing, 1, 2)))
    offsets, weights, added = np.zeros((m, 3, 2), np.int64), np.zeros((m, 3)), np.zeros(m)
    decompose(symmetric, np.full(m, longest), offsets, weights, added)
    return offsets, weights
