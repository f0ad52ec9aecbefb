"""Where plain methods give wrong numbers in silence, the right ones come, a refusal, or a sentence on how far they are off.

Each case is a few lines that a user would write. References are closed forms, quadratures or refinements:

- coefficients in time: a pulse of 20 on (4.03, 4.08) moves the mean of dX = (-X + f) dt + dW by 20 (e^-0.92 - e^-0.97); noise
  that is switched on at 1.3 leaves the variance 0.09 + 0.7; a smooth kick of area 2 at t = 50 decays by e^(-0.01 * 50);
- where D vanishes: Wright-Fisher is a martingale; P(X_t = 0) = exp(-x0 / t) for D = x; a zero inside that nobody crosses; a
  Bessel process by its stationary law; membranes by integrals of 1 / D;
- moving targets: a disc that circles stands still in the frame that turns with it, on twice as many cells;
- signs and places: no density below 0; a region narrower than a cell has its probability;
- spectra and equilibria: -1 +- 10 i of a rotating well; entropy production and current of driven rings by quadrature;
- SGD: divergence and walls by the sentence that has to come;
- passages: an absorbing wall is a zero of the mean time; a strip thinner than a cell is not passed;
- random numbers: different simulations are independent.

Controls: the plain method for the same question, computed here, has to fail: Gauss points in time that step over a pulse, cells
that reflect where D vanishes, links by the mean of D, eigenvalues nearest 0, fluxes as differences of rounded numbers, targets
made of cells, one seed for all, and a check of mass and sign instead of a sentence.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import expm
from scipy.sparse.linalg import eigs, splu
from scipy.special import erf

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (1,)
QUICK = (1,)


class Case(NamedTuple):
    """What is asked, the right value, the error allowed (relative, or as it stands where 0 is right), and the plain method."""

    name: str
    ask: Callable[[], float]
    right: float
    limit: float
    plain: Callable[[], float]


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


def strip() -> float:
    """The committor below a diagonal strip that parts the box and is a tenth of a cell thick: nothing gets past it."""
    return fp.committor(fp.FokkerPlanck(diffusion=1.0), SQUARE, source=_strip, target=_far, error=False).at([0.2, 0.2])


def _strip(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(x + 0.8 * y - 0.913) < 0.002


def _far(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x + y > 1.7


def circling() -> float:
    """What is left at t = 1 beside a disc that goes round."""
    cells = fp.Grid([(-2.5, 2.5)] * 2, 80)
    found = fp.first_passage(SPRING, cells, lambda x, y, t: _disc(x, y, TURN * t), error=False)
    return float(found.survival([1.0], fp.gaussian([0, 0], 0.4))[0])


def _disc(x: np.ndarray, y: np.ndarray, angle: float) -> np.ndarray:
    return (x - np.cos(angle)) ** 2 + (y - np.sin(angle)) ** 2 < 0.4**2


def steps_of_temperature() -> float:
    """The variance of a spring in the plane whose noise falls in steps."""
    eq = fp.FokkerPlanck(drift=lambda x, y, t: (-x, -y), diffusion=lambda x, y, t: _falling(t) + 0.0 * x)
    result = fp.solve(eq, fp.Grid([(-3, 3)] * 2, 100), fp.gaussian([0, 0], 0.5), [2.0], error=False)
    return float(result.covariance()[0, 0, 0])


def _falling(t: float) -> np.ndarray:
    return np.where(t < 0.37, 1.0, np.where(t < 1.41, 0.3, 0.1))


def sign() -> float:
    """The most negative value of a density that starts in one cell, over its largest."""
    found = fp.solve(SPRING_1D, fp.Grid((-6, 6), 1920), fp.point(2.0), [0.001, 0.1, 1.0], error=False)
    return float(np.maximum(-found.density, 0.0).max() / found.density.max())


def narrow_region() -> float:
    """The probability of a region that holds no center of a cell."""
    region = {"inside": lambda x: ((x > 0.48) & (x < 0.52)).astype(float)}
    start = fp.gaussian(0, np.sqrt(0.5))
    return float(
        fp.solve(SPRING_1D, fp.Grid((-6, 6), 100), start, [1.0], observe=region, error=False).observed["inside"][0]
    )


def unseen() -> object:
    """Paths whose steps do not see a pulse of the drift."""
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.where((t > 1.001) & (t < 1.004), 300.0, 0.0), diffusion=0.001)
    return fp.simulate(eq, 0.0, [2.0], dt=0.01, n_paths=100, seed=1)


def half_a_loss() -> object:
    """A loss that is not finite on half of the box."""
    return fp.SGD(fp.SampleLoss("log(w)*x", ["w"], {"x": [1.0, 2.0]}), 0.1).transfer_operator(fp.Grid((-3, 3), 200))


def shared() -> float:
    """Correlation of the paths of two different simulations by default."""
    well = [fp.FokkerPlanck(drift=lambda x, k=k: -k * x, diffusion=1.0) for k in (1.0, 1.1)]
    x, y = (
        fp.simulate(eq, fp.point(0.0), [1.0], 0.05, n_paths=2000, step_error=False).positions[-1, :, 0] for eq in well
    )
    return float(np.corrcoef(x, y)[0, 1])


# plain methods


def gauss_in_time(f: Callable[[float], float], end: float, steps: int) -> float:
    """An integral over time by two Gauss points a step."""
    step, at = end / steps, 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0)
    return step * sum(0.5 * f(float(t)) for k in range(steps) for t in step * (k + at))


def plain_pulse() -> float:
    """Steps of .25 over the pulse."""
    return gauss_in_time(lambda t: 20.0 * (4.03 < t < 4.08) * np.exp(t - 5.0), 5.0, 20)


def plain_kick() -> float:
    """Steps of 4 over the kick."""
    height = 2.0 / (0.25 * np.sqrt(2.0 * np.pi))
    return gauss_in_time(lambda t: height * np.exp(-((t - 50.0) ** 2) / 0.125 + 0.01 * (t - 100.0)), 100.0, 25)


def plain_chain(drift: np.ndarray, diffusion: np.ndarray, h: float) -> np.ndarray:
    """Rates (n, n) between cells by upwind differences with D at the centers, and reflecting ends."""
    up, down = diffusion / h**2 + np.maximum(drift, 0.0) / h, diffusion / h**2 + np.maximum(-drift, 0.0) / h
    rates = np.diag(up[:-1], -1) + np.diag(down[1:], 1)
    return rates - np.diag(rates.sum(axis=0))


def plain_density(
    drift: Callable, diffusion: Callable, ends: tuple[float, float], n: int, start: Callable, t: float
) -> tuple[np.ndarray, np.ndarray]:
    """Centers and masses at time t of that chain; a very late time is the stationary state."""
    h = (ends[1] - ends[0]) / n
    x = ends[0] + h * (np.arange(n) + 0.5)
    p = start(x)
    return x, expm(t * plain_chain(drift(x), diffusion(x), h)) @ (p / p.sum())


def plain_martingale() -> float:
    """Exits that reflect."""
    x, p = plain_density(np.zeros_like, lambda x: x * (1 - x) / 2, (0, 1), 100, lambda x: np.abs(x - 0.3) < 0.006, 10.0)
    return float(x @ p)


def plain_extinction() -> float:
    """What lies in the first cell."""
    _, p = plain_density(np.zeros_like, lambda x: x, (0, 20), 200, lambda x: np.abs(x - 1.0) < 0.06, 2.0)
    return float(p[0])


def plain_crossing() -> float:
    """Cells that do not know of the zero between them."""
    x, p = plain_density(
        lambda x: x - x**3, lambda x: 0.8 * x**2, (-4, 4), 200, lambda x: np.exp(-((x - 1) ** 2) / 0.02), 100.0
    )
    return 1.0 + float(p[x < 0.0].sum())


def plain_bessel() -> float:
    """A singular density as an even one in the first cell."""
    x, p = plain_density(lambda x: -0.4 / x - x, lambda x: 0.5 + 0.0 * x, (0, 6), 200, np.ones_like, 50.0)
    return float(x @ p)


def plain_membrane(power: float) -> float:
    """Integral of D^-power over all before, times D^(power - 1): with D on faces by the mean of its neighbours."""
    x = (np.arange(100) + 0.5) / 100
    d = np.where(np.abs(x - 0.5) < 0.01, 1e-4, 1.0)
    face = np.append(0.5 * (d[1:] + d[:-1]), 1.0)
    return float((np.cumsum(d ** (power - 1.0)) / 100 * face**-power).sum() / 100)


def plain_circling() -> float:
    """The disc where it was at first."""
    found = fp.first_passage(SPRING, fp.Grid([(-2.5, 2.5)] * 2, 40), lambda x, y: _disc(x, y, 0.0), error=False)
    return float(found.survival([1.0], fp.gaussian([0, 0], 0.4))[0])


def plain_sign() -> float:
    """Crank and Nicolson, steps of .01."""
    n, h = 1920, 12.0 / 1920
    x = -6.0 + h * (np.arange(n) + 0.5)
    q = sp.csc_array(plain_chain(-x, np.full(n, 0.5), h))
    one = sp.eye_array(n, format="csc")
    step = splu((one - 0.005 * q).tocsc())
    p = np.zeros(n)
    p[np.argmin(np.abs(x - 2.0))] = 1.0
    for _ in range(10):
        p = step.solve(p + 0.005 * (q @ p))
    return float(np.maximum(-p, 0.0).max() / p.max())


def plain_region() -> float:
    """The probability of the cells whose centers lie in the region."""
    x = -6.0 + 0.12 * (np.arange(100) + 0.5)
    p = np.exp(-(x**2)) / np.sqrt(np.pi)
    return float(0.12 * p[(x > 0.48) & (x < 0.52)].sum())


def plain_rotation() -> float:
    """Eigenvalues nearest 0 in modulus."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x - 10 * y, 10 * x - y), diffusion=0.5)
    q = fp.generator(eq, fp.Grid([(-2.5, 2.5)] * 2, 48)).matrix.tocsc()
    return float(np.abs(eigs(q, 3, sigma=1e-6, return_eigenvectors=False).imag).max())


