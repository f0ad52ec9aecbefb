"""What is asked of a loss: values, gradients weighted by sample, Hessian products, slopes along directions.

loss(theta) = mean of l_i(theta) over N samples. Weights w give the gradient sum_i w_i grad l_i, and with it every mini-batch
gradient (w_i = count_i / B), the full gradient (1/N), and products with the covariance of the per-sample gradients: with
slopes s_i = v . grad l_i, Sigma v = sum_i (s_i - mean s) grad l_i / N.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import reals, whole
from ..errors import bad_value
from ..randomness import private_generator
from .central_flow import central_flow
from .learning_coefficient import network_learning_coefficient
from .slices import take_slice
from .stationary import closure, stationary_covariance
from .training import train

if TYPE_CHECKING:
    from .training import Rule, Trainer

STEP = 1e-6  # of difference quotients, relative to 1 + |theta| / sqrt(d), where no derivative is given


class LossFunctions:
    """A loss over samples as functions of flat parameters theta (n_parameters,), in numpy arrays.

    Attributes
    ----------
    n_parameters : int
    n_samples : int
    """

    n_parameters: int
    n_samples: int
    train = train
    central_flow = central_flow
    closure = closure
    learning_coefficient = network_learning_coefficient
    slice = take_slice
    stationary_covariance = stationary_covariance

    @property
    def content(self) -> Any:
        """What training depends on: the functions, and their values at the first start where these cannot be looked into."""
        theta = self.start(0, 0)
        weights = private_generator("fingerprint of a network").standard_normal(self.n_samples)
        return (*self._given(), theta, self.losses(theta), self.weighted_gradient(theta, weights))

    def _given(self) -> tuple[Any, ...]:
        """What the network was made of."""
        raise NotImplementedError

    def flat(self, theta: Any, name: str = "theta") -> np.ndarray:
        """Parameters as a vector (n_parameters,)."""
        vector = reals(name, theta, f"an array of {self.n_parameters} parameters")
        if vector.shape != (self.n_parameters,) or not np.isfinite(vector).all():
            raise bad_value(name, f"finite, of shape ({self.n_parameters},)", f"an array of shape {vector.shape}")
        return vector

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the arrays of the parameters, in the order of the flat vector; one vector where nothing else is known."""
        return ((self.n_parameters,),)

    def start(self, seed: int, run: int) -> np.ndarray:
        """Initial parameters of a run (n_parameters,)."""
        raise NotImplementedError

    def losses(self, theta: np.ndarray) -> np.ndarray:
        """Loss of each sample (n_samples,)."""
        raise NotImplementedError

    def weighted_gradient(self, theta: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """sum_i weights_i grad l_i, shape (n_parameters,)."""
        raise NotImplementedError

    def hessian_product(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hessian of the mean loss times a vector (n_parameters,)."""
        raise NotImplementedError

    def hessian_products(self, theta: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Hessian of the mean loss times each of some vectors (k, n_parameters), of this shape too."""
        return np.array([self.hessian_product(theta, v) for v in vectors]).reshape(vectors.shape)

    def slopes(self, theta: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Derivative of each sample's loss along directions (n_parameters, k), shape (n_samples, k)."""
        raise NotImplementedError

    def sample_gradients(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Gradients of the losses of some samples, shape (rows, n_parameters)."""
        raise NotImplementedError

    def trainer(self, rule: Rule) -> Trainer:
        """What carries runs of training forward under a rule."""
        raise NotImplementedError

    def confined(self, centre: np.ndarray, directions: np.ndarray) -> LossFunctions:
        """The same loss on a plane: a network of k parameters c with theta = centre + directions c, directions (d, k)."""
        raise NotImplementedError

    def loss(self, theta: Any) -> float:
        """Mean loss over the samples."""
        return float(np.mean(self.losses(self.flat(theta))))

    def gradient(self, theta: Any) -> np.ndarray:
        """Gradient of the mean loss (n_parameters,)."""
        return self.weighted_gradient(self.flat(theta), np.full(self.n_samples, 1.0 / self.n_samples))

    def mean_losses(self, rows: np.ndarray) -> np.ndarray:
        """Mean loss at rows of parameters (n, n_parameters), shape (n,)."""
        return np.array([np.mean(self.losses(theta)) for theta in rows])

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradient of the mean loss at rows of parameters, shape (n, n_parameters)."""
        return np.array([self.gradient(theta) for theta in rows])

    def noise_product(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Covariance Sigma of the per-sample gradients times a vector (n_parameters,)."""
        slopes = self.slopes(theta, vector[:, None])[:, 0]
        return self.weighted_gradient(theta, (slopes - slopes.mean()) / self.n_samples)

    def hessian(self, theta: Any) -> np.ndarray:
        """The whole Hessian (n_parameters, n_parameters): for few parameters."""
        theta = self.flat(theta)
        rows = self.hessian_products(theta, np.eye(self.n_parameters))
        return 0.5 * (rows + rows.T)


class FunctionNetwork(LossFunctions):
    """A loss given by functions of numpy arrays, such as a torch model wrapped; made by `Network.from_functions`."""

    def __init__(
        self,
        weighted_gradient: Callable[[np.ndarray, np.ndarray], np.ndarray],
        losses: Callable[[np.ndarray], np.ndarray],
        hessian_product: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
        params: Any,
    ):
        self._weighted, self._losses, self._product = weighted_gradient, losses, hessian_product
        first = np.atleast_2d(reals("params", params, "parameters (d,), or a row a run (n_runs, d)"))
        if first.ndim != 2 or not first.size or not np.isfinite(first).all():
            raise bad_value("params", "finite, of shape (d,) or (n_runs, d)", f"an array of shape {first.shape}")
        self._starts = np.array(first)
        self.n_parameters = first.shape[1]
        values = reals("per_sample", losses(self._starts[0].copy()), "a function that returns one loss a sample")
        if values.ndim != 1 or values.size == 0:
            raise bad_value("per_sample", "a function that returns losses (n_samples,)", f"shape {values.shape}")
        self.n_samples = values.size
        gradient = np.shape(weighted_gradient(self._starts[0].copy(), np.full(values.size, 1.0 / values.size)))
        if gradient != (self.n_parameters,):
            rule = f"a function that returns a gradient ({self.n_parameters},)"
            raise bad_value("weighted_grad", rule, f"shape {gradient}")

    def start(self, seed: int, run: int) -> np.ndarray:
        """Initial parameters of a run: its row, or the only one."""
        if len(self._starts) > 1:
            whole("n_runs", run + 1, 1, len(self._starts), "`params` has one row a run.")
        return self._starts[run if len(self._starts) > 1 else 0].copy()

    def losses(self, theta: np.ndarray) -> np.ndarray:
        """Loss of each sample (n_samples,)."""
        return np.asarray(self._losses(theta), dtype=float)

    def weighted_gradient(self, theta: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """sum_i weights_i grad l_i, shape (n_parameters,)."""
        return np.asarray(self._weighted(theta, weights), dtype=float)

    def hessian_product(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hessian times a vector; central differences of the gradient where no function was given."""
        if self._product is not None:
            return np.asarray(self._product(theta, vector), dtype=float)
        size = float(np.linalg.norm(vector))
        if size == 0.0:
            return np.zeros_like(vector)
        step = 10.0 * self._step(theta) / size
        return (self.gradient(theta + step * vector) - self.gradient(theta - step * vector)) / (2.0 * step)

    def slopes(self, theta: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Central differences of the losses along directions, shape (n_samples, k)."""
        columns = []
        for vector in directions.T:
            step = self._step(theta) / max(float(np.linalg.norm(vector)), 1e-300)
            ends = [self.losses(theta + sign * step * vector) for sign in (1.0, -1.0)]
            columns.append((ends[0] - ends[1]) / (2.0 * step))
        return np.stack(columns, axis=1)

    def sample_gradients(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Gradients of some samples: one call each, with all weight on it."""
        units = np.zeros((len(rows), self.n_samples))
        units[np.arange(len(rows)), rows] = 1.0
        return np.array([self.weighted_gradient(theta, w) for w in units])

    def confined(self, centre: np.ndarray, directions: np.ndarray) -> FunctionNetwork:
        """The same loss on a plane, theta = centre + directions c."""
        return FunctionNetwork(
            lambda c, w: directions.T @ self.weighted_gradient(centre + directions @ c, w),
            lambda c: self.losses(centre + directions @ c),
            None,
            np.zeros(directions.shape[1]),
        )

    def _given(self) -> tuple[Any, ...]:
        return self._weighted, self._losses, self._product, self._starts

    def trainer(self, rule: Rule) -> Trainer:
        """Runs one after another, in numpy."""
        from .function_training import FunctionTrainer

        return FunctionTrainer(self, rule)

    def _step(self, theta: np.ndarray) -> float:
        return STEP * (1.0 + float(np.linalg.norm(theta)) / np.sqrt(theta.size))

    def __repr__(self) -> str:
        return f"Network from functions: {self.n_parameters} parameters, {self.n_samples} samples"
