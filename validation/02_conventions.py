"""Noise that depends on the place: each convention has its own stationary density, and SGD's is that of Ito.

With dX = mu dt + sqrt(2 D) dW and the noise read at the share alpha of a step (0 Ito, 1/2 Stratonovich, 1 Klimontovich),
the density without current on a line is

    p(x) proportional to D(x)^(alpha - 1) exp(integral of mu / D)

(Risken 1989, 5.2; Lau and Lubensky 2007). Held against it: no drift, D = (1 + x)^2 on [0, 1] and D = 0.1 + 0.4 x^2 on
[-2, 2]; mu = -4 x, D = 1 + x^2, where p is a power of 1 + x^2. On a lattice the convention is a statement about jump rates:
left or right alike at a rate r_i read where the jump starts (Ito, stationary 1 / r_i), at a rate of the bond, the same both
ways (Klimontovich, uniform), or at the geometric mean of the two (Stratonovich, r_i^(-1/2)); chains of random rates,
solved as such, are compared with `fp.stationary` of D = r times the lattice constant squared.

Last, SGD on the two-datapoint landscape -exp(-(w-2)^2) - s exp(-100 (w-1)^2), s = 0 or 1, learning rate 0.005: the mean of
what sits in the pit. Discrete steps shift it by 2.1e-5 against the diffusion (by the transfer operator), which is allowed
for; the conventions lie 2.4e-3 apart. Controls: each result compared with a wrong convention.
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
    from matplotlib.figure import Figure

LEVELS = (100, 200, 400)  # cells
QUICK = (50, 100)
WORDS = {0.0: "Ito", 0.5: "Stratonovich", 1.0: "Klimontovich"}
DASHES = {0.0: "-", 0.5: "--", 1.0: ":"}
# D = (1 + x)^2 on [0, 1]: <x>, <x^2>
MOMENTS = {0.0: (0.3862943611, 0.2274112778), 0.5: (0.4426950409, 0.2786524796), 1.0: (0.5, 1.0 / 3.0)}
HEIGHT = {0.0: 0.8488263632, 0.5: 0.75, 1.0: 0.6366197724}  # p(0) of mu = -4 x, D = 1 + x^2
RATE = 0.005
PIT = (0.9, 1.1742)  # from where the noise of the pit begins to its barrier
SHIFT = 2.1e-5  # of the mean in the pit, true SGD against its Ito diffusion, by the transfer operator


def box_rows(levels: Sequence[int]) -> Iterator[Row]:
    """Free diffusion in a box, by its moments and by the whole density."""
    for alpha, (mean, square) in MOMENTS.items():
        eq = fp.FokkerPlanck(diffusion=lambda x: (1 + x) ** 2, convention=alpha)
        for n in levels:
            st = fp.stationary(eq, fp.Grid((0, 1), n))
            found = st.mean()[0]
            name = f"D = (1+x)^2, {WORDS[alpha]}"
            yield Row(f"{name}: mean", found, mean, 0.6 / n**2, level=n)
            yield Row(f"{name}: mean square", st.covariance()[0, 0] + found**2, square, 0.6 / n**2, level=n)
    for alpha, word in WORDS.items():
        eq = fp.FokkerPlanck(diffusion=lambda x: 0.1 + 0.4 * x**2, convention=alpha)
        grid = fp.Grid((-2, 2), levels[-1])
        p = (0.1 + 0.4 * grid.centers[0] ** 2) ** (alpha - 1.0)
        error = np.abs(fp.stationary(eq, grid).density * grid.volumes - p / p.sum()).sum()
        yield Row(f"D = 0.1 + 0.4 x^2, {word}: L1 distance to D^(alpha-1) at the centers", error, 0.0, 1e-9, "absolute")


def power_law(alpha: float) -> fp.FokkerPlanck:
    """mu = -4 x, D = 1 + x^2."""
    return fp.FokkerPlanck(drift=lambda x: -4 * x, diffusion=lambda x: 1 + x**2, convention=alpha)


def power_law_rows(levels: Sequence[int]) -> Iterator[Row]:
    """The height of a power law; the box cuts off less than 1e-5 of it."""
    for n in levels:
        grid = fp.Grid((-40, 40), 20 * n)
        found = {alpha: grid.interpolate(fp.stationary(power_law(alpha), grid).density, 0.0) for alpha in WORDS}
        for alpha, word in WORDS.items():
            yield Row(f"-4x, 1 + x^2, {word}: p(0)", found[alpha], HEIGHT[alpha], 20.0 / n**2, level=n)
        if n == levels[-1]:
            yield Row("-4x, 1 + x^2: Stratonovich for Ito", found[0.5], HEIGHT[0.0], 20.0 / n**2, control=True)
            yield Row("-4x, 1 + x^2: Ito for Klimontovich", found[0.0], HEIGHT[1.0], 20.0 / n**2, control=True)


def chain_stationary(up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Stationary probabilities of a chain with rates up[i]: i -> i+1 and down[i]: i+1 -> i, by detailed balance."""
    p = np.concatenate([[1.0], np.cumprod(up / down)])
    return p / p.sum()


