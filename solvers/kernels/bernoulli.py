"""The Bernoulli function B(z) = z / (e^z - 1) and face coefficients by it: exponential fits, upwind where D is zero."""

import math

import numpy as np
from numba import njit


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
def fit_links(drift, diffusion, d_lower, d_upper, length, alpha, nodes, weights, forward, backward):
    """Fill the rates of n links from the coefficients sampled along them.

    drift, diffusion: (q, n) along the link at the quadrature `nodes` (q,) in (0, 1) with `weights` (q,) summing to 1;
    d_lower, d_upper: (n,) diffusion at the two ends; length: (n,); alpha: the convention. Per link

        w = I - (1 - alpha) ln(D_upper / D_lower),     I = integral of drift / diffusion,
        J = (Dm / L) [B(-w) p_lower - B(w) p_upper],   Dm = logarithmic mean.

    Written with the velocity v = Dm w / L, where Dm I / L is an average of the drift with weights proportional to 1 / D.
    The weights follow D within a factor of two of the straight line between the ends: a zero of D that the link
    does not resolve would otherwise stop or blow up the advection.
    """
    q = nodes.size
    for n in range(length.size):
        a = d_lower[n]
        b = d_upper[n]
        largest = max(a, b)
        mean = logarithmic_mean(a, b)
        resolved = min(a, b) > 0.1 * largest
        average = 0.0
        total = 0.0
        for k in range(q):
            line = 1.0
            ratio = 1.0
            if largest > 0.0:
                line = (1.0 - nodes[k]) * (a / largest) + nodes[k] * (b / largest)
                ratio = 2.0 if diffusion[k, n] <= 0.5 * line * largest else max(0.5, line * largest / diffusion[k, n])
            average += weights[k] * drift[k, n] * ratio / line
            total += weights[k] / line
        average *= mean / largest if resolved and mean > 0.0 else 1.0 / total
        velocity = average - (1.0 - alpha) * (b - a) / length[n]
        scale = 1.0
        if alpha > 0.0 and mean > 0.0:
            scale = _resistance_ratio(velocity * length[n] / mean, diffusion[:, n], a, b, alpha, nodes, weights)
        f, g = exponential_fit(velocity, mean / length[n])
        forward[n] = scale * f
        backward[n] = scale * g


@njit(cache=True)
def _resistance_ratio(w, diffusion, a, b, alpha, nodes, weights):
    """Conductance of the link over that of a linear D: integrals of e^(-w s) D^-alpha (the harmonic mean at alpha = 1)."""
    line = 0.0
    true = 0.0
    for k in range(nodes.size):
        if diffusion[k] <= 0.0:
            return 1.0
        factor = weights[k] * math.exp(-w * nodes[k]) if w > 0.0 else weights[k] * math.exp(w * (1.0 - nodes[k]))
        line += factor * ((1.0 - nodes[k]) * a + nodes[k] * b) ** -alpha
        true += factor * diffusion[k] ** -alpha
    return line / true if true > 0.0 and line > 0.0 else 1.0


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
