"""From trajectories to an equation: parameters without bias at any lag, tests at their level, the truth first.

Ornstein-Uhlenbeck process dX = -k X dt + sqrt(2 D) dW with k = D = 1 (Gaussian transitions, drawn exactly) and the double
well dX = (a X - b X^3) dt + sqrt(2 D) dW with a = b = 1, D = 1/4 (drawn by Heun's scheme at steps of 0.02, of second weak
order), at lags 0.1, 0.5 and 2. `fp.fit` of each family is compared with the parameters that made the data; the likelihood of
Euler steps, which takes (mean step) / lag and (variance) / (2 lag) for drift and diffusion, is the control. Its limit is
known: for the Ornstein-Uhlenbeck process it gives (1 - e^(-k lag)) / lag for k.

The Markov test is compared with its level of 0.05 on four Markov processes; the controls are eight with a memory: waiting,
momentum, shuffled batches, measurement noise, and coordinates that are not seen. The ranking of six models has to hold the
truth in its best set in 99 of 100 data sets, and at the first place in 95 beside four standard errors. The mean time from one
well to the other that follows from a fit at lag 1 is compared with that of the true equation, by `fp.first_passage`. The
intervals that splines give without a family are claim 16.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

import fokkerplanck as fp
from validation import claim
from validation.claim import Row
from validation.trajectories import MARKOV, MEMORY, linear_runs, well_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (10, 40)  # data sets
QUICK = (2, 6)
LAGS = (0.1, 0.5, 2.0)


def ou(k: float, D: float) -> fp.FokkerPlanck:
    """A linear pull with constant noise."""
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)


def double_well(a: float, b: float, D: float) -> fp.FokkerPlanck:
    """Two wells at -+sqrt(a / b)."""
    return fp.FokkerPlanck(drift=lambda x: a * x - b * x**3, diffusion=D)


CASES = (
    ("OU", ou, linear_runs, {"k": 1.0, "D": 1.0}),
    ("double well", double_well, well_runs, {"a": 1.0, "b": 1.0, "D": 0.25}),
)


def euler_estimates(x: np.ndarray, lag: float, names: Sequence[str]) -> dict[str, float]:
    """The parameters of largest likelihood for Gaussian steps with the moments of Euler's scheme."""
    start, step = x[:, :-1].ravel(), np.diff(x, axis=1).ravel()
    columns = {"k": -start, "a": start, "b": -(start**3)}
    used = [name for name in names if name in columns]
    basis = lag * np.stack([columns[name] for name in used], axis=1)
    found = np.linalg.lstsq(basis, step, rcond=None)[0]
    rest = step - basis @ found
    return {**dict(zip(used, found.tolist(), strict=True)), "D": float(rest @ rest / rest.size / (2 * lag))}


def family_rows(sets: int) -> Iterator[Row]:
    """Means of estimates over data sets of 5000 transitions, beside the truth."""
    for name, family, draw, truth in CASES:
        for lag in LAGS:
            found: dict[str, list[float]] = {parameter: [] for parameter in truth}
            rough: dict[str, list[float]] = {parameter: [] for parameter in truth}
            errors: dict[str, list[float]] = {parameter: [] for parameter in truth}
            for seed in range(sets):
                x = draw(50, 101, lag, 1000 + seed)
                fit = fp.fit(fp.Paths(x, dt=lag), family, start=truth)
                euler = euler_estimates(x, lag, list(truth))
                for parameter in truth:
                    found[parameter].append(fit.parameters[parameter])
                    errors[parameter].append(fit.standard_errors[parameter])
                    rough[parameter].append(euler[parameter])
            for parameter, right in truth.items():
                sigma = float(np.mean(errors[parameter])) / np.sqrt(sets)
                # the mean of estimates of largest likelihood is off by some square of a standard error
                bias = 2.0 * float(np.mean(errors[parameter])) ** 2 / right
                case = f"{name}, lag {lag:g}: {parameter}"
                yield Row(case, float(np.mean(found[parameter])), right, 4.0, "sigma", sets, sigma, bias)
                wrong = float(np.mean(rough[parameter]))
                if lag > 0.1:
                    yield Row(f"{case}, Euler", wrong, right, 4.0, "sigma", sets, sigma, bias, control=True)


