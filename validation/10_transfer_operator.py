"""The transfer operator gives the density of SGD itself, also where the diffusion picture is wrong by a factor of four.

`SGD.transfer_operator` pushes cell masses through the update maps of all batches; `model="gaussian-chain"` replaces the
batch noise by a normal law of the same variance; `SGD.equation` is the diffusion. References:

- the two-datapoint landscape, -exp(-(w-2)^2) for one sample and -exp(-100 (w-1)^2) more for the other, batch 1: SGD by four
  lines of numpy below. Density from N(0.5, 0.175^2) at learning rates 0.02 and 0.05 after 10, 100 and 1000 steps, as mean,
  share in the pit (w within 0.2 of 1) and share at the wide minimum (within 0.1 of 2), beside which 1e-4 is allowed for the
  cells and for counting a handful of runs;
- steps to escape from the pit (from 1.00745 to w > 1.3, eta = 0.02): mean, and share still inside after 150 steps; the same
  for a simulated chain with normal noise. Where eta times the curvature is 1.95, the shape of the noise of a single step
  matters: SGD stays twice as long as the normal chain and a quarter of the time of the diffusion;
- the diffusion itself is solved correctly: its mean time to w = 1.23 is the double integral of Gardiner (Stochastic Methods,
  5.2.7), 565.7. It answers another question than SGD asks;
- stationary variances in closed form. Quadratic, two samples (w +- 1)^2/2: eta/(2 - eta) (eta = 0.1: 0.0526315789, 0.5: 1/3).
  Six samples in batches of three, with and without replacement: f eta Var(c) / (3 (2 - eta)), f = 1 and (6-3)/(6-1). Kesten
  noise, (w x - e)^2/2, twelve samples with the moments of normal ones: eta E c^2/(2 E A - eta E A^2) = 0.0588235294 at 0.1;
- the grid adds a variance to each step, at most h^2/4, which the operator states (`smearing`). At rest this adds its mean
  over 1 - (1 - eta)^2, and no more: the row compares this with the excess over the closed form;
- shuffled SGD, three samples h (w - c)^2/2 with h = (1, 3, 1/2), c = (1, -1, 2), eta = 0.01, from 0.7: mean after an epoch
  over all six orders, by hand: .65869995. Sharing mass between cells keeps means, so that no error remains.

Controls: the diffusion and the normal chain for the escape of SGD, the first-order and the second-order diffusion for the
stationary variance.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import cumulative_trapezoid

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (500, 1000, 2000)
QUICK = (250, 500)
BOTTOM, BORDER, ETA = 1.00745330, 1.3, 0.02
START = fp.gaussian(0.5, 0.175)
STEPS = (10, 100, 1000)
SHARES: dict[str, Callable] = {"in the pit": lambda w: np.abs(w - 1) < 0.2, "at 2": lambda w: np.abs(w - 2) < 0.1}
SIGMAS, BIAS = 4.0, 1e-4
SIX = (-2.0, -1.0, 0.0, 0.5, 1.0, 3.0)


def pit(eta: float = ETA) -> fp.SGD:
    """The package's SGD on two datapoints."""
    return fp.SGD(fp.landscapes.two_datapoints().loss, eta)


def step(w: np.ndarray, eta: float, rng: np.random.Generator, normal: bool = False) -> np.ndarray:
    """One step of SGD on two datapoints, from the definition; or with normal noise of the same mean and variance."""
    common, deep = 2 * (w - 2) * np.exp(-((w - 2) ** 2)), 200 * (w - 1) * np.exp(-100 * (w - 1) ** 2)
    share = 0.5 + 0.5 * rng.standard_normal(w.size) if normal else rng.integers(0, 2, w.size)
    return w - eta * (common + share * deep)


