"""With memory, densities follow the Mittag-Leffler function, and the walkers that wait follow the densities.

The equation is dp/dt = D_t^(1-beta) L p with beta = 0.7 (Riemann-Liouville), solved by contour integrals. Four references:

- closed forms (Metzler and Klafter 2000) with E the Mittag-Leffler function of order 0.7, evaluated by `pymittagleffler`: a
  trap (mu = -x, D = 1, from 2) has <x> = 2 E(-t^0.7) and <x^2> = 1 + 3 E(-2 t^0.7); free spreading has
  <x^2> = 2 t^0.7 / Gamma(1.7) and kurtosis 6 Gamma(1.7)^2 / Gamma(2.4); the survival between absorbing walls is the sine
  series of the heat equation with E(-(k pi)^2 t^0.7) in the place of the exponential. Errors fall with order 2;
- E(Q t^0.7) p0 of the matrix Q itself, by its eigenvectors, for a real spectrum (a double well) and for a complex one (a
  ring with a drift). Here the grid plays no part: what is measured is the error in time, beside the 1e-8 asked for;
- walkers that wait, `fp.simulate_waiting`: steps of length h on a line, or towards the middle of the trap, with
  Mittag-Leffler waiting times between them. What finite steps change is known in closed form and is allowed as a bias: the
  trap relaxes by E(-(2 - h) t^0.7); between walls the rates are (2/h^2)(1 - cos k pi h) instead of (k pi)^2;
- SGD that waits, on the landscape of two datapoints (eta = 0.05): density by `evolve_waiting`, runs by `simulate_waiting`.

Controls: the equation without memory, and with memory of order 0.8, both against the same walkers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pymittagleffler import mittag_leffler
from scipy.special import gamma

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (400, 800, 1600)
QUICK = (200, 400)
BETA = 0.7
TIMES = (0.1, 1.0, 10.0)
EXITS = (0.05, 0.2, 1.0)
STEPS = (10.0, 100.0, 300.0)
PULL, HOP = 0.02, 1 / 16  # step of the walkers: as a share of the way to the middle, and between walls
SIGMAS = 4.0
RTOL = 1e-8


def e(z: float | np.ndarray, beta: float = BETA) -> np.ndarray:
    """E_beta(z) for real z."""
    return np.real(mittag_leffler(np.asarray(z, dtype=complex), beta, 1.0))


def trap_square(t: np.ndarray, rate: float = 2.0, limit: float = 1.0) -> np.ndarray:
    """<x^2> in the trap; walkers have a rate 2 - h and a limit 2 / (2 - h)."""
    return limit + (4.0 - limit) * e(-rate * t**BETA)


def survival(t: np.ndarray, hop: float = 0.0) -> np.ndarray:
    """Survival in (0, 1) from the middle; with `hop`, of walkers on the points 0, hop, 2 hop, ..., 1."""
    if not hop:
        k = np.arange(1, 400, 2)
        weights, rates = 4.0 / (k * np.pi) * np.sin(0.5 * np.pi * k), (k * np.pi) ** 2
    else:
        k, x = np.arange(1, round(1 / hop), 2), np.arange(hop, 1.0, hop)
        sines = np.sin(np.pi * np.outer(k, x))
        weights = 2.0 * hop * np.sin(0.5 * np.pi * k) * sines.sum(axis=1)
        rates = 2.0 / hop**2 * (1 - np.cos(np.pi * k * hop))
    return np.array([weights @ e(-rates * s**BETA) for s in np.atleast_1d(t)])


def trap(beta: float = BETA) -> fp.FokkerPlanck:
    """mu = -x, D = 1."""
    return fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=beta)


def solve(eq: fp.FokkerPlanck, grid: fp.Grid, start: float, times: Sequence[float]) -> fp.Solution:
    """From a point, with the tolerance of this page."""
    return fp.solve(eq, grid, fp.point(start), times, rtol=RTOL)


def closed_forms(n: int) -> list[Row]:
    """The three textbook cases on n cells."""
    t, part = np.array(TIMES), (1600 / n) ** 2
    held = solve(trap(), fp.Grid((-12, 12), n), 2.0, TIMES)
    free = solve(fp.FokkerPlanck(diffusion=1.0, time_order=BETA), fp.Grid((-30, 30), n + 1), 0.0, [1.0])
    walls = solve(fp.FokkerPlanck(diffusion=1.0, time_order=BETA), fp.Grid((0, 1), n, "absorbing"), 0.5, EXITS)
    cases = [
        ("trap, <x>", TIMES, held.mean()[:, 0], 2 * e(-(t**BETA)), 1e-4),
        ("trap, <x^2>", TIMES, held.moment(2)[:, 0], trap_square(t), 1e-4),
        ("walls, survival", EXITS, walls.mass, survival(np.array(EXITS)), 1e-6),
    ]
    rows = [
        Row(f"{name} at {s:g}", m, r, limit * part, level=n)
        for name, times, measured, exact, limit in cases
        for s, m, r in zip(times, measured, exact, strict=True)
    ]
    square, kurtosis = free.moment(2)[0, 0], 6 * gamma(1 + BETA) ** 2 / gamma(1 + 2 * BETA)
    rows.append(Row("free, kurtosis", free.moment(4)[0, 0] / square**2, kurtosis, 5e-4 * part, level=n))
    # on equal cells this moment is exact, whatever their number, but for the variance of a point shared over three cells
    spread = (60 / (n + 1)) ** 2 / 4
    rows.append(Row(f"free, <x^2> at 1, {n + 1} cells", square - spread, 2 / gamma(1 + BETA), 1e-6))
    return rows


def matrix_function() -> list[Row]:
    """Largest 1-norm difference to E(Q t^beta) p0 over three decades."""
    well = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.4, time_order=BETA)
    ring = fp.FokkerPlanck(drift=2.0, diffusion=0.05, time_order=BETA)
    cases = {"double well": (well, fp.Grid((-2, 2), 60)), "ring": (ring, fp.Grid((0, 1), 60, "periodic"))}
    times, rows = np.geomspace(1e-2, 10, 10), []
    for name, (eq, grid) in cases.items():
        solution = solve(eq, grid, 0.3, times)
        values, vectors = np.linalg.eig(solution.generator.matrix.toarray())
        weights = np.linalg.solve(vectors, fp.point(0.3).masses(grid).astype(complex))
        exact = [(vectors @ (mittag_leffler(values * s**BETA, BETA, 1.0) * weights)).real for s in times]
        worst = np.abs(solution.masses - exact).sum(axis=1).max()
        rows.append(Row(f"{name}, 1-norm to E(Q t^0.7) p0", worst, 0.0, RTOL, unit="absolute"))
    return rows


def trap_walkers(n_paths: int) -> fp.Ensemble:
    """x' = (1 - h) x +- sqrt(2 h) after waiting times of the scale h^(1/beta)."""
    noise = np.sqrt(2 / PULL)
    loss = fp.SampleLoss("(w-c)**2/2", ["w"], {"c": [-noise, noise]})
    return fp.simulate_waiting(
        fp.SGD(loss, PULL), [2.0], TIMES, BETA, n_paths=n_paths, seed=61, scale=PULL ** (1 / BETA)
    )


