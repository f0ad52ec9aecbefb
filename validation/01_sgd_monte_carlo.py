"""Stationary densities and their moments are those of simulated SGD, in one and two dimensions.

Losses whose gradient is linear, g = A (w - w*) - r with A and r different for each sample, allow both sides in closed
form. With eta the learning rate, phi = 1/B for batches of B with replacement and (N - B)/((N - 1) B) without, the
stationary second moment M of SGD itself and that of its first-order diffusion solve

    H M + M H - eta H M H = eta phi (<A M A> - H M H + <r r>)      SGD, step by step
    H M + M H             = eta phi (<A M A> - H M H + <r r>)      first-order model, Ito

(H = <A>; for A = h this is eta sigma^2 / (h (2 - eta h)) against eta sigma^2 / (2 h); compare Mandt, Hoffman and Blei 2017,
Yaida 2019). So the error of the diffusion picture is known, and what is left of the difference can be judged in standard
errors. Three losses: a parabola with additive noise; the linear model (v x - y)^2, whose noise grows away from the minimum
so that its diffusion has power-law tails; and least squares in two parameters, whose noise is a full tensor that changes
from place to place. Each row "density against simulation" compares the variance of `fp.stationary` times the known ratio
of the two lines above with that of simulated SGD.

A double well with state-dependent noise has no closed form: there the transfer operator is compared with the simulation,
and the first-order density against the transfer operator. Where the noise of a sample grows as eta^(-1/2), the diffusion
stays the same while eta falls, and the difference falls with order 1 (the "cells" column holds 1/eta; Li, Tai and E 2017).

Controls: the diffusion doubled; the noise read in the middle of a step (Stratonovich).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import fokkerplanck as fp
from validation import claim
from validation.claim import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS = (400_000,)  # paths
QUICK = (20_000,)
LIMIT = 4.0  # standard errors


@dataclass(frozen=True)
class Linear:
    """A loss of linear gradient: its minimum, and A (N, d, d) and r (N, d) of every sample; cells an axis."""

    name: str
    loss: fp.SampleLoss
    minimum: tuple[float, ...]
    matrices: np.ndarray
    rests: np.ndarray
    cells: int

    def second_moment(self, sgd: fp.SGD, discrete: bool) -> np.ndarray:
        """Stationary covariance (d, d) of SGD itself, or of its first-order diffusion; see above."""
        a, r, eta, phi = self.matrices, self.rests, sgd.learning_rate, sgd.noise_factor
        h, one = a.mean(axis=0), np.eye(len(a[0]))
        hh = np.kron(h, h)
        spread = np.mean([np.kron(m, m) for m in a], axis=0) - hh
        operator = np.kron(h, one) + np.kron(one, h) - eta * phi * spread - eta * discrete * hh
        source = eta * phi * (r.T @ r) / len(r)
        return np.linalg.solve(operator, source.ravel()).reshape(source.shape)

    def grid(self, sgd: fp.SGD, share: float = 1.0) -> fp.Grid:
        """Ten deviations either way of the minimum in 1D, where tails are heavy, six in 2D; a share of the cells."""
        reach = (10.0 if len(self.minimum) == 1 else 6.0) * np.sqrt(np.diag(self.second_moment(sgd, True)))
        box = [(w - r, w + r) for w, r in zip(self.minimum, reach, strict=True)]
        return fp.Grid(box, int(share * self.cells))


def parabola() -> Linear:
    """(w - x)^2 / 2 with eight samples of mean 0."""
    x = np.array([-2.0, -1.2, -0.5, -0.1, 0.2, 0.6, 1.1, 1.9])
    loss = fp.SampleLoss("(w - x)**2/2", ["w"], {"x": x})
    return Linear("parabola", loss, (0.0,), np.ones((8, 1, 1)), x[:, None], 800)


def linear_model() -> Linear:
    """(v x - y)^2 with y = x + e: twelve samples with the moments of independent normal x and e up to the fifth."""
    x = np.repeat(np.sqrt(3.0) * np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0]), 2)
    e = np.tile([1.0, -1.0], 6)
    loss = fp.SampleLoss("(v*x - y)**2", ["v"], {"x": x, "y": x + e})
    return Linear("linear model", loss, (1.0,), 2.0 * (x**2)[:, None, None], 2.0 * (x * e)[:, None], 800)


def least_squares() -> Linear:
    """(u x + v y - z)^2 / 2 with correlated x and y: sixteen samples, z = x - y/2 + noise, fitted."""
    rng = np.random.default_rng(3)
    x = rng.choice([-1.5, -0.5, 0.5, 1.5], 16)
    points = np.stack([x, 0.6 * x + rng.choice([-0.8, 0.8], 16)], axis=1)
    z = points @ [1.0, -0.5] + rng.choice([-1.0, 1.0], 16)
    best = np.linalg.lstsq(points, z, rcond=None)[0]
    loss = fp.SampleLoss("(u*x + v*y - z)**2/2", ["u", "v"], {"x": points[:, 0], "y": points[:, 1], "z": z})
    rests = (z - points @ best)[:, None] * points
    return Linear("least squares, 2D", loss, tuple(best), np.einsum("ni,nj->nij", points, points), rests, 96)


SETTINGS = ((0.1, 1, True), (0.02, 1, True), (0.1, 4, True), (0.1, 4, False))  # eta, B, replacement
CASES: tuple[tuple[Callable[[], Linear], tuple], ...] = (
    (parabola, (*SETTINGS, (0.5, 1, True))),
    (linear_model, tuple((eta / 2, b, replacement) for eta, b, replacement in SETTINGS)),
    (least_squares, SETTINGS),
)


def simulated(case: Linear, sgd: fp.SGD, paths: int) -> fp.Ensemble:
    """SGD from the minimum until its variance is stationary up to e^-10."""
    slow = np.linalg.eigvalsh(case.matrices.mean(axis=0))[0] * sgd.learning_rate
    return sgd.simulate(np.array(case.minimum), [int(np.ceil(5.0 / slow))], n_paths=paths, seed=1)


def covariance_error(ensemble: fp.Ensemble) -> np.ndarray:
    """Standard errors (d, d) of the covariance, from the fourth moments."""
    u = ensemble.positions[-1] - ensemble.mean()[-1]
    return np.einsum("ni,nj->nij", u, u).std(axis=0) / np.sqrt(len(u))


def density_covariance(case: Linear, sgd: fp.SGD, eq: fp.FokkerPlanck) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the stationary density, and what the grid may still add: a third of the change from half as many cells."""
    fine, coarse = (fp.stationary(eq, case.grid(sgd, share)).covariance() for share in (1.0, 0.5))
    return fine, np.abs(fine - coarse) / 3.0


