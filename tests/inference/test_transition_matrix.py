"""exp(Q tau), its derivatives, and the fourth-order links."""

import numpy as np
import pytest
import scipy.linalg

import fokkerplanck as fp
from fokkerplanck.inference.transition_matrix import fourth_order, transition_matrix


def slopes_of(make, theta):
    step = 1e-5
    return [
        (make(theta + step * e).matrix.toarray() - make(theta - step * e).matrix.toarray()) / (2 * step)
        for e in np.eye(len(theta))
    ]


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", ["absorbing", "reflecting"]])
def test_matrix_and_derivatives_equal_those_of_the_dense_exponential(boundary):
    grid = fp.Grid((-3, 3), 40, boundary=boundary)

    def make(theta):
        return fourth_order(
            fp.generator(fp.FokkerPlanck(drift=lambda x: theta[0] * np.sin(x), diffusion=theta[1]), grid)
        )

    theta, tau = np.array([-0.8, 0.4]), 0.3
    q, slopes = make(theta), slopes_of(make, theta)
    p, dp = transition_matrix(q, slopes, tau, np.ones(40, dtype=bool))
    dense = q.matrix.toarray()
    np.testing.assert_allclose(p, scipy.linalg.expm(tau * dense), atol=1e-11)
    for found, slope in zip(dp, slopes, strict=True):
        right = scipy.linalg.expm_frechet(tau * dense, tau * slope, compute_expm=False)
        np.testing.assert_allclose(found, right, atol=1e-10)


def test_derivatives_hold_where_the_equilibrium_spans_hundreds_of_orders():
    """A quartic well of which the walls lie 600 kT up; the starts are near its bottom."""
    grid = fp.Grid((-5, 5), 120)

    def make(theta):
        eq = fp.FokkerPlanck(drift=lambda x: theta[0] * x - x**3, diffusion=theta[1])
        return fourth_order(fp.generator(eq, grid))

    theta, tau = np.array([1.0, 0.25]), 0.2
    q, slopes = make(theta), slopes_of(make, theta)
    starts = np.abs(grid.centers[0]) < 1.6
    fast, slow = transition_matrix(q, slopes, tau, starts), transition_matrix(q, slopes, tau)
    for found, right in zip(fast, slow, strict=True):
        np.testing.assert_allclose(found[..., starts], right[..., starts], atol=1e-9)


def test_rates_beyond_rounding_are_refused():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 1.0 + 1e12 * (np.abs(x) > 2.5))
    with pytest.raises(ValueError, match="`model` must be of at most 1e"):
        transition_matrix(fp.generator(eq, fp.Grid((-3, 3), 60)), [], 0.1)


def test_small_probabilities_keep_their_digits_where_asked():
    """From the middle to 12 standard deviations away: 1e-32, below the rounding of eigenvectors."""
    eq = fp.FokkerPlanck(diffusion=0.5)
    q = fp.generator(eq, fp.Grid((-4, 4), 160))
    p, _ = transition_matrix(q, [], 0.04)
    ratio = p[160 - 36, 80] / p[160 - 37, 80]
    # a lattice walk of rate r: P(n) ~ I_n(2 r tau)
    from scipy.special import ive

    rate = 0.5 / 0.05**2 * 0.04 * 2
    assert ratio == pytest.approx(ive(44, rate) / ive(43, rate), rel=1e-9)
    assert 0.0 < p[160 - 36, 80] < 1e-16


def test_fourth_order_links_diffuse_as_they_should():
    """Constant drift v and diffusion D on a lattice: the variance grows by 2 D and not by v h coth(v h / 2 D)."""
    grid = fp.Grid((-5, 5), 100)
    for peclet in (0.25, 0.5, 1.0):
        v = peclet * 0.5 / 0.1
        q = fp.generator(fp.FokkerPlanck(drift=v, diffusion=0.5), grid)
        for generator, excess in ((q, peclet**2 / 12 - peclet**4 / 720), (fourth_order(q), -(peclet**4) / 720)):
            (link,) = generator.links
            forward, backward = link.forward[50], link.backward[50]
            assert (forward + backward) * 0.1**2 - 1.0 == pytest.approx(excess, rel=0.1, abs=0.003 * peclet**6)
            assert (forward - backward) * 0.1 == pytest.approx(v, rel=1e-12)


def test_links_stay_positive_at_any_peclet_number():
    grid = fp.Grid((0, 1), 50)
    for strength in (1.0, 10.0, 100.0, 1e3, 1e5):
        q = fourth_order(fp.generator(fp.FokkerPlanck(drift=strength, diffusion=1.0), grid))
        (link,) = q.links
        assert (link.forward > 0).all()
        assert (link.backward >= 0).all()
    peclet = np.linspace(0.01, 8, 500)
    for strength in peclet:
        (link,) = fourth_order(fp.generator(fp.FokkerPlanck(drift=strength, diffusion=1.0), fp.Grid((0, 4), 4))).links
        assert link.backward.min() > 0
