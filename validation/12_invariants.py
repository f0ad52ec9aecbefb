"""Mass, sign, detailed balance, entropy and the duality of passage times hold for random problems, not only for chosen ones.

Problems are drawn from a seed, as many in one as in two dimensions: a potential of random waves, with walls that reflect or an
axis that is periodic; D a number from 0.05 to 1, a field, different along the axes, or (2D) a full tensor with a
condition number up to 100; conventions Ito, Stratonovich, Klimontovich or between; in half of those in two dimensions a drift
along the level lines of the potential as well. The reference is zero, and each row shows the worst problem:

- a closed box keeps its mass: to round-off by uniformization, within the reported estimate by the default method;
- no density is negative: exactly by uniformization, and above -1e-6 of the largest by the default method;
- in one dimension between reflecting walls, whatever D and the convention, and in two under a potential with constant D,
  the stationary density carries no current: net flux through all faces over the traffic through them, and every such problem
  says that it is an equilibrium; with the rotating drift none does, and all produce entropy;
- the entropy relative to the stationary density never grows, from one output time to the next;
- the committor from A to B and the one from B to A add up to one;
- the mean passage time, a linear system, is the integral of the survival, a propagation in time (relative difference;
  quadrature up to twenty mean times, on 12 panels with 8 nodes each).

Controls: central differences instead of the exponential fit at D = 0.001, at cell Peclet numbers of 2.5 to 41, which turn
densities negative (ours stays positive on the same problems); a current taken from differences of the density, which is not
zero at rest; walls of zero slope instead of zero flux, which let mass change.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import expm

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (24,)  # problems in one dimension, and as many in two
QUICK = (8,)
SEED = 120
CELLS = {1: 120, 2: 20}
TIMES = np.array([0.02, 0.1, 0.3, 1.0])
STEEP, STEEP_TIME = 1e-3, 0.5


@dataclass(frozen=True)
class Problem:
    """An equation in a closed box, and whether its drift has a part along the level lines."""

    eq: fp.FokkerPlanck
    grid: fp.Grid
    rotating: bool
    balanced: bool


class Waves:
    """V = sum of a cos(k . x + phase) with random k on the lattice pi Z^d, so that it suits a periodic box (-1, 1)^d."""

    def __init__(self, rng: np.random.Generator, dim: int) -> None:
        self.k = np.pi * rng.integers(-2, 3, (3, dim))
        self.a, self.phase = rng.uniform(0.05, 0.25, 3), rng.uniform(0, 2 * np.pi, 3)

    def _angles(self, x: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        return [sum(ki * xi for ki, xi in zip(k, x, strict=True)) + f for k, f in zip(self.k, self.phase, strict=True)]

    def value(self, *x: np.ndarray) -> np.ndarray:
        """V."""
        return sum(a * np.cos(angle) for a, angle in zip(self.a, self._angles(x), strict=True))

    def slope(self, *x: np.ndarray) -> list[np.ndarray]:
        """grad V, one array an axis."""
        angles = self._angles(x)
        return [
            -sum(a * k[i] * np.sin(w) for a, k, w in zip(self.a, self.k, angles, strict=True)) for i in range(len(x))
        ]


def field(rng: np.random.Generator, size: float, dim: int) -> Callable:
    """A positive D that varies by a factor of up to nine."""
    waves = Waves(rng, dim)
    return lambda *x: size * np.exp(1.1 * waves.value(*x) / waves.a.sum())


def noise(rng: np.random.Generator, dim: int, kind: str) -> dict:
    """D and its convention."""
    size = 10.0 ** rng.uniform(np.log10(0.05), 0.0)
    if kind == "number":
        return {"diffusion": size}
    if kind == "tensor":
        angle, ratio = rng.uniform(0, np.pi), 10.0 ** rng.uniform(-2, 0)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return {"diffusion": (size * turn @ np.diag([1.0, ratio]) @ turn.T).tolist()}
    d = [field(rng, size, dim) for _ in range(dim)] if kind == "axes" else field(rng, size, dim)
    allowed = [0.0, 1.0] if kind == "axes" else [0.0, 0.25, 0.5, 1.0]
    return {"diffusion": d, "convention": float(rng.choice(allowed))}


def problems(dim: int, count: int) -> Iterator[Problem]:
    """Random problems, the same for the same seed."""
    rng = np.random.default_rng([SEED, dim])
    kinds = ["number", "field"] if dim == 1 else ["number", "field", "axes", "tensor"]
    for i in range(count):
        waves, kind = Waves(rng, dim), kinds[i % len(kinds)]
        swirl = rng.uniform(0.5, 2.0) if dim == 2 and i % 8 >= 4 else 0.0
        walls = ["periodic" if rng.random() < 0.3 else "reflecting" for _ in range(dim)]
        grid = fp.Grid([(-1.0, 1.0)] * dim, [CELLS[dim]] * dim, walls)
        balanced = (not swirl and kind == "number") or (dim == 1 and walls[0] == "reflecting")
        yield Problem(equation(waves, swirl, noise(rng, dim, kind), kind), grid, bool(swirl), balanced)


def equation(waves: Waves, swirl: float, d: dict, kind: str) -> fp.FokkerPlanck:
    """Drift -grad V, and `swirl` times (dV/dy, -dV/dx)."""
    if kind == "number" and not swirl:
        return fp.FokkerPlanck(potential=waves.value, **d)

    def drift(*x: np.ndarray) -> list[np.ndarray]:
        g = waves.slope(*x)
        return [-g[0]] if len(x) == 1 else [-g[0] + swirl * g[1], -g[1] - swirl * g[0]]

    return fp.FokkerPlanck(drift=drift, **d)


def drop(grid: fp.Grid) -> np.ndarray:
    """An initial density in one corner region."""
    far = sum((x + 0.4) ** 2 for x in grid.coordinates())
    return np.where(far < 0.05, 1.0, 0.0) / (np.where(far < 0.05, 1.0, 0.0) * grid.volumes).sum()


def evolution(problem: Problem) -> dict[str, float]:
    """Mass, sign and relative entropy."""
    start = drop(problem.grid)
    exact = fp.solve(problem.eq, problem.grid, start, TIMES, method="uniformization", rtol=1e-12)
    usual = fp.solve(problem.eq, problem.grid, start, TIMES)
    rest = fp.stationary(problem.eq, problem.grid).masses
    entropy = [(p[p > 0] * np.log(p[p > 0] / rest[p > 0])).sum() for p in exact.masses]
    allowed = max(usual.stats["error_estimate"], 1e-12)
    return {
        "mass, uniformization": float(np.abs(exact.mass - 1).max()),
        "mass over its estimate, default": usual.stats["mass_error"] / allowed,
        "negative part, uniformization": max(0.0, -float(exact.density.min())),
        "negative part, default": max(0.0, -usual.stats["min_density"]),
        "growth of the relative entropy": max(0.0, float(np.diff(entropy).max())),
    }


def net_flux(rest: fp.Stationary) -> float:
    """Sum of |net flux| over the faces, in units of the traffic through them."""
    traffic = sum(float((link.forward * rest.masses.ravel()[link.lower]).sum()) for link in rest.generator.links)
    return sum(float(np.abs(f).sum()) for f in rest.generator.flux(rest.masses)) / traffic


def regions(dim: int) -> tuple[Callable, Callable]:
    """Two targets."""
    return (lambda *x: x[0] < -0.7), (lambda *x: (x[0] > 0.6) & (x[-1] > 0.0))


def passages(problem: Problem) -> dict[str, float]:
    """Committors and passage times."""
    a, b = regions(problem.grid.dim)
    there, back = fp.committor(problem.eq, problem.grid, a, b), fp.committor(problem.eq, problem.grid, b, a)
    passage, start = fp.first_passage(problem.eq, problem.grid, b), drop(problem.grid)
    expected = float((passage.mean * start * problem.grid.volumes).sum())
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.concatenate([[0.0], passage.mean.max() * np.geomspace(1e-4, 20.0, 12)])
    half = 0.5 * np.diff(edges)[:, None]
    times = (edges[:-1, None] + half * (1 + nodes)).ravel()
    total = (half * weights).ravel() @ passage.survival(times, start)
    return {
        "committors there and back": float(np.abs(there + back - 1).max()),
        "passage time against survival": abs(total / expected - 1),
    }


def worst(found: list[dict[str, float]]) -> dict[str, float]:
    """The largest violation of each rule."""
    names = found[0].keys()
    return {name: max(f[name] for f in found) for name in names}


LIMITS = {
    "mass, uniformization": 1e-11,
    "mass over its estimate, default": 1.0,
    "negative part, uniformization": 0.0,
    "negative part, default": 1e-6,
    "growth of the relative entropy": 1e-12,
    "committors there and back": 3e-9,  # rounding on a ring: drifts that differ by 1e-12 give 6e-12 to 7e-10
    "passage time against survival": 1e-5,
    "net flux at rest": 1e-12,
}


BREAKS = {  # what each control breaks
    "negative part, central differences": "negative part, default",
    "mass, walls of zero slope": "mass, uniformization",
    "net flux at rest, differences of the density": "net flux at rest",
}


def invariants(dim: int, count: int) -> list[Row]:
    """All rules on all problems of one dimension."""
    drawn = list(problems(dim, count))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)  # rules hold on any grid, resolved or not
        found = [{**evolution(p), **passages(p)} for p in drawn]
        rests = [fp.stationary(p.eq, p.grid) for p in drawn]
    still = [rest for p, rest in zip(drawn, rests, strict=True) if p.balanced]
    measured = worst(found) | {"net flux at rest": max(net_flux(rest) for rest in still)}
    label = f"{count} in {dim}D"
    rows = [Row(f"{label}: {name}", measured[name], 0.0, limit, "absolute") for name, limit in LIMITS.items()]
    rows.append(Row(f"{label}: equilibria recognised", sum(r.is_equilibrium for r in still), len(still), 0.0))
    if dim == 2:
        moving = [rest for p, rest in zip(drawn, rests, strict=True) if p.rotating]
        driven = sum(not r.is_equilibrium and r.entropy_production > 0 for r in moving)
        rows.append(Row(f"{label}: rotations recognised", driven, len(moving), 0.0))
    return rows


def steep(count: int) -> Iterator[tuple[Waves, fp.Grid]]:
    """Potentials for the controls, in one dimension with D = STEEP: cell Peclet numbers of 2.5 to 41."""
    rng = np.random.default_rng([SEED, 3])
    for _ in range(count):
        yield Waves(rng, 1), fp.Grid((-1.0, 1.0), CELLS[1])


def central(waves: Waves, grid: fp.Grid, closed: bool = True) -> np.ndarray:
    """Rate matrix with J = mu (p_i + p_j)/2 - D (p_j - p_i)/h; `closed` sets J = 0 at the walls, else p' = 0 there."""
    n, h = grid.size, 2.0 / grid.size
    mu = -waves.slope(grid.edges[0])[0]
    flux = np.zeros((n + 1, n))
    for face in range(1, n):
        flux[face, [face - 1, face]] = 0.5 * mu[face] + STEEP / h, 0.5 * mu[face] - STEEP / h
    if not closed:
        flux[0, 0], flux[n, n - 1] = mu[0], mu[n]
    return -np.diff(flux, axis=0) / h