def linear_rows(case: Linear, setting: tuple[float, int, bool], paths: int) -> Iterator[Row]:
    """Simulation against the closed form, and density against simulation."""
    eta, batch, replacement = setting
    sgd = fp.SGD(case.loss, eta, batch, replacement)
    runs = simulated(case, sgd, paths)
    exact, diffusion = case.second_moment(sgd, True), case.second_moment(sgd, False)
    found, error = runs.covariance()[-1], covariance_error(runs)
    ratio = exact / diffusion
    name = f"{case.name}, eta {eta:g}, B {batch}" + ("" if replacement else " without replacement")
    density, bias = density_covariance(case, sgd, sgd.equation())
    wrong = {what: fp.stationary(eq, case.grid(sgd)).covariance() for what, eq in wrong_models(sgd, setting).items()}
    for i, j in ((0, 0), (0, 1), (1, 1))[: 3 if len(exact) == 2 else 1]:
        label = f"{name}: {'variance' if i == j else 'covariance'}" + (
            f" {'uv'[i]}{'uv'[j]}" if len(exact) == 2 else ""
        )
        reference, sigma, scale = float(found[i, j]), float(error[i, j]), float(ratio[i, j])
        if i == j == 0:
            case_name = f"{label}, simulation against closed form"
            yield Row(case_name, reference, float(exact[i, j]), LIMIT, "sigma", sigma=sigma)
        measured, more = scale * float(density[i, j]), {"sigma": sigma, "bias": scale * float(bias[i, j])}
        yield Row(f"{label}, density against simulation", measured, reference, LIMIT, "sigma", **more)
        for what, covariance in wrong.items():
            measured = scale * float(covariance[i, j])
            yield Row(f"{label}, {what}", measured, reference, LIMIT, "sigma", sigma=sigma, control=True)


