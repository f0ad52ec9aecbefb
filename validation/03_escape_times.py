"""Escape and passage times: order 2 against quadrature, Kramers' law from its exact side, and the true times of SGD.

In one dimension the mean time from x to b, with a reflecting wall far left, is the double integral

    tau(x -> b) = integral_x^b dy exp(U(y)/D)/D integral_-inf^y dz exp(-U(z)/D)      (Gardiner 2009, 5.5)

Double well U = x^4/4 - x^2/2 at D = 0.1 and 0.05 (times, slowest and next rate, splitting probability), exit from (-1, 1)
and (-2, 2) with noise that grows outwards (mu = -x, D = 0.1 + 0.1 x^2), all by quadrature to ten digits. For small D the
time tends to Kramers' 2 pi exp((U(0) - U(-1))/D) / sqrt(U''(-1) |U''(0)|) = pi sqrt(2) exp(1/(4 D)), with a relative error
that falls with order 1 in D, and with order 2 once the next term of Laplace's method is included, 1 + 3 D / 2 (the "cells"
column holds 1/D). In two dimensions V = (x^2-1)^2/4 + (1 + x^2) y^2/2: the slowest rate against finer grids, and its
approach to Eyring and Kramers, (2/pi) exp(-1/(4 D)) (Langer 1969).

On the two-datapoint landscape at learning rate 0.02 SGD leaves the pit after some 149 steps; its transfer operator says so,
the diffusion says 566 (by quadrature, from 1.00745 to 1.23). The diffusion picture is wrong there, and the package shows it:
the diffusion's time compared with simulated SGD is a control, as is an equation with the Stratonovich drift.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (240, 480, 960)  # cells; multiples of 12, so that -1, -.5, 0 and 1 lie on faces at each
QUICK = (240, 480)
# D: tau(-1 -> 0), tau(-1 -> 1), slowest rate, next rate
DOUBLE_WELL = {
    0.1: (30.8213024727, 66.2686263649, 0.03354528731, 0.9273721),
    0.05: (361.903759501, 729.670691942, 0.002776140635, 0.82224712),
}
SPLITTING = 0.0901047857818  # D = 0.1: from -0.5 to 1 before -1
EXITS = {1: 24.32146323, 2: 2830.45340112}
PLANE = {0.1: 0.0435394, 0.05: 0.00371984}  # slowest rates
INVERSE_NOISE = (20, 40, 80, 160)
START, TARGET = 1.00745, 1.3  # in the pit, beyond its barrier
LEAVING = 565.7328  # steps to 1.23 in the diffusion picture, by quadrature


def double_well(diffusion: float) -> fp.FokkerPlanck:
    """U = x^4/4 - x^2/2."""
    return fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=diffusion)


def quadrature_rows(levels: Sequence[int]) -> Iterator[Row]:
    """Times, rates and a splitting probability of the double well; exits with noise that depends on the place."""
    for n in levels:
        grid, limit = fp.Grid((-3, 3), n), (10.0 / n) ** 2
        for d, (half, full, slow, following) in DOUBLE_WELL.items():
            eq, name = double_well(d), f"double well, D = {d:g}"
            rates = -fp.spectrum(eq, grid, 3).eigenvalues.real
            yield Row(f"{name}: -1 to 0", fp.first_passage(eq, grid, lambda x: x > 0).at(-1), half, limit, level=n)
            yield Row(f"{name}: -1 to 1", fp.first_passage(eq, grid, lambda x: x > 1).at(-1), full, limit, level=n)
            yield Row(f"{name}: slowest rate", rates[1], slow, limit, level=n)
            yield Row(f"{name}: next rate", rates[2], following, limit, level=n)
        q = fp.committor(double_well(0.1), grid, lambda x: x < -1, lambda x: x > 1)
        yield Row(
            "double well, D = 0.1: from -0.5 to 1 before -1", grid.interpolate(q, -0.5), SPLITTING, limit, level=n
        )
        for width, expected in EXITS.items():
            eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.1 + 0.1 * x * x)
            box = fp.Grid((-width, width), n, boundary="absorbing")
            yield Row(f"exit of (-{width}, {width})", fp.first_passage(eq, box).at(0), expected, limit, level=n)


def kramers(diffusion: float, next_term: bool = False) -> float:
    """Time from -1 to 1 for small D."""
    return np.pi * np.sqrt(2.0) * np.exp(0.25 / diffusion) * (1.0 + 1.5 * diffusion * next_term)


def kramers_rows() -> Iterator[Row]:
    """The exact time against its asymptotic law, on a grid fine enough that only D matters."""
    for inverse in INVERSE_NOISE:
        d = 1.0 / inverse
        time = fp.first_passage(double_well(d), fp.Grid((-2, 2), 8000), lambda x: x > 1).at(-1)
        yield Row("Kramers' law", time, kramers(d), 3.0 * d, level=inverse)
        yield Row("Kramers' law with its next term", time, kramers(d, True), 20.0 * d**2, level=inverse)


def plane_rate(diffusion: float, cells: int) -> float:
    """Slowest rate of V = (x^2-1)^2/4 + (1 + x^2) y^2/2."""
    eq = fp.FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 / 4 + (1 + x**2) * y**2 / 2, diffusion=diffusion)
    grid = fp.Grid([(-2.4, 2.4), (-2.4, 2.4)], cells)
    return float(-fp.spectrum(eq, grid, 2).eigenvalues[1].real)


def plane_rows(levels: Sequence[int]) -> Iterator[Row]:
    """Slowest rates in two dimensions, and how far Eyring and Kramers are from them."""
    for d, expected in PLANE.items():
        for n in (n // 4 for n in levels[:2]):
            yield Row(f"plane, D = {d:g}: slowest rate", plane_rate(d, n), expected, 45.0 / n**2, level=n)
    for inverse in (20, 40):
        law = 2.0 / np.pi * np.exp(-0.25 * inverse)
        found = plane_rate(1.0 / inverse, levels[-1] // 4)
        yield Row("plane: rate of Eyring and Kramers", found, law, 3.5 / inverse, level=inverse)


def pit() -> fp.SGD:
    """SGD on two datapoints, one of which has a narrow pit."""
    return fp.SGD(fp.landscapes.two_datapoints().loss, 0.02)


def pit_paths(paths: int) -> np.ndarray:
    """Steps after which simulated SGD has left the pit."""
    runs = pit().simulate(np.array([START]), n_paths=paths, seed=4, target=f"w > {TARGET}", max_steps=100_000)
    assert runs.exit_times is not None
    return runs.exit_times


def diffusion_time(cells: int, convention: str = "ito") -> float:
    """The same in the diffusion picture, to the edge of its noise."""
    grid = fp.Grid((0.9, 1.23), cells, boundary=("reflecting", "absorbing"))
    return fp.first_passage(pit().equation(convention=convention), grid).at(START)


def pit_rows(levels: Sequence[int]) -> Iterator[Row]:
    """Transfer operator and diffusion against simulated SGD."""
    times = pit_paths(500 * levels[-1])
    sigma = float(times.std() / np.sqrt(times.size))
    beyond = lambda w: w > TARGET  # noqa: E731
    fine, coarse = (
        pit().transfer_operator(fp.Grid((0.5, 2.5), n)).first_passage(beyond).at(START) for n in (8000, 4000)
    )
    simulated = float(times.mean())
    yield Row("pit: operator against SGD", fine, simulated, 4.0, "sigma", sigma=sigma, bias=abs(fine - coarse))
    yield Row("pit: diffusion against quadrature", diffusion_time(1600), LEAVING, 1e-4)
    yield Row("pit: diffusion against SGD", diffusion_time(800), simulated, 4.0, "sigma", sigma=sigma, control=True)
    wrong = diffusion_time(800, "stratonovich")
    yield Row("pit: Stratonovich drift against quadrature", wrong, LEAVING, 1e-4, control=True)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """Quadrature, asymptotics, two dimensions, SGD (500 paths a cell of the finest level)."""
    rows = claim.with_order([*quadrature_rows(levels)], 2.0, 0.1)
    return [*rows, *kramers_rows(), *plane_rows(levels), *pit_rows(levels)]


def draw_kramers(axes: Axes) -> None:
    """Exact times over Kramers' law as D falls."""
    inverse = np.geomspace(8, 160, 12)
    exact = [fp.first_passage(double_well(1 / k), fp.Grid((-2, 2), 4000), lambda x: x > 1).at(-1) for k in inverse]
    law = kramers(1.0 / inverse)
    axes.semilogx(1.0 / inverse, exact / law, "o", ms=5, color="0.45", label="passage solver")
    axes.semilogx(1.0 / inverse, 1.0 + 1.5 / inverse, "k-", lw=1.2, label="1 + 3D/2")
    axes.axhline(1.0, color="k", ls="--", lw=1.0, label="Kramers")
    axes.set(xlabel="D", ylabel="mean time from -1 to 1 / Kramers' law", title="$U = x^4/4 - x^2/2$")
    axes.legend(frameon=False, fontsize=8)


