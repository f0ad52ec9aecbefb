"""Exact samples of processes whose transition densities are known."""

import numpy as np


def ornstein_uhlenbeck(n_runs, n_steps, dt, k=1.0, D=1.0, seed=0):
    """Stationary runs (n_runs, n_steps) of dX = -k X dt + sqrt(2 D) dW: Gaussian transitions, mean x e^(-k dt)."""
    rng = np.random.default_rng(seed)
    m = np.exp(-k * dt)
    s = np.sqrt(D / k * (1 - m * m))
    x = np.empty((n_runs, n_steps))
    x[:, 0] = np.sqrt(D / k) * rng.normal(size=n_runs)
    for i in range(1, n_steps):
        x[:, i] = m * x[:, i - 1] + s * rng.normal(size=n_runs)
    return x


def most_likely_ou(x, dt):
    """(k, D) of largest likelihood, in closed form: a regression of each row on the one before."""
    a, b = x[:, :-1].ravel(), x[:, 1:].ravel()
    m = (a @ b) / (a @ a)
    k = -np.log(m) / dt
    return k, ((b - m * a) ** 2).mean() * k / (1 - m * m)


def rotating_pair(n_runs, n_steps, dt, k=1.0, w=2.0, D=0.5, seed=0):
    """Runs (n_runs, n_steps, 2) of dX = -k X - w JX with noise D: a complex Ornstein-Uhlenbeck process."""
    rng = np.random.default_rng(seed)

    def normal():
        return rng.normal(size=n_runs) + 1j * rng.normal(size=n_runs)

    turn, s = np.exp((1j * w - k) * dt), np.sqrt(D / k * (1 - np.exp(-2 * k * dt)))
    rows = [np.sqrt(D / k) * normal()]
    for _ in range(n_steps - 1):
        rows.append(turn * rows[-1] + s * normal())
    z = np.array(rows).T
    return np.stack([z.real, z.imag], axis=-1)


def euler(drift, diffusion, n_runs, n_steps, dt, substeps, seed=0, start=0.0):
    """Runs (n_runs, n_steps) by Euler steps of dt / substeps."""
    rng = np.random.default_rng(seed)
    x = np.full(n_runs, start) if np.ndim(start) == 0 else np.array(start)
    h = dt / substeps
    rows = [x]
    for _ in range(n_steps - 1):
        for _ in range(substeps):
            x = x + h * drift(x) + np.sqrt(2 * h * diffusion(x)) * rng.normal(size=n_runs)
        rows.append(x)
    return np.array(rows).T
