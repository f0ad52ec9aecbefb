"""Each compiled kernel against a plain numpy twin, and against what it is for."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from scipy.integrate import quad
from scipy.special import ive

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.quadrature import gauss, primitive
from fokkerplanck.solvers.kernels import bernoulli as links
from fokkerplanck.solvers.kernels import matvec as products
from fokkerplanck.solvers.kernels import selling, tridiagonal

RATES = st.floats(1e-300, 1e300)


def bernoulli_pair(velocity, conductance):
    """d B(-w), d B(w) with B(z) = z / (e^z - 1) in 60 digits."""
    with mp.workdps(60):
        v, d = mpf(velocity), mpf(conductance)
        if v == 0:
            return d, d
        if d == 0:
            return max(v, mpf(0)), max(-v, mpf(0))
        w = v / d
        return -v / mp.expm1(-w), v / mp.expm1(w)


@pytest.mark.parametrize("conductance", [0.0, 5e-324, 1e-300, 1e-20, 0.3, 1e20])
@pytest.mark.parametrize("velocity", [0.0, 1e-300, 1e-18, 1e-5, 0.7, 20.0, 60.0, 190.0, 1e5])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_exponential_fit_is_the_bernoulli_pair(velocity, conductance, sign):
    # relative: a cut at w = 50 passes every absolute test and disconnects a chain over a barrier
    got = links.exponential_fit(sign * velocity, conductance)
    want = bernoulli_pair(sign * velocity, conductance)
    for have, exact in zip(got, want, strict=True):
        assert have >= 0.0
        if exact > mpf(10) ** -290:
            assert abs(have / exact - 1) < 1e-13
        else:
            assert have < 1e-289


@given(st.floats(-1e6, 1e6), st.floats(0.0, 1e6))
@settings(max_examples=200, deadline=None)
def test_exponential_fit_carries_the_velocity_exactly(velocity, conductance):
    forward, backward = links.exponential_fit(velocity, conductance)
    assert forward >= 0.0
    assert backward >= 0.0
    assert forward - backward == pytest.approx(velocity, rel=1e-12, abs=1e-12 * conductance)


@given(RATES, st.floats(0.0, 30.0))
@settings(max_examples=200, deadline=None)
def test_logarithmic_mean_against_sixty_digits(a, logarithm):
    if a > 1e280:
        return
    b = a * np.exp(logarithm)
    with mp.workdps(60):
        exact = mpf(a) if a == b else (mpf(b) - mpf(a)) / mp.log(mpf(b) / mpf(a))
        assert abs(mpf(float(links.logarithmic_mean(a, b))) / exact - 1) < 3e-13
    assert links.logarithmic_mean(b, a) == pytest.approx(links.logarithmic_mean(a, b), rel=1e-15)


def test_logarithmic_mean_vanishes_with_either_end():
    assert (
        links.logarithmic_mean(0.0, 3.0) == links.logarithmic_mean(3.0, 0.0) == links.logarithmic_mean(0.0, 0.0) == 0.0
    )


def test_array_forms_repeat_the_scalar_ones():
    rng = np.random.default_rng(0)
    v, d = rng.normal(size=50) * 10, rng.random(50)
    pairs = np.array([links.exponential_fit(a, b) for a, b in zip(v, d, strict=True)]).T
    np.testing.assert_array_equal(np.array(links.exponential_fit_all(v, d)), pairs)
    means = [links.logarithmic_mean(abs(a), b) for a, b in zip(v, d, strict=True)]
    np.testing.assert_array_equal(links.logarithmic_means(np.abs(v), d), means)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_fit_links_is_the_integral_of_the_scale_density(alpha):
    """f = D_lower^(1-alpha) / R and b = D_upper^(1-alpha) e^(-Phi) / R, R the integral of s, by quad."""
    rng = np.random.default_rng(1)
    nodes, weights = gauss()
    for phase in (0.0, 0.1, 3.0, -8.0):
        a, b, c = rng.uniform(0.5, 2.0), rng.uniform(-0.3, 0.3), rng.uniform(-1.0, 1.0)
        length = 0.1

        def d(x, a=a, b=b, length=length):
            return a * np.exp(b * x / length)

        def mu(x, phase=phase, c=c, length=length, d=d):
            return (phase + c * (x / length - 0.5)) / length * d(x)

        def along(x, phase=phase, c=c, length=length):
            return phase * x / length + 0.5 * c * x / length * (x / length - 1.0)

        x = nodes[:, None] * length
        forward, backward = np.empty(1), np.empty(1)
        ends = [np.array([v]) for v in (d(0.0), d(length), length)]
        links.fit_links(mu(x), d(x), *ends, alpha, nodes, weights, primitive(), forward, backward)
        resistance = quad(lambda x: d(x) ** -alpha * np.exp(-along(x)), 0.0, length, epsabs=0.0, epsrel=1e-12)[0]
        # the rule's error is that of four nodes for e^(-8 s) times a function that varies by a third
        assert forward[0] == pytest.approx(d(0.0) ** (1 - alpha) / resistance, rel=5e-4)
        assert forward[0] / backward[0] == pytest.approx((d(0.0) / d(length)) ** (1 - alpha) * np.exp(phase), rel=1e-9)


def test_fit_links_is_the_bernoulli_pair_where_nothing_varies():
    """At any Peclet number, also beyond the one from which the rates are formed from velocities."""
    nodes, weights = gauss()
    drift = np.array([-1e5, -16.0, -14.0, -0.3, 0.0, 1e-9, 2.0, 14.9, 15.1, 800.0])
    n = drift.size
    d, length, shape = np.full(n, 0.5), np.full(n, 0.5), (nodes.size, n)
    forward, backward = np.empty(n), np.empty(n)
    fields = [np.ascontiguousarray(np.broadcast_to(v, shape)) for v in (drift, d)]
    links.fit_links(*fields, d, d, length, 0.5, nodes, weights, primitive(), forward, backward)
    want = np.array([links.exponential_fit(v, 1.0) for v in drift])
    np.testing.assert_allclose(forward, want[:, 0], rtol=1e-13)
    np.testing.assert_allclose(backward, want[:, 1], rtol=1e-12)


def test_rates_do_not_jump_where_a_link_becomes_steep():
    """Drift -x on a link of width .2 about x = 13, as D falls through 13 * .2 / 15: they fell by .8 % there at once."""
    (nodes, weights), length = gauss(), np.full(400, 0.2)
    d = np.linspace(0.1, 0.4, 400)
    x = 13.0 + 0.2 * (nodes - 0.5)
    forward, backward = np.empty(400), np.empty(400)
    fields = [np.repeat(-x[:, None], 400, axis=1), np.repeat(d[None], nodes.size, axis=0)]
    links.fit_links(*fields, d, d, length, 0.0, nodes, weights, primitive(), forward, backward)
    assert np.ptp(backward) > 0.08
    assert np.abs(np.diff(backward)).max() < 0.004
    assert np.abs(np.diff(np.log(forward), 2)).max() < 0.02


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_gentle_links_are_fitted_alike_with_and_without_a_steep_one_beside_them(alpha, count):
    """Links below a phase of one are summed side by side, others one by one; 150 links are more than two blocks."""
    rng, n = np.random.default_rng(2), 150
    nodes, weights = gauss(count)
    drift, d = rng.uniform(-0.6, 0.6, (count, n)), rng.uniform(0.5, 1.0, (count, n))
    low, high, length = rng.uniform(0.5, 1.0, n), rng.uniform(0.5, 1.0, n), rng.uniform(0.1, 0.8, n)
    found = []
    for steep in (0.0, 20.0):
        mu = drift.copy()
        mu[:, ::50] += steep
        forward, backward = np.empty(n), np.empty(n)
        links.fit_links(mu, d, low, high, length, alpha, nodes, weights, primitive(count), forward, backward)
        found.append(np.delete(np.stack([forward, backward]), np.s_[::50], axis=1))
    np.testing.assert_allclose(*found, rtol=1e-14)


def banded(rng, n, strides):
    order = np.array([0, *strides], dtype=np.int64)
    bands = rng.normal(size=(order.size, n))
    for row, s in zip(bands, order, strict=True):
        i = np.arange(n)
        row[(i + s < 0) | (i + s >= n)] = 0.0
    dense = np.zeros((n, n))
    for row, s in zip(bands, order, strict=True):
        for i in range(n):
            if 0 <= i + s < n:
                dense[i, i + s] += row[i]
    empty = np.empty(0, np.int32)
    return products.Operator(order, bands, empty, empty, np.empty(0)), dense


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1023, 1024, 1025, 2500])
@pytest.mark.parametrize("strides", [[], [-1, 1], [-1, 1, -7, 7], [-1, 1, -30, 30, -900, 900], [-1, 1, -2400, 2400]])
def test_apply_is_the_matrix_product(n, strides):
    rng = np.random.default_rng(n)
    operator, dense = banded(rng, n, [s for s in strides if abs(s) < n])
    x, y = rng.normal(size=n), np.full(n, np.nan)
    products.apply(operator, x, y)
    np.testing.assert_allclose(y, dense @ x, rtol=1e-12, atol=1e-12)


def test_apply_takes_compressed_rows_too():
    rng = np.random.default_rng(5)
    q = sp.random_array((1500, 1500), density=0.01, rng=rng, format="csr")
    operator = products.Operator(np.empty(0, np.int64), np.empty((0, 0)), q.indptr, q.indices, q.data)
    x, y = rng.normal(size=1500), np.empty(1500)
    products.apply(operator, x, y)
    np.testing.assert_allclose(y, q @ x, rtol=1e-12, atol=1e-12)


def test_bessel_weights_at_zero():
    np.testing.assert_array_equal(products.bessel_weights(0.0, 5), [1, 0, 0, 0, 0])


@pytest.mark.parametrize("z", [1e-3, 0.5, 10.0, 300.0, 2e4])
def test_bessel_weights_are_scaled_bessel_functions(z):
    count = int(20 + 8 * np.sqrt(z))
    weights = products.bessel_weights(z, count)
    exact = ive(np.arange(count), z)
    np.testing.assert_allclose(weights, exact, rtol=1e-9, atol=1e-15 * exact[0])


def test_chebyshev_sum_is_the_series():
    rng = np.random.default_rng(2)
    n, z = 80, 40.0
    operator, dense = banded(rng, n, [-1, 1])
    size = np.abs(np.linalg.eigvals(dense)).max()
    dense = 0.5 * (dense + dense.T) / size / 1.5
    bands = np.zeros_like(operator.bands)
    for row, s in zip(bands, operator.strides, strict=True):
        diagonal = np.diagonal(dense, s)
        row[max(0, -s) : n - max(0, s)] = diagonal
    operator = operator._replace(bands=bands)
    coefficients = 2 * ive(np.arange(200), z)
    coefficients[0] *= 0.5
    x, result = rng.random(n), np.empty(n)
    count, remainder, largest = products.chebyshev_sum(operator, coefficients, x, z, 1e-13, 0, 1e3, result)
    twin = np.polynomial.chebyshev.chebval(np.linalg.eigvalsh(dense), coefficients)
    vectors = np.linalg.eigh(dense)[1]
    np.testing.assert_allclose(result, vectors @ (twin * (vectors.T @ x)), atol=1e-12 * np.abs(x).sum())
    assert remainder < 1e-13
    assert 40 < count < 150
    assert largest < 1.0


def test_poisson_sum_is_the_sum_of_powers():
    grid = fp.Grid((-3, 3), 50)
    q = fp.generator(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), grid)
    rate = float(q.outflow.max())
    weights = np.array([0.2, 0.3, 0.1, 0.4])
    x, result = np.random.default_rng(0).random(50), np.empty(50)
    products.poisson_sum(q.operator, rate, weights, x, result)
    jump = np.eye(50) + q.matrix.toarray() / rate
    twin = sum(w * np.linalg.matrix_power(jump, k) @ x for k, w in enumerate(weights))
    np.testing.assert_allclose(result, twin, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 50])
@pytest.mark.parametrize("step", [0.0, 1e-3, 1e4])
def test_solve_shifted_against_a_dense_solve(n, step):
    rng = np.random.default_rng(4)
    up, down = rng.random(n), rng.random(n)
    up[-1] = down[0] = 0.0
    a = np.diag(up[:-1], -1) + np.diag(down[1:], 1) - np.diag(up + down)
    kill = 0.1 * rng.random(n)
    a -= np.diag(kill)
    poles, x = np.array([1.0 + 2.0j, 5.0 - 1.0j]), rng.random(n)
    solutions = np.empty((2, n), complex)
    tridiagonal.solve_shifted(up, down, kill, step, poles, x, solutions)
    for pole, solution in zip(poles, solutions, strict=True):
        twin = np.linalg.solve(step * a - pole * np.eye(n), x.astype(complex))
        np.testing.assert_allclose(solution, twin, rtol=1e-9, atol=1e-12)


def test_solve_chain_against_a_dense_solve_and_over_a_barrier():
    rng = np.random.default_rng(6)
    n = 30
    up, down, kill, source = rng.random(n), rng.random(n), 0.1 * rng.random(n), rng.random(n)
    up[-1] = down[0] = 0.0
    inside = np.ones(n, bool)
    u = np.empty(n)
    tridiagonal.solve_chain(up, down, kill, source, inside, u)
    a = np.diag(up + down + kill) - np.diag(up[:-1], 1) - np.diag(down[1:], -1)
    np.testing.assert_allclose(u, np.linalg.solve(a, source), rtol=1e-12)
    # leaving takes 1e40 times the step: 1 + up/kill, which elimination with subtraction loses
    tridiagonal.solve_chain(
        np.array([1.0, 0]), np.array([0, 1e-40]), np.array([0, 1e-60]), np.ones(2), np.ones(2, bool), u[:2]
    )
    np.testing.assert_allclose(u[:2], [1e60 + 1e20, 1e60 + 1e20], rtol=1e-12)


def positive_tensors(rng, n, d, condition):
    q = np.linalg.qr(rng.normal(size=(n, d, d)))[0]
    eigenvalues = np.exp(rng.uniform(-np.log(condition), 0.0, size=(n, d)))
    return np.ascontiguousarray(np.einsum("nij,nj,nkj->nik", q, eigenvalues, q))


def decomposed(tensors, cap):
    n, d = tensors.shape[:2]
    terms = 3 if d == 2 else 6
    offsets, weights, added = np.zeros((n, terms, d), np.int64), np.zeros((n, terms)), np.zeros(n)
    selling.decompose(tensors, np.full(n, cap), offsets, weights, added)
    return offsets, weights, added


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("condition", [3.0, 100.0, 1000.0])
def test_selling_rebuilds_the_tensor_from_nonnegative_weights(d, condition):
    tensors = positive_tensors(np.random.default_rng(7), 300, d, condition)
    offsets, weights, added = decomposed(tensors, 10_000)
    assert (weights >= 0.0).all()
    assert (added == 0.0).all()
    rebuilt = np.einsum("nk,nki,nkj->nij", weights, offsets, offsets)
    np.testing.assert_allclose(rebuilt, tensors, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("cap", [1, 3, 8])
def test_capped_offsets_add_to_the_diagonal_what_they_say(d, cap):
    tensors = positive_tensors(np.random.default_rng(8), 200, d, 1e5)
    offsets, weights, added = decomposed(tensors, cap)
    assert (weights >= 0.0).all()
    assert np.abs(offsets).max() <= cap
    mean = np.trace(tensors, axis1=1, axis2=2) / d
    rebuilt = np.einsum("nk,nki,nkj->nij", weights, offsets, offsets)
    np.testing.assert_allclose(rebuilt, tensors + (added * mean)[:, None, None] * np.eye(d), atol=1e-11)
    assert (added > 0.0).any()
    assert added.max() < {1: 1.0, 3: 0.3, 8: 0.1}[cap]


@pytest.mark.parametrize("d", [2, 3])
def test_no_tensor_of_rank_one_loses_its_noise(d):
    """Rounding ends the reduction of one in a hundred of them before it is done."""
    directions = np.random.default_rng(3).normal(size=(8000, d))
    tensors = np.einsum("ni,nj->nij", directions, directions)
    offsets, weights, added = decomposed(tensors, 8)
    mean = np.trace(tensors, axis1=1, axis2=2) / d
    off = np.einsum("nk,nki,nkj->nij", weights, offsets, offsets) - tensors - (added * mean)[:, None, None] * np.eye(d)
    assert (np.abs(off).max(axis=(1, 2)) / mean).max() < 1e-8
    assert added.max() < 0.1


def test_a_rank_one_tensor_on_the_lattice_is_one_link():
    e = np.array([3.0, -2.0])
    offsets, weights, added = decomposed(np.outer(e, e)[None] * 0.7, 8)
    k = np.argmax(weights[0])
    assert abs(offsets[0, k]).tolist() == [3, 2]
    assert weights[0, k] == pytest.approx(0.7)
    assert weights[0].sum() == pytest.approx(0.7)
    assert added[0] < 1e-9


def test_a_vanishing_tensor_has_no_links():
    offsets, weights, added = decomposed(np.zeros((2, 3, 3)), 4)
    assert not offsets.any()
    assert not weights.any()
    assert not added.any()
