"""Stationary states out of equilibrium: the current, and the entropy it produces.

A density alone does not tell whether a current flows in it. Three cases with both in closed form:

- C1, dX = -A X dt + sqrt(2 D) dW, A = [[1, 2], [0, 3]], D = R(30 deg) diag(1, 0.1) R^T: Gaussian of covariance C,
  J = (D C^-1 - A) x p, entropy production tr(D^-1 (D C^-1 - A) C (D C^-1 - A)^T) = 0.041875693930517 per time
  (Godreche and Luck 2019); p(.5, .2) = .657088212659, J(.5, .2) = (.0179136121068, -.0164296411232).
- The double well V = (x^2-1)^2/4 + y^2/2 with mu = -grad V + k (-V_y, V_x), k = 0.8, D = 0.2: the added drift runs along lines
  of equal density, so p = exp(-V/D)/Z as without it, J = k (-V_y, V_x) p, and entropy production k^2 <|grad V|^2>/D =
  k^2 <laplacian V> = k^2 <3 x^2>.
- A ring of length 1, V = cos(2 pi x)/(2 pi), force f = 0.5, D = 0.1: the current is a double quadrature (Stratonovich; Risken
  1989, 11.3), entropy production f J / D.

Controls: the reversible drift -D C^-1 x, which has the same density and no current (equilibrium assumed); the current of the
density alone, with the noise of C1 taken as isotropic of the same trace.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import quad
from scipy.linalg import solve_continuous_lyapunov
from scipy.stats import multivariate_normal

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (64, 128, 256)  # cells an axis
QUICK = (48, 96)
A = np.array([[1.0, 2.0], [0.0, 3.0]])
D = np.array([[0.775, 0.389711431703], [0.389711431703, 0.325]])
C = solve_continuous_lyapunov(A, 2.0 * D)
TURN = D @ np.linalg.inv(C) - A  # J = TURN x p
ENTROPY = 0.041875693930517
CURRENT = (0.0179136121068, -0.0164296411232)  # at (.5, .2)
SPIN, NOISE = 0.8, 0.2  # k and D of the double well
FORCE, RING_NOISE = 0.5, 0.1


def linear(a: np.ndarray, d: np.ndarray) -> fp.FokkerPlanck:
    """dX = -a X dt + sqrt(2 d) dW."""
    return fp.FokkerPlanck(
        drift=lambda x, y: (-a[0, 0] * x - a[0, 1] * y, -a[1, 0] * x - a[1, 1] * y), diffusion=d.tolist()
    )


def box(cells: int) -> fp.Grid:
    """Five standard deviations of C1 either way."""
    return fp.Grid([(-5.0 * s, 5.0 * s) for s in np.sqrt(np.diag(C))], cells)


def coordinates(grid: fp.Grid) -> np.ndarray:
    """The cell centers, (2, *grid.shape)."""
    return np.stack(np.broadcast_arrays(*grid.coordinates()))


def distance(grid: fp.Grid, current: np.ndarray, expected: np.ndarray) -> float:
    """Integral of |J - J_exact| over that of |J_exact|."""
    off, size = (np.sqrt((field**2).sum(axis=0)) * grid.volumes for field in (current - expected, expected))
    return float(off.sum() / size.sum())


def linear_rows(levels: Sequence[int]) -> Iterator[Row]:
    """C1."""
    for n in levels:
        grid = box(n)
        st = fp.stationary(linear(A, D), grid)
        x = coordinates(grid)
        p = multivariate_normal([0, 0], C).pdf(np.moveaxis(x, 0, -1))
        expected = np.einsum("ij,j...->i...", TURN, x) * p
        yield Row("C1: current, L1", distance(grid, st.current, expected), 0.0, 80.0 / n**2, "absolute", level=n)
        yield Row("C1: entropy production", st.entropy_production, ENTROPY, 80.0 / n**2, level=n)
    for axis, name in enumerate("xy"):
        found = grid.interpolate(st.current[axis], [0.5, 0.2])
        yield Row(f"C1: current along {name} at (.5, .2), {n}^2 cells", found, CURRENT[axis], 160.0 / n**2)
    for name, eq in (
        ("equilibrium assumed", linear(D @ np.linalg.inv(C), D)),
        ("isotropic noise", linear(A, np.eye(2) * np.trace(D) / 2.0)),
    ):
        st = fp.stationary(eq, grid)
        off = distance(grid, st.current, expected)
        yield Row(f"C1, {name}: current, L1", off, 0.0, 80.0 / n**2, "absolute", control=True)
        yield Row(f"C1, {name}: entropy production", st.entropy_production, ENTROPY, 80.0 / n**2, control=True)
        if name == "equilibrium assumed":  # the density cannot tell
            off = float((np.abs(st.density - p) * grid.volumes).sum())
            yield Row(f"C1, {name}: its density, L1", off, 0.0, 10.0 / n**2, "absolute")


def spinning(k: float = SPIN) -> fp.FokkerPlanck:
    """-grad V + k (-V_y, V_x), V = (x^2-1)^2/4 + y^2/2."""
    return fp.FokkerPlanck(
        drift=lambda x, y: (-(x**3 - x) - k * y, -y + k * (x**3 - x)),
        diffusion=NOISE,
    )


def well(grid: fp.Grid) -> tuple[np.ndarray, np.ndarray]:
    """The density exp(-V/D)/Z at the centers, and the current k (-V_y, V_x) p."""
    x, y = coordinates(grid)
    p = np.exp(-((x**2 - 1) ** 2 / 4 + y**2 / 2) / NOISE)
    p /= (p * grid.volumes).sum()
    return p, SPIN * np.stack([-y, x**3 - x]) * p


def well_rows(levels: Sequence[int]) -> Iterator[Row]:
    """The double well that turns."""
    weight = [quad(lambda x, k=k: x**k * math.exp(-((x**2 - 1) ** 2) / 4 / NOISE), -5, 5)[0] for k in (0, 2)]
    entropy = SPIN**2 * 3.0 * weight[1] / weight[0]
    for n in levels:
        grid = fp.Grid([(-2.8, 2.8), (-2.8, 2.8)], n)
        st = fp.stationary(spinning(), grid)
        p, expected = well(grid)
        off = float((np.abs(st.density - p) * grid.volumes).sum())
        yield Row("turning double well: density, L1", off, 0.0, 20.0 / n**2, "absolute", level=n)
        off = distance(grid, st.current, expected)
        yield Row("turning double well: current, L1", off, 0.0, 80.0 / n**2, "absolute", level=n)
        yield Row("turning double well: entropy production", st.entropy_production, entropy, 40.0 / n**2, level=n)


def ring_current() -> float:
    """J = D (1 - exp(-f/D)) / integral_0^1 dx integral_x^(x+1) dy exp(phi(y) - phi(x)), phi = (V - f x)/D."""

    def phi(x: float) -> float:
        return (math.cos(2 * math.pi * x) / (2 * math.pi) - FORCE * x) / RING_NOISE

    def inner(x: float) -> float:
        return quad(lambda y: math.exp(phi(y) - phi(x)), x, x + 1.0, epsabs=0, epsrel=1e-11)[0]

    whole = quad(inner, 0.0, 1.0, epsabs=0, epsrel=1e-10)[0]
    return RING_NOISE * (1.0 - math.exp(-FORCE / RING_NOISE)) / whole


def ring_rows(levels: Sequence[int]) -> Iterator[Row]:
    """The tilted ring."""
    current = ring_current()
    eq = fp.FokkerPlanck(drift=lambda x: np.sin(2 * np.pi * x) + FORCE, diffusion=RING_NOISE)
    for n in levels:
        st = fp.stationary(eq, fp.Grid((0, 1), n, boundary="periodic"))
        yield Row("ring: current", float(st.current.mean()), current, 5.0 / n**2, level=n)
        entropy = st.entropy_production
        yield Row("ring: entropy production", entropy, FORCE * current / RING_NOISE, 5.0 / n**2, level=n)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All three cases."""
    return claim.with_order([*linear_rows(levels), *well_rows(levels), *ring_rows(levels)], 2.0, 0.15)


