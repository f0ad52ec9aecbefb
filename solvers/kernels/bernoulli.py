"""The Bernoulli function B(z) = z / (e^z - 1) and face coefficients by it: exponential fits, upwind where D is zero."""

import math

import numpy as np
from numba import njit

STEEP = 15.0  # phase across a link beyond which the rule does not resolve e^(-Phi)
CURVED = 30.0  # how far the phase may stray from its chord inside a link
EASY = 0.6  # of these, up to which the rule serves alone
BLOCK = 64  # links whose exponentials are summed side by side
GENTLE = 1.0  # phase up to which that is done
SERIES = 10  # powers of w^2, so that for w <= GENTLE nothing is missing
INVERSE_FACTORIALS = np.array([1.0 / math.factorial(k) for k in range(13)])


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
    force, phase = np.empty((q, BLOCK)), np.empty((q, BLOCK))
    across, integral, fall, power = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    series = _exact_over_rule(nodes, weights)
    for start in range(0, length.size, BLOCK):
        part = slice(start, min(start + BLOCK, length.size))
        mu, d, low, high, size = drift[:, part], diffusion[:, part], d_lower[part], d_upper[part], length[part]
        if _phases(mu, d, low, high, size, weights, primitive, force, phase, across):
            _gentle_integrals(d, across, phase, alpha, weights, series, integral, fall, power)
            out, back = forward[part], backward[part]
            _powers(low, 1.0 - alpha, power)
            for i in range(size.size):
                out[i] = power[i] / (size[i] * integral[i])
            _powers(high, 1.0 - alpha, power)
            for i in range(size.size):
                back[i] = power[i] * fall[i] / (size[i] * integral[i])
        else:
            _fit_steep(mu, d, low, high, size, alpha, nodes, weights, across, phase, forward[part], backward[part])


@njit(cache=True)
def _phases(drift, diffusion, d_lower, d_upper, length, weights, primitive, force, phase, across):
    """Fill Phi at the nodes (q, n) and at the upper end (n,); true if D > 0 and Phi is below GENTLE on all links.

    Where D vanishes on a link its numbers mean nothing, and are not read.
    """
    q, n = drift.shape
    smallest = np.inf
    for i in range(n):
        smallest = min(smallest, min(d_lower[i], d_upper[i]))
    for k in range(q):
        for i in range(n):
            d = diffusion[k, i]
            smallest = min(smallest, d)
            force[k, i] = drift[k, i] / (d if d > 0.0 else 1.0) * length[i]
    for i in range(n):
        across[i] = 0.0
    for j in range(q):
        for i in range(n):
            across[i] += weights[j] * force[j, i]
    steepest = 0.0
    for k in range(q):
        for i in range(n):
            phase[k, i] = 0.0
        for j in range(q):
            for i in range(n):
                phase[k, i] += primitive[k, j] * force[j, i]
        for i in range(n):
            steepest = max(steepest, max(abs(phase[k, i]), abs(across[i])))
    return smallest > 0.0 and steepest <= GENTLE


@njit(cache=True)
def _gentle_integrals(diffusion, across, phase, alpha, weights, series, integral, fall, power):
    """Fill the integral of D^(-alpha) e^(-Phi) over s in (0, 1), and e^(-Phi) at the upper end, by sums without a branch.

    The rule's sum, times the exact over the rule's integral of e^(-w s).
    """
    q, n = diffusion.shape
    for i in range(n):
        integral[i] = 0.0
        fall[i] = _small_exponential(-across[i])
    for k in range(q):
        _powers(diffusion[k], -alpha, power)
        for i in range(n):
            integral[i] += weights[k] * _small_exponential(-phase[k, i]) * power[i]
    for i in range(n):
        square = across[i] * across[i]
        ratio = series[-1]
        for k in range(series.size - 2, -1, -1):
            ratio = ratio * square + series[k]
        integral[i] *= ratio


