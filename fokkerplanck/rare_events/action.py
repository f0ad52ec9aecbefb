"""The cost of a piece of path, from the Hamiltonian of the noise.

For small noise, paths near phi have a probability exp(-S(phi) / noise), and the least S over all paths from a to b, whatever
time they take, is the quasipotential V(a, b). With a Hamiltonian H(x, p), convex in p, H(x, 0) = 0 and H_p(x, 0) the drift,
the time drops out (Heymann and Vanden-Eijnden, 2008):

    S = int F(phi, phi') ds,     F(x, v) = max {p.v : H(x, p) = 0}.

At the maximum v = lambda H_p(x, p), lambda > 0 the time a unit of s takes, so that F_v = p and F_x = -lambda H_x(x, p).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

Field = Callable[[np.ndarray], np.ndarray]  # (d, n) -> (..., n)
TINY = 1e-300
STENCIL = ((1.0, 8.0 / 12.0), (2.0, -1.0 / 12.0))  # central differences of order 4
SINGULAR = 1e-12  # smallest eigenvalue of D, each axis in units of its own noise, below which it has no inverse
PAIRS = 1_000_000  # numbers that tell the steps at a few points, held at once
STEPS, HALVINGS, CENTERING, NEAR = (
    60,
    20,
    8,
    0.05,
)  # of Newton's method, of one of its steps, of the search for its start, and how exact that is


class Cost(NamedTuple):
    """F (n,), infinite where no noise moves along v; its momentum p (d, n) and the time lambda (n,) a unit of v takes."""

    value: np.ndarray
    momentum: np.ndarray
    time: np.ndarray


class Hamiltonian(Protocol):
    """What noise does at a point, for large deviations."""

    def value(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """H, (n,), at points x and momenta p, both (d, n)."""

    def cost(self, x: np.ndarray, v: np.ndarray) -> Cost:
        """F at points x along displacements v, both (d, n)."""

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The drift H_p (d, n) and the diffusion H_pp / 2 (d, d, n) at p = 0."""

    def weakest_direction(self, x: np.ndarray) -> np.ndarray:
        """How much steps move in the direction in which they move least, each axis in units of its own noise, (n,)."""


@dataclass(frozen=True)
class DiffusionHamiltonian:
    """H = mu.p + p^T D p; drift(x) is (d, n), diffusion(x) (d, d, n).

    F = (|v| |mu| - v.mu) / 2 in the metric of D^-1: the least of int (x' - mu)^T D^-1 (x' - mu) / 4 dt.
    """

    drift: Field
    diffusion: Field

    def value(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """H, (n,)."""
        return (self.drift(x) * p).sum(axis=0) + np.einsum("in,ijn,jn->n", p, self.diffusion(x), p)

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """mu (d, n) and D (d, d, n)."""
        return self.drift(x), self.diffusion(x)

    def weakest_direction(self, x: np.ndarray) -> np.ndarray:
        """Smallest eigenvalue of D in units of the noise along each axis, (n,)."""
        return _weakest(self.diffusion(x))

    def cost(self, x: np.ndarray, v: np.ndarray) -> Cost:
        """F at points x along displacements v, both (d, n)."""
        drift, diffusion = self.drift(x), self.diffusion(x)
        if len(x) == 1:
            return _cost_on_a_line(drift[0], diffusion[0, 0], v)
        d = np.moveaxis(diffusion, -1, 0)
        regular = _weakest(diffusion) > SINGULAR
        inverse = np.linalg.inv(np.where(regular[:, None, None], d, np.eye(len(x))))
        inner = np.einsum("in,nij,jn->n", v, inverse, drift)
        own, other = (np.sqrt(np.einsum("in,nij,jn->n", u, inverse, u)) for u in (v, drift))
        time = own / np.maximum(other, TINY)
        momentum = 0.5 * np.einsum("nij,jn->in", inverse, v * (other / np.maximum(own, TINY)) - drift)
        value = np.maximum(0.5 * (own * other - inner), 0.0)
        return Cost(np.where(regular, value, np.inf), momentum, time)


def _weakest(matrices: np.ndarray) -> np.ndarray:
    """Smallest eigenvalue (n,) of covariances (d, d, n) in units of each axis's own deviation; 0 where an axis has none."""
    deviation = np.sqrt(np.einsum("iin->in", matrices))
    inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0.0)
    return np.linalg.eigvalsh(np.einsum("in,ijn,jn->nij", inverse, matrices, inverse))[:, 0]