def markov_rows(sets: int) -> Iterator[Row]:
    """Shares of rejections at 5 %: at lags 1 and 3 of Markov processes, at lag 1 of processes with a memory."""
    sigma = float(np.sqrt(0.05 * 0.95 / (10 * sets)))
    for name, draw in MARKOV.items():
        data = [draw(3000 + seed) for seed in range(10 * sets)]
        p = np.array([fp.markov_test(x, lags=(1, 3), seed=i).p_values for i, x in enumerate(data)])
        for lag, share in zip((1, 3), (p < 0.05).mean(axis=0), strict=True):
            yield Row(f"Markov test, {name}, lag {lag}: rejected", float(share), 0.05, 4.0, "sigma", sets, sigma)
    few = max(2, sets // 4)
    sigma = float(np.sqrt(0.05 * 0.95 / few))
    for name, remembering in MEMORY.items():
        found = [fp.markov_test(remembering(seed), lags=1, seed=seed).p_values[0] for seed in range(few)]
        share = float(np.mean(np.array(found) < 0.05))
        yield Row(f"Markov test, {name}, lag 1: rejected", share, 0.05, 4.0, "sigma", sets, sigma, control=True)


def ranking_rows(sets: int) -> Iterator[Row]:
    """Six models, 5000 transitions at lag 1, 2.5 times as many sets: how often the truth is first, and among the best."""
    models = {
        "truth": ou(1.0, 1.0),
        "weak": ou(0.85, 1.0),
        "loud": ou(1.0, 1.1),
        "cubic": fp.FokkerPlanck(drift=lambda x: -0.6 * x - 0.15 * x**3, diffusion=1.0),
        "multiplicative": fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.85 * (1 + 0.15 * x**2)),
        "free": fp.FokkerPlanck(diffusion=1.0),
    }
    grid = fp.Grid((-7, 7), 140)
    found = [
        fp.rank(models, fp.Paths(linear_runs(50, 101, 1.0, 4000 + s), dt=1.0), cells=grid) for s in range(5 * sets // 2)
    ]
    shares = {name: float(np.mean([name in ranking.best for ranking in found])) for name in models}
    first = float(np.mean([max(ranking.scores, key=ranking.scores.__getitem__) == "truth" for ranking in found]))
    yield Row("ranking: the truth among the best", shares["truth"], 1.0, 0.011, "absolute", sets)
    yield Row("ranking: the truth first", first, 1.0, 0.05 + 4.0 * 0.22 / np.sqrt(len(found)), "absolute", sets)
    yield Row("ranking: free diffusion among the best", shares["free"], 1.0, 0.05, "absolute", sets, control=True)


def passage_rows(sets: int) -> Iterator[Row]:
    """ln of the mean time from -1 to 1 that follows from fits at lag 1."""
    grid = fp.Grid((-2.5, 2.5), 250)

    def passage(eq: fp.FokkerPlanck) -> float:
        return float(fp.first_passage(eq, grid, lambda x: x > 1.0).at(-1.0))

    right = np.log(passage(double_well(1.0, 1.0, 0.25)))
    logs, errors = [], []
    for seed in range(sets):
        fit = fp.fit(fp.Paths(well_runs(50, 101, 1.0, 5000 + seed), dt=1.0), double_well, start=[1.0, 1.0, 0.25])
        answer = fit.propagate(passage)
        logs.append(np.log(float(answer.value)))
        errors.append(float(answer.standard_error / answer.value))
    sigma = float(np.mean(errors)) / np.sqrt(sets)
    bias = float(np.mean(errors)) ** 2
    yield Row("double well: ln of the mean passage time", float(np.mean(logs)), right, 4.0, "sigma", sets, sigma, bias)


def study(levels: Sequence[int] = LEVELS) -> list[Row]:
    """All parts, with the last of the levels as the number of data sets."""
    sets = levels[-1]
    return [
        *family_rows(sets),
        *markov_rows(sets),
        *ranking_rows(sets),
        *passage_rows(sets),
    ]


def figure(rows: Sequence[Row]) -> Figure:
    """What is found of each parameter over the truth against the lag, and all errors beside their limits."""
    picture = claim.canvas(10.4, 4.2)
    left, right = picture.subplots(1, 2)
    for marker, (name, _, _, truth) in zip("os", CASES, strict=True):
        for shade, (parameter, value) in zip(("k", "0.4", "0.7"), truth.items(), strict=False):
            for kind, style in (("", "-"), (", Euler", ":")):
                wanted = {f"{name}, lag {lag:g}: {parameter}{kind}": lag for lag in LAGS}
                points = [(wanted[row.case], row.measured / value) for row in rows if row.case in wanted]
                label = f"{name}: {parameter}{kind}"
                left.plot(*zip(*points, strict=True), style, marker=marker, color=shade, mfc="none", ms=5, label=label)
    left.set(
        xscale="log",
        xlabel="lag",
        ylabel="found / true",
        title="likelihood of transitions, and of Euler steps (dotted)",
    )
    left.legend(frameon=False, fontsize=7, ncols=2)
    claim.draw_errors(right, rows)
    return picture


if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