@njit(cache=True, inline="always")
def _small_exponential(z):
    """e^z for |z| <= GENTLE: Taylor's series at z / 4, squared twice."""
    x = 0.25 * z
    total = INVERSE_FACTORIALS[12]
    for k in range(11, -1, -1):
        total = total * x + INVERSE_FACTORIALS[k]
    return (total * total) * (total * total)


@njit(cache=True)
def _exact_over_rule(nodes, weights):
    """Coefficients of the powers of w^2 in the exact integral of e^(-w s) over s in (0, 1), over the rule's sum.

    Both about the middle, where they are even: sinh(w/2) / (w/2), and the sum of weights cosh(w (s - 1/2)).
    """
    exact, rule, ratio = np.empty(SERIES), np.empty(SERIES), np.empty(SERIES)
    factorial = 1.0
    for j in range(SERIES):
        exact[j] = 0.25**j / ((2 * j + 1) * factorial)
        rule[j] = 0.0
        for k in range(nodes.size):
            rule[j] += weights[k] * (nodes[k] - 0.5) ** (2 * j) / factorial
        factorial *= (2 * j + 1) * (2 * j + 2)
    for j in range(SERIES):
        ratio[j] = exact[j]
        for k in range(1, j + 1):
            ratio[j] -= rule[k] * ratio[j - k]
    return ratio


@njit(cache=True)
def _fit_steep(drift, diffusion, d_lower, d_upper, length, alpha, nodes, weights, across, phase, forward, backward):
    """Fill the rates of links among which the phase is steep on some, or D vanishes."""
    for n in range(length.size):
        w, low, high = across[n], d_lower[n], d_upper[n]
        smallest = min(low, high)
        steepness = abs(w) / STEEP
        for k in range(nodes.size):
            smallest = min(smallest, diffusion[k, n])
            steepness = max(steepness, abs(phase[k, n] - w * nodes[k]) / CURVED)
        share = _beyond(steepness) if smallest > 0.0 else 1.0
        forward[n] = backward[n] = 0.0
        if share < 1.0:
            fall = math.expm1(-w)
            conductance = _speed_ratio(w, phase, diffusion, n, alpha, nodes, weights) / length[n]
            if abs(w) > 1e-300:
                conductance *= -w / fall
            forward[n] = conductance * _power(low, 1.0 - alpha)
            backward[n] = conductance * _power(high, 1.0 - alpha) * (math.exp(-w) if w > 1.0 else 1.0 + fall)
        if share > 0.0:
            f, b = _velocity_fit(drift, diffusion, n, low, high, length[n], alpha, nodes, weights)
            forward[n] += share * (f - forward[n])
            backward[n] += share * (b - backward[n])


@njit(cache=True)
def _beyond(steepness):
    """0 up to EASY, 1 from 1 on, and a smooth step between: a switch would let rates jump in time, cell after cell."""
    x = min(max((steepness - EASY) / (1.0 - EASY), 0.0), 1.0)
    return x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)


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
        bend = w * nodes[k] - phase[k, n]
        small = 1.0 + bend * (1.0 + bend * (0.5 + bend * (1.0 / 6.0 + bend / 24.0)))
        true += term * (small if abs(bend) < 1e-3 else math.exp(bend)) * _power(diffusion[k, n], -alpha)
    return straight / true


@njit(cache=True)
def _powers(base, exponent, result):
    """Fill the first entries with base^exponent, quick for the exponents of the three conventions."""
    if exponent == 0.0:
        for i in range(base.size):
            result[i] = 1.0
    elif exponent == 1.0:
        for i in range(base.size):
            result[i] = base[i]
    elif exponent == -1.0:
        for i in range(base.size):
            result[i] = 1.0 / base[i]
    elif exponent == 0.5:
        for i in range(base.size):
            result[i] = np.sqrt(base[i])
    else:
        for i in range(base.size):
            result[i] = _power(base[i], exponent)


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
