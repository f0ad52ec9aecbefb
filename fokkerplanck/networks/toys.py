"""Toy networks: parity, modular addition, superposition, handwritten digits, and deep linear networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import number, whole
from ..errors import bad_value
from .network import Network, import_jax

if TYPE_CHECKING:
    from ..deep_linear import DeepLinear


def parity(bits: int = 10, relevant: int = 3, hidden: int = 16, *, precision: str = "float32") -> Network:
    """Parity of the first `relevant` of some bits: all 2^bits inputs of -1 and 1, one hidden layer of tanh, squared loss."""
    bits = whole("bits", bits, 1, 16)
    relevant, hidden = whole("relevant", relevant, 1, bits), whole("hidden", hidden, 1)
    inputs = 2.0 * ((np.arange(2**bits)[:, None] >> np.arange(bits)) & 1) - 1.0
    labels = inputs[:, :relevant].prod(axis=1)
    jnp = import_jax().numpy

    def loss(params: Any, sample: Any) -> Any:
        x, y = sample
        (w, b), (v, c) = params
        return 0.5 * (v @ jnp.tanh(w @ x + b) + c - y)[0] ** 2

    return Network(loss, _layers([bits, hidden, 1]), (inputs, labels), precision=precision)


def modular(modulus: int = 23, hidden: int = 32, *, precision: str = "float32") -> Network:
    """Addition modulo p: all p^2 pairs, an embedding of each number, one hidden layer of ReLU, cross-entropy."""
    modulus, hidden = whole("modulus", modulus, 2, 1000), whole("hidden", hidden, 1)
    left, right = (grid.ravel() for grid in np.meshgrid(np.arange(modulus), np.arange(modulus), indexing="ij"))
    jax = import_jax()

    def loss(params: Any, sample: Any) -> Any:
        a, b, answer = sample
        (first, bias), (second, last) = params
        scores = second @ jax.nn.relu(first[:, a] + first[:, modulus + b] + bias) + last
        return jax.nn.logsumexp(scores) - scores[answer]

    data = (left, right, (left + right) % modulus)
    return Network(loss, _layers([2 * modulus, hidden, modulus], fan_in=[2, hidden]), data, precision=precision)


def superposition(
    features: int = 6,
    hidden: int = 2,
    density: float = 0.1,
    *,
    samples: int | None = None,
    population: int = 4096,
    precision: str = "float32",
) -> Network:
    """More sparse features than hidden units: x' = ReLU(W^T W x + b), loss |x' - x|^2 (Elhage et al. 2022).

    Each feature is uniform on (0, 1) with probability `density` and otherwise 0. Samples are drawn afresh for each batch, and
    `population` of them, drawn once, stand for the expected loss; or so many `samples` are drawn once and are all there are.
    """
    features, hidden = whole("features", features, 1), whole("hidden", hidden, 1)
    density = number("density", density, "above 0 and at most 1", lambda v: 0.0 < v <= 1.0)
    jax = import_jax()

    def loss(params: Any, x: Any) -> Any:
        w, b = params
        return ((jax.nn.relu(w.T @ (w @ x) + b) - x) ** 2).sum()

    def init(key: Any) -> Any:
        return jax.random.normal(key, (hidden, features)) / math.sqrt(features), jax.numpy.zeros(features)

    def sampler(key: Any, n: int) -> Any:
        value, present = jax.random.split(key)
        kept = jax.random.uniform(present, (n, features)) < density
        return jax.random.uniform(value, (n, features)) * kept

    if samples is not None:
        return Network(loss, init, sampler(jax.random.key(0), whole("samples", samples, 2)), precision=precision)
    return Network(loss, init, sampler, precision=precision, population=population)


def digits(hidden: int = 16, *, precision: str = "float32") -> Network:
    """The 1797 handwritten digits of scikit-learn, 8 x 8 pixels: a perceptron 64-hidden-10 of tanh, cross-entropy."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        then = (
            "pip install scikit-learn, or pass your own data to Network; parity, modular and superposition need none."
        )
        raise ImportError(f"The digits come with scikit-learn. {then}") from error
    images, labels = load_digits(return_X_y=True)
    return classifier(images / 16.0, labels, hidden, precision=precision)


def classifier(inputs: Any, labels: Any, hidden: int = 16, *, precision: str = "float32") -> Network:
    """A perceptron of one hidden layer of tanh with cross-entropy, on inputs (n, n_in) and whole labels from 0 on (n,)."""
    inputs, labels = np.asarray(inputs, dtype=float), np.asarray(labels)
    if inputs.ndim != 2 or labels.shape != inputs.shape[:1] or not inputs.size:
        raise bad_value("labels", "one a row of inputs (n, n_in)", f"{labels.shape} for {inputs.shape}")
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise bad_value("labels", "whole numbers from 0 on", labels)
    jax = import_jax()

    def loss(params: Any, sample: Any) -> Any:
        x, label = sample
        (w, b), (v, c) = params
        scores = v @ jax.numpy.tanh(w @ x + b) + c
        return jax.nn.logsumexp(scores) - scores[label]

    widths = [inputs.shape[1], whole("hidden", hidden, 1), int(labels.max()) + 1]
    return Network(loss, _layers(widths), (inputs, labels), precision=precision)


def linear(net: DeepLinear, *, population: int = 4096, precision: str = "float64") -> Network:
    """A deep linear network of `fokkerplanck.deep_linear` as one of any kind, its weights the list [W_1, ..., W_L].

    Gaussian or given inputs. The loss counts the label noise, as any loss of samples does. Runs start with entries of standard
    deviation 1 / sqrt(n); give `starts` for others.
    """
    if isinstance(net.inputs, tuple):
        raise bad_value("inputs", "Gaussian or given", net.inputs)
    jax = import_jax()
    rows = None if net.data is None else np.array(net.data)

    def loss(weights: Any, sample: Any) -> Any:
        x, noise = sample
        out = x
        for w in weights:
            out = w @ out
        return 0.5 * ((out - net.target @ x - noise) ** 2).sum()

    def sampler(key: Any, n: int) -> Any:
        inputs, noise = jax.random.split(key)
        if rows is None:
            x = jax.random.normal(inputs, (n, net.widths[0]), dtype=precision)
        else:
            x = jax.numpy.asarray(rows, dtype=precision)[jax.random.randint(inputs, (n,), 0, len(rows))]
        return x, net.label_noise * jax.random.normal(noise, (n, net.widths[-1]), dtype=precision)

    init = _layers(list(net.widths), bias=False)
    if rows is not None and not net.label_noise:
        return Network(loss, init, (rows, np.zeros((len(rows), net.widths[-1]))), precision=precision)
    return Network(loss, init, sampler, precision=precision, population=population)


def _layers(widths: list[int], fan_in: list[int] | None = None, bias: bool = True) -> Any:
    """init(key) -> [(W (n_out, n_in), b (n_out,)), ...], entries of W normal of variance 1 / n_in, b = 0."""
    jax = import_jax()
    fans = widths[:-1] if fan_in is None else fan_in

    def init(key: Any) -> Any:
        keys = jax.random.split(key, len(fans))
        shapes = zip(keys, widths[1:], widths, fans, strict=False)
        weights = [jax.random.normal(k, (n, m)) / math.sqrt(fan) for k, n, m, fan in shapes]
        return [(w, jax.numpy.zeros(w.shape[0])) for w in weights] if bias else weights

    return init
