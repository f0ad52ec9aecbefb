"""Closed forms and independent references, each with its source. Labels such as F4 are those of docs/reference_cases.md."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import cumulative_trapezoid, quad, solve_ivp
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.stats import ncx2, norm


def gaussian_pdf(x, mean, variance):
    return norm.pdf(x, mean, math.sqrt(variance))


def ornstein_uhlenbeck(t, x0, variance0, rate=1.0, diffusion=0.5):
    """Mean and variance of dX = -rate X dt + sqrt(2 diffusion) dW (Uhlenbeck and Ornstein 1930)."""
    decay = math.exp(-rate * t)
    return x0 * decay, variance0 * decay**2 + diffusion / rate * (1.0 - decay**2)


def square_root_process(t, x0, rate, level, sigma):
    """Law of dX = rate (level - X) dt + sigma sqrt(X) dW: a noncentral chi-square (Feller 1951; Cox, Ingersoll, Ross 1985)."""
    scale = sigma**2 * (1.0 - math.exp(-rate * t)) / (4.0 * rate)
    return ncx2(4.0 * rate * level / sigma**2, x0 * math.exp(-rate * t) / scale, scale=scale)


def linear_2d(t, x0, covariance0, a, d):
    """Mean and covariance of dX = -a X dt + sqrt(2 d) dW, by the Lyapunov equation (Gardiner, Stochastic Methods, 4.5.6)."""
    limit = solve_continuous_lyapunov(a, 2.0 * d)
    decay = expm(-a * t)
    return decay @ x0, limit + decay @ (covariance0 - limit) @ decay.T


def rotated_diffusion(small, degrees=30.0):
    """R diag(1, small) R^T, reference cases C1 and C2."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    r = np.array([[c, -s], [s, c]])
    return r @ np.diag([1.0, small]) @ r.T


