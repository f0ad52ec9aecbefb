"""A loss that is a mean over samples: its value, its gradient, and the covariance of the per-sample gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from ..arguments import callable_with, fields, number, reals
from ..errors import bad_type, bad_value
from ..formulas.parser import Condition, Formula, checked_names, parse
from .samples import read_data

PAIRS = 2**17  # point-sample pairs handed to a Python gradient at once: bounds the memory it needs


class SampleLoss:
    """L(theta) = mean over the samples x of l(theta; x), with l a formula.

    Parameters
    ----------
    formula : str
        Loss of one sample in the names `parameters` and the columns of `data` (see `fokkerplanck.formulas.parser`).
    parameters : sequence of str
        The d parameters, in the order of the coordinates.
    data : mapping from column name to N numbers, data frame, name of a CSV file, array (N, k) with `columns`, or a sampler
        A sampler f(rng, n) returns any of these and is asked once for 20,000 samples. Columns that the formula does not need
        may hold text or gaps. Entries of files are separated by commas, semicolons or tabs (the last two: 0,5 is 0.5).
    columns : sequence of str, optional
        Names of the columns of an array.

    Notes
    -----
    Gradients are exact (symbolic), and compiled once and for all into a cache file. Per-sample gradients are split into
    a part without data and a rest; the covariance is computed from the rest alone, in two passes relative to the first
    sample. So it keeps its relative accuracy however small it is beside the mean, and vanishes exactly where all
    samples agree. Only what sits in one product with data is not split, such as ``x*(v*x - y)``.

    Examples
    --------
    >>> loss = SampleLoss("-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)", parameters=["w"], data={"pit": [0, 1]})
    >>> loss.dim, loss.n_samples
    (1, 2)
    >>> float(loss.covariance(1.0)[0, 0])
    0.0
    """

    _box: tuple[tuple[float, float], ...] | None = None
    _decay: float = 0.0
    _plain: SampleLoss | None = None  # the same without weight decay

    def __init__(self, formula: str, parameters: Sequence[str], data: Any, columns: Sequence[str] | None = None):
        self._parameters = _parameters(parameters)
        table, names = read_data(data, columns, formula)
        if names is None:
            raise bad_value("columns", "one name for each column of the array", None, "Or give data as {name: values}.")
        both = sorted(set(names) & set(self._parameters))
        if both:
            raise bad_value("data", "in columns that are not parameters", f"{both[0]!r} as both", "Rename one.")
        self._columns: tuple[str, ...] | None = names
        self._formula: Formula | None = parse(formula, (*self._parameters, *names))
        self._table = np.array(table, dtype=float, order="C")
        self._table.flags.writeable = False
        self._gradient: Callable | None = None
        self._loss: Callable | None = None
        self._hessian: Callable | None = None

    @classmethod
    def from_gradient(
        cls,
        grad: Callable,
        data: Any,
        parameters: Sequence[str],
        *,
        loss: Callable | None = None,
        hessian: Callable | None = None,
        columns: Sequence[str] | None = None,
    ) -> SampleLoss:
        """A loss known by its per-sample gradient, a Python function; any automatic differentiation can supply it.

        Parameters
        ----------
        grad : callable ``grad(theta, sample) -> array (d, n)``
            Called with n independent pairs of a point and a sample: `theta` is a float array (d, n); `sample` is a
            dictionary {column: array (n,)}, or for array data without `columns` the array of n rows ``data[rows]``.
            Entry ``[:, j]`` of the answer is the gradient at ``theta[:, j]`` for sample j. In 1D (n,) will do.
        data : mapping from column name to N numbers, or array (N, ...)
        parameters : sequence of str
        loss, hessian : callables, optional
            The same for the loss, answer (n,), and for the Hessian, answer (d, d, n) or (n,) in 1D.
        columns : sequence of str, optional
            Names of the columns of an array (N, k), to receive samples as a dictionary.

        Notes
        -----
        The covariance is computed in two passes from what `grad` returns: beside a common part a, differences below
        1e-16 a are lost. Formulas do not have this limit.
        """
        for name, function in (("grad", grad), ("loss", loss), ("hessian", hessian)):
            if function is not None or name == "grad":
                callable_with(name, function, 2)
        self = cls.__new__(cls)
        self._parameters = _parameters(parameters)
        table, self._columns = read_data(data, columns)
        self._table = np.array(table)
        self._table.flags.writeable = False
        self._formula, self._gradient, self._loss, self._hessian = None, grad, loss, hessian
        return self

    def __repr__(self) -> str:
        what = repr(self._formula.text) if self._formula else getattr(self._gradient, "__name__", "a gradient")
        decay = f", weight_decay={self._decay:g}" if self._decay and not self._formula else ""
        return f"SampleLoss({what}, parameters={list(self.parameters)}, {self.n_samples} samples{decay})"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self._parameters

    @property
    def dim(self) -> int:
        """Number of parameters d."""
        return len(self._parameters)

    @property
    def n_samples(self) -> int:
        """Number of samples N."""
        return len(self._table)

    @property
    def formula(self) -> Formula | None:
        """The parsed formula, or None for a loss known by its gradient."""
        return self._formula

    @property
    def content(self) -> tuple:
        """What tells this loss from others: its formula or gradient, its parameters and its data."""
        told = (self._formula.text if self._formula else self._gradient, self._parameters, self._columns, self._table)
        return (*told, self._decay) if self._decay else told

    @property
    def has_value(self) -> bool:
        """Whether the loss itself is known, and not its gradient alone."""
        return self._formula is not None or self._loss is not None

    @property
    def box(self) -> tuple[tuple[float, float], ...] | None:
        """(low, high) of each parameter where the loss is meant to be looked at, if that is known; see `within`."""
        return self._box

    def within(self, box: Sequence[tuple[float, float]]) -> SampleLoss:
        """The same loss, to be looked at in a box: there `SGD.temperature` looks for its minimum."""
        pairs = tuple((float(low), float(high)) for low, high in box)
        if len(pairs) != self.dim or not all(low < high for low, high in pairs):
            raise bad_value("box", f"{self.dim} pair(s) with low < high, one a parameter", box)
        other = copy(self)
        other._box = pairs
        return other

    @property
    def weight_decay(self) -> float:
        """lambda of the term lambda |theta|^2 / 2 that `with_weight_decay` has added; else 0."""
        return self._decay

    def with_weight_decay(self, decay: float) -> SampleLoss:
        """The same loss with the term decay |theta|^2 / 2 in every sample, in place of the one that it may have already."""
        decay = number("weight_decay", decay, "at least 0 and finite", lambda v: 0.0 <= v < np.inf, "Such as 1e-4.")
        if decay == self._decay:
            return self
        plain = copy(self._plain or self)
        plain._box = self._box
        if decay == 0.0:
            return plain
        other = copy(plain)
        other._decay, other._plain = decay, plain
        if plain._formula is not None:
            term = parse(f"{decay!r}/2*({' + '.join(f'{name}**2' for name in self._parameters)})", self._parameters)
            whole = plain._formula.expression + term.expression
            other._formula = Formula(f"({plain._formula.text}) + {term.text}", plain._formula.names, whole)
            other.__dict__.pop("_slopes", None)
        return other

    def _decay_of(self, name: str, theta: np.ndarray) -> np.ndarray:
        """What weight decay adds to the loss (n,), the gradient (d, n) or the Hessian (d, d, 1) at points theta (d, n)."""
        if name == "loss":
            return 0.5 * self._decay * (theta**2).sum(axis=0)
        return self._decay * (theta if name == "grad" else np.eye(self.dim)[..., None])

    @property
    def table(self) -> np.ndarray:
        """The data, one row a sample."""
        return self._table

    def value(self, *theta) -> np.ndarray:
        """Mean loss at points given as d arrays that broadcast to one shape; that shape."""
        points, shape = self._points(theta)
        if self._formula:
            return self._compiled("value", points, (1,)).reshape(shape)
        return self._mean("loss", self._loss, points, ()).reshape(shape)

    def gradient(self, *theta) -> np.ndarray:
        """Mean gradient g, shape (d, *shape)."""
        points, shape = self._points(theta)
        if self._formula:
            return self._compiled("gradient", points, (self.dim,)).reshape(self.dim, *shape)
        return self._mean("grad", self._gradient, points, (self.dim,)).reshape(self.dim, *shape)

    def hessian(self, *theta) -> np.ndarray:
        """Mean Hessian, shape (d, d, *shape)."""
        points, shape = self._points(theta)
        square = (self.dim, self.dim)
        if self._formula:
            out = np.empty((self.dim**2, points.shape[1]))
            self._hessian_kernels.hessian(points, self._table, out)
            return out.reshape(*square, *shape)
        return self._mean("hessian", self._hessian, points, square).reshape(*square, *shape)

    @property
    def knows_curvature(self) -> bool:
        """Whether `hessian` and `curvature` can be asked."""
        return self._formula is not None or self._hessian is not None

    def curvature(self, *theta) -> np.ndarray:
        """Largest eigenvalue of the mean Hessian, in the shape of the points; NaN where the Hessian is not finite."""
        hessian = np.moveaxis(self.hessian(*theta), (0, 1), (-2, -1))
        finite = np.isfinite(hessian).all(axis=(-2, -1))
        largest = np.linalg.eigvalsh(np.where(finite[..., None, None], hessian, 0.0))[..., -1]
        return np.where(finite, largest, np.nan)

    def covariance(self, *theta) -> np.ndarray:
        """Covariance Sigma of the per-sample gradients (population form, mean over N), shape (d, d, *shape)."""
        points, shape = self._points(theta)
        square = (self.dim, self.dim)
        if self._formula:
            return self._compiled("covariance", points, square).reshape(*square, *shape)
        return self._python_covariance(points).reshape(*square, *shape)

    def batch_gradient(self, theta: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Mean over batches of the gradient of a loss given by its gradient.

        Parameters
        ----------
        theta : array (d, n)
        index : int array (n, B)
            The samples in the batch of each point.

        Returns
        -------
        array (d, n)
        """
        n, batch = index.shape
        result = np.empty((self.dim, n))
        chunk = max(1, PAIRS // batch)
        for start in range(0, n, chunk):
            part = slice(start, min(start + chunk, n))
            pairs = self._pairs("grad", self._gradient, np.repeat(theta[:, part], batch, axis=1), index[part].ravel())
            result[:, part] = pairs.reshape(self.dim, -1, batch).mean(axis=2)
        return result

    def rows_gradient(self, rows: np.ndarray, times: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Mean gradient over some samples, drawn so many times each (both (k,)), at points theta (d, n); shape (d, n)."""
        if times.min() < times.max():
            total = np.zeros((self.dim, theta.shape[1]))
            for number in np.unique(times):
                equal = times == number
                total += number * equal.sum() * self.rows_gradient(rows[equal], times[equal], theta)
            return total / times.sum()
        if self._formula is None:
            return self.batch_gradient(theta, np.broadcast_to(rows, (theta.shape[1], len(rows))))
        out = np.empty((self.dim, theta.shape[1]))
        self._kernels.gradient(np.ascontiguousarray(theta), np.ascontiguousarray(self._table[rows]), out)
        return out

    def sample_gradients(self, rows: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Gradient of each of some samples (k,) at points theta (d, n); shape (k, d, n)."""
        k, n = len(rows), theta.shape[1]
        if self._formula is None:
            pairs = np.repeat(rows, n)[:, None]
            return np.moveaxis(self.batch_gradient(np.tile(theta, k), pairs).reshape(self.dim, k, n), 0, 1)
        arguments = [*theta[:, None, :], *self._table[rows].T[:, :, None]]
        return np.stack([np.broadcast_to(slope(*arguments), (k, n)) for slope in self._slopes], axis=1)

    def path_kernels(self, target: Condition | None = None, momentum: bool = False) -> ModuleType:
        """The compiled module that moves SGD paths of a formula loss; the condition `target` stops them."""
        from ..formulas.compiled import path_module

        assert self._formula is not None
        condition = None if target is None else target.expression
        return path_module(self._formula.expression, self.parameters, self._columns or (), condition, momentum)

    @cached_property
    def _slopes(self) -> list[Formula]:
        assert self._formula is not None
        return [self._formula.derivative(name) for name in self._parameters]

    @cached_property
    def _kernels(self) -> ModuleType:
        from ..formulas.compiled import loss_module

        assert self._formula is not None
        return loss_module(self._formula.expression, self.parameters, self._columns or ())

    @cached_property
    def _hessian_kernels(self) -> ModuleType:
        from ..formulas.compiled import hessian_module

        assert self._formula is not None
        return hessian_module(self._formula.expression, self.parameters, self._columns or ())

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled modules: another process loads them from the cache."""
        return {key: value for key, value in self.__dict__.items() if key not in ("_kernels", "_hessian_kernels")}

    def _points(self, theta: tuple) -> tuple[np.ndarray, tuple[int, ...]]:
        if len(theta) != self.dim:
            raise bad_type("theta", f"one array for each of {', '.join(self.parameters)}", f"{len(theta)} arrays")
        given = [reals("theta", t, "a number or an array of numbers for each parameter") for t in theta]
        try:
            arrays = np.broadcast_arrays(*given)
        except ValueError:
            raise bad_value("theta", "arrays that fit each other", [a.shape for a in given]) from None
        return np.ascontiguousarray(np.stack([a.ravel() for a in arrays])), arrays[0].shape

    def _compiled(self, name: str, points: np.ndarray, leading: tuple[int, ...]) -> np.ndarray:
        out = np.empty((*leading, points.shape[1]))
        getattr(self._kernels, name)(points, self._table, out)
        return out

    def _pairs(self, name: str, function: Callable | None, theta: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Call a per-sample function for points theta[:, j] and samples index[j], and check what it returns."""
        if function is None:
            raise bad_value(name, "given for this question", None, f"Pass from_gradient(..., {name}=f(theta, sample)).")
        rows = self._table[index]
        sample = rows if self._columns is None else {c: rows[:, k] for k, c in enumerate(self._columns)}
        n = theta.shape[1]
        shape = {"loss": (n,), "grad": (self.dim, n), "hessian": (self.dim, self.dim, n)}[name]
        answer = fields(name, function(theta, sample), f"a function that returns real numbers of shape {shape} here")
        if answer.shape == (n,) and self.dim == 1:
            answer = answer.reshape(shape)
        if answer.shape != shape:
            got = f"{answer.dtype} {answer.shape}"
            then = "theta has shape (d, n), a column (n,); entry j of the answer belongs to point j and sample j."
            raise bad_value(name, f"a function that returns real numbers of shape {shape} here", got, then)
        answer = answer.astype(float, copy=False)
        return answer + self._decay_of(name, theta) if self._decay else answer

    def _sum(self, name: str, function: Callable | None, theta: np.ndarray, leading: tuple, map_pairs: Callable) -> Any:
        """Sum over all samples of map_pairs(answers (*leading, n, samples)), in chunks of samples."""
        total: Any = 0.0
        for start in range(0, self.n_samples, PAIRS):
            index = np.arange(start, min(start + PAIRS, self.n_samples))
            n, m = theta.shape[1], len(index)
            pairs = self._pairs(name, function, np.repeat(theta, m, axis=1), np.tile(index, n))
            total = total + map_pairs(pairs.reshape(*leading, n, m)).sum(axis=-1)
        return total

    def _chunks(self, points: np.ndarray) -> list[slice]:
        size = max(1, PAIRS // self.n_samples)
        return [slice(s, min(s + size, points.shape[1])) for s in range(0, points.shape[1], size)]

    def _mean(self, name: str, function: Callable | None, points: np.ndarray, leading: tuple[int, ...]) -> np.ndarray:
        out = np.empty((*leading, points.shape[1]))
        for part in self._chunks(points):
            out[..., part] = self._sum(name, function, points[:, part], leading, lambda g: g) / self.n_samples
        return out

    def _python_covariance(self, points: np.ndarray) -> np.ndarray:
        d = self.dim
        out = np.empty((d, d, points.shape[1]))
        for part in self._chunks(points):
            theta = points[:, part]
            first = self._pairs("grad", self._gradient, theta, np.zeros(theta.shape[1], dtype=int))[..., None]

            def total(function: Callable, theta=theta) -> np.ndarray:
                return self._sum("grad", self._gradient, theta, (d,), function)

            mean = (total(lambda g, first=first: g - first) / self.n_samples)[..., None] + 0.0

            def products(g: np.ndarray, first=first, mean=mean) -> np.ndarray:
                deviation = (g - first) - mean
                return deviation[:, None] * deviation[None]

            out[..., part] = total(products) / self.n_samples
        return out


def _parameters(parameters: Any) -> tuple[str, ...]:
    try:
        names = checked_names(parameters, "parameters")
    except TypeError:
        raise bad_type("parameters", "a list of names", parameters, 'Such as parameters=["w"].') from None
    if not names:
        raise bad_value("parameters", "at least one name", parameters)
    return names