def wrong_models(sgd: fp.SGD, setting: tuple[float, int, bool]) -> dict[str, fp.FokkerPlanck]:
    """Controls at one setting of each loss; the convention matters in one dimension of the linear model alone."""
    wrong = {}
    if setting == (0.05, 1, True):
        wrong["Stratonovich drift"] = sgd.equation(convention="stratonovich")
    if setting in ((0.05, 1, True), (0.1, 1, True)):
        wrong["noise doubled"] = fp.FokkerPlanck(drift=sgd.drift, diffusion=lambda *w: 2.0 * sgd.diffusion(*w))
    return wrong


def mean_rows(paths: int) -> Iterator[Row]:
    """The mean on its way down a parabola, ten steps of 0.1 from 1: where the second-order model is the better one."""
    case = parabola()
    sgd = fp.SGD(case.loss, 0.1)
    runs = sgd.simulate(np.array([1.0]), [10], n_paths=paths, seed=2)
    sigma = float(runs.standard_error()[-1, 0])
    yield Row(
        "parabola, mean after 10 steps: simulation", float(runs.mean()[-1, 0]), 0.9**10, LIMIT, "sigma", sigma=sigma
    )
    for model, rate in (("first-order", 1.0), ("second-order", 1.05)):
        density = fp.solve(sgd.equation(model), fp.Grid((-3, 3), 1000), fp.point(1.0), 10.0)
        yield Row(f"parabola, mean after 10 steps: {model} density", float(density.mean()[0, 0]), np.exp(-rate), 1e-3)


def double_well(inverse_rate: int) -> fp.SGD:
    """w^2 / 2 + 0.8 exp(-2 w^2) + x (w + w^2 / 10), x = +-sqrt(0.2 / eta): per time eta one diffusion for every eta."""
    size = np.sqrt(0.2 * inverse_rate)
    loss = fp.SampleLoss("w**2/2 + 0.8*exp(-2*w**2) + x*(w + w**2/10)", ["w"], {"x": [-size, size]})
    return fp.SGD(loss, 1.0 / inverse_rate)


RATES = (10, 20, 40)  # 1 / eta
WELL = fp.Grid((-2.5, 2.5), 2000)


def double_well_paths(paths: int) -> np.ndarray:
    """Where SGD in the double well has come to rest, (paths,), at the largest learning rate."""
    runs = double_well(RATES[0]).simulate(fp.gaussian(0.0, 0.8), [1500], n_paths=paths, seed=3)
    return runs.positions[-1][:, 0]


QUANTITIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda w: w,
    "mean square": lambda w: w**2,
    "share right of 0": lambda w: np.where(w > 0.0, 1.0, 0.0),
}


