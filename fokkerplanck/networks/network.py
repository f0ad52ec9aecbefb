"""`Network`: any loss that JAX can differentiate, and what can be asked of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import callable_with, whole
from ..errors import bad_type, bad_value
from .derivative_check import check_derivatives
from .loss_functions import FunctionNetwork, LossFunctions

if TYPE_CHECKING:
    from .training import Rule, Trainer

PRECISIONS = ("float32", "float64")
START = 2**32 - 1  # the "step" whose key draws the start of a run
MOST_AT_ONCE = 2**25  # numbers: products of the Hessian at once, times samples and parameters


def import_jax() -> Any:
    """JAX, or one sentence on how to get it."""
    try:
        import jax
    except ImportError as error:
        then = "pip install 'fokkerplanck[networks]', or describe the loss by numpy functions: Network.from_functions."
        raise ImportError(f"fokkerplanck.networks.Network needs JAX. {then}") from error
    return jax


class Network(LossFunctions):
    """A loss over samples, of any parameters, differentiated by JAX.

    Parameters
    ----------
    loss : callable
        loss(params, sample) -> number, the loss of one sample, of jax.numpy.
    params : pytree of arrays, or callable
        Initial parameters; or init(key) -> parameters, and run k starts from its own draw, the same for all dynamics.
    data : pytree of arrays, or callable
        All leading axes count the samples; or sampler(key, n) -> n samples as such a pytree, and batches are drawn afresh.
    precision : {"float32", "float64"}
        Of all that this network computes; JAX's global switch stays as it is.
    population : int
        With a sampler: how many samples, drawn once, stand for the expected loss, its gradient and its Hessian.

    Examples
    --------
    A line through points (JAX is imported by the first line)::

        net = Network(lambda w, xy: 0.5 * (w @ xy[0] - xy[1]) ** 2, jnp.zeros(3), (x, y))
        runs = net.train(1000, n_runs=100, learning_rate=0.1, batch_size=32, seed=0)
    """

    def __init__(self, loss: Callable, params: Any, data: Any, *, precision: str = "float32", population: int = 4096):
        jax = import_jax()
        from jax.flatten_util import ravel_pytree

        callable_with("loss", loss, 2, "arguments: parameters and one sample")
        if precision not in PRECISIONS:
            raise bad_value("precision", " or ".join(PRECISIONS), precision)
        self.per_sample, self.precision = loss, precision
        self.sampler = data if callable(data) else None
        self._init = params if callable(params) else None
        with self.context():
            first = params(jax.random.key(0)) if self._init else params
            vector, self._unravel = ravel_pytree(self._real(first, "params"))
            population = whole("population", population, 2)
            self.data = self._real(data(jax.random.key(0), population) if self.sampler else data)
        self._first = np.asarray(vector)
        self.n_parameters = vector.size
        self.n_samples = _count(jax.tree.leaves(self.data))
        self._trainers: dict[Rule, Any] = {}
        self._check()

    @staticmethod
    def from_functions(
        weighted_grad: Callable, per_sample: Callable, hvp: Callable | None = None, *, params: Any
    ) -> FunctionNetwork:
        """A network given by numpy functions, for torch or anything else; needs no JAX.

        Parameters
        ----------
        weighted_grad : callable
            (theta (d,), weights (n_samples,)) -> sum_i weights_i grad l_i, (d,).
        per_sample : callable
            theta -> losses of all samples (n_samples,).
        hvp : callable, optional
            (theta, v) -> Hessian of the mean loss times v; default: differences of gradients.
        params : array (d,) or (n_runs, d)
            Start of all runs, or a row a run.

        Warns
        -----
        ModelWarning
            Where the gradient is not that of the losses along a random direction at the start, or `hvp` not its derivative.
        """
        net = FunctionNetwork(weighted_grad, per_sample, hvp, params)
        check_derivatives(net, hvp is not None)
        return net

    def context(self) -> contextlib.AbstractContextManager:
        """Where JAX computes in this network's precision."""
        return import_jax().enable_x64(self.precision == "float64")

    def unflatten(self, theta: Any) -> Any:
        """Flat parameters (n_parameters,) as the pytree that the loss takes."""
        with self.context():
            return self._unravel(import_jax().numpy.asarray(theta, dtype=self.precision))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the arrays of the parameters, in the order of the flat vector."""
        return tuple(leaf.shape for leaf in import_jax().tree.leaves(self.unflatten(self._first)))

    def flat(self, theta: Any, name: str = "theta") -> np.ndarray:
        """Parameters as a vector (n_parameters,): a pytree as the loss takes, or a vector already."""
        vector = np.shape(theta) == (self.n_parameters,) if hasattr(theta, "__array__") else _are_numbers(theta)
        if not vector:
            theta = self._vector_of(theta, name)
        return super().flat(np.asarray(theta), name).astype(self.precision)

    def _vector_of(self, tree: Any, name: str) -> np.ndarray:
        """The vector of a pytree that is made as the parameters of the loss are."""
        jax = import_jax()
        from jax.flatten_util import ravel_pytree

        with self.context():
            own = self.unflatten(self._first)
            shapes = [np.shape(leaf) for leaf in jax.tree.leaves(tree)]
            if jax.tree.structure(tree) != jax.tree.structure(own) or shapes != list(self.shapes):
                rule = (
                    f"a vector ({self.n_parameters},), or parameters as the loss takes, of shapes {list(self.shapes)}"
                )
                raise bad_value(name, rule, f"a tree of the shapes {shapes}")
            return np.asarray(ravel_pytree(self._real(tree, name))[0])

    def start(self, seed: int, run: int) -> np.ndarray:
        """Initial parameters of a run (n_parameters,)."""
        if self._init is None:
            return self._first.copy()
        from jax.flatten_util import ravel_pytree
        from jax.random import fold_in, key

        with self.context():
            params = self._init(fold_in(fold_in(key(seed), run), START))
            return np.asarray(ravel_pytree(params)[0], dtype=self.precision)

    def losses(self, theta: np.ndarray) -> np.ndarray:
        """Loss of each sample (n_samples,)."""
        return self._call("losses", theta)

    def weighted_gradient(self, theta: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """sum_i weights_i grad l_i, shape (n_parameters,)."""
        return self._call("weighted", theta, weights)

    def hessian_product(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hessian of the mean loss times a vector (n_parameters,)."""
        return self._call("product", theta, vector)

    def hessian_products(self, theta: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Hessian of the mean loss times each of some vectors (k, n_parameters), several at once in bounded memory."""
        size = min(max(1, MOST_AT_ONCE // (self.n_samples * self.n_parameters)), max(1, len(vectors)))
        found = np.empty(vectors.shape)
        for first in range(0, len(vectors), size):
            part = vectors[first : first + size]
            filled = np.concatenate(
                [part, np.zeros((size - len(part), self.n_parameters))]
            )  # one shape is compiled once
            found[first : first + size] = self._call("products", theta, filled)[: len(part)]
        return found

    def slopes(self, theta: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Derivative of each sample's loss along directions (n_parameters, k), shape (n_samples, k)."""
        return np.stack([self._call("slopes", theta, v) for v in directions.T], axis=1)

    def sample_gradients(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Gradients of the losses of some samples, shape (rows, n_parameters)."""
        return self._call("gradients", theta, np.asarray(rows), whole_numbers=True)

    def mean_losses(self, rows: np.ndarray) -> np.ndarray:
        """Mean loss at rows of parameters (n, n_parameters), shape (n,)."""
        return self._call("mean losses", rows)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """Gradient of the mean loss at rows of parameters, shape (n, n_parameters)."""
        return self._call("mean gradients", rows)

    def confined(self, centre: np.ndarray, directions: np.ndarray) -> Network:
        """The same loss and samples on a plane, theta = centre + directions c."""
        origin, basis = (np.asarray(a, dtype=self.precision) for a in (centre, directions))

        def loss(c: Any, sample: Any) -> Any:
            return self.per_sample(self._unravel(origin + basis @ c), sample)

        source = self.data if self.sampler is None else self.sampler
        start = np.zeros(basis.shape[1])
        return Network(loss, start, source, precision=self.precision, population=max(self.n_samples, 2))

    def _given(self) -> tuple[Any, ...]:
        jax = import_jax()
        samples = [np.asarray(leaf) for leaf in jax.tree.leaves(self.data)]
        return self.per_sample, self._init, self.sampler, samples, self.precision, jax.__version__

    def trainer(self, rule: Rule) -> Trainer:
        """Runs side by side in one compiled loop."""
        from .jax_training import JaxTrainer

        kind = JaxTrainer.kind(rule)
        if kind not in self._trainers:
            self._trainers[kind] = JaxTrainer(self, kind)
        return self._trainers[kind].following(rule)

    @cached_property
    def recorder(self) -> Callable:
        """Compiled: (parameters with a leading axis of runs, data) -> mean losses and norms of their gradients, (n,) each."""
        jax = import_jax()
        from jax.flatten_util import ravel_pytree

        losses = jax.vmap(self.per_sample, (None, 0))

        def one(params: Any, data: Any) -> Any:
            value, gradient = jax.value_and_grad(lambda p: losses(p, data).mean())(params)
            return value, jax.numpy.linalg.norm(ravel_pytree(gradient)[0])

        # one run at a time: the activations of all samples are large
        return jax.jit(lambda params, data: jax.lax.map(lambda p: one(p, data), params))

    def _real(self, tree: Any, name: str = "data") -> Any:
        """A pytree with real arrays in this precision; whole numbers as they are."""
        jax = import_jax()

        def converted(leaf: Any) -> Any:
            array = np.asarray(leaf)
            if array.dtype.kind not in "fiub":
                then = "Code words as whole numbers, such as by numpy.unique(labels, return_inverse=True)[1]."
                raise bad_type(name, "arrays of numbers", array.ravel()[:1], then if name == "data" else "")
            return jax.numpy.asarray(array.astype(self.precision) if array.dtype.kind == "f" else array)

        return jax.tree.map(converted, tree)

    @cached_property
    def _compiled(self) -> dict[str, Callable]:
        jax = import_jax()
        losses = jax.vmap(self.per_sample, (None, 0))

        def of_samples(theta: Any, data: Any) -> Any:
            return losses(self._unravel(theta), data)

        def mean(theta: Any, data: Any) -> Any:
            return of_samples(theta, data).mean()

        def one(theta: Any, sample: Any) -> Any:
            return self.per_sample(self._unravel(theta), sample)

        def product(theta: Any, data: Any, v: Any) -> Any:
            return jax.jvp(jax.grad(lambda p: mean(p, data)), (theta,), (v,))[1]

        functions = {
            "losses": of_samples,
            "weighted": lambda theta, data, w: jax.grad(lambda p: w @ of_samples(p, data))(theta),
            "product": product,
            "products": jax.vmap(product, (None, None, 0)),
            "mean losses": jax.vmap(mean, (0, None)),
            "mean gradients": jax.vmap(jax.grad(mean), (0, None)),
            "slopes": lambda theta, data, v: jax.jvp(lambda p: of_samples(p, data), (theta,), (v,))[1],
            "gradients": lambda theta, data, rows: jax.vmap(jax.grad(one), (None, 0))(
                theta, jax.tree.map(lambda leaf: leaf[rows], data)
            ),
        }
        return {name: jax.jit(function) for name, function in functions.items()}

    def _call(self, name: str, theta: np.ndarray, *others: np.ndarray, whole_numbers: bool = False) -> np.ndarray:
        kind = None if whole_numbers else self.precision
        with self.context():
            arrays = [np.asarray(a, dtype=kind) for a in others]
            return np.asarray(self._compiled[name](np.asarray(theta, self.precision), self.data, *arrays), dtype=float)

    def _check(self) -> None:
        if self.n_parameters == 0:
            raise bad_value("params", "a pytree of at least one number", "none")
        if not np.isfinite(self._first).all():
            raise bad_value("params", "finite", "nan or an infinity")
        losses = self._first_losses()
        if losses.shape != (self.n_samples,):
            raise bad_value("loss", "a function that returns one number a sample", f"shape {losses.shape[1:]}")
        if (lost := ~np.isfinite(losses)).any():
            first = int(np.flatnonzero(lost)[0])
            leaves = [np.asarray(leaf) for leaf in import_jax().tree.leaves(self.data)]
            missing = any(leaf.dtype.kind == "f" and np.isnan(leaf[first]).any() for leaf in leaves)
            then = (
                "That sample holds NaN: leave such samples out."
                if missing
                else "Give other `params`, or mend the loss."
            )
            got = f"nan or an infinity for {lost.sum()} of {losses.size} samples, first for sample {first} (counted from 0)"
            raise bad_value("loss", "finite at the start", got, then)

    def _first_losses(self) -> np.ndarray:
        """The losses at the start; an error inside the user's function says what it was called with."""
        try:
            return self.losses(self._first)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            shapes = [tuple(leaf.shape[1:]) for leaf in import_jax().tree.leaves(self.data)]
            rule = f"a function of the parameters and one sample, here arrays of the shapes {shapes}"
            said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            then = "It meets one sample at a time, without the axis of a batch, and computes by jax.numpy."
            raise bad_value("loss", rule, said, then) from error

    def __repr__(self) -> str:
        drawn = "drawn from a sampler for the expected loss" if self.sampler else "samples"
        return f"Network: {self.n_parameters} parameters, {self.n_samples} {drawn}, {self.precision}"


def _are_numbers(theta: Any) -> bool:
    """Whether this is a list of numbers, which is a vector."""
    if not isinstance(theta, (list, tuple)):
        return False
    return all(np.isscalar(entry) or getattr(entry, "shape", None) == () for entry in theta)


def _count(leaves: Sequence[Any]) -> int:
    """Number of samples of a data pytree."""
    counts = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves}
    if len(counts) != 1 or 0 in counts:
        shapes = [leaf.shape for leaf in leaves]
        then = (
            "Of a list of samples stack each part: (numpy.stack(inputs), numpy.stack(labels))."
            if len(shapes) > 4
            else ""
        )
        raise bad_value("data", "arrays whose leading axes all count the samples", shapes, then)
    return int(counts.pop())
