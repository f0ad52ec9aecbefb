"""Full diffusion tensors: order 2, and nothing negative, up to condition 1000.

dX = -A X dt + sqrt(2 D) dW has a Gaussian density whose covariance C solves A C + C A^T = 2 D at rest and
dC/dt = 2 D - A C - C A^T on the way (Gardiner 2009, 4.5.6). C1: A = [[1, 2], [0, 3]], D = R(30 deg) diag(1, 0.1) R^T. C2: A =
[[1, 0.3], [0.2, 0.5]], D = R(30 deg) diag(1, s) R^T with s = 0.01 and 0.001. Boxes of five standard deviations either way; the
L1 distance has to fall with order 2. A tensor that changes from place to place on a torus with mu = div D (Ito) rests
uniformly. Rates and stationary densities have to be nonnegative, not nearly so, as they are masses of a jump process.

Where noise all but vanishes, a drift has to carry the density as fast as before: C1 with D times 1e-6, whose mean moves as
exp(-A t) whatever D is (order 1 there, as for any linear scheme that stays positive; Godunov 1959).

Controls: central differences of the same equation on the same grid, which give negative densities; the same generator with
the face Peclet number w clipped at 30 in its rates (d B(-w), d B(w)), B(z) = z / (e^z - 1), a customary guard against
overflow, which silently stops the drift where noise is small.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.sparse.linalg import expm_multiply, spsolve
from scipy.stats import multivariate_normal

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (64, 128, 256)  # cells an axis
QUICK = (64, 128)
C1 = np.array([[1.0, 2.0], [0.0, 3.0]])
C2 = np.array([[1.0, 0.3], [0.2, 0.5]])
CLIP = 30.0


def turned(small: float) -> np.ndarray:
    """R(30 deg) diag(1, small) R^T."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    rotation = np.array([[c, -s], [s, c]])
    return rotation @ np.diag([1.0, small]) @ rotation.T


CASES = {"C1, condition 10": (C1, turned(0.1), 0.6), "C2, condition 100": (C2, turned(0.01), 100.0)}
CASES["C2, condition 1000"] = (C2, turned(0.001), 1500.0)  # last: the L1 error allowed times cells^2
LEAST = {
    "C2, condition 1000": 128
}  # cells an axis from which order 2 is seen: on fewer, some drift goes along the axes


def linear(a: np.ndarray, d: np.ndarray) -> fp.FokkerPlanck:
    """dX = -a X dt + sqrt(2 d) dW."""
    return fp.FokkerPlanck(
        drift=lambda x, y: (-a[0, 0] * x - a[0, 1] * y, -a[1, 0] * x - a[1, 1] * y), diffusion=d.tolist()
    )


def box(a: np.ndarray, d: np.ndarray, cells: int) -> fp.Grid:
    """Five standard deviations either way."""
    reach = 5.0 * np.sqrt(np.diag(solve_continuous_lyapunov(a, 2.0 * d)))
    return fp.Grid([(-r, r) for r in reach], cells)