def simulate(eta: float, n_paths: int) -> dict[int, np.ndarray]:
    """Runs of SGD from the initial density."""
    rng, found = np.random.default_rng(101), {}
    w = 0.5 + 0.175 * rng.standard_normal(n_paths)
    for k in range(1, STEPS[-1] + 1):
        w = step(w, eta, rng)
        if k in STEPS:
            found[k] = w
    return found


def past(w: np.ndarray) -> np.ndarray:
    """Out of the pit."""
    return w > BORDER


def escapes(n_paths: int, normal: bool = False) -> np.ndarray:
    """Steps from the pit to w > 1.3."""
    rng, w, times = np.random.default_rng(102), np.full(n_paths, BOTTOM), []
    k = 0
    while w.size:
        k += 1
        w = step(w, ETA, rng, normal)
        gone = past(w)
        times += [k] * int(gone.sum())
        w = w[~gone]
    return np.array(times)


def against(case: str, measured: float, samples: np.ndarray, bias: float = BIAS, control: bool = False) -> Row:
    """A number of ours beside the mean of independent samples; of a share, with the error bar that ours has."""
    spread = np.sqrt(max(measured * (1 - measured), 0.0)) if samples.dtype == bool else samples.std()
    error = float(max(spread, 1e-3) / np.sqrt(samples.size))  # not 0 where all runs agree
    return Row(case, float(measured), float(samples.mean()), SIGMAS, "sigma", sigma=error, bias=bias, control=control)


