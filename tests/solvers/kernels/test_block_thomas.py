"""The block elimination of a Radau step against the dense system of its three stages."""

import numpy as np
import pytest

from fokkerplanck.solvers.kernels.block_thomas import INVERSE, NODES, START, change_by, radau_steps


def rate_matrix(up, down, kill, closed):
    n = up.size
    q = -np.diag(kill)
    for i in range(n):
        for rate, j, allowed in ((up[i], i + 1, i < n - 1 or closed), (down[i], i - 1, i > 0 or closed)):
            if allowed:
                q[j % n, i] += rate
                q[i, i] -= rate
    return q


def random_rates(n, closed, rows=3, size=30.0):
    rng = np.random.default_rng(n)
    up, down = size * rng.random((2, rows, n))
    if not closed:
        up[:, -1] = down[:, 0] = 0.0
    return up, down, rng.random((rows, n))


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("n", [3, 4, 25])
def test_one_step_is_the_dense_solution(n, closed):
    up, down, kill = random_rates(n, closed)
    p = np.random.default_rng(1).random((2, n))
    result = np.empty_like(p)
    radau_steps(up, down, kill, closed, 0.3, INVERSE, START, p, result)
    system = np.kron(INVERSE, np.eye(n))
    for k in range(3):
        of = slice(k * n, k * n + n)
        system[of, of] -= 0.3 * rate_matrix(up[k], down[k], kill[k], closed)
    for start, got in zip(p, result, strict=True):
        np.testing.assert_allclose(got, np.linalg.solve(system, np.kron(START, start))[-n:], rtol=0, atol=1e-13)


@pytest.mark.parametrize("closed", [False, True])
def test_mass_is_exact_over_fast_rates_and_long_steps(closed):
    up, down, kill = random_rates(300, closed, size=1e6)
    p = np.full((1, 300), 1 / 300)
    result = np.empty_like(p)
    radau_steps(up, down, 0.0 * kill, closed, 100.0, INVERSE, START, p, result)
    assert abs(result.sum() - 1.0) < 1e-13


def test_a_quadrature_of_order_five():
    """Two cells whose sum relaxes: a rate that changes linearly in time, against exp(-t - t^2 / 2)."""
    errors = []
    for h in (0.4, 0.2):
        kill = np.tile((1.0 + NODES * h)[:, None], 3)
        p, result = np.ones((1, 3)), np.empty((1, 3))
        radau_steps(np.zeros((3, 3)), np.zeros((3, 3)), kill, False, h, INVERSE, START, p, result)
        errors.append(abs(result[0, 0] - np.exp(-h - 0.5 * h * h)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(6.0, abs=0.5)  # of one step


@pytest.mark.parametrize("closed", [False, True])
def test_weighted_changes(closed):
    up, down, kill = random_rates(6, closed, rows=4)
    p, weights = np.random.default_rng(2).random(6), np.array([0.5, -2.0, 1.0, 3.0])
    got = np.empty(6)
    change_by(up, down, kill, weights, closed, p, got)
    want = sum(w * rate_matrix(*rates, closed) @ p for w, *rates in zip(weights, up, down, kill, strict=True))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
