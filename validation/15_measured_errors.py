"""The errors that answers come with are near the true ones, on problems that nothing was tuned on.

Random problems of one and two dimensions: potentials of several wells, drifts that turn, noise that varies in each of the
conventions, coefficients that change in time, memory, Levy jumps, periodic and absorbing walls; and passages of transfer
operators of SGD. The effectivity is the error that `result.error` says over the true one, which is the difference from the
same question on cells four times as small, extrapolated where it can be. Below 1 an error is said to be smaller than it is.

Asked: a median of .9 to 1.5; below one half in at most 5 % of the answers that are said to converge. The largest effectivities
are those of stationary densities in one dimension, exact at the cell centers: what is said is the error of reading between
them.

Then tolerances: problems of the same kinds, asked for on a box with `tol`. In at least 95 % the true error is below it, and
nowhere above twice of it.

Then features thinner than a cell, on which grids may agree on a wrong answer. Each has to be told: by "NOT CONVERGING", or by
an error of at least half the true one. Controls: what a difference of two grids alone says of some of them, a third of
|q_h - q_2h|, has to be far from the true error.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import fokkerplanck as fp
from fokkerplanck.solvers.accuracy.measure import distance
from fokkerplanck.solvers.accuracy.refinement import with_cells
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (24,)  # random problems of each kind
QUICK = (4,)
SEED = 20_261
FINER = 4
OPERATORS = "operator passage"
EXTRAPOLATED = "solve, density extrapolated"
SAFE = (
    OPERATORS,
    EXTRAPOLATED,
)  # an order is given away: their errors are never too small, and may be several times too large
NOTHING = 1e-9  # a true error below it is rounding


class Judged(NamedTuple):
    """One number of one answer: what it is, its error as said and in truth, and whether it was said to converge."""

    what: str
    said: float
    true: float
    converging: bool

    @property
    def effectivity(self) -> float:
        """Said over true."""
        return self.said / self.true


class Problem(NamedTuple):
    """An equation on a grid, with a start and a time."""

    kind: str
    eq: fp.FokkerPlanck
    grid: fp.Grid
    p0: Any
    t: float


def _waves(rng: np.random.Generator, dim: int, count: int = 3) -> Callable[..., np.ndarray]:
    """A random sum of cosines of unit size."""
    k, phase, size = rng.normal(size=(count, dim)) * 2.0, rng.uniform(0, 2 * np.pi, count), rng.normal(size=count)
    return lambda *x: sum(
        s * np.cos(sum(q * c for q, c in zip(row, x, strict=True)) + f)
        for row, f, s in zip(k, phase, size / count, strict=True)
    )


def _line(rng: np.random.Generator, kind: str) -> Problem:
    """A problem on a line."""
    cells = int(rng.choice([60, 96, 150, 240]))
    bumps, turns = _waves(rng, 1), _waves(rng, 1)
    d = float(rng.uniform(0.15, 0.6))
    options: dict[str, Any] = {"potential": lambda x: 0.25 * x**4 + bumps(x), "diffusion": d}
    walls: Any = "reflecting"
    if kind == "noise that varies":
        options["diffusion"] = lambda x: d * (1.0 + 0.6 * np.tanh(turns(x)))
        options["convention"] = float(rng.choice([0.0, 0.5, 1.0]))
    if kind == "time":
        rate = float(rng.uniform(1.0, 8.0))
        options = {"drift": lambda x, t: -(x**3) + bumps(x) + np.sin(rate * t), "diffusion": d}
    if kind == "memory":
        options["time_order"] = float(rng.uniform(0.5, 0.95))
    if kind == "jumps":
        options["jumps"] = fp.LevyJumps(float(rng.uniform(1.2, 1.8)), float(rng.uniform(0.2, 0.5)))
    if kind == "ring":
        walls, cells = "periodic", cells // 2 * 2
        push, wave = float(rng.uniform(-1, 1)), int(rng.integers(1, 3))
        options = {"drift": lambda x: push + np.sin(wave * np.pi * x / 3.0), "diffusion": d}
    if kind == "absorbing":
        walls = ("reflecting", "absorbing")
    start = fp.gaussian(float(rng.uniform(-1, 1)), float(rng.uniform(0.25, 0.5)))
    return Problem(
        kind, fp.FokkerPlanck(**options), fp.Grid((-3, 3), cells, walls), start, float(rng.uniform(0.2, 2.0))
    )


def _plane(rng: np.random.Generator, kind: str) -> Problem:
    """A problem in a plane."""
    cells, bumps = int(rng.choice([24, 32, 48])), _waves(rng, 2)
    d, spin = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.5, 2.0))
    options: dict[str, Any] = {"potential": lambda x, y: 0.25 * (x**4 + y**4) + bumps(x, y), "diffusion": d}
    if kind == "turning":
        options["drift"] = lambda x, y: (-spin * y, spin * x)
    if kind == "tensor":
        c = float(rng.uniform(-0.6, 0.6))
        options["diffusion"] = [[d, c * d], [c * d, d]]
    start = fp.gaussian(rng.uniform(-0.8, 0.8, 2).tolist(), 0.4)
    return Problem(
        kind, fp.FokkerPlanck(**options), fp.Grid([(-2.6, 2.6)] * 2, cells), start, float(rng.uniform(0.2, 1.0))
    )


KINDS: dict[str, Callable[[np.random.Generator, str], Problem]] = {
    **dict.fromkeys(("potential", "noise that varies", "time", "memory", "jumps", "ring", "absorbing"), _line),
    **dict.fromkeys(("plane", "turning", "tensor"), _plane),
}
IN_PLANES = 4  # times fewer of these


def problems(count: int) -> Iterator[Problem]:
    """Random problems, the same for the same count."""
    for number, (kind, make) in enumerate(KINDS.items()):
        rng = np.random.default_rng([SEED, number])
        for _ in range(max(count // IN_PLANES, 1) if make is _plane else count):
            yield make(rng, kind)


def judged(problem: Problem) -> Iterator[Judged]:
    """Densities, means, passages and rates of one problem, by what is said and in truth."""
    eq, grid, p0, t = problem.eq, problem.grid, problem.p0, problem.t
    fine = with_cells(grid, FINER)
    ours, right = fp.solve(eq, grid, p0, [t]), _best(fp.solve(eq, fine, p0, [t], rtol=1e-8))
    yield from _of_density(ours, right, -1)
    better = _best(ours)
    if better is not ours:
        gap = float(distance(right.density[-1], fine, better.density[-1], grid))
        yield Judged(EXTRAPOLATED, float(better.error["density"][-1]), gap, better.error.converging)
    if eq.time_dependent or eq.time_order < 1.0:
        return
    if not grid.absorbs:
        yield from _of_density(fp.stationary(eq, grid), _best(fp.stationary(eq, fine)), None)
    goal = (lambda x: x > 1.3) if grid.dim == 1 else (lambda x, y: x > 1.3)
    place = (-0.5,) * grid.dim
    passage, exact = fp.first_passage(eq, grid, goal), fp.first_passage(eq, fine, goal, error=False)
    yield Judged("passage", passage.error_at(place), abs(passage.at(place) - exact.at(place)), passage.error.converging)
    if eq.jumps is None:
        modes, all_modes = fp.spectrum(eq, grid, 3), fp.spectrum(eq, fine, 3, error=False)
        off = np.abs(modes.eigenvalues[1] - all_modes.eigenvalues[1])
        yield Judged("rate", float(modes.error["eigenvalues"][1]), float(off), modes.error.converging)


def _best(result: Any) -> Any:
    """The extrapolated result where there is one."""
    return result if result.error.better is None else result.extrapolated()


def _of_density(ours: Any, right: Any, index: int | None) -> Iterator[Judged]:
    """The density in the 1-norm, and the largest error of the mean."""
    one, other = (r.density if index is None else r.density[index] for r in (ours, right))
    gap = float(distance(other, right.grid, one, ours.grid))
    said = ours.error["density"]
    name = "stationary" if index is None else "solve"
    yield Judged(f"{name}, density", float(said if index is None else said[index]), gap, ours.error.converging)
    said = ours.error["mean"] if index is None else ours.error["mean"][index]
    means = [r.mean() if index is None else r.mean()[index] for r in (ours, right)]
    axis = int(np.abs(means[0] - means[1]).argmax())
    yield Judged(f"{name}, mean", float(said[axis]), float(np.abs(means[0] - means[1])[axis]), ours.error.converging)


def operators(count: int) -> Iterator[Judged]:
    """Passages of transfer operators of random losses, exact or with normal noise, to targets that end anywhere."""
    for number in range(count):
        rng = np.random.default_rng([SEED, len(KINDS), number])
        n, low = int(rng.integers(2, 6)), float(rng.uniform(0.0, 1.2))
        data = {"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.uniform(0.5, 2.0, n)}
        loss = fp.SampleLoss("w**4/8 - w**2/2 + a*w + b*cos(c*w)", ["w"], data)
        sgd, model = fp.SGD(loss, float(rng.uniform(0.1, 0.4))), str(rng.choice(["exact", "gaussian-chain"]))
        high = low + float(rng.choice([np.inf, rng.uniform(0.3, 2.0)]))
        grid, goal = fp.Grid((-4, 4), 160), lambda w, low=low, high=high: (w > low) & (w < high)
        ours = sgd.transfer_operator(grid, model).first_passage(goal)
        right = sgd.transfer_operator(with_cells(grid, 1.5 * FINER), model).first_passage(goal, error=False)
        for place in (-1.5, -0.5):
            true = abs(ours.at(place) - right.at(place))
            yield Judged(OPERATORS, ours.error_at(place), true, ours.error.converging)


def all_judged(count: int) -> list[Judged]:
    """Every answer of every problem whose true error is more than rounding."""
    found: list[Judged] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of coarse cells: their errors are what is looked at
        for problem in problems(count):
            found += [one for one in judged(problem) if one.true > NOTHING]
        found += [one for one in operators(count) if NOTHING < one.true < np.inf]
    return found


def tolerances(count: int) -> list[Row]:
    """Shares of problems whose density is as near as was asked, and the largest miss."""
    whole = list(problems(count))
    smooth = [p for p in whole if p.grid.dim == 1 and p.kind not in ("memory", "jumps")]  # others take minutes
    asked = {1e-2: whole, 1e-3: whole, **dict.fromkeys((1e-4, 1e-5, 1e-6), smooth)}
    rows = []
    for tol, ones in asked.items():
        found = np.array([_missed(problem, tol) for problem in ones])
        rows.append(
            Row(f"share of {len(ones)} that miss tol = {tol:g}", float((found > 1.0).mean()), 0.0, 0.05, "absolute")
        )
        rows.append(Row(f"largest error over tol = {tol:g}", float(found.max()), 0.0, 2.0, "absolute"))
    return rows


def _missed(problem: Problem, tol: float) -> float:
    """The true error of the density over the tolerance."""
    box = fp.Box([(float(e[0]), float(e[-1])) for e in problem.grid.edges], problem.grid.walls)
    ours = fp.solve(problem.eq, box, problem.p0, [problem.t], tol=tol)
    fine = with_cells(ours.grid, FINER if tol > 1e-4 else 2)
    right = _best(fp.solve(problem.eq, fine, problem.p0, [problem.t], rtol=min(1e-6, 1e-2 * tol)))
    return float(distance(right.density[-1], right.grid, ours.density[-1], ours.grid)) / tol


class Feature(NamedTuple):
    """A question with something in it that is thinner than a cell, and the same on cells that resolve it."""

    name: str
    ask: Callable[[int], tuple[float, float, bool]]  # cells -> the answer, its error, whether it is said to converge
    cells: int
    enough: int
    hidden: bool = True  # from two grids as well


def _passage(potential: Callable[..., Any], cells: int, d: float = 0.5) -> tuple[float, float, bool]:
    eq, grid = fp.FokkerPlanck(potential=potential, diffusion=d), fp.Grid((-1, 1), cells, ("reflecting", "absorbing"))
    found = fp.first_passage(eq, grid)
    return found.at(-0.5), found.error_at(-0.5), found.error.converging


def _noise(diffusion: Callable[..., Any], cells: int) -> tuple[float, float, bool]:
    grid = fp.Grid((-1, 1), cells, ("reflecting", "absorbing"))
    found = fp.first_passage(fp.FokkerPlanck(diffusion=diffusion), grid)
    return found.at(-0.5), found.error_at(-0.5), found.error.converging


def _variance(start: Any, cells: int) -> tuple[float, float, bool]:
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1e-4)
    found = fp.solve(eq, fp.Grid((-1, 1), cells), start, [0.01])
    return float(found.covariance()[0, 0, 0]), float(found.error["covariance"][0, 0, 0]), found.error.converging


FEATURES = (
    Feature(
        "barrier a twentieth of a cell wide",
        lambda n: _passage(lambda x: 4 * np.exp(-(((x - 0.213) / 0.0014) ** 2)), n),
        40,
        8000,
    ),
    Feature(
        "well a twentieth of a cell wide",
        lambda n: _passage(lambda x: -4 * np.exp(-(((x - 0.213) / 0.0014) ** 2)), n),
        40,
        8000,
    ),
    Feature("ripples shorter than a cell", lambda n: _passage(lambda x: np.cos(2 * np.pi * x / 0.0137), n), 40, 20_000),
    Feature(
        "membrane a fifth of a cell wide",
        lambda n: _noise(lambda x: np.where(np.abs(x - 0.2131) < 0.005, 1e-3, 1.0), n),
        40,
        4000,
        False,
    ),
    Feature("start a tenth of a cell wide", lambda n: _variance(fp.gaussian(0.213, 0.005), n), 40, 8000, False),
)


def features() -> list[Row]:
    """Whether each feature is told, and as controls what two grids alone say of it."""
    rows = []
    for name, ask, cells, enough, hidden in FEATURES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the errors alone have to tell
            value, said, converging = ask(cells)
            right, coarser = ask(enough)[0], ask(cells // 2)[0]
        true = abs(value - right)
        told = not converging or said >= 0.5 * true
        rows.append(Row(f"told: {name}", float(told), 1.0, 0.5, "absolute"))
        if hidden:
            rows.append(Row(f"two grids alone: {name}", abs(value - coarser) / 3.0 / true, 1.0, 0.5, control=True))
    return rows


def study(levels: Sequence[int]) -> list[Row]:
    """Quantiles of the effectivity, and features thinner than a cell."""
    found = all_judged(levels[-1])
    sizes = np.array([one.effectivity for one in found if one.converging])
    rows = [
        Row("median effectivity", float(np.median(sizes)), 1.2, 0.3, "absolute"),
        Row("share of effectivities below 1/2", float((sizes < 0.5).mean()), 0.0, 0.05, "absolute"),
        Row("5 % quantile of the effectivity", float(np.quantile(sizes, 0.05)), 1.0, 0.5, "absolute"),
        Row("share said not to converge", 1.0 - sizes.size / len(found), 0.0, 0.1, "absolute"),
    ]
    for what in dict.fromkeys(one.what for one in found):
        own = np.array([one.effectivity for one in found if one.what == what and one.converging])
        if what in SAFE:
            rows.append(Row(f"share below 1/2: {what}", float((own < 0.5).mean()), 0.0, 0.05, "absolute"))
        else:
            rows.append(Row(f"5 % quantile: {what}", float(np.quantile(own, 0.05)), 1.0, 0.5, "absolute"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        rows += tolerances(max(levels[-1] // 4, 1))
    return rows + features()


def figure(rows: Sequence[Row]) -> Figure:
    """What all but 5 % of the errors are at least, beside the true one; and what two grids alone see of thin features."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(8, 4.5), layout="constrained")
    axes = fig.subplots()
    names, dots = [], {"measured error, 5 % quantile": [], "two grids alone": []}  # type: ignore[var-annotated]
    for row in rows:
        if row.case.startswith("5 % quantile: ") or row.control:
            dots["two grids alone" if row.control else "measured error, 5 % quantile"].append(
                (row.measured, len(names))
            )
            names.append(row.case.split(": ", 1)[1])
    for (label, found), marker in zip(dots.items(), "os", strict=True):
        axes.plot(*zip(*found, strict=True), marker, label=label, color="0.2", mfc="none" if marker == "s" else "0.2")
    axes.axvline(1.0, color="k", lw=1, label="the true error")
    axes.axvline(0.5, color="k", lw=1, ls="--", label="half of it")
    axes.set(xscale="log", yticks=range(len(names)), yticklabels=names, xlabel="error that is said over the true one")
    axes.invert_yaxis()
    axes.legend(loc="center left")
    return fig


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