def chain_rows(n: int = 60) -> Iterator[Row]:
    """Chains whose rates are read where the jump starts, on the bond, or between, and the density of each convention."""
    r = np.random.default_rng(0).uniform(0.3, 3.0, n)
    bond = np.sqrt(r[1:] * r[:-1])
    rates = {0.0: (r[:-1], r[1:]), 0.5: (np.sqrt(r[:-1] * bond), np.sqrt(r[1:] * bond)), 1.0: (bond, bond)}
    grid = fp.Grid((0, n), n)
    where = {0.0: "read at the start", 0.5: "read halfway", 1.0: "of the bond"}
    for alpha, word in WORDS.items():
        masses = fp.stationary(fp.FokkerPlanck(diffusion=r, convention=alpha), grid).masses
        distance = {a: float(np.abs(masses - chain_stationary(*rates[a])).sum()) for a in WORDS}
        yield Row(f"chain of rates {where[alpha]}, {word}: L1 distance", distance[alpha], 0.0, 1e-9, "absolute")
        wrong = 1.0 if alpha == 0.0 else 0.0
        name = f"density of {word}, chain of rates {where[wrong]}: L1 distance"
        yield Row(name, distance[wrong], 0.0, 0.01, "absolute", control=True)


def sgd(rate: float = RATE) -> fp.SGD:
    """SGD on the two-datapoint landscape."""
    return fp.SGD(fp.landscapes.two_datapoints().loss, rate)


def pit_mean(rate: float, alpha: float) -> float:
    """Mean of the stationary density in the pit."""
    return float(fp.stationary(sgd(rate).equation(convention=WORDS[alpha].lower()), fp.Grid(PIT, 800)).mean()[0])


def pit_paths(rate: float, paths: int) -> tuple[float, float]:
    """Mean of simulated SGD in the pit after 100 steps, many times its relaxation, and the standard error."""
    runs = sgd(rate).simulate(np.array([1.0075]), [100], n_paths=paths, seed=5)
    return float(runs.mean()[-1, 0]), float(runs.standard_error()[-1, 0])


def pit_rows(paths: int) -> Iterator[Row]:
    """The mean in the pit: simulated SGD, and the three densities."""
    mean, sigma = pit_paths(RATE, paths)
    for alpha, word in WORDS.items():
        density = pit_mean(RATE, alpha)
        expected = {0.0: 1.0075243, 0.5: 1.0099573, 1.0: 1.0138531}[alpha]
        yield Row(f"pit, {word}: displacement of the mean from 1", density - 1.0, expected - 1.0, 1e-4)
        name = f"pit, {word} against simulated SGD: displacement of the mean"
        more = {"sigma": sigma, "bias": SHIFT, "control": alpha > 0.0}
        yield Row(name, density - 1.0, mean - 1.0, 4.0, "sigma", **more)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """Closed forms, chains, simulated SGD (1000 paths a cell of the finest level)."""
    rows = [*box_rows(levels), *power_law_rows(levels)]
    return [*rows, *chain_rows(), *pit_rows(1000 * levels[-1])]


def figure(rows: Sequence[Row]) -> Figure:
    """The power laws with their closed forms, and the mean in the pit with simulated SGD."""
    picture = claim.canvas(10.4, 4.2)
    left, right = picture.subplots(1, 2)
    grid = fp.Grid((-40, 40), 8000)
    x = grid.centers[0]
    seen = np.abs(x) < 6
    rates = np.arange(1, 7) / 1000.0
    means, errors = np.array([pit_paths(rate, 100_000) for rate in rates]).T
    for alpha, word in WORDS.items():
        p = fp.stationary(power_law(alpha), grid).density
        left.semilogy(x[seen], p[seen], "k" + DASHES[alpha], lw=1.2, label=word)
        exact = HEIGHT[alpha] * (1 + x[seen][::40] ** 2) ** (alpha - 3.0)
        left.semilogy(
            x[seen][::40], exact, "o", ms=4, mfc="none", mec="0.45", label="closed form" if alpha == 1 else None
        )
        right.plot(
            rates, [pit_mean(rate, alpha) for rate in rates], "k" + DASHES[alpha], lw=1.2, label=f"density, {word}"
        )
    right.errorbar(rates, means, 4 * errors, fmt="o", ms=5, color="0.45", label="simulated SGD, 4 s.e.")
    left.set(xlabel="x", ylabel="density", title="$\\mu = -4x$, $D = 1 + x^2$")
    right.set(
        xlabel="learning rate", ylabel="mean of w in the pit", title="two datapoints, pit at 1.0075 without noise"
    )
    left.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
