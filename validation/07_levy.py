"""With Levy jumps, densities, exit times and decay rates are those of the fractional Laplacian and of its simulated paths.

The equation is dp/dt = -(mu p)' - (-Lap)^(a/2) (s^a p), without diffusion. References:

- characteristic function at t = 2 of the linear trap, mu = -x, s = 1, from 1: <exp(i k x)> = exp(i k e^-t - |k|^a
  (1 - e^(-a t)) / a), a = 1.5, on (-80, 80), as the largest error at nine k from 1/4 to 4: order 2;
- mean time to leave (-1, 1) from x: (1 - x^2)^(a/2) / Gamma(1 + a); to leave the unit disc from its middle, with isotropic
  jumps: 1 / (2^a Gamma(1 + a/2)^2) (Getoor 1961). The slowest rate of decay in (-1, 1): 1.1577738838 for a = 1,
  1.59750354565 for a = 1.5 (Kwasnicki 2012). The order is 1, since solutions have a root, not a slope, at the wall, and in
  the disc somewhat irregular, since square cells follow the circle in steps;
- for a double well, mu = x - x^3, with a scale read at the source, s = 0.5 + 0.2 sin x, a = 1.5, walls at +-2.5 that absorb
  whatever jumps across: Euler paths (`fp.simulate`, dt = 0.005) from -1 at t = 2, shares in ten bins. Steps and cells are
  allowed 0.3 % of a share beside the standard errors: in 10^5 runs, steps of 0.01 and 0.0025 could not be told apart.

Controls: a wrong stability, and a Gaussian noise of the same scale, D = s^2.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gamma

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (100, 200, 400, 800)
QUICK = (100, 200)
STABILITY = 1.5
WAVES = np.geomspace(0.25, 4.0, 9)
DECAY = {1.0: 1.1577738838, 1.5: 1.59750354565}
WALL, TIME, BINS = 2.5, 2.0, 10
DT, STEP_BIAS, SIGMAS = 5e-3, 3e-3, 4.0


def noise(stability: float, scale: float | Callable = 1.0) -> dict:
    """Jumps, or for a = 2 the diffusion that is their limit."""
    if stability == 2.0:
        return {"diffusion": (lambda x: scale(x) ** 2) if callable(scale) else scale**2}
    return {"jumps": fp.LevyJumps(stability, scale)}


def phi(k: np.ndarray, t: float = TIME, a: float = STABILITY) -> np.ndarray:
    """<exp(i k x)> in the linear trap from 1."""
    return np.exp(1j * k * np.exp(-t) + k**a * np.expm1(-a * t) / a)


def exit_time(a: float, x: float = 0.0) -> float:
    """Of (-1, 1)."""
    return float((1 - x**2) ** (a / 2) / gamma(1 + a))


def characteristic(n: int, stability: float = STABILITY) -> np.ndarray:
    """<exp(i k x)> of our density on n cells, at the wave numbers `WAVES`."""
    grid = fp.Grid((-80, 80), n, "absorbing")
    masses = fp.solve(fp.FokkerPlanck(drift=lambda x: -x, **noise(stability)), grid, fp.point(1.0), [TIME]).masses[0]
    return np.exp(1j * np.outer(WAVES, grid.centers[0])) @ masses


def wave_row(n: int, stability: float = STABILITY, **words: Any) -> Row:
    """Largest error of the characteristic function on 5 n cells."""
    worst = np.abs(characteristic(5 * n, stability) - phi(WAVES)).max()
    return Row(
        **{"case": "trap, largest error of <exp(ikx)>", "level": 5 * n} | words,
        measured=worst,
        reference=0.0,
        limit=8e-3 * (100 / n) ** 2,
        unit="absolute",
    )


def passage(n: int, stability: float, x: float = 0.0) -> float:
    """Mean exit time of (-1, 1) on n cells."""
    return fp.first_passage(fp.FokkerPlanck(**noise(stability)), fp.Grid((-1, 1), n, "absorbing")).at(x)


def disc(n: int, stability: float) -> float:
    """Mean exit time of the unit disc from its middle, on n x n cells."""
    eq = fp.FokkerPlanck(drift=lambda x, y: [0 * x, 0 * y], jumps=fp.LevyJumps(stability))
    grid = fp.Grid([(-1.1, 1.1)] * 2, [n, n], "absorbing")
    return fp.first_passage(eq, grid, lambda x, y: x**2 + y**2 > 1).at([0.0, 0.0])


def closed_forms(n: int) -> list[Row]:
    """All closed forms at one level; the trap has five times as many cells, the disc a quarter along each axis."""
    rows, coarse = [wave_row(n)], 100 / n
    for a, rate in DECAY.items():
        for x in (0.0, 0.5):
            rows.append(
                Row(f"a = {a:g}, exit time from {x:g}", passage(n, a, x), exit_time(a, x), 0.005 * coarse, level=n)
            )
        grid = fp.Grid((-1, 1), n, "absorbing")
        slowest = -fp.spectrum(fp.FokkerPlanck(**noise(a)), grid, k=1).eigenvalues[0].real
        rows.append(Row(f"a = {a:g}, slowest rate", slowest, rate, 0.005 * coarse, level=n))
        exact = 1 / (2**a * gamma(1 + a / 2) ** 2)
        rows.append(Row(f"a = {a:g}, exit time of the disc", disc(n // 4, a), exact, 0.02 * coarse, level=n // 4))
    return rows


def well(stability: float = STABILITY) -> fp.FokkerPlanck:
    """mu = x - x^3, s = 0.5 + 0.2 sin x."""
    return fp.FokkerPlanck(drift=lambda x: x - x**3, **noise(stability, lambda x: 0.5 + 0.2 * np.sin(x)))


def shares(n: int, stability: float = STABILITY) -> np.ndarray:
    """Probability of each bin at t = 2."""
    solution = fp.solve(well(stability), fp.Grid((-WALL, WALL), n, "absorbing"), fp.point(-1.0), [TIME])
    return solution.masses[0].reshape(BINS, -1).sum(axis=1)


def paths(n: int, n_paths: int) -> list[Row]:
    """Densities of jumps, of jumps with another stability and of a Gaussian noise against the same paths."""
    edges = np.linspace(-WALL, WALL, BINS + 1)
    box = fp.Grid((-WALL, WALL), BINS, "absorbing")
    mc = fp.simulate(well(), -1.0, [TIME], dt=DT, n_paths=n_paths, seed=71, grid=box)
    counted = np.histogram(mc.positions[0, :, 0], edges)[0] / n_paths
    # the error bar of a share that is as ours, so that an empty bin has one too
    rows, ours = [], shares(n)
    sigma = np.sqrt(ours * (1 - ours) / n_paths)
    named = [(f"double well, share of ({a:g}, {b:g})", i) for i, (a, b) in enumerate(pairwise(edges))]
    for name, i in named:
        rows.append(Row(name, ours[i], counted[i], SIGMAS, "sigma", sigma=sigma[i], bias=STEP_BIAS * ours[i]))
    for stability, wrong in ((1.2, "a = 1.2"), (2.0, "Gaussian")):
        other = shares(n, stability)
        for name, i in named[2:8:5]:
            rows.append(
                Row(
                    f"{name}, {wrong}",
                    other[i],
                    counted[i],
                    SIGMAS,
                    "sigma",
                    sigma=sigma[i],
                    bias=STEP_BIAS * ours[i],
                    control=True,
                )
            )
    return rows


def controls(n: int) -> list[Row]:
    """The closed forms of a = 1.5 with another noise."""
    rows = []
    for stability, wrong in ((1.4, "a = 1.4"), (2.0, "Gaussian")):
        rows.append(
            wave_row(n, stability, case=f"trap, largest error of <exp(ikx)>, {wrong}", level=None, control=True)
        )
        value = passage(n, stability)
        rows.append(Row(f"a = 1.5, exit time from 0, {wrong}", value, exit_time(1.5), 0.5 / n, control=True))
    return rows


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All rows; 50 paths a cell of the finest grid."""
    n = max(levels)
    return [row for level in levels for row in closed_forms(level)] + paths(n, 50 * n) + controls(n)


