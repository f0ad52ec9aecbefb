"""The noise of the batch gradient at a point: its spectrum, how it lies to the Hessian, and its tail.

All noise passes through the d_out x d_in moment M, gradient noise = J (M - E M) with J the push through the layers. With
K = J^T J the covariance J C J^T / B has the nonzero eigenvalues of K^(1/2) C K^(1/2) / B, a small matrix; nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..randomness import private_generator
from ..statistics.tail_index import HillEstimate, hill_plot
from .batch_noise import layer_metric, moment_covariance, sample_moments
from .hessian import extreme_eigenpairs, frobenius_norm
from .network import DeepLinear, Weights


@dataclass(frozen=True, eq=False)
class GradientNoise:
    """Covariance of the batch gradient at one point.

    Attributes
    ----------
    spectrum : ndarray (m,)
        Eigenvalues that are not zero, largest first; m <= n_L n_0.
    directions : ndarray (n_parameters, m)
        Unit eigenvectors over the flat weights.
    curvature : ndarray (m,)
        v . H v for each direction.
    hessian_eigenvalues : ndarray (2 k,)
        The k smallest and the k largest, ascending.
    hessian_share : ndarray (2 k,)
        Share of the trace of the noise along each of their eigenvectors.
    cosine : float
        tr(H C) / (|H| |C|), Frobenius norms: 1 for noise proportional to the Hessian.
    """

    spectrum: np.ndarray
    directions: np.ndarray
    curvature: np.ndarray
    hessian_eigenvalues: np.ndarray
    hessian_share: np.ndarray
    cosine: float

    def __repr__(self) -> str:
        return (
            f"gradient noise of trace {self.trace:.3g} in some {self.effective_dimension:.2g} directions; cosine with the "
            f"Hessian {self.cosine:.3f}, which it sees with a mean curvature of {self.mean_curvature:.3g}"
        )

    @property
    def trace(self) -> float:
        """Trace of the covariance: mean square of the noise of a batch gradient."""
        return float(self.spectrum.sum())

    @property
    def effective_dimension(self) -> float:
        """(sum of eigenvalues)^2 / sum of squares: n_parameters for isotropic noise, 1 for noise along a line."""
        return float(self.spectrum.sum() ** 2 / (self.spectrum**2).sum()) if self.spectrum.size else 0.0

    @property
    def mean_curvature(self) -> float:
        """tr(H C) / tr C: the curvature the noise sees."""
        return float(self.spectrum @ self.curvature / self.trace) if self.spectrum.size else 0.0


def gradient_noise(net: DeepLinear, weights: Weights, k: int = 10) -> GradientNoise:
    """Spectrum of the batch gradient's covariance and its alignment with the k lowest and k highest Hessian directions."""
    values, vectors = np.linalg.eigh(layer_metric(net, weights))
    kept = values > 1e-12 * max(values[-1], 1e-300)
    root = vectors[:, kept] * np.sqrt(values[kept])  # K = root root^T
    covariance = moment_covariance(net, net.end_to_end(weights)) / net.batch_size
    spectrum, inner = np.linalg.eigh(root.T @ covariance @ root)
    nonzero = np.flatnonzero(spectrum > 1e-12 * max(spectrum[-1], 1e-300))[::-1]
    moments = (vectors[:, kept] / np.sqrt(values[kept])) @ inner[:, nonzero]
    layers = net.push(weights, moments.T.reshape(-1, *net.target.shape))
    directions = net.flatten(layers)
    spectrum = spectrum[nonzero]
    curvature = np.sum(directions * net.flatten(net.hessian_product(weights, layers)), axis=1)
    eigen = extreme_eigenpairs(net, weights, k)
    share = spectrum @ (directions @ eigen.vectors) ** 2 / max(spectrum.sum(), 1e-300)
    size = frobenius_norm(net, weights) * float(np.sqrt((spectrum**2).sum()))
    cosine = float(spectrum @ curvature) / size if size else 0.0
    return GradientNoise(spectrum, directions.T, curvature, eigen.values, share, cosine)


@dataclass(frozen=True, eq=False)
class NoiseTail:
    """Hill's estimate for the size of the batch gradient's noise, with the 95 % bootstrap interval of its plateau value."""

    estimate: HillEstimate
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """Tail index a in P(|noise| > x) ~ x^-a."""
        return self.estimate.value


def noise_sizes(net: DeepLinear, weights: Weights, n: int = 20_000, seed: int = 0) -> np.ndarray:
    """|batch gradient - gradient| over all weights for n independent batches, shape (n,)."""
    end_to_end, rng = net.end_to_end(weights), private_generator("batches of the noise", seed)
    mean = ((end_to_end - net.target) @ net.second_moment).ravel()
    metric = layer_metric(net, weights)
    rows = max(1, 2_000_000 // (net.batch_size * sum(net.target.shape)))
    parts = []
    for first in range(0, n, rows):
        noise = sample_moments(net, end_to_end, min(rows, n - first), rng).reshape(-1, mean.size) - mean
        parts.append(np.sqrt(np.maximum(np.sum(noise * (noise @ metric), axis=1), 0.0)))
    return np.concatenate(parts)


def noise_tail(net: DeepLinear, weights: Weights, *, n: int = 20_000, resamples: int = 200, seed: int = 0) -> NoiseTail:
    """Tail index of the size of the batch gradient's noise, from n batches; see `fokkerplanck.hill` for the plateau."""
    sizes = noise_sizes(net, weights, n, seed)
    estimate = hill_plot(sizes)
    rng = private_generator("resamples of the noise", seed)
    jitter = 1e-9  # repeated values of a resample must stay distinct for the logarithms between them
    draws = [
        hill_plot(rng.choice(sizes, sizes.size) * (1.0 + jitter * rng.random(sizes.size))).value
        for _ in range(resamples)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return NoiseTail(estimate, (float(low), float(high)))