def wall_walkers(n_paths: int) -> fp.Ensemble:
    """Steps of +-h between 0 and 1, where they end, after waiting times of the scale (h^2/2)^(1/beta)."""

    def gradient(theta: np.ndarray, sample: dict) -> np.ndarray:
        return np.where((theta > 0.0) & (theta < 1.0), sample["c"], 0.0)

    sgd = fp.SGD(fp.SampleLoss.from_gradient(gradient, {"c": [-1.0, 1.0]}, ["w"]), HOP)
    return fp.simulate_waiting(sgd, [0.5], EXITS, BETA, n_paths=n_paths, seed=62, scale=(HOP**2 / 2) ** (1 / BETA))


def against(case: str, measured: float, samples: np.ndarray, bias: float = 0.0, control: bool = False) -> Row:
    """A number of ours beside the mean of independent samples."""
    error = float(samples.std() / np.sqrt(samples.size))
    return Row(case, float(measured), float(samples.mean()), SIGMAS, "sigma", sigma=error, bias=bias, control=control)


def walkers(n: int, n_paths: int) -> list[Row]:
    """Densities against walkers, and the controls against the same."""
    t, paths = np.array(TIMES), trap_walkers(n_paths).positions[:, :, 0]
    grid, rows = fp.Grid((-12, 12), n), []
    bias = np.abs(trap_square(t, 2 - PULL, 2 / (2 - PULL)) - trap_square(t)) + 1e-3
    held = solve(trap(), grid, 2.0, TIMES)
    for s, x, mean, square, b in zip(TIMES, paths, held.mean()[:, 0], held.moment(2)[:, 0], bias, strict=True):
        rows.append(against(f"trap, <x> at {s:g}, walkers", mean, x, 1e-3))
        rows.append(against(f"trap, <x^2> at {s:g}, walkers", square, x**2, b))
    alive = (lambda w: (w > 0.0) & (w < 1.0))(wall_walkers(n_paths).positions[:, :, 0]).astype(float)
    walls = fp.Grid((0, 1), n, "absorbing")
    mass = solve(fp.FokkerPlanck(diffusion=1.0, time_order=BETA), walls, 0.5, EXITS).mass
    bias = np.abs(survival(np.array(EXITS), HOP) - survival(np.array(EXITS))) + 1e-4
    rows += [
        against(f"walls, survival at {s:g}, walkers", m, a, b)
        for s, m, a, b in zip(EXITS, mass, alive, bias, strict=True)
    ]
    for beta, name in ((1.0, "no memory"), (0.8, "order 0.8")):
        wrong = solve(trap(beta), grid, 2.0, TIMES).mean()[:, 0]
        # at 1 all orders nearly meet
        rows += [against(f"trap, <x> at {TIMES[k]:g}, {name}", wrong[k], paths[k], 1e-3, True) for k in (0, 2)]
    return rows