@dataclass(frozen=True)
class InUnits:
    """A Hamiltonian in other units: x = units * z with one number an axis, `units` (d, 1)."""

    own: Hamiltonian
    units: np.ndarray

    def value(self, z: np.ndarray, p: np.ndarray) -> np.ndarray:
        """H, (n,)."""
        return self.own.value(self.units * z, p / self.units)

    def cost(self, z: np.ndarray, v: np.ndarray) -> Cost:
        """F at points z along displacements v, both (d, n)."""
        cost = self.own.cost(self.units * z, self.units * v)
        return cost._replace(momentum=self.units * cost.momentum)

    def moments(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The drift (d, n) and the diffusion (d, d, n)."""
        drift, diffusion = self.own.moments(self.units * z)
        return drift / self.units, diffusion / (self.units * self.units.T)[:, :, None]

    def weakest_direction(self, z: np.ndarray) -> np.ndarray:
        """As the own Hamiltonian has it, (n,)."""
        return self.own.weakest_direction(self.units * z)


def units_of_noise(diffusion: Field, line: np.ndarray) -> np.ndarray:
    """Units of the axes (d,) in which D along each, averaged over points (n, d), is 1; without noise the line's length."""
    variance = np.einsum("iin->in", diffusion(line.T)).mean(axis=1)
    size = np.linalg.norm(line[-1] - line[0])
    return np.where(variance > 0.0, np.sqrt(np.maximum(variance, 0.0)), size)


def _cost_on_a_line(drift: np.ndarray, diffusion: np.ndarray, v: np.ndarray) -> Cost:
    """max(0, -v mu / D), which is infinite where a drift stands against v and D vanishes."""
    against = np.sign(v[0]) * drift < 0.0
    with np.errstate(divide="ignore", over="ignore"):
        p = np.where(against, -drift / np.where(against, diffusion, 1.0), 0.0)
        return Cost(np.where(against, v[0] * p, 0.0), p[None], np.abs(v[0]) / np.maximum(np.abs(drift), TINY))


@dataclass(frozen=True)
class StepHamiltonian:
    """H = ln sum_k w_k exp(p.c_k(x)): steps c_k of probability w_k; steps(x) is (K, d, n).

    Bounded steps move along v only where v is a sum of them with weights not below 0; elsewhere F is infinite.
    """

    steps: Field
    weights: np.ndarray

    def value(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """H, (n,)."""
        return np.concatenate([self._value(x[:, part], p[:, part]) for part in self._chunks(x)])

    def _value(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        return _cumulant(np.einsum("kdn,dn->kn", self.steps(x), p), self.weights)[0]

    def _chunks(self, x: np.ndarray) -> list[slice]:
        size = max(1, PAIRS // (len(x) * len(self.weights)))
        return [slice(start, start + size) for start in range(0, x.shape[1], size)]

    def cost(self, x: np.ndarray, v: np.ndarray) -> Cost:
        """F at points x along displacements v, both (d, n)."""
        parts = [self._cost(x[:, part], v[:, part]) for part in self._chunks(x)]
        return Cost(*(np.concatenate(several, axis=-1) for several in zip(*parts, strict=True)))

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean step (d, n) and half the covariance of steps (d, d, n)."""
        steps = self.steps(x)
        mean = np.einsum("k,kdn->dn", self.weights, steps)
        return mean, 0.5 * np.einsum("k,kdn,ken->den", self.weights, steps - mean, steps - mean)

    def weakest_direction(self, x: np.ndarray) -> np.ndarray:
        """Smallest eigenvalue of the second moments of the steps in units of those along each axis, (n,)."""
        steps = [self.steps(x[:, part]) for part in self._chunks(x)]
        return _weakest(np.concatenate([np.einsum("k,kdn,ken->den", self.weights, s, s) for s in steps], axis=-1))

    def _cost(self, x: np.ndarray, v: np.ndarray) -> Cost:
        steps = self.steps(x)
        if len(x) == 1:
            return _step_cost_on_a_line(steps[:, 0] * np.sign(v[0]), self.weights, v)
        length = np.maximum(np.linalg.norm(v, axis=0), TINY)
        momentum, rate, found = _momentum(steps, self.weights, v / length)
        value = np.where(found, np.maximum((momentum * v).sum(axis=0), 0.0), np.inf)
        return Cost(value, momentum, length / np.maximum(rate, TINY))


def _cumulant(exponents: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ln sum_k w_k e^a_k (n,), to its relative accuracy near a = 0 too, and the tilted weights (K, n)."""
    top = exponents.max(axis=0)
    tilted = weights[:, None] * np.exp(exponents - top)
    total = tilted.sum(axis=0)
    value = np.log(total) + top
    small = np.abs(exponents).max(axis=0) < 1.0
    if small.any():
        value[small] = np.log1p(weights @ np.expm1(exponents[:, small]))
    return value, tilted / total


def _step_cost_on_a_line(along: np.ndarray, weights: np.ndarray, v: np.ndarray) -> Cost:
    """|v| times the root q > 0 of h(q) = ln sum_k w_k exp(q c_k), beside q = 0, for steps c_k (K, n) along v.

    Where the mean step goes along v, q = 0. Else h falls first and is convex: from ln(1/w) / c of any step c > 0, where
    h >= 0, Newton's method comes down to the root.
    """
    mean, most = weights @ along, along.max(axis=0)
    against = mean < 0.0
    possible = against & (most > 0.0)
    c = np.where(possible, along, 0.0)
    q = np.where(c > 0.0, -np.log(weights)[:, None] / np.where(c > 0.0, c, 1.0), np.inf).min(axis=0)
    q = np.where(possible, q, 0.0)
    for _ in range(STEPS):
        h, tilted = _cumulant(q * c, weights)
        change = h / np.maximum((tilted * c).sum(axis=0), TINY)
        q = q - change
        if (np.abs(change) <= 1e-12 * q + 1e-14 / np.maximum(most, TINY))[possible].all():
            break
    q = np.where(possible, q, np.where(against, np.inf, 0.0))
    rate = np.abs(_mean_step(np.where(np.isfinite(q), q, 0.0) * along, along, weights))
    return Cost(np.abs(v[0]) * q, (q * np.sign(v[0]))[None], np.abs(v[0]) / np.maximum(rate, TINY))


def _mean_step(exponents: np.ndarray, steps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (_cumulant(exponents, weights)[1] * steps).sum(axis=0)


def _momentum(steps: np.ndarray, weights: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p (d, n) and r = 1/lambda (n,) with H(p) = 0 and H_p(p) = r v, r > 0, and where they were found.

    {H <= 0} is convex. Newton's method starts where the ray from its middle along H_pp^-1 v leaves it, the answer itself
    for normal steps; on the far side it would find the least p.v.
    """
    size = np.sqrt(np.einsum("k,kdn,kdn->n", weights, steps, steps)) + TINY
    c = steps / size  # p is then in units of 1 / size
    middle = np.zeros(v.shape)
    for _ in range(CENTERING):
        change, tilt = _towards_the_least(c, weights, middle)
        middle = middle + change / np.maximum(tilt, 1.0)
        if tilt.max() < NEAR:
            break
    p = middle + _way_out(c, weights, middle, _bend_solve(c, weights, middle, v))
    r = (_residual(c, weights, v, p, np.zeros(len(p[0])))[1] * v).sum(axis=0)
    active = np.arange(len(r))
    for _ in range(STEPS):
        p[:, active], r[active], done = _newton_step(c[..., active], weights, v[:, active], p[:, active], r[active])
        active = active[~done]
        if not active.size:
            break
    missed = np.zeros(len(r), dtype=bool)
    missed[active] = True
    return p / size, r * size, ~missed & (r >= 0.0)


def _moments(c: np.ndarray, w: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """H (n,), H_p (d, n) and H_pp (n, d, d)."""
    h, tilted = _cumulant(np.einsum("kdn,dn->kn", c, p), w)
    slope = np.einsum("kn,kdn->dn", tilted, c)
    off = c - slope
    return h, slope, np.einsum("kdn,ken->nde", tilted[:, None] * off, off)


def _bend_solve(c: np.ndarray, w: np.ndarray, p: np.ndarray, v: np.ndarray) -> np.ndarray:
    """H_pp^-1 v, with a small share of the identity where steps hardly differ."""
    bend = _moments(c, w, p)[2]
    ridge = 1e-6 * np.trace(bend, axis1=1, axis2=2) + TINY
    return np.linalg.solve(bend + ridge[:, None, None] * np.eye(len(v)), v.T[:, :, None])[:, :, 0].T


def _towards_the_least(c: np.ndarray, w: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Newton step towards the least H, and by how much it changes the exponents of the steps."""
    change = -_bend_solve(c, w, p, _moments(c, w, p)[1])
    return change, np.abs(np.einsum("kdn,dn->kn", c, change)).max(axis=0)


def _way_out(c: np.ndarray, w: np.ndarray, middle: np.ndarray, way: np.ndarray) -> np.ndarray:
    """t * way such that H(middle + t way) = 0: from a t where a single step makes H >= 0, Newton's method comes down."""
    along = np.einsum("kdn,dn->kn", c, way)
    start = np.log(w)[:, None] + np.einsum("kdn,dn->kn", c, middle)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        t = np.where(along > 0.0, -start / along, np.inf).min(axis=0)
    t = np.where(np.isfinite(t), np.maximum(t, 0.0), 0.0)
    for _ in range(CENTERING):
        h, slope, _ = _moments(c, w, middle + t * way)
        down = (slope * way).sum(axis=0)
        before, t = t, np.where(down > 0.0, np.maximum(t - h / np.where(down > 0.0, down, 1.0), 0.0), t)
        if (before - t <= NEAR * before).all():
            break
    return t * way


def _residual(
    c: np.ndarray, w: np.ndarray, v: np.ndarray, p: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(r v - H_p, H) as (d + 1, n), H_p (d, n) and H_pp (n, d, d)."""
    h, slope, bend = _moments(c, w, p)
    return np.concatenate([r * v - slope, h[None]]), slope, bend


def _newton_step(
    c: np.ndarray, w: np.ndarray, v: np.ndarray, p: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The next (p, r), and where they no longer change."""
    dim, n = v.shape
    residual, slope, bend = _residual(c, w, v, p, r)
    matrix = np.zeros((n, dim + 1, dim + 1))
    matrix[:, :dim, :dim], matrix[:, :dim, dim], matrix[:, dim, :dim] = -bend - 1e-13 * np.eye(dim), v.T, slope.T
    scale = 1e-15 * np.eye(dim + 1)
    change = np.linalg.solve(matrix + scale, -residual.T[:, :, None])[:, :, 0].T
    tilt = np.abs(np.einsum("kdn,dn->kn", c, change[:dim])).max(axis=0)
    share = np.minimum(1.0, 2.0 / np.maximum(tilt, TINY))
    before = np.linalg.norm(residual, axis=0)
    for _ in range(HALVINGS):
        after = np.linalg.norm(_residual(c, w, v, p + share * change[:dim], r + share * change[dim])[0], axis=0)
        worse = ~(after <= before * (1.0 - 1e-4 * share) + 1e-15)
        if not worse.any():
            break
        share = np.where(worse, 0.5 * share, share)
    p, r = p + share * change[:dim], r + share * change[dim]
    done = (share == 1.0) & (np.linalg.norm(change[:dim], axis=0) <= 1e-10 * np.linalg.norm(p, axis=0) + 1e-15)
    return p, r, done


def position_slope(hamiltonian: Hamiltonian, x: np.ndarray, p: np.ndarray, width: np.ndarray) -> np.ndarray:
    """H_x at fixed p, (d, n), by differences of order 4 over `width` (d,)."""
    result = np.empty_like(x)
    for axis in range(len(x)):
        offset = np.zeros((len(x), 1))
        offset[axis] = width[axis]
        result[axis] = sum(
            weight * (hamiltonian.value(x + k * offset, p) - hamiltonian.value(x - k * offset, p))
            for k, weight in STENCIL
        )
    return result / width[:, None]
