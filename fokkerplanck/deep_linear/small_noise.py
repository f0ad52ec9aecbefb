"""The mean of every mode of a whole network under SGD, to first order in 1 / B, without simulation.

SGD is theta <- theta - eta (grad L + xi), E xi = 0, E xi xi^T = C(theta) / B. About the path m of gradient descent the mean is
m + d + O(B^-2) and the covariance S + O(B^-2), with

    d <- (1 - eta H) d - (eta / 2) L''':S,      S <- (1 - eta H) S (1 - eta H) + eta^2 C / B,

H, L''' and C at m, and a mode s(theta) = u^T W v has the mean s(m) + s' d + s'':S / 2. Unlike the equation of one mode this
knows what the modes do to one another and how noise turns the singular vectors; unlike it, it is of first order only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import bad_value
from .batch_noise import moment_covariance
from .hessian import DENSE, dense_hessian
from .mode_statistics import mode_strengths
from .network import DeepLinear, Weights

Function = Callable[[np.ndarray], np.ndarray]
STEP = 1e-3  # of second differences, relative to the size of the weights: polynomials, so that 1e-6 is left


class SmallNoise(NamedTuple):
    """Modes of gradient descent, and what the noise of SGD adds to their mean, each (n_times, k)."""

    descent: np.ndarray
    shift: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean of the modes under SGD to first order in 1 / B."""
        return self.descent + self.shift


def small_noise_modes(net: DeepLinear, weights: Weights, steps: Sequence[int]) -> SmallNoise:
    """The mean modes of a small network under SGD to first order in 1 / B.

    Parameters
    ----------
    net : DeepLinear
        Of at most 300 weights, inputs with fourth moments.
    weights : list of arrays
        Where training starts.
    steps : increasing whole numbers from 0 on
    """
    if net.n_parameters > DENSE:
        raise bad_value("net", f"a network of at most {DENSE} weights", net.n_parameters, "Choose smaller widths.")
    theta = net.flatten(weights)
    shift, covariance, one = np.zeros_like(theta), np.zeros((theta.size, theta.size)), np.eye(theta.size)
    rows, wanted = [], set(np.asarray(steps).tolist())
    for n in range(max(wanted) + 1):
        gradient, noise = _gradient(net, theta), _noise_covariance(net, theta)
        if n in wanted:
            modes = _modes(net, theta)
            slope = _first(lambda x: _modes(net, x), theta, shift)
            rows.append((modes, slope + 0.5 * _second(lambda x: _modes(net, x), theta, covariance)))
        keep = one - net.learning_rate * dense_hessian(net, net.unflatten(theta))
        bend = _second(lambda x: _gradient(net, x), theta, covariance)
        shift = keep @ shift - 0.5 * net.learning_rate * bend
        covariance = keep @ covariance @ keep + net.learning_rate**2 * noise
        theta = theta - net.learning_rate * gradient
    return SmallNoise(*(np.array(column) for column in zip(*rows, strict=True)))


def _modes(net: DeepLinear, theta: np.ndarray) -> np.ndarray:
    left, _, right = net.teacher_modes
    return mode_strengths(net.end_to_end(net.unflatten(theta)), left, right)


def _gradient(net: DeepLinear, theta: np.ndarray) -> np.ndarray:
    return net.flatten(net.gradient(net.unflatten(theta)))


def _noise_covariance(net: DeepLinear, theta: np.ndarray) -> np.ndarray:
    """Covariance of the batch gradient over the flat weights."""
    weights = net.unflatten(theta)
    size = net.target.size
    moments = net.flatten(net.push(weights, np.eye(size).reshape(size, *net.target.shape)))
    return moments.T @ moment_covariance(net, net.end_to_end(weights)) @ moments / net.batch_size


def _first(function: Function, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """f' direction."""
    size = _step(theta) / max(float(np.linalg.norm(direction)), 1e-300)
    return (function(theta + size * direction) - function(theta - size * direction)) / (2.0 * size)


def _second(function: Function, theta: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """f'':covariance, along the principal axes of the covariance."""
    values, vectors = np.linalg.eigh(covariance)
    size = _step(theta)
    moved = size * vectors.T
    differences = function(theta + moved) + function(theta - moved) - 2.0 * function(theta)
    return np.maximum(values, 0.0) @ differences / size**2


def _step(theta: np.ndarray) -> float:
    return STEP * (float(np.linalg.norm(theta)) or 1.0)