def densities(n: int, n_paths: int) -> list[Row]:
    """Means and shares along the way at two learning rates."""
    rows, grid = [], fp.Grid((-0.5, 3.0), 70 * (n // 35))  # cells that end where the regions do
    for eta in (0.02, 0.05):
        ours, theirs = pit(eta).transfer_operator(grid).evolve(START, STEPS), simulate(eta, n_paths)
        for i, k in enumerate(STEPS):
            rows.append(against(f"eta = {eta:g}, mean after {k}", ours.mean()[i, 0], theirs[k]))
            for name, inside in SHARES.items():
                if k == STEPS[0] and name == "at 2":
                    continue  # nobody is there yet
                mass = ours.masses[i][inside(grid.centers[0])].sum()
                rows.append(against(f"eta = {eta:g}, share {name} after {k}", mass, inside(theirs[k])))
    return rows


def diffusion_time(end: float, n: int = 400_001) -> float:
    """int_start^end dy e^Phi(y) int_1^y dz e^-Phi(z) / D(z), Phi = -int mu/D.

    D is zero at 1, where the drift points upwards: nothing passes below.
    """
    w = np.linspace(1.0, end, n)[1:]
    deep = 200 * (w - 1) * np.exp(-100 * (w - 1) ** 2)
    drift, diffusion = -ETA * (2 * (w - 2) * np.exp(-((w - 2) ** 2)) + 0.5 * deep), ETA**2 * deep**2 / 8
    phi = -cumulative_trapezoid(drift / diffusion, w, initial=0.0)
    phi -= phi[np.searchsorted(w, BOTTOM)]
    inner = cumulative_trapezoid(np.exp(-phi) / diffusion, w, initial=0.0)
    beyond = w >= BOTTOM
    return float(np.trapezoid(np.exp(phi[beyond]) * inner[beyond], w[beyond]))


def diffusion_grid(n: int) -> fp.Grid:
    """Fine where the noise vanishes."""
    return fp.Grid.graded((0.95, 2.5), lambda w: (2e-4 + 0.01 * np.abs(w - 1.0)) * 1000 / n)


def diffusion_row(n: int) -> Row:
    """Our mean passage time of the diffusion beside its quadrature."""
    grid = diffusion_grid(n)
    ours = fp.first_passage(pit().equation(), grid, lambda w: w > 1.23, error=False).at(BOTTOM)
    return Row(
        "the diffusion itself, mean steps to 1.23",
        ours,
        diffusion_time(1.23),
        2.5e-4 * (1000 / n) ** 2,
        level=grid.size,
    )


def passage_rows(n: int, n_paths: int) -> list[Row]:
    """Escape from the pit: the operator, the normal chain and the diffusion."""
    grid = fp.Grid((0.5, 2.5), n)
    true, normal = escapes(n_paths), escapes(n_paths, normal=True)
    exact = pit().transfer_operator(grid).first_passage(past)
    alive = exact.survival([150], fp.point(BOTTOM))[0]
    chain = pit().transfer_operator(grid, "gaussian-chain").first_passage(past).at(BOTTOM)
    diffusion = fp.first_passage(pit().equation(), diffusion_grid(n), past, error=False).at(BOTTOM)
    part = (1000 / n) ** 2
    bias = 0.1 * part  # of the cells, in steps
    return [
        against("escape, mean steps", exact.at(BOTTOM), true, bias),
        against("escape, share inside after 150", alive, true > 150, 3e-4 * part),
        against("escape with normal noise, mean steps", chain, normal, bias),
        against("escape, mean steps, normal noise", chain, true, bias, control=True),
        against("escape, mean steps, diffusion", diffusion, true, bias, control=True),
    ]


def quadratic(
    eta: float, h: Sequence[float] = (1.0, 1.0), c: Sequence[float] = (-1.0, 1.0), **settings: object
) -> fp.SGD:
    """Samples h (w - c)^2 / 2."""
    return fp.SGD(fp.SampleLoss("h*(w-c)**2/2", ["w"], {"h": h, "c": c}), eta, **settings)


def kesten() -> fp.SGD:
    """(w x - e)^2 / 2 with E x^2 = 1, E x^4 = 3, e = +-1."""
    x = np.repeat(np.sqrt(3.0) * np.array([1, -1, 0, 0, 0, 0]), 2)
    return fp.SGD(fp.SampleLoss("(w*x - e)**2/2", ["w"], {"x": x, "e": np.tile([1.0, -1.0], 6)}), 0.1)


def variances(n: int) -> list[Row]:
    """Stationary variances on n cells, and what the grid says that it added."""
    six = np.var(SIX)
    cases = {
        "two samples, eta = 0.1": (quadratic(0.1), 0.1 / 1.9, 3),
        "two samples, eta = 0.5": (quadratic(0.5), 1 / 3, 3),
        "three of six, replaced": (quadratic(0.3, np.ones(6), SIX, batch_size=3), 0.3 * six / (3 * 1.7), 4),
        "three of six, not replaced": (
            quadratic(0.3, np.ones(6), SIX, batch_size=3, replacement=False), 0.6 * 0.3 * six / (3 * 1.7), 4,
        ),
        "Kesten noise": (kesten(), 0.1 / (2 - 0.1 * 3), 4),
    }  # fmt: skip
    rows = []
    for name, (sgd, exact, half) in cases.items():
        t = sgd.transfer_operator(fp.Grid((-half, half), n))
        rest = t.stationary()
        variance = rest.covariance()[0, 0]
        rows.append(Row(f"variance, {name}", variance, exact, 4e-3 * (500 / n) ** 2, level=n))
        if name.startswith("t"):  # the mean map of these contracts by 1 - eta everywhere
            added = (t.smearing[0] @ rest.masses) / (1 - (1 - sgd.learning_rate) ** 2)
            rows.append(Row(f"smearing stated, {name}, {n} cells", added, variance - exact, 1e-6))
    return rows


def diffusions() -> list[Row]:
    """The controls in the stationary variance."""
    rows = []
    for model in ("first-order", "second-order"):
        variance = fp.stationary(quadratic(0.5).equation(model), fp.Grid((-5, 5), 400)).covariance()[0, 0]
        rows.append(Row(f"variance, two samples, eta = 0.5, {model}", variance, 1 / 3, 0.01, control=True))
    return rows


def shuffled(n: int) -> Row:
    """Mean after one epoch, every sample once, over all orders."""
    h, c = np.array([1.0, 3.0, 0.5]), np.array([1.0, -1.0, 2.0])
    ends = []
    for order in itertools.permutations(range(3)):
        w = 0.7
        for k in order:
            w -= 0.01 * h[k] * (w - c[k])
        ends.append(w)
    t = quadratic(0.01, h, c, shuffle=True).transfer_operator(fp.Grid((0.4, 1.0), n + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)  # the mean is kept on any grid
        end = t.evolve(fp.point(0.7), [3])
    return Row("shuffled, mean after an epoch", end.mean()[0, 0], float(np.mean(ends)), 1e-12)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All rows; 50 runs a cell of the finest grid, 20 of those that escape."""
    n = max(levels)
    rows = [row for level in levels for row in [*variances(level), diffusion_row(level)]] + [shuffled(n)]
    return rows + diffusions() + densities(n, 50 * n) + passage_rows(n, 20 * n)


def draw_density(axes: Axes, n_paths: int = 20_000) -> None:
    """After 100 steps: operator, diffusion and a histogram of runs."""
    grid, edges = fp.Grid((-0.5, 3.0), 1400), np.linspace(-0.3, 2.3, 40)
    density = pit().transfer_operator(grid).evolve(START, [100]).density[0]
    axes.semilogy(grid.centers[0], density, "k-", lw=1, label="transfer operator")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)  # the control need not be sharp
        diffusion = fp.solve(pit().equation(), grid, START, [100.0]).density[0]
    axes.semilogy(grid.centers[0], diffusion, "k:", lw=1, label="control: diffusion")
    counts, width = np.histogram(simulate(ETA, n_paths)[100], edges)[0], edges[1] - edges[0]
    scale = 1 / (n_paths * width)
    axes.errorbar(
        edges[:-1] + width / 2, counts * scale, SIGMAS * np.sqrt(counts) * scale, fmt="o", ms=4, color="0.35", mfc="none",
        capsize=2, lw=0.8, label="runs of SGD, 4 s.e.",
    )  # fmt: skip
    axes.set_xlim(-0.3, 2.4)
    axes.set_ylim(1e-3, 60)
    axes.set_xlabel("$w$")
    axes.set_ylabel("density after 100 steps, learning rate 0.02")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def draw_escape(axes: Axes, n_paths: int = 20_000) -> None:
    """Who is still in the pit: operator, normal noise, diffusion, and runs."""
    steps, box = np.arange(0, 601, 5), fp.Grid((0.5, 2.5), 1000)
    curves = {
        "transfer operator": ("k-", pit().transfer_operator(box).first_passage(past)),
        "normal noise, discrete steps": ("k--", pit().transfer_operator(box, "gaussian-chain").first_passage(past)),
        "control: diffusion": ("k:", fp.first_passage(pit().equation(), diffusion_grid(1000), past, error=False)),
    }
    for name, (line, passage) in curves.items():
        axes.semilogy(steps, passage.survival(steps, fp.point(BOTTOM)), line, lw=1, label=name)
    marks = np.arange(25, 601, 50)
    for normal, marker, name in ((False, "o", "runs of SGD"), (True, "x", "runs with normal noise")):
        alive = (escapes(n_paths, normal) > marks[:, None]).mean(axis=1)
        bars = SIGMAS * np.sqrt(alive * (1 - alive) / n_paths)
        axes.errorbar(
            marks, alive, bars, fmt=marker, ms=5, color="0.35", mfc="none", capsize=2, label=f"{name}, 4 s.e."
        )
    axes.set_ylim(3e-4, 1.5)
    axes.set_xlabel("steps from the bottom of the pit")
    axes.set_ylabel("share not yet past 1.3")
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def figure(rows: Sequence[Row]) -> Figure:
    """The density after 100 steps beside simulated SGD, and who is still in the pit; both simulated again."""
    picture = claim.canvas(9.0, 4.2)
    left, right = picture.subplots(1, 2)
    draw_density(left)
    draw_escape(right)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