def waiting_sgd(n: int, n_paths: int) -> list[Row]:
    """Share of the runs in the pit, of SGD on two datapoints that waits."""
    sgd, start = fp.SGD(fp.landscapes.two_datapoints().loss, 0.05), fp.gaussian(0.5, 0.175)
    grid = fp.Grid((-0.5, 3), 35 * (n // 35))  # cells that end where the pit does
    solution = sgd.transfer_operator(grid).evolve_waiting(start, STEPS, BETA, rtol=RTOL)
    paths = fp.simulate_waiting(sgd, start, STEPS, BETA, n_paths=n_paths, seed=63).positions[:, :, 0]
    near = np.abs(grid.centers[0] - 1) < 0.2
    rows = [
        against(f"waiting SGD, share in the pit at {s:g}", mass[near].sum(), np.abs(w - 1) < 0.2, 1e-3)
        for s, mass, w in zip(STEPS, solution.masses, paths, strict=True)
    ]
    means = zip(STEPS, solution.mean()[:, 0], paths, strict=True)
    return rows + [against(f"waiting SGD, mean at {s:g}", m, w, 1e-3) for s, m, w in means]


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All rows; 25 walkers a cell of the finest grid."""
    rows = [row for n in levels for row in closed_forms(n)] + matrix_function()
    n, n_paths = max(levels), 25 * max(levels)
    return rows + walkers(n, n_paths) + waiting_sgd(n, n_paths)


def figure(rows: Sequence[Row]) -> Figure:
    """Mean in the trap and survival between walls: closed forms, solutions, walkers."""
    picture, t = claim.canvas(9.0, 4.2), np.geomspace(0.02, 20, 200)
    left, right = picture.subplots(1, 2)
    left.semilogx(t, 2 * e(-(t**BETA)), "k-", lw=1, label="$2 E_{0.7}(-t^{0.7})$")
    left.semilogx(t, 2 * e(-(t**0.8), 0.8), ":", color="0.3", label="control: order 0.8")
    left.semilogx(t, 2 * np.exp(-t), "--", color="0.5", label="control: no memory")
    s = np.geomspace(0.02, 2, 60)
    right.loglog(s, survival(s), "k-", lw=1, label="sine series with $E_{0.7}$")
    k = np.arange(1, 400, 2)[:, None]
    series = (4 / (k * np.pi) * np.sin(0.5 * np.pi * k) * np.exp(-((k * np.pi) ** 2) * s)).sum(axis=0)
    right.loglog(s, series, "--", color="0.5", label="no memory")
    last = {row.case: row for row in rows}
    for axes, name, times in ((left, "trap, <x>", TIMES), (right, "walls, survival", EXITS)):
        ours = [last[f"{name} at {time:g}"].measured for time in times]
        walk = [last[f"{name} at {time:g}, walkers"] for time in times]
        bars = [SIGMAS * row.sigma for row in walk]
        axes.plot(times, ours, "o", color="k", mfc="none", ms=9, label="fp.solve")
        axes.errorbar(
            times, [row.reference for row in walk], bars, fmt="x", color="0.35", capsize=4, label="walkers, 4 s.e."
        )
        axes.set_xlabel("time $t$")
        axes.legend(frameon=False, fontsize=9, loc="lower left")
    left.set_ylabel("mean position in the trap")
    right.set_ylabel("share still between the walls")
    right.set_ylim(0.01, 1.1)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
