"""The Bernoulli function B(z) = z / (e^z - 1) and face coefficients by it: exponential fits, upwind where D is zero."""

import math

import numpy as np
from numba import njit

STEEP = 15.0  # phase across a link beyond which the rule does not resolve e^(-Phi)
CURVED = 30.0  # how far the phase may stray from its chord inside a link


@njit(cache=True)
def exponential_fit(velocity, conductance):
    """Rates (f, b) of the flux J = f p_lower - b p_upper through a link.

    f = d B(-w) and b = d B(w) with B(z) = z / (e^z - 1), w = v / d, v the velocity and d = D / L the
    diffusive conductance. Formed from v, so that advection survives d -> 0, where the pair becomes the upwind flux.
    """
    if velocity == 0.0:
        return conductance, conductance
    speed = abs(velocity)
    against = 0.0
    if conductance > 0.0:
        w = speed / conductance
        against = conductance if w < 1e-300 else speed / math.expm1(w) if w < 700.0 else speed * math.exp(-w)
    along = speed + against
    return (along, against) if velocity > 0.0 else (against, along)


@njit(cache=True)
def logarithmic_mean(a, b):
    """(b - a) / ln(b / a), with its limits a at a = b and 0 where either vanishes."""
    if a <= 0.0 or b <= 0.0:
        return 0.0
    delta = (b - a) / (b + a)
    if abs(delta) < 1e-3:
        return 0.5 * (a + b) * (1.0 - delta * delta * (1.0 / 3.0 + delta * delta * 4.0 / 45.0))
    if abs(delta) < 0.5:
        return 0.5 * (b - a) / math.atanh(delta)
    return (b - a) / math.log(b / a)


@njit(cache=True)
def fit_links(drift, diffusion, d_lower, d_upper, length, alpha, nodes, weights, primitive, forward, backward):
    """Fill the rates of n links from the coefficients sampled along them.

    drift, diffusion: (q, n) along the link at the quadrature `nodes` (q,) in (0, 1) with `weights` (q,) summing to 1, and
    `primitive` (q, q), whose row k integrates from 0 to node k; d_lower, d_upper: (n,) diffusion at the two ends;
    length: (n,); alpha: the convention. With Phi the integral of drift / diffusion from the lower end, a stationary flux obeys

        J = [D_lower^(1-alpha) p_lower - D_upper^(1-alpha) e^(-Phi_upper) p_upper] / R,
        R = integral of D^(-alpha) e^(-Phi),

    which are Feller's speed and scale densities. R is the rule's sum times the exact over the rule's integral of e^(-w s),
    w = Phi_upper, s from 0 to 1. Where Phi is too steep for the rule, and where D vanishes, `_velocity_fit` serves.
    """
    q = nodes.size
    force, phase = np.empty(q), np.empty(q)
    for n in range(length.size):
        low = d_lower[n]
        high = d_upper[n]
        smallest = min(low, high)
        for k in range(q):
            smallest = min(smallest, diffusion[k, n])
        scaled = False
        if smallest > 0.0:
            w = 0.0
            for k in range(q):
                force[k] = drift[k, n] / diffusion[k, n] * length[n]
                w += weights[k] * force[k]
            if abs(w) <= STEEP:
                scaled = True
                for k in range(q):
                    phase[k] = 0.0
                    for j in range(q):
                        phase[k] += primitive[k, j] * force[j]
                    scaled = scaled and abs(phase[k] - w * nodes[k]) <= CURVED
        if scaled:
            fall = math.expm1(-w)
            conductance = _speed_ratio(w, phase, diffusion, n, alpha, nodes, weights) / length[n]
            if abs(w) > 1e-300:
                conductance *= -w / fall
            forward[n] = conductance * _power(low, 1.0 - alpha)
            backward[n] = conductance * _power(high, 1.0 - alpha) * (math.exp(-w) if w > 1.0 else 1.0 + fall)
        else:
            forward[n], backward[n] = _velocity_fit(drift, diffusion, n, low, high, length[n], alpha, nodes, weights)


@njit(cache=True)
def _speed_ratio(w, phase, diffusion, n, alpha, nodes, weights):
    """The rule's integral of e^(-w s) over that of D^(-alpha) e^(-Phi); the nodes lie evenly about 1/2."""
    q = nodes.size
    straight = 0.0
    true = 0.0
    growth = 1.0
    for k in range(q):
        mirror = q - 1 - k
        growth = math.exp(w * (0.5 - nodes[k])) if k < mirror else 1.0 / math.exp(w * (0.5 - nodes[mirror]))
        term = weights[k] * growth
        straight += term
        bend = w * nodes[k] - phase[k]
        small = 1.0 + bend * (1.0 + bend * (0.5 + bend * (1.0 / 6.0 + bend / 24.0)))
        true += term * (small if abs(bend) < 1e-3 else math.exp(bend)) * _power(diffusion[k, n], -alpha)
    return straight / true


@njit(cache=True)
def _power(base, exponent):
    """base^exponent, quick for the exponents of the three conventions."""
    if exponent == 0.0:
        return 1.0
    if exponent == 1.0:
        return base
    if exponent == -1.0:
        return 1.0 / base
    if exponent == 0.5:
        return math.sqrt(base)
    if exponent == -0.5:
        return 1.0 / math.sqrt(base)
    return base**exponent


@njit(cache=True)
def _velocity_fit(drift, diffusion, n, d_lower, d_upper, length, alpha, nodes, weights):
    """Rates of a link too steep or too silent for the integrals of e^(-Phi): the exponential fit of an averaged velocity.

        w = I - (1 - alpha) ln(D_upper / D_lower),     I = integral of drift / diffusion,
        J = (Dm / L) [B(-w) p_lower - B(w) p_upper],   Dm = logarithmic mean.

    Written with the velocity v = Dm w / L, where Dm I / L is an average of the drift with weights proportional to 1 / D.
    The weights follow D within a factor of two of the straight line between the ends: a zero of D that the link
    does not resolve would otherwise stop or blow up the advection.
    """
    largest = max(d_lower, d_upper)
    mean = logarithmic_mean(d_lower, d_upper)
    resolved = min(d_lower, d_upper) > 0.1 * largest
    average = 0.0
    total = 0.0
    for k in range(nodes.size):
        line = 1.0
        ratio = 1.0
        if largest > 0.0:
            line = (1.0 - nodes[k]) * (d_lower / largest) + nodes[k] * (d_upper / largest)
            ratio = 2.0 if diffusion[k, n] <= 0.5 * line * largest else max(0.5, line * largest / diffusion[k, n])
        average += weights[k] * drift[k, n] * ratio / line
        total += weights[k] / line
    average *= mean / largest if resolved and mean > 0.0 else 1.0 / total
    velocity = average - (1.0 - alpha) * (d_upper - d_lower) / length
    return exponential_fit(velocity, mean / length)


@njit(cache=True)
def exponential_fit_all(velocity, conductance):
    """`exponential_fit` of arrays (n,)."""
    forward, backward = np.empty(velocity.size), np.empty(velocity.size)
    for n in range(velocity.size):
        forward[n], backward[n] = exponential_fit(velocity[n], conductance[n])
    return forward, backward


@njit(cache=True)
def logarithmic_means(a, b):
    """`logarithmic_mean` of arrays (n,)."""
    result = np.empty(a.size)
    for n in range(a.size):
        result[n] = logarithmic_mean(a[n], b[n])
    return result