def plain_flux(d: float) -> tuple[float, float]:
    """Mean net flux on the driven ring as a difference of rounded ones, and the largest of these."""
    n = 400
    h = 2.0 * np.pi / n
    phi = -0.3 * h - np.cos(h * (np.arange(n) + 1)) + np.cos(h * np.arange(n))  # the potential difference of each link
    up, down = d / h**2 * np.exp(-0.5 * phi / d), d / h**2 * np.exp(0.5 * phi / d)
    q = np.diag(up[:-1], -1) + np.diag(down[:-1], 1)
    q[0, -1], q[-1, 0] = up[-1], down[-1]
    p = np.abs(np.linalg.svd(q - np.diag(q.sum(axis=0)))[2][-1])
    p = p / p.sum()
    there, back = up * p, down * np.roll(p, -1)
    return float((there - back).mean()), float(there.max())


def plain_entropy_production() -> float:
    """None where the net flux is below an absolute cut-off."""
    net, largest = plain_flux(0.06)
    return 0.0 if abs(net) < 1e-8 * largest else net * 2.0 * np.pi * 0.3 / 0.06


def plain_time_at_wall() -> float:
    """The value of the nearest cell."""
    result = fp.first_passage(fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 50, "absorbing"), error=False)
    return float(np.interp(0.001, result.grid.centers[0], result.mean))


