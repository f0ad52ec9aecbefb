"""Deep linear networks f(x) = W_L ... W_1 x at full size: loss, gradient and Hessian in closed form.

The weights are a list [W_1, ..., W_L], W_l of shape (n_l, n_(l-1)); leading axes, such as runs, may come before. With
A_l = W_L ... W_(l+1) and F_l = W_l ... W_1 the gradient with respect to W_l is A_l^T M F_(l-1)^T, where
M = mean of (f(x) - y) x^T is only d_out x d_in. Data and batches enter through M alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..arguments import LARGEST_WHOLE, fits_memory, number, reals, whole
from ..errors import bad_value

Weights = Sequence[np.ndarray]


class TeacherModes(NamedTuple):
    """W* = left diag(values) right^T: singular vectors as columns (n_L, r) and (n_0, r), falling values, r the rank."""

    left: np.ndarray
    values: np.ndarray
    right: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class DeepLinear:
    """A deep linear network that learns a linear teacher, y = W* x + label_noise xi, with the loss |y - f(x)|^2 / 2.

    Parameters
    ----------
    widths : sequence of int
        n_0, ..., n_L: inputs, hidden layers, outputs.
    teacher : array
        W*, shape (n_L, n_0); or its singular values, put on the diagonal.
    learning_rate : float
    batch_size : int
        Samples a step, drawn afresh (from given inputs: with replacement).
    label_noise : float
        Standard deviation of the noise of each label, drawn afresh with each sample.
    inputs : "gaussian", ("student", nu) or array (n_samples, n_0)
        Standard Gaussian; multivariate Student with nu > 2 degrees of freedom scaled to unit covariance; or given rows.

    Attributes
    ----------
    target : ndarray (n_L, n_0)
        W*.
    second_moment : ndarray (n_0, n_0)
        E x x^T.
    """

    widths: Sequence[int]
    teacher: Any
    learning_rate: float
    batch_size: int
    label_noise: float = 0.0
    inputs: Any = "gaussian"
    target: np.ndarray = field(init=False)
    second_moment: np.ndarray = field(init=False)
    data: np.ndarray | None = field(init=False)
    freedom: float = field(init=False)

    def __post_init__(self) -> None:
        widths = np.asarray(self.widths)
        if widths.ndim != 1 or widths.size < 2 or widths.dtype.kind not in "iu" or (widths < 1).any():
            raise bad_value("widths", "at least two whole numbers above 0", self.widths, "Such as (10, 100, 100, 10).")
        number("learning_rate", self.learning_rate, "a positive number", lambda v: 0.0 < v < math.inf)
        whole("batch_size", self.batch_size, 1, LARGEST_WHOLE)
        number("label_noise", self.label_noise, "a number not below 0", lambda v: 0.0 <= v < math.inf)
        object.__setattr__(self, "widths", tuple(int(n) for n in widths))
        ends = float(self.widths[0]) * self.widths[-1] + 2.0 * float(self.widths[0]) ** 2
        need = 8.0 * (self.n_parameters + 2.0 * ends)  # one copy of the weights, the teacher, moments of the inputs
        fits_memory("widths", need, "Take narrower layers.")
        object.__setattr__(self, "target", _target(self.teacher, self.widths[-1], self.widths[0]))
        data, freedom = _inputs(self.inputs, self.widths[0])
        second = np.eye(self.widths[0]) if data is None else data.T @ data / len(data)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "freedom", freedom)
        object.__setattr__(self, "second_moment", second)

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.widths) - 1

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(n * m for n, m in zip(self.widths[1:], self.widths, strict=False))

    @property
    def teacher_modes(self) -> TeacherModes:
        """Singular vectors and values of the teacher, as `mode_strengths` takes them."""
        left, values, right = np.linalg.svd(self.target)
        rank = int(np.linalg.matrix_rank(self.target))
        return TeacherModes(left[:, :rank], values[:rank], right[:rank].T)

    def end_to_end(self, weights: Weights) -> np.ndarray:
        """W_L ... W_1, shape (..., n_L, n_0)."""
        return self.partial_products(weights)[0][-1]

    def partial_products(self, weights: Weights) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """F_0, ..., F_L, each (..., n_l, n_0), and A_0, ..., A_L, each (..., n_L, n_l)."""
        forward, backward = [np.eye(self.widths[0])], [np.eye(self.widths[-1])]
        for w in weights:
            forward.append(w @ forward[-1])
        for w in reversed(weights):
            backward.append(backward[-1] @ w)
        return forward, backward[::-1]

    def loss(self, weights: Weights) -> np.ndarray:
        """Expected loss less that of the teacher (which is n_L label_noise^2 / 2), shape (...)."""
        return self.loss_of(self.end_to_end(weights))

    def loss_of(self, end_to_end: np.ndarray) -> np.ndarray:
        """The same from end-to-end matrices W: tr (W - W*) E[x x^T] (W - W*)^T / 2."""
        delta = end_to_end - self.target
        return 0.5 * np.einsum("...ij,jk,...ik->...", delta, self.second_moment, delta)

    def gradient(self, weights: Weights) -> list[np.ndarray]:
        """Gradient of the expected loss, one array a layer, shaped as the weights."""
        forward, backward = self.partial_products(weights)
        return through_layers((forward[-1] - self.target) @ self.second_moment, forward, backward)

    def push(self, weights: Weights, moment: np.ndarray) -> list[np.ndarray]:
        """The gradient a batch of moment M = mean (f(x) - y) x^T gives, shape of M (..., n_L, n_0)."""
        return through_layers(moment, *self.partial_products(weights))

    def hessian_product(self, weights: Weights, direction: Weights) -> list[np.ndarray]:
        """Hessian of the expected loss times a direction, one array a layer, by the product rule."""
        forward, backward = self.partial_products(weights)
        d_forward, d_backward = [np.zeros_like(forward[0])], [np.zeros_like(backward[-1])]
        for w, v, f in zip(weights, direction, forward, strict=False):
            d_forward.append(v @ f + w @ d_forward[-1])
        for w, v, a in zip(reversed(weights), reversed(direction), reversed(backward), strict=False):
            d_backward.append(a @ v + d_backward[-1] @ w)
        d_backward.reverse()
        moment = (forward[-1] - self.target) @ self.second_moment
        d_moment = d_forward[-1] @ self.second_moment
        parts = [
            through_layers(moment, forward, d_backward),
            through_layers(d_moment, forward, backward),
            through_layers(moment, d_forward, backward),
        ]
        return [a + b + c for a, b, c in zip(*parts, strict=True)]

    def balance(self, weights: Weights) -> list[np.ndarray]:
        """W_(l+1)^T W_(l+1) - W_l W_l^T for l = 1, ..., L - 1: conserved by gradient flow, zero where balanced."""
        return [np.swapaxes(b, -1, -2) @ b - a @ np.swapaxes(a, -1, -2) for a, b in pairwise(weights)]

    def flatten(self, weights: Weights) -> np.ndarray:
        """All weights as vectors, layer by layer, shape (..., n_parameters)."""
        return np.concatenate([w.reshape(*w.shape[:-2], -1) for w in weights], axis=-1)

    def unflatten(self, vectors: np.ndarray) -> list[np.ndarray]:
        """The inverse of `flatten`, as views."""
        shapes = list(zip(self.widths[1:], self.widths, strict=False))
        ends = np.cumsum([n * m for n, m in shapes])
        parts = np.split(vectors, ends[:-1], axis=-1)
        return [p.reshape(*vectors.shape[:-1], n, m) for p, (n, m) in zip(parts, shapes, strict=True)]

    def __repr__(self) -> str:
        values = ", ".join(f"{s:.4g}" for s in np.linalg.svd(self.target, compute_uv=False) if s > 0)
        shape = "-".join(str(n) for n in self.widths)
        law = self.inputs if isinstance(self.inputs, str | tuple) else f"{len(self.inputs)} given"
        steps = f"learning rate {self.learning_rate:g}, batches of {self.batch_size}, label noise {self.label_noise:g}"
        return f"DeepLinear {shape}, teacher of singular values {values}; {steps}, inputs {law}"


def through_layers(moment: np.ndarray, forward: Weights, backward: Weights) -> list[np.ndarray]:
    """A_l^T M F_(l-1)^T for l = 1, ..., L."""
    return [
        np.swapaxes(a, -1, -2) @ (moment @ np.swapaxes(f, -1, -2))
        for a, f in zip(backward[1:], forward[:-1], strict=True)
    ]


def _target(teacher: Any, n_out: int, n_in: int) -> np.ndarray:
    rule = f"a finite matrix of shape ({n_out}, {n_in}), or at most {min(n_out, n_in)} singular values"
    array = reals("teacher", teacher, rule)
    if array.ndim == 1 and 0 < array.size <= min(n_out, n_in) and (array >= 0.0).all():
        target = np.zeros((n_out, n_in))
        np.fill_diagonal(target[: array.size, : array.size], array)
        array = target
    if array.shape != (n_out, n_in) or not np.isfinite(array).all():
        raise bad_value("teacher", rule, teacher)
    return array


def _inputs(inputs: Any, n_in: int) -> tuple[np.ndarray | None, float]:
    """Given rows or None, and the degrees of freedom of a Student law (inf: Gaussian)."""
    rule = f'"gaussian", ("student", nu) with nu > 2, or a finite array of shape (n_samples, {n_in})'
    if isinstance(inputs, str):
        if inputs == "gaussian":
            return None, math.inf
        raise bad_value("inputs", rule, inputs)
    if isinstance(inputs, tuple | list) and len(inputs) == 2 and inputs[0] == "student":
        nu = number("inputs", inputs[1], rule, lambda v: v > 2.0, "With nu <= 2 the expected loss is infinite.")
        return None, nu
    array = reals("inputs", inputs, rule).copy()
    if array.ndim != 2 or array.shape[1] != n_in or len(array) == 0 or not np.isfinite(array).all():
        raise bad_value("inputs", rule, f"an array of shape {array.shape}")
    return array, math.inf