def well_rows(paths: int) -> Iterator[Row]:
    """Transfer operator against simulation, and the first-order density against the operator as eta falls."""
    w = double_well_paths(paths)
    operators = (double_well(RATES[0]).transfer_operator(fp.Grid((-2.5, 2.5), n)) for n in (2000, 1000))
    fine, coarse = (operator.stationary() for operator in operators)
    for name, f in QUANTITIES.items():
        values = f(w)
        expected, before = (float(f(s.grid.centers[0]) @ s.masses) for s in (fine, coarse))
        yield Row(
            f"double well, eta {1 / RATES[0]:g}: {name}, operator against simulation",
            expected,
            float(values.mean()),
            LIMIT,
            "sigma",
            sigma=float(values.std() / np.sqrt(len(w))),
            bias=abs(expected - before),
        )
    rows: list[Row] = []
    for level in RATES:
        sgd = double_well(level)
        densities = fp.stationary(sgd.equation(), WELL), sgd.transfer_operator(WELL).stationary()
        for name in ("mean", "share right of 0"):
            model, true = (float(QUANTITIES[name](WELL.centers[0]) @ s.masses) for s in densities)
            rows.append(
                Row(f"double well: {name}, first order against operator", model, true, 0.8 / level, level=level)
            )
    yield from claim.with_order(rows, 1.0, 0.3)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All comparisons, with the last of `levels` as the number of paths."""
    paths = levels[-1]
    rows = [row for make, settings in CASES for setting in settings for row in linear_rows(make(), setting, paths)]
    return [*rows, *mean_rows(paths), *well_rows(paths)]


def draw_well(axes: Axes, paths: int) -> None:
    """The double well: shares of simulated paths in bins, the operator's density, and the equation's, right and wrong."""
    w = double_well_paths(paths)
    sgd = double_well(RATES[0])
    counts, edges = np.histogram(w, np.linspace(-2.0, 2.0, 41))
    axes.plot(0.5 * (edges[1:] + edges[:-1]), counts / (len(w) * 0.1), "o", ms=4, color="0.45", label="simulated SGD")
    doubled = fp.FokkerPlanck(drift=sgd.drift, diffusion=lambda w: 2.0 * sgd.diffusion(w))
    x = WELL.centers[0]
    shares = sgd.transfer_operator(WELL).stationary().masses.reshape(50, -1).sum(axis=1)
    axes.stairs(shares / 0.1, np.linspace(-2.5, 2.5, 51), color="k", lw=1.2, label="transfer operator, in bins")
    axes.plot(x, fp.stationary(sgd.equation(), WELL).density, "k--", lw=1.2, label="first-order density")
    axes.plot(x, fp.stationary(doubled, WELL).density, "k:", lw=1.2, label="noise doubled (wrong)")
    axes.set(
        xlim=(-2, 2), ylim=(0, None), xlabel="w", ylabel="density", title=rf"double well, $\eta$ = {1 / RATES[0]:g}"
    )
    axes.legend(frameon=False, fontsize=8)


def draw_plane(axes: Axes, paths: int) -> None:
    """Contours of the density in two parameters, and of a histogram of paths."""
    case = least_squares()
    sgd = fp.SGD(case.loss, 0.02)
    coarse, fine = case.grid(sgd, 0.5), case.grid(sgd)
    seen = simulated(case, sgd, paths).density(coarse)[-1]
    density = fp.stationary(sgd.equation(), fine).density
    levels = density.max() * np.array([0.02, 0.1, 0.4, 0.8])
    axes.contour(*coarse.centers, seen.T, levels, colors="0.55", linestyles="--")
    axes.contour(*fine.centers, density.T, levels, colors="k", linewidths=1.1)
    axes.plot([], [], "k-", label="density")
    axes.plot([], [], "--", color="0.55", label="simulated SGD")
    axes.set(xlabel="u", ylabel="v")
    axes.set_title("least squares, $\\eta$ = 0.02\n2, 10, 40, 80 % of the peak", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def figure(rows: Sequence[Row]) -> Figure:
    """Shares in 1D, contours in 2D, and how many standard errors each comparison is off."""
    picture = claim.canvas(12.0, 3.9)
    left, middle, right = picture.subplots(1, 3)
    draw_well(left, 100_000)
    draw_plane(middle, 200_000)
    claim.draw_errors(right, rows)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