def draw_pit(axes: Axes) -> None:
    """Share of runs still in the pit: simulated, by the operator, and in the diffusion picture."""
    times, steps = pit_paths(50_000), np.arange(0, 1501, 75)
    axes.semilogy(steps, [(times > s).mean() for s in steps], "o", ms=5, color="0.45", label="simulated SGD")
    operator = pit().transfer_operator(fp.Grid((0.5, 2.5), 4000)).first_passage(lambda w: w > TARGET)
    axes.semilogy(steps, operator.survival(steps, fp.point(START)), "k-", lw=1.2, label="transfer operator")
    grid = fp.Grid((0.9, 1.23), 800, boundary=("reflecting", "absorbing"))
    diffusion = fp.first_passage(pit().equation(), grid)
    axes.semilogy(steps, diffusion.survival(steps, fp.point(START)), "k--", lw=1.2, label="diffusion (a control)")
    axes.set(ylim=(3e-4, 1.5), xlabel="steps", ylabel="share still in the pit", title="two datapoints, $\\eta$ = 0.02")
    axes.legend(frameon=False, fontsize=8)


def figure(rows: Sequence[Row]) -> Figure:
    """Kramers' law, and the escape of SGD from the pit."""
    picture = claim.canvas(10.4, 4.2)
    left, right = picture.subplots(1, 2)
    draw_kramers(left)
    draw_pit(right)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