def exponential_fit(waves: Waves, grid: fp.Grid) -> fp.Solution:
    """Our density of the same problem."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        return fp.solve(fp.FokkerPlanck(potential=waves.value, diffusion=STEEP), grid, drop(grid), [STEEP_TIME])


def controls(count: int) -> list[Row]:
    """The wrong schemes, and ours on the same problems."""
    found = []
    for waves, grid in steep(count):
        start, x = drop(grid), grid.centers[0]
        p = expm(central(waves, grid) * STEEP_TIME) @ start
        open_box = expm(central(waves, grid, closed=False) * STEEP_TIME) @ start * grid.volumes
        rest = fp.stationary(fp.FokkerPlanck(potential=waves.value, diffusion=0.3), grid).density
        pushed = -waves.slope(x)[0] * rest
        found.append({
            "ours": max(0.0, -exponential_fit(waves, grid).stats["min_density"]),
            "negative part, central differences": max(0.0, -float(p.min() / p.max())),
            "mass, walls of zero slope": abs(float(open_box.sum()) - 1.0),
            "net flux at rest, differences of the density": float(
                np.abs(pushed - 0.3 * np.gradient(rest, x))[1:-1].max() / np.abs(pushed).max()
            ),
        })  # fmt: skip
    measured, label = worst(found), f"{count} steep in 1D"
    rows = [
        Row(f"{label}: negative part, default", measured.pop("ours"), 0.0, LIMITS["negative part, default"], "absolute")
    ]
    for name, value in measured.items():
        rows.append(Row(f"{label}: {name}", value, 0.0, LIMITS[BREAKS[name]], "absolute", control=True))
    return rows


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All rules on as many random problems in each dimension as the level says."""
    count = max(levels)
    return [row for dim in (1, 2) for row in invariants(dim, count)] + controls(count)