def exact(grid: fp.Grid, a: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The stationary Gaussian at the cell centers."""
    points = np.stack(np.broadcast_arrays(*grid.coordinates()), axis=-1)
    return multivariate_normal([0.0, 0.0], solve_continuous_lyapunov(a, 2.0 * d)).pdf(points)


def negative(values: np.ndarray) -> float:
    """The smallest value if it is negative, over the largest."""
    return float(min(values.min(), 0.0) / values.max())


def enough(name: str, levels: Sequence[int]) -> list[int]:
    """Those levels, two at least, on which the order of a case is seen."""
    least = LEAST.get(name, 0)
    chosen = sorted({max(n, least) for n in levels})
    return chosen if len(chosen) > 1 else [*chosen, 2 * chosen[-1]]


def stationary_rows(levels: Sequence[int]) -> Iterator[Row]:
    """Distances to the Gaussian, and signs."""
    for name, (a, d, allowed) in CASES.items():
        for n in enough(name, levels):
            grid = box(a, d, n)
            st = fp.stationary(linear(a, d), grid)
            distance = float((np.abs(st.density - exact(grid, a, d)) * grid.volumes).sum())
            yield Row(f"{name}: L1 distance", distance, 0.0, allowed / n**2, "absolute", level=n)
        rates = fp.generator(linear(a, d), grid).matrix.tocsr()
        rates.setdiag(0.0)
        yield Row(f"{name}: negative rates", negative(rates.data), 0.0, 0.0, "absolute")
        yield Row(f"{name}: negative density", negative(st.density), 0.0, 0.0, "absolute")


def central_density(a: np.ndarray, d: np.ndarray, grid: fp.Grid) -> np.ndarray:
    """The stationary density by central differences, zero outside the box: the textbook nine-point stencil."""
    slopes, seconds, one = [], [], []
    for n, h in zip(grid.shape, (w[0] for w in grid.widths), strict=True):
        slopes.append(sp.diags_array([-1.0, 1.0], offsets=[-1, 1], shape=(n, n)) / (2.0 * h))
        seconds.append(sp.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) / h**2)
        one.append(sp.eye_array(n))
    dx, dy = sp.kron(slopes[0], one[1]), sp.kron(one[0], slopes[1])
    x, y = (c.ravel() for c in np.broadcast_arrays(*grid.coordinates()))
    q = d[0, 0] * sp.kron(seconds[0], one[1]) + d[1, 1] * sp.kron(one[0], seconds[1]) + 2.0 * d[0, 1] * dx @ dy
    q = q + dx @ sp.diags_array(a[0, 0] * x + a[0, 1] * y) + dy @ sp.diags_array(a[1, 0] * x + a[1, 1] * y)
    middle = int(np.ravel_multi_index([n // 2 for n in grid.shape], grid.shape))
    q = sp.csc_array(
        q + sp.coo_array(([-1e-9], ([middle], [middle])), shape=q.shape)
    )  # almost singular: inverse iteration
    right = np.zeros(grid.size)
    right[middle] = -1.0
    density = spsolve(q, right).reshape(grid.shape)
    return density / (density * grid.volumes).sum()


def varying_rows(levels: Sequence[int]) -> Iterator[Row]:
    """On a torus, mu = div D in the Ito convention: J = -D grad p, uniform at rest."""

    def tensor(x: np.ndarray, y: np.ndarray) -> list[list[np.ndarray]]:
        s = 0.3 * np.sin(2 * x + y)
        return [[1.0 + 0.3 * np.cos(x), s], [s, 0.7 + 0.2 * np.cos(y)]]

    def divergence(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        c = 0.3 * np.cos(2 * x + y)
        return -0.3 * np.sin(x) + c, 2 * c - 0.2 * np.sin(y)

    for n in (n // 2 for n in levels):
        grid = fp.Grid([(0, 2 * np.pi)] * 2, n, boundary="periodic")
        st = fp.stationary(fp.FokkerPlanck(drift=divergence, diffusion=tensor), grid)
        distance = float((np.abs(st.masses - 1.0 / grid.size)).sum())
        yield Row("varying tensor, Ito: L1 distance to uniform", distance, 0.0, 8.0 / n**2, "absolute", level=n)
    st = fp.stationary(fp.FokkerPlanck(diffusion=tensor), grid)
    distance = float((np.abs(st.masses - 1.0 / grid.size)).sum())
    yield Row("varying tensor, div D left out", distance, 0.0, 8.0 / n**2, "absolute", control=True)


def moving_rows(levels: Sequence[int]) -> Iterator[Row]:
    """C1 from a point: covariance at t = 0.5, and signs on the way."""
    decay, limit = expm(-0.5 * C1), solve_continuous_lyapunov(C1, 2.0 * turned(0.1))
    covariance = limit - decay @ limit @ decay.T
    for n in levels:
        grid = fp.Grid(
            [(-2.5, 4.5), (-3.5, 1.5)], n
        )  # the point on a cell's corner: what a cell adds to it then falls evenly
        solution = fp.solve(linear(C1, turned(0.1)), grid, fp.point([1.0, -1.0]), 0.5)
        distance = float(np.abs(solution.covariance()[0] - covariance).max())
        yield Row("C1 from a point: covariance, largest error", distance, 0.0, 40.0 / n**2, "absolute", level=n)
    yield Row("C1 from a point: negative density", negative(solution.density), 0.0, 1e-9, "absolute")


def clipped(q: fp.Generator, largest: float = CLIP) -> sp.csr_array:
    """The matrix of a generator (uniform cells) whose links have |w| cut at `largest`.

    From the rates of a link, f = d B(-w) and b = d B(w): e^w = f / b and d w = f - b.
    """
    matrix = sp.csr_array((q.grid.size, q.grid.size))
    for link in q.links:
        forward, backward = link.forward, link.backward
        with np.errstate(divide="ignore", invalid="ignore"):
            w = np.nan_to_num(np.log(forward) - np.log(backward), nan=0.0)
            conductance = np.where(w == 0.0, forward, (forward - backward) / w)
        w = np.clip(w, -largest, largest)
        b = np.where(w == 0.0, 1.0, w / np.expm1(np.where(w == 0.0, 1.0, w)))
        up, down = conductance * (b + w), conductance * b  # B(-w) = B(w) + w
        ends = np.concatenate([link.upper, link.lower, link.lower, link.upper])
        starts = np.concatenate([link.lower, link.upper, link.lower, link.upper])
        matrix += sp.csr_array((np.concatenate([up, down, -up, -down]), (ends, starts)), shape=matrix.shape)
    return matrix


def carried_rows(levels: Sequence[int]) -> Iterator[Row]:
    """Almost no noise: the mean of C1's drift."""
    start, mean = fp.gaussian([1.0, -1.0], 0.15), expm(-0.5 * C1) @ [1.0, -1.0]
    eq = linear(C1, 1e-6 * turned(0.1))
    for n in levels:
        grid = fp.Grid([(-0.5, 2.5), (-2.0, 0.5)], n)
        found = fp.solve(eq, grid, start, 0.5).mean()[0]
        for axis, name in enumerate("xy"):
            case = f"noise of 1e-6: mean {name} at t = 0.5"
            yield Row(case, float(found[axis]), float(mean[axis]), 1.5 / n, "absolute", level=n)
    masses = fp.solve(eq, grid, start, 0.0).masses[0].ravel()
    moved = expm_multiply(0.5 * clipped(fp.generator(eq, grid)), masses).reshape(grid.shape)
    found = float((moved * grid.coordinates()[1]).sum())
    case = f"noise of 1e-6, Peclet number clipped at {CLIP:g}: mean y"
    yield Row(case, found, float(mean[1]), 1.5 / n, "absolute", control=True)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """Order, signs, transport."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)  # vanishing noise is the point here
        rows = claim.with_order([*stationary_rows(levels), *varying_rows(levels), *moving_rows(levels)], 2.0, 0.15)
        rows += carried_rows(levels)
    a, d, _ = CASES["C2, condition 1000"]
    central = negative(central_density(a, d, box(a, d, levels[0])))
    case = "C2, condition 1000, central differences: negative density"
    return [*rows, Row(case, central, 0.0, 0.0, "absolute", control=True)]


def draw_map(axes: Axes, grid: fp.Grid, density: np.ndarray, title: str) -> None:
    """A density over the exact contours, dots in clearly negative cells."""
    a, d, _ = CASES["C2, condition 1000"]
    fine = box(a, d, 400)
    levels = exact(fine, a, d).max() * np.array([0.01, 0.1, 0.5])
    axes.contourf(*grid.centers, density.T, [*levels, density.max()], cmap="Greys", alpha=0.6)
    axes.contour(*fine.centers, exact(fine, a, d).T, levels, colors="k", linewidths=0.9)
    x, y = np.nonzero(density < -1e-6 * density.max())
    axes.plot(grid.centers[0][x], grid.centers[1][y], "k.", ms=1.5)
    axes.set(xlabel="x", ylabel="y")
    axes.set_title(f"{title}\nbelow -1e-6 of the peak: {x.size} of {grid.size} cells", fontsize=10)


def figure(rows: Sequence[Row]) -> Figure:
    """Package and central differences at condition 1000, and the order."""
    picture = claim.canvas(12.4, 4.0)
    left, middle, right = picture.subplots(1, 3)
    a, d, _ = CASES["C2, condition 1000"]
    grid = box(a, d, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        density = fp.stationary(linear(a, d), grid).density
    draw_map(left, grid, density, "this package, condition 1000, 64 x 64")
    draw_map(middle, grid, central_density(a, d, grid), "central differences, the same grid")
    for (name, _), marker in zip(CASES.items(), "os^", strict=True):
        chosen = [row for row in rows if row.case == f"{name}: L1 distance"]
        right.loglog(
            [r.level for r in chosen], [r.measured for r in chosen], f"k{marker}-", mfc="0.7", lw=1, label=name
        )
    level = np.array([r.level for r in chosen])
    right.loglog(level, 0.3 * chosen[0].measured * (level[0] / level) ** 2, color="0.6", ls="--", label="order 2")
    shown = sorted({r.level for r in rows if r.case.endswith(": L1 distance")})
    right.set_xticks(shown, [str(n) for n in shown], minor=False)
    right.set_xticks([], minor=True)
    right.set(xlabel="cells an axis", ylabel="L1 distance to the Gaussian")
    right.legend(frameon=False, fontsize=8)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