def plain_strip() -> float:
    """The strip as the cells whose centers lie in it."""
    cells = _strip(*np.meshgrid(*SQUARE.centers, indexing="ij"))
    return fp.committor(fp.FokkerPlanck(diffusion=1.0), SQUARE, source=cells, target=_far, error=False).at([0.2, 0.2])


def plain_pairs() -> float:
    """Both simulations from `default_rng(0)`."""
    ends = []
    for k in (1.0, 1.1):
        rng, x = np.random.default_rng(0), np.zeros(2000)
        for _ in range(20):
            x += -0.05 * k * x + np.sqrt(0.1) * rng.normal(size=2000)
        ends.append(x)
    return float(np.corrcoef(*ends)[0, 1])


def plain_check(call: Callable[[], object]) -> float:
    """1 if the mass of a density differs from 1, or it is negative or not finite; a number is one that is finite, or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = call()
    masses = np.asarray(getattr(result, "masses", [[1.0]]))
    value = float(result) if isinstance(result, float) else 0.0
    good = (
        np.isfinite(masses).all()
        and masses.min() > -1e-12
        and abs(masses.reshape(-1, masses.shape[-1])[-1].sum() - 1) < 1e-6
    )
    return float(not (good and np.isfinite(value)))


def plain_loss() -> float:
    """The step of SGD from each cell center, -eta x / w, which is finite on both sides of 0."""
    w = -3.0 + 0.03 * (np.arange(200) + 0.5)
    return plain_check(lambda: float(np.abs(w - 0.1 * np.array([[1.0], [2.0]]) / w).max()))


def plain_start() -> float:
    """What is left of a start in the box, scaled to 1."""
    x = np.linspace(-2.0, 2.0, 100)
    log = -0.5 * ((x - 5.0) / 0.1) ** 2
    p = np.exp(log - log.max())
    return plain_check(lambda: float((p / p.sum()).sum()))


def plain_divergence() -> float:
    """The same estimate by nearest neighbours, of paired samples."""
    x = np.random.default_rng(5).normal(size=4000)
    y = x + 1e-3
    own, other = (np.sort(np.abs(np.subtract.outer(x[:500], z)), axis=1)[:, k] for z, k in ((x, 1), (y, 0)))
    return plain_check(lambda: float(np.log(np.maximum(other, 1e-12) / own).mean()))


TURN = 2.0
SPRING = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.5)
SPRING_1D = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
SQUARE = fp.Grid([(0, 1)] * 2, 50)
CASES = (
    Case("drift pulse of .05 in 5", pulse, 20 * (np.exp(-0.92) - np.exp(-0.97)), 5e-3, plain_pulse),
    Case("diffusion switched on at 1.3", switch, 0.79, 1e-3,
         lambda: 0.09 + 2.0 * gauss_in_time(lambda t: 0.5 * (t >= 1.3), 2.0, 8)),
    Case("smooth kick at 50 in 100", kick, 2 * np.exp(-0.5), 3e-3, plain_kick),
    Case("Wright-Fisher, mean at 10", wright_fisher, 0.3, 1e-6, plain_martingale),
    Case("D = x, P(0) at 2", extinction, np.exp(-0.5), 3e-3, plain_extinction),
    Case("zero of D and drift, 1 + P(x < 0) at 100", uncrossed, 1.0, 1e-6, plain_crossing),
    Case("Bessel dimension .2, stationary mean", bessel, 0.1565, 2e-3, plain_bessel),
    Case("membrane, Klimontovich", lambda: membrane("klimontovich"), 100.49, 1e-4, lambda: plain_membrane(1.0)),
    Case("membrane, Stratonovich", lambda: membrane("stratonovich"), 4.4402, 1e-4, lambda: plain_membrane(0.5)),
    Case("rotating well, slowest turning mode", rotation, 10.0, 5e-3, plain_rotation),
    Case("driven ring, entropy production", lambda: ring(0.06).entropy_production, 2.286e-8, 2e-3, plain_entropy_production),
    Case("driven ring, current", lambda: float(ring(0.02).current[0].mean()), 1.7597e-26, 2e-3,
         lambda: plain_flux(0.02)[0]),
    Case("mean time beside an absorbing wall", lambda: fp.first_passage(
        fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 50, "absorbing"), error=False).at(0.001), 0.0004995, 0.03,
        plain_time_at_wall),
    Case("strip thinner than a cell, committor before it", strip, 0.0, 1e-12, plain_strip),
    Case("correlation of two simulations by default", shared, 0.0, 0.1, plain_pairs),
    Case("said: SGD diverges", lambda: said(diverging, "SGD diverges"), 1.0, 0.0, lambda: plain_check(diverging)),
    Case("said: descent is unstable", lambda: said(unstable, "descent is unstable"), 1.0, 0.0,
         lambda: plain_check(unstable)),
    Case("noise in the plane that falls in steps", steps_of_temperature,
         0.25 * np.exp(-4) + (np.exp(-3.26) - np.exp(-4)) + 0.3 * (np.exp(-1.18) - np.exp(-3.26)) + 0.1 * (1 - np.exp(-1.18)),
         5e-3, lambda: 0.25 * np.exp(-4.0) + 2.0 * gauss_in_time(lambda t: float(_falling(t)) * np.exp(2 * t - 4), 2.0, 2)),
    Case("disc that circles, share left at 1", circling, 0.5099, 2e-3, plain_circling),
    Case("negative part of a density from a point", sign, 0.0, 0.0, plain_sign),
    Case("probability of a third of a cell", narrow_region, float(0.5 * (erf(0.52) - erf(0.48))), 0.06, plain_region),
    Case("said: the box holds back", lambda: said(held_back, "Enlarge the box"), 1.0, 0.0, lambda: plain_check(held_back)),
    Case("said: the box cuts off", lambda: said(narrow, "cuts it off"), 1.0, 0.0, lambda: plain_check(narrow)),
    Case("said: a pulse between the steps of paths", lambda: said(unseen, "goes unseen"), 1.0, 0.0,
         lambda: plain_check(unseen)),
    Case("refused: a loss that is not finite", lambda: said(half_a_loss, "finite"), 1.0, 0.0, plain_loss),
    Case("refused: a start outside the box", lambda: said(outside, "inside the box"), 1.0, 0.0, plain_start),
    Case("refused: KL of dependent samples", lambda: said(dependent, "independent"), 1.0, 0.0, plain_divergence),
)  # fmt: skip


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All cases, each beside what a plain method answers."""
    rows = []
    for case in CASES:
        unit = "absolute" if case.limit == 0.0 or case.right == 0.0 else "relative"
        rows.append(Row(case.name, float(case.ask()), float(case.right), case.limit, unit))
        rows.append(
            Row(f"{case.name}, plainly", float(case.plain()), float(case.right), case.limit, unit, control=True)
        )
    return rows


def figure(rows: Sequence[Row]) -> Figure:
    """Errors here and of plain methods, on one scale."""
    picture = claim.canvas(8.0, 5.5)
    ax = picture.subplots()
    names = [row.case for row in rows if not row.control and row.unit == "relative"]
    plain = {row.case.removesuffix(", plainly"): row.error for row in rows if row.control}
    now = {row.case: row.error for row in rows if not row.control}
    places = np.arange(len(names))[::-1]
    ax.plot([max(now[n], 1e-10) for n in names], places, "o", color="k", label="here")
    ax.plot([plain.get(n, np.nan) for n in names], places, "x", color="0.5", label="a plain method")
    ax.set_yticks(places, names)
    ax.set(xscale="log", xlabel="relative error")
    ax.legend(frameon=False)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
