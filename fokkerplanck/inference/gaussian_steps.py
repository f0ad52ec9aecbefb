"""The likelihood of short steps: a Gaussian density with the moments of a local linearisation.

With J the matrix of derivatives of mu at the start, the linear equation has the moments

    mean = x + int_0^tau e^(J s) ds mu,      covariance = int_0^tau e^(J s) 2 D e^(J^T s) ds

(Ozaki 1992); to these are added, to order tau^2, what curvature does: (tau^2 / 2) D:dd mu to the mean (Shoji and Ozaki
1998) and tau^2 (mu.d D + D:dd D) to the covariance (Kessler 1997), in 1D as a factor, which keeps it positive. Linear
drifts with constant D are exact at any lag.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from ..errors import bad_value
from ..model.equation import FokkerPlanck
from ..solvers.kernels.interpolation import cubic_weights
from .coefficients import curvature, difference, ito_drift, tensor_at
from .likelihood import Evaluation, parameter_step, slope_along
from .paths import Transitions

NODES = 600  # places at which the moments of many steps along a line are computed


class GaussianLikelihood:
    """As `GridLikelihood`, for steps that are short beside everything that drift and diffusion do.

    Parameters
    ----------
    model : callable
        From parameters (m,) to a FokkerPlanck equation without jumps.
    data : Transitions
    """

    def __init__(self, model: Callable[[np.ndarray], FokkerPlanck], data: Transitions):
        self.model, self.data = model, data
        self.scale = np.maximum(data.starts.std(axis=0), 1e-300)
        self.nodes: np.ndarray = data.starts.T
        self.read: sp.csr_array | None = None  # from the nodes to the starts, where these are many
        if data.starts.shape[1] == 1 and data.size > 4 * NODES:
            self.nodes, self.read = _line_nodes(data.starts[:, 0])

    def value(self, theta: np.ndarray) -> float:
        """ln L alone."""
        return float(self._logs(*self._moments(theta)).sum())

    def evaluate(self, theta: np.ndarray) -> Evaluation:
        """ln L, its gradient and its expected information."""
        mean, cov = self._moments(theta)
        scores, moved, changed = self._derivatives(theta, mean, cov)
        flat, square = moved.reshape(theta.size, -1), changed.reshape(theta.size, -1)
        turned = changed.swapaxes(-1, -2).reshape(theta.size, -1)
        information = flat @ flat.T + 0.5 * square @ turned.T
        return Evaluation(float(self._logs(mean, cov).sum()), scores.sum(axis=0), information)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """d ln p / d theta of each transition, (n_transitions, m)."""
        return self._derivatives(theta, *self._moments(theta))[0]

    def information_of_starts(self, theta: np.ndarray) -> np.ndarray:
        """Expected information of each transition given its start, (n_transitions, m, m)."""
        _, moved, changed = self._derivatives(theta, *self._moments(theta))
        information = np.einsum("ati,bti->tab", moved, moved, optimize=True)
        return information + 0.5 * np.einsum("atij,btji->tab", changed, changed, optimize=True)

    def residuals(self, theta: np.ndarray) -> np.ndarray:
        """Steps less their mean, in standard deviations, (n_transitions, dim)."""
        mean, cov = self._moments(theta)
        root = np.linalg.cholesky(cov)
        return np.linalg.solve(root, (self.data.ends - mean)[..., None])[..., 0]

    def longest(self, theta: np.ndarray) -> float:
        """The largest |d mu / dx| tau where the data are: steps in units of relaxation times."""
        eq = self.model(theta)
        slopes = [difference(lambda y: ito_drift(eq, y, self.scale), self.data.starts.T, axis, self.scale)
                  for axis in range(self.data.starts.shape[1])]  # fmt: skip
        return self.data.tau * float(np.quantile(np.abs(slopes).max(axis=(0, 1)), 0.99))

    def _logs(self, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
        away = self.data.ends - mean
        square = np.einsum("ti,tij,tj->t", away, _inverse(cov), away)
        size = np.log(cov[:, 0, 0]) if mean.shape[1] == 1 else np.linalg.slogdet(cov)[1]
        return -0.5 * (square + size + mean.shape[1] * np.log(2.0 * np.pi))

    def _derivatives(
        self, theta: np.ndarray, mean: np.ndarray, cov: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores (n, m), and of each parameter R dm (m, n, dim) and S^-1 dS (m, n, dim, dim) with R^T R = S^-1.

        The information is I_ab = (R dm_a).(R dm_b) + tr(S^-1 dS_a S^-1 dS_b) / 2.
        """
        inverse = _inverse(cov)
        root = np.sqrt(inverse) if mean.shape[1] == 1 else np.linalg.cholesky(inverse).transpose(0, 2, 1)
        rest = self.data.ends - mean
        away = np.einsum("tij,tj->ti", inverse, rest)
        scores, moved, changed = [], [], []
        for a in range(theta.size):
            dm, dc = slope_along(self._moments, theta, parameter_step(self.model, theta, a))
            weighed = inverse @ dc
            spread = np.einsum("ti,tij,tj->t", rest, weighed, away) - np.einsum("tii->t", weighed)
            scores.append((away * dm).sum(axis=1) + 0.5 * spread)
            moved.append((root @ dm[..., None])[..., 0])
            changed.append(weighed)
        return np.stack(scores, axis=1), np.array(moved), np.array(changed)

    def _moments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means (n, dim) and covariances (n, dim, dim) of the ends."""
        eq, x, tau = self.model(theta), self.nodes, self.data.tau
        if eq.jumps is not None:
            raise bad_value("model", "without jumps for short steps", eq.jumps, "Take a longer lag.")

        def drift(y: np.ndarray) -> np.ndarray:
            return ito_drift(eq, y, self.scale)

        def tensor(y: np.ndarray) -> np.ndarray:
            return tensor_at(eq, y)

        mu, d = drift(x), tensor(x)
        if (np.einsum("iit->it", d) <= 0.0).any():
            then = "Take a longer lag."
            raise bad_value("diffusion", "positive where the data are, for short steps", float(d.min()), then)
        if len(x) == 1:
            step, variance = self._line_moments(drift, tensor, x, mu[0], d[0, 0], tau)
            if self.read is not None:
                step, variance = self.read @ step, np.exp(self.read @ np.log(variance))
            return self.data.starts + step[:, None], variance[:, None, None]
        jacobian = np.stack([difference(drift, x, axis, self.scale) for axis in range(len(x))], axis=1)
        mean, cov = _linear_moments(np.moveaxis(jacobian, -1, 0), mu.T, np.moveaxis(d, -1, 0), tau)
        carried = sum(mu[axis] * difference(tensor, x, axis, self.scale) for axis in range(len(x)))
        cov = cov + tau**2 * np.moveaxis(carried + _second(tensor, x, d, self.scale), -1, 0)
        return x.T + mean + 0.5 * tau**2 * _second(drift, x, d, self.scale).T, cov

    def _line_moments(
        self, drift: Callable, tensor: Callable, x: np.ndarray, mu: np.ndarray, d: np.ndarray, tau: float
    ) -> tuple[np.ndarray, np.ndarray]:
        slope = difference(drift, x, 0, self.scale)[0]
        bend = curvature(drift, x, 0, self.scale)[0]
        d_slope, d_bend = difference(tensor, x, 0, self.scale)[0, 0], curvature(tensor, x, 0, self.scale)[0, 0]
        grown = _grown(slope, tau)
        step = mu * grown + 0.5 * tau**2 * d * bend
        twice = _grown(2.0 * slope, tau)
        rate = 0.5 * mu * d_slope / d + 0.5 * d_bend
        return step, 2.0 * d * twice * np.exp(np.clip(tau * rate, -3.0, 3.0))


def _grown(rate: np.ndarray, tau: float) -> np.ndarray:
    """(e^(rate tau) - 1) / rate, tau where the rate is 0; infinite where it overflows, which no ascent accepts."""
    with np.errstate(over="ignore"):
        return np.where(np.abs(rate * tau) > 1e-8, np.expm1(rate * tau) / np.where(rate == 0.0, 1.0, rate), tau)


def _inverse(cov: np.ndarray) -> np.ndarray:
    """Inverses of covariances (n, dim, dim), which have to be positive."""
    if cov.shape[1] == 1:
        return 1.0 / cov
    if not (np.linalg.eigvalsh(cov)[:, 0] > 0.0).all():
        raise bad_value("lag", "short enough for a Gaussian density", "a covariance that is not positive")
    return np.linalg.inv(cov)


def _line_nodes(x: np.ndarray) -> tuple[np.ndarray, sp.csr_array]:
    """Places (1, NODES) at which moments are computed where data are many, and the cubic interpolation to the data."""
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    width = max(float(high - low), 1e-9 * float(np.ptp(x)))
    u = np.arcsinh((x - middle) / width)
    nodes = np.linspace(u.min(), u.max(), NODES)
    index, weights = np.empty((x.size, 4), dtype=np.int64), np.empty((x.size, 4))
    cubic_weights((u - nodes[0]) / (nodes[1] - nodes[0]), NODES, index, weights)
    rows = np.arange(0, 4 * x.size + 1, 4)
    read = sp.csr_array((weights.ravel(), index.ravel(), rows), shape=(x.size, NODES))
    return (middle + width * np.sinh(nodes))[None], read


def _linear_moments(jacobian: np.ndarray, mu: np.ndarray, d: np.ndarray, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean step (n, dim) and covariance (n, dim, dim) of dX = (mu + J X) dt + sqrt(2 D) dW from 0 (Van Loan 1978)."""
    n, dim = mu.shape
    block = np.zeros((n, 2 * dim, 2 * dim))
    block[:, :dim, :dim], block[:, :dim, dim:], block[:, dim:, dim:] = -jacobian, 2.0 * d, jacobian.swapaxes(1, 2)
    grown = _exponential(tau * block)
    cov = grown[:, dim:, dim:].swapaxes(1, 2) @ grown[:, :dim, dim:]
    shift = np.zeros((n, dim + 1, dim + 1))
    shift[:, :dim, :dim], shift[:, :dim, dim] = jacobian, mu
    return _exponential(tau * shift)[:, :dim, dim], 0.5 * (cov + cov.swapaxes(1, 2))


def _exponential(matrices: np.ndarray) -> np.ndarray:
    """exp of matrices (n, k, k), by a series of 14 terms at norm 1/2 and squarings."""
    size = float(np.abs(matrices).sum(axis=-1).max(initial=0.0))
    if not size < 300.0:
        raise bad_value(
            "lag", "short enough for a local linearisation", f"a drift that grows by e^{size:.3g} in a step"
        )
    k = max(0, int(np.ceil(np.log2(max(2.0 * size, 1e-300)))))
    scaled = matrices / 2.0**k
    result = term = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
    for order in range(1, 15):
        term = term @ scaled / order
        result = result + term
    for _ in range(k):
        result = result @ result
    return result


def _second(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, d: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """sum_ij D_ij d_i d_j f at x (dim, m)."""
    total = 0.0
    for i in range(len(x)):
        total = total + d[i, i] * curvature(f, x, i, scale)
        for j in range(i):

            def along(y: np.ndarray, j: int = j) -> np.ndarray:
                return difference(f, y, j, 100.0 * scale)

            total = total + 2.0 * d[i, j] * difference(along, x, i, 100.0 * scale)
    return np.asarray(total)