def draw_current(map_axes: Axes, line_axes: Axes) -> None:
    """The turning double well: density and current, and the current across the line y = 0 beside the exact one."""
    grid = fp.Grid([(-2.8, 2.8), (-2.8, 2.8)], 127)  # odd: a row of centers on y = 0
    st = fp.stationary(spinning(), grid)
    map_axes.contourf(*grid.centers, st.density.T, 8, cmap="Greys", alpha=0.5)
    some = slice(3, None, 6)
    arrows = st.current[:, some, some].transpose(0, 2, 1)
    map_axes.quiver(grid.centers[0][some], grid.centers[1][some], *arrows, color="k", width=0.005, scale=2.0)
    map_axes.set(xlim=(-2, 2), ylim=(-1.6, 1.6), xlabel="x", ylabel="y", title="turning double well, D = 0.2")
    x, exact = grid.centers[0], well(grid)[1][1, :, 63]
    line_axes.plot(x, exact, "k-", lw=1.2, label="k V_x exp(-V/D) / Z")
    line_axes.plot(x[::3], st.current[1][::3, 63], "o", ms=4, color="0.45", label="computed")
    line_axes.axhline(0.0, color="k", ls="--", lw=1.0, label="equilibrium assumed")
    line_axes.set(xlim=(-2, 2), xlabel="x", ylabel="current along y at y = 0")
    line_axes.legend(frameon=False, fontsize=8, loc="upper left")


def figure(rows: Sequence[Row]) -> Figure:
    """A current, and the order of everything."""
    picture = claim.canvas(13.0, 4.0)
    left, middle, right = picture.subplots(1, 3)
    draw_current(left, middle)
    names = {
        "C1: current, L1": "o-",
        "C1: entropy production": "o--",
        "turning double well: current, L1": "s-",
        "turning double well: entropy production": "s--",
        "ring: current": "^-",
        "ring: entropy production": "^--",
    }
    for name, style in names.items():
        chosen = [row for row in rows if row.case == name and row.level]
        level = np.array([row.level for row in chosen])
        right.loglog(level, [row.error for row in chosen], "k" + style, mfc="0.7", lw=1.0, label=name)
    right.loglog(level, 0.02 * (level[0] / level) ** 2, color="0.6", lw=3, alpha=0.6, label="order 2")
    right.set_xticks(level, [str(n) for n in level])
    right.set_xticks([], minor=True)
    right.set(xlabel="cells an axis", ylabel="relative error", ylim=(2e-8, None))
    right.legend(frameon=False, fontsize=7.5, loc="lower left")
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
