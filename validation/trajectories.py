"""Runs for claim 13: of Markov processes, and of processes with a memory of each kind that `fp.markov_test` is to see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fokkerplanck as fp


def linear_runs(n_runs: int, n_steps: int, lag: float, seed: int) -> np.ndarray:
    """Stationary runs (n_runs, n_steps) of the linear process with k = D = 1, exact."""
    rng, m = np.random.default_rng(seed), np.exp(-lag)
    rows = [rng.normal(size=n_runs)]
    for _ in range(n_steps - 1):
        rows.append(m * rows[-1] + np.sqrt(1 - m * m) * rng.normal(size=n_runs))
    return np.array(rows).T


def well_runs(n_runs: int, n_steps: int, lag: float, seed: int) -> np.ndarray:
    """Runs (n_runs, n_steps) of dX = (X - X^3) dt + sqrt(1/2) dW by Heun's scheme."""
    rng = np.random.default_rng(seed)
    start = rng.choice([-1.0, 1.0], n_runs) + 0.3 * rng.normal(size=n_runs)
    return _heun(start, lambda x: x - x**3, 0.25, n_steps, lag, rng)


def growing_runs(n_runs: int, n_steps: int, lag: float, seed: int) -> np.ndarray:
    """Runs (n_runs, n_steps) of dX = -X dt + sqrt(0.6 (1 + X^2)) dW, as sinh Y with dY = -1.3 tanh Y dt + sqrt(0.6) dW."""
    rng = np.random.default_rng(seed)
    return np.sinh(_heun(0.6 * rng.normal(size=n_runs), lambda y: -1.3 * np.tanh(y), 0.3, n_steps, lag, rng))


def _heun(
    x: np.ndarray,
    drift: Callable[[np.ndarray], np.ndarray],
    D: float,
    n_steps: int,
    lag: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Runs (n_runs, n_steps) after five rows that are thrown away; substeps of 0.02 and less."""
    substeps = max(5, round(lag / 0.02))
    h, rows = lag / substeps, []
    for _ in range(n_steps + 5):
        for _ in range(substeps):
            noise, slope = np.sqrt(2.0 * D * h) * rng.normal(size=x.size), drift(x)
            x = x + 0.5 * h * (slope + drift(x + h * slope + noise)) + noise
        rows.append(x)
    return np.array(rows).T[:, 5:]


def turning_runs(n_runs: int, n_steps: int, lag: float, seed: int) -> np.ndarray:
    """Stationary runs (n_runs, n_steps, 2) of a pair that relaxes at rate 1 and turns at rate 2, with D = 1/2, exact."""
    rng = np.random.default_rng(seed)

    def normal() -> np.ndarray:
        return rng.normal(size=n_runs) + 1j * rng.normal(size=n_runs)

    turn, s = np.exp((2j - 1) * lag), np.sqrt(0.5 * (1 - np.exp(-2 * lag)))
    rows = [np.sqrt(0.5) * normal()]
    for _ in range(n_steps - 1):
        rows.append(turn * rows[-1] + s * normal())
    z = np.array(rows).T
    return np.stack([z.real, z.imag], axis=-1)


MARKOV: dict[str, Callable[[int], np.ndarray]] = {
    "OU": lambda seed: linear_runs(50, 150, 0.1, seed),
    "double well": lambda seed: well_runs(50, 150, 0.1, seed),
    "noise that grows": lambda seed: growing_runs(50, 150, 0.1, seed),
    "turning pair": lambda seed: turning_runs(50, 150, 0.1, seed),
}


def waiting(order: float, seed: int) -> fp.Ensemble:
    """The linear process with waiting times of the given order, every 0.5."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=1.0, time_order=order)
    return fp.simulate(eq, fp.gaussian(0.0, 1.0), np.arange(0.0, 50.0, 0.5), 0.01, n_paths=50, seed=seed)


def descent(momentum: float, seed: int) -> np.ndarray:
    """SGD with momentum on w^2 / 2 with Gaussian gradient noise: weights alone, (50, 200)."""
    rng = np.random.default_rng(seed)
    w, v, rows = np.zeros(50), np.zeros(50), []
    for _ in range(200):
        v = momentum * v - 0.05 * (w + 0.5 * rng.normal(size=50))
        w = w + v
        rows.append(w)
    return np.array(rows).T


def shuffled(seed: int) -> np.ndarray:
    """SGD on the mean of (w - x)^2 / 2 by epochs of 16 batches of 4, drawn without replacement: (50, 209)."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=64), np.zeros(50)
    rows = [w]
    for _ in range(13):
        order = np.stack([rng.permutation(64) for _ in range(50)])
        for batch in range(16):
            w = w - 0.05 * (w - x[order[:, 4 * batch : 4 * batch + 4]].mean(axis=1))
            rows.append(w)
    return np.array(rows).T


def measured(seed: int) -> np.ndarray:
    """The linear process, measured with an error of 0.3 of its deviation."""
    return linear_runs(50, 150, 0.1, seed) + 0.3 * np.random.default_rng([seed, 1]).normal(size=(50, 150))


def two_rates(seed: int) -> np.ndarray:
    """The sum of two linear processes of rates 1 and 0.1, (100, 200)."""
    return linear_runs(100, 200, 0.2, seed) + linear_runs(100, 200, 0.02, seed + 10_000)


MEMORY: dict[str, Callable[[int], np.ndarray | fp.Ensemble]] = {
    "waiting of order 0.7": lambda seed: waiting(0.7, seed),
    "waiting of order 0.9": lambda seed: waiting(0.9, seed),
    "measured with noise": measured,
    "momentum 0.5": lambda seed: descent(0.5, seed),
    "momentum 0.9": lambda seed: descent(0.9, seed),
    "shuffled SGD": shuffled,
    "sum of two": two_rates,
    "one of a turning pair": lambda seed: turning_runs(50, 200, 0.1, seed)[..., 0],
}
