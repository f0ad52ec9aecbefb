"""Inputs on which version 0.1.0 gave wrong numbers in silence now give the right ones, refuse, or say how far they are off.

Each case is a few lines that a user would write. References are closed forms, quadratures or refinements:

- coefficients in time: a pulse of 20 on (4.03, 4.08) moves the mean of dX = (-X + f) dt + dW by 20 (e^-0.92 - e^-0.97); noise
  that is switched on at 1.3 leaves the variance 0.09 + 0.7; a smooth kick of area 2 at t = 50 decays by e^(-0.01 * 50);
- where D vanishes: Wright-Fisher is a martingale; P(X_t = 0) = exp(-x0 / t) for D = x; a zero inside that nobody crosses; a
  Bessel process by its stationary law; membranes by integrals of 1 / D;
- spectra and equilibria: -1 +- 10 i of a rotating well; entropy production and current of driven rings by quadrature;
- SGD: divergence and walls by the sentence that has to come;
- passages: an absorbing wall is a zero of the mean time.

Controls: what 0.1.0 answered, recorded from it, has to fail.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (1,)
QUICK = (1,)


class Case(NamedTuple):
    """What is asked, the right value, the relative error allowed, and what 0.1.0 said (None where a sentence was missing)."""

    name: str
    ask: Callable[[], float]
    right: float
    limit: float
    before: float | None


def _mean(eq: fp.FokkerPlanck, grid: fp.Grid, p0: object, t: float) -> float:
    return float(fp.solve(eq, grid, p0, [t], error=False).mean()[-1, 0])


def pulse() -> float:
    """A pulse of the drift shorter than any step."""

    def drift(x: np.ndarray, t: float) -> np.ndarray:
        return -x + np.where((t > 4.03) & (t < 4.08), 20.0, 0.0)

    return _mean(fp.FokkerPlanck(drift=drift, diffusion=0.1), fp.Grid((-6, 6), 480), fp.gaussian(0, 0.3162), 5.0)


def switch() -> float:
    """Noise that is switched on."""
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0.0 * x)
    return float(fp.solve(eq, fp.Grid((-6, 6), 600), fp.gaussian(0, 0.3), [2.0], error=False).covariance()[0, 0, 0])


def kick() -> float:
    """A smooth pulse in a long run."""

    def drift(x: np.ndarray, t: float) -> np.ndarray:
        return 2.0 * np.exp(-((t - 50.0) ** 2) / 0.125) / (0.25 * np.sqrt(2.0 * np.pi)) - 0.01 * x

    eq = fp.FokkerPlanck(drift=drift, diffusion=0.05)
    return _mean(eq, fp.Grid((-12, 12), 1500), fp.gaussian(0, 0.3), 100.0)


def wright_fisher() -> float:
    """The mean of a martingale with two exits."""
    return _mean(fp.FokkerPlanck(diffusion=lambda x: x * (1 - x) / 2), fp.Grid((0, 1), 400), fp.point(0.3), 10.0)


def extinction() -> float:
    """P(X = 0) at t = 2 for D = x from 1."""
    sol = fp.solve(fp.FokkerPlanck(diffusion=lambda x: x), fp.Grid((0, 40), 1000), fp.point(1.0), [2.0], error=False)
    return float(sol.atoms[0.0][0])


def uncrossed() -> float:
    """1 + P(x < 0) where noise and drift vanish at 0."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=lambda x: 0.8 * x**2)
    grid = fp.Grid.graded((-4, 4), lambda x: 1e-5 + 0.04 * np.abs(x))
    sol = fp.solve(eq, grid, fp.gaussian(1, 0.1), [100.0], error=False)
    return 1.0 + float(sol.masses[0][sol.grid.centers[0] < 0.0].sum())


def bessel() -> float:
    """The stationary mean of a Bessel process of dimension 0.2 in a harmonic well, singular at its wall."""
    eq = fp.FokkerPlanck(drift=lambda x: -0.4 / x - x, diffusion=0.5)
    return float(fp.stationary(eq, fp.Grid((0, 6), 400), error=False).mean()[0])


def membrane(convention: str) -> float:
    """The mean passage through a thin layer of little noise."""
    eq = fp.FokkerPlanck(diffusion=lambda x: np.where(np.abs(x - 0.5) < 0.01, 1e-4, 1.0), convention=convention)
    return fp.first_passage(eq, fp.Grid((0, 1), 100, ("reflecting", "absorbing")), error=False).at(0.0)


def rotation() -> float:
    """The imaginary part of the slowest mode that turns."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x - 10 * y, 10 * x - y), diffusion=0.5)
    grid = fp.Grid([(-2.5, 2.5)] * 2, 128)
    return float(np.abs(fp.spectrum(eq, grid, 3, error=False).eigenvalues.imag).max())


def ring(d: float) -> fp.Stationary:
    """A driven ring."""
    eq = fp.FokkerPlanck(drift=lambda x: 0.3 + np.sin(x), diffusion=d)
    return fp.stationary(eq, fp.Grid((0, 2 * np.pi), 800, "periodic"), error=False)


def said(call: Callable[[], object], words: str) -> float:
    """1 if a warning with these words comes, or an error does, else 0."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except (ValueError, fp.ConvergenceError) as error:
            return float(words in str(error))
    return float(any(words in str(w.message) for w in caught))