def figure(rows: Sequence[Row]) -> Figure:
    """Errors against cells, and the density of the double well with its paths."""
    picture = claim.canvas(9.0, 4.2)
    left, right = picture.subplots(1, 2)
    shown = (
        "a = 1, exit time from 0",
        "a = 1.5, exit time from 0",
        "a = 1.5, slowest rate",
        "a = 1.5, exit time of the disc",
    )
    for case, marker in zip(shown, "os^D", strict=True):
        picked = [row for row in rows if row.case == case]
        cells, errors = [row.level or 0 for row in picked], [100 * row.error for row in picked]
        left.loglog(cells, errors, marker + ":", color="k", mfc="none", lw=0.8, label=case)
    left.loglog(cells, errors[0] * cells[0] / np.array(cells), color="0.6", lw=1, label="order 1")
    cells = sorted({row.level for row in rows if row.case in shown and row.level})
    left.set_xticks(cells, [str(n) for n in cells])
    left.set_xticks([], minor=True)
    left.set_xlabel("cells along an axis")
    left.set_ylabel("error in %")
    left.legend(frameon=False, fontsize=8)
    x = fp.Grid((-WALL, WALL), 400).centers[0]
    for stability, line, name in ((1.5, "k-", "fp.solve, a = 1.5"), (2.0, "k--", "control: Gaussian")):
        solution = fp.solve(well(stability), fp.Grid((-WALL, WALL), 400, "absorbing"), fp.point(-1.0), [TIME])
        right.semilogy(x, solution.density[0], line, lw=1, label=name)
    width = 2 * WALL / BINS
    bins = [row for row in rows if row.case.startswith("double well") and not row.control]
    middles = -WALL + width * (0.5 + np.arange(BINS))
    heights, bars = [row.reference / width for row in bins], [SIGMAS * row.sigma / width for row in bins]
    right.errorbar(
        middles, heights, bars, 0.5 * width, fmt="x", color="0.35", capsize=3, label="paths: mean over a bin, 4 s.e."
    )
    right.set_ylim(5e-5, 3)
    right.set_xlabel("$x$")
    right.set_ylabel(f"density in the double well at $t$ = {TIME:g}")
    right.legend(frameon=False, fontsize=8, loc="lower center")
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