def draw_rules(axes: Axes, rows: Sequence[Row]) -> None:
    """Worst violation of each rule, its limit, and the controls."""
    names, floor = [name for name, limit in LIMITS.items() if limit], 1e-17
    height = {name: len(names) - i for i, name in enumerate(names)}
    for row in rows:
        group, _, name = row.case.partition(": ")
        rule = BREAKS[name] if row.control else name
        if rule in height:
            marker = "X" if row.control else "o" if "1D" in group else "s"
            shift = 0.12 if "1D" in group else -0.12
            label = "control" if row.control else group.split(" in ")[1]
            axes.plot(max(row.measured, floor), height[rule] + shift, marker, color="k", mfc="none", label=label)
    for name, y in height.items():
        axes.plot([LIMITS[name]] * 2, [y - 0.35, y + 0.35], "k-", lw=2, label="allowed")
    axes.set_xscale("log")
    axes.set_xlim(floor / 3, 30)
    axes.set_yticks(list(height.values()), list(height), fontsize=8)
    axes.set_xlabel(r"worst violation (exactly 0 is drawn at $10^{-17}$)")
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(
        once.values(), once.keys(), frameon=False, fontsize=8, loc="upper center", ncols=4, bbox_to_anchor=(0.4, 1.1)
    )


def figure(rows: Sequence[Row]) -> Figure:
    """All rules, and what central differences do to a density."""
    picture = claim.canvas(10.0, 4.4)
    left, right = picture.subplots(1, 2, width_ratios=[1.3, 1])
    draw_rules(left, rows)
    waves, grid = next(steep(1))
    x = grid.centers[0]
    wrong = expm(central(waves, grid) * STEEP_TIME) @ drop(grid)
    right.plot(x, exponential_fit(waves, grid).density[0], "k-", lw=1.2, label="fp.solve")
    right.plot(x, wrong, "k:", lw=1, marker=".", ms=3, label="control: central differences")
    right.set_xlim(-0.75, 0.25)
    right.axhline(0.0, color="0.7", lw=0.8)
    right.set_xlabel("$x$")
    right.set_ylabel(f"density at $t$ = {STEEP_TIME:g}, D = {STEEP:g}")
    right.legend(frameon=False, fontsize=8)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