def diverging() -> object:
    """SGD whose variance grows without bound, on a grid."""
    loss = fp.SampleLoss("x*w**2/2 + c*w", ["w"], {"x": [0.2, 3.0], "c": [0.3, -0.3]})
    return fp.SGD(loss, 0.8).transfer_operator(fp.Grid((-3, 3), 600)).evolve(fp.gaussian(0, 0.3), [200])


def unstable() -> object:
    """The diffusion of a descent that is unstable."""
    sgd = fp.SGD(fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]}), 3.0)
    return fp.solve(sgd.equation(), fp.Grid((-20, 20), 400), fp.gaussian(0, 0.3), [2.0])


def held_back() -> object:
    """Mass that SGD carries beyond the box."""
    sgd = fp.SGD(fp.landscapes.two_datapoints().loss, 0.3)
    return sgd.transfer_operator(fp.Grid((-0.5, 2.5), 600)).evolve(fp.gaussian(0.5, 0.175), [50])


def narrow() -> object:
    """A box that cuts the stationary law off."""
    return fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0), fp.Grid((-0.5, 0.5), 100))


def outside() -> object:
    """A start that lies outside the box."""
    return fp.solve(fp.FokkerPlanck(diffusion=1.0), fp.Grid((-2, 2), 100), fp.gaussian(5, 0.1), [1.0])


def dependent() -> object:
    """The Kullback-Leibler divergence of samples that share their noise."""
    x = np.random.default_rng(5).normal(size=4000)
    return fp.distances.kullback_leibler(x, x + 1e-3, method="nearest")


CASES = (
    Case("drift pulse of .05 in 5", pulse, 20 * (np.exp(-0.92) - np.exp(-0.97)), 5e-3, 2e-16),
    Case("diffusion switched on at 1.3", switch, 0.79, 1e-3, 0.825),
    Case("smooth kick at 50 in 100", kick, 2 * np.exp(-0.5), 3e-3, -6e-14),
    Case("Wright-Fisher, mean at 10", wright_fisher, 0.3, 1e-6, 0.449),
    Case("D = x, P(0) at 2", extinction, np.exp(-0.5), 3e-3, None),
    Case("zero of D and drift, 1 + P(x < 0) at 100", uncrossed, 1.0, 1e-6, 1.967),
    Case("Bessel dimension .2, stationary mean", bessel, 0.1565, 2e-3, 0.216),
    Case("membrane, Klimontovich", lambda: membrane("klimontovich"), 100.49, 1e-4, 161.1),
    Case("membrane, Stratonovich", lambda: membrane("stratonovich"), 4.4402, 1e-4, 3.385),
    Case("rotating well, slowest turning mode", rotation, 10.0, 5e-3, 0.0),
    Case("driven ring, entropy production", lambda: ring(0.06).entropy_production, 2.286e-8, 2e-3, 0.0),
    Case("driven ring, current", lambda: float(ring(0.02).current[0].mean()), 1.7597e-26, 2e-3, -5e-17),
    Case("mean time beside an absorbing wall", lambda: fp.first_passage(
        fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 50, "absorbing"), error=False).at(0.001), 0.0004995, 0.03, 0.001),
    Case("said: SGD diverges", lambda: said(diverging, "SGD diverges"), 1.0, 0.0, 0.0),
    Case("said: descent is unstable", lambda: said(unstable, "descent is unstable"), 1.0, 0.0, 0.0),
    Case("said: the box holds back", lambda: said(held_back, "Enlarge the box"), 1.0, 0.0, 0.0),
    Case("said: the box cuts off", lambda: said(narrow, "cuts it off"), 1.0, 0.0, 0.0),
    Case("refused: a start outside the box", lambda: said(outside, "inside the box"), 1.0, 0.0, 0.0),
    Case("refused: KL of dependent samples", lambda: said(dependent, "independent"), 1.0, 0.0, 0.0),
)  # fmt: skip


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All cases, each beside what 0.1.0 answered."""
    rows = []
    for case in CASES:
        unit = "absolute" if case.limit == 0.0 else "relative"
        rows.append(Row(case.name, float(case.ask()), float(case.right), case.limit, unit))
        if case.before is not None:
            rows.append(Row(f"{case.name}, by 0.1.0", case.before, float(case.right), case.limit, unit, control=True))
    return rows


def figure(rows: Sequence[Row]) -> Figure:
    """Errors now and before, on one scale."""
    picture = claim.canvas(8.0, 5.5)
    ax = picture.subplots()
    names = [row.case for row in rows if not row.control and row.unit == "relative"]
    before = {row.case.removesuffix(", by 0.1.0"): row.error for row in rows if row.control}
    now = {row.case: row.error for row in rows if not row.control}
    places = np.arange(len(names))[::-1]
    ax.plot([max(now[n], 1e-10) for n in names], places, "o", color="k", label="now")
    ax.plot([before.get(n, np.nan) for n in names], places, "x", color="0.5", label="0.1.0")
    ax.set_yticks(places, names)
    ax.set(xscale="log", xlabel="relative error")
    ax.legend(frameon=False)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