def stationary_cells(edges, log_density):
    """Cell masses of a density known up to its norm, by Gauss quadrature in each cell."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    centers, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    values = log_density(centers[:, None] + half[:, None] * nodes)
    masses = np.exp(values - values.max()) @ weights * half
    return masses / masses.sum()


def brownian_survival(t, x0, diffusion=1.0, terms=200):
    """P(still in (0, 1)) with both walls absorbing, the sine series (Carslaw and Jaeger 1959, 3.3)."""
    k = np.arange(1, 2 * terms, 2) * math.pi
    return float((4.0 / k * np.sin(k * x0) * np.exp(-(k**2) * diffusion * t)).sum())


def brownian_right_share(t, x0, diffusion=1.0, terms=2000):
    """P(left (0, 1) through 1 by time t): x0 plus a sine series (as above)."""
    k = np.arange(1, terms)
    series = (
        2.0 / (k * math.pi) * (-1.0) ** k * np.sin(k * math.pi * x0) * np.exp(-((k * math.pi) ** 2) * diffusion * t)
    )
    return float(x0 + series.sum())


def wrapped_gaussian_pdf(x, mean, variance, period=1.0, images=20):
    """A normal law wound round a circle."""
    shifts = period * np.arange(-images, images + 1)
    return norm.pdf(x[:, None], mean + shifts, math.sqrt(variance)).sum(axis=1)


def ring_current(potential, force, diffusion, period):
    """Current of dX = (force - V') dt + sqrt(2 D) dW on a circle, by quadrature (Stratonovich; Risken, 11.3)."""

    def phi(x):
        return (potential(x) - force * x) / diffusion

    def inner(x):
        return quad(lambda y: math.exp(phi(y) - phi(x)), x, x + period, epsabs=0, epsrel=1e-11)[0]

    total = quad(inner, 0.0, period, epsabs=0, epsrel=1e-10)[0]
    return diffusion * (1.0 - math.exp(-force * period / diffusion)) / total


def two_media_pdf(x, t, x0, d_left, d_right, alpha):
    """Free diffusion from x0 < 0 with D jumping at 0: D^(1-alpha) p and the flux are continuous there.

    By reflection and transmission of the heat kernel (Carslaw and Jaeger 1959, 14.2, for alpha = 1).
    """
    jump = (d_left / d_right) ** (1.0 - alpha)
    s_left, s_right = math.sqrt(d_left), math.sqrt(d_right)
    back = (s_left - s_right * jump) / (s_left + s_right * jump)
    through = jump * (1.0 + back)
    norm_left = math.sqrt(4.0 * math.pi * d_left * t)
    left = (
        np.exp(-((x - x0) ** 2) / (4.0 * d_left * t)) + back * np.exp(-((x + x0) ** 2) / (4.0 * d_left * t))
    ) / norm_left
    right = through * np.exp(-((x / s_right - x0 / s_left) ** 2) / (4.0 * t)) / norm_left
    return np.where(x < 0.0, left, right)


# The two-datapoint landscape, reference case B


def slope_common(w):
    return 2.0 * (w - 2.0) * np.exp(-((w - 2.0) ** 2))


def slope_pit(w):
    return 200.0 * (w - 1.0) * np.exp(-100.0 * (w - 1.0) ** 2)


def two_datapoint_drift(rate):
    return lambda w: -rate * (slope_common(w) + 0.5 * slope_pit(w))


def two_datapoint_diffusion(rate):
    return lambda w: rate**2 * slope_pit(w) ** 2 / 8.0


def flow_moments(drift, mean, std, times):
    """Mean and deviation of a Gaussian start carried by dx/dt = drift(x): trajectories of its quantiles (DOP853)."""
    z = np.linspace(-8.0, 8.0, 4001)
    weight = norm.pdf(z) / norm.pdf(z).sum()
    path = solve_ivp(
        lambda t, w: drift(w), (0.0, times[-1]), mean + std * z, t_eval=times, method="DOP853", rtol=1e-9, atol=1e-11
    )
    means = weight @ path.y
    return means, np.sqrt(weight @ (path.y - means) ** 2)


def escape_time(start, low, high, drift, diffusion, n=400_001):
    """Mean time from start to high for a diffusion that cannot pass low: the double integral (Gardiner, 5.2.7), trapezoidal.

    tau = int_start^high dy exp(Phi(y)) int_low^y dz exp(-Phi(z)) / D(z), Phi = -int mu / D; low may be a zero of D.
    """
    x = np.linspace(low, high, n)[1:]
    phi = -cumulative_trapezoid(drift(x) / diffusion(x), x, initial=0.0)
    phi -= phi[np.searchsorted(x, start)]
    inner = cumulative_trapezoid(np.exp(-phi) / diffusion(x), x, initial=0.0)
    beyond = x >= start
    return float(np.trapezoid(np.exp(phi[beyond]) * inner[beyond], x[beyond]))


def exponential_of(q, time):
    """exp(q time) of a dense generator in extended precision, by repeated squaring of a nonnegative matrix.

    Good to 1e-15 times the number of squarings, relative to the mass, where columns sum to zero: no subtraction but in the
    diagonal of the first factor.
    """
    q = np.asarray(q, dtype=np.longdouble)
    size = float(np.abs(np.diagonal(q)).max()) * time
    squarings = max(0, math.ceil(math.log2(max(size, 1.0))) + 6)
    z = q * (np.longdouble(time) / 2**squarings)
    result = term = np.eye(len(q), dtype=np.longdouble)
    for k in range(1, 12):
        term = term @ z / k
        result = result + term
    for _ in range(squarings):
        result = result @ result
    return result


def cube_exit_time(x, y, z, diffusion=1.0, terms=60):
    """Mean time in which Brownian motion leaves the unit cube: D Laplacian tau = -1, tau = 0 on the faces, by sine series."""
    odd = np.arange(1, 2 * terms, 2)
    sines = [np.sin(np.pi * odd * np.ravel(v)[:, None]) for v in (x, y, z)]
    squares = odd[:, None, None] ** 2 + odd[None, :, None] ** 2 + odd[None, None, :] ** 2
    weight = 64.0 / (np.pi**5 * diffusion * np.einsum("l,m,n->lmn", *[odd] * 3) * squares)
    return np.einsum("lmn,il,jm,kn->ijk", weight, *sines, optimize=True)
