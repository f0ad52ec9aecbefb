"""Learning coefficients: closed forms, quadrature, and starts that do not mix."""

import importlib.util

import numpy as np
import pytest
from least_squares import Line
from scipy.integrate import quad

import fokkerplanck as fp
import fokkerplanck.networks as fn


@pytest.mark.parametrize(
    ("widths", "rank", "value", "multiplicity"),
    [
        ((4, 4, 4), 0, 6.0, 1),
        ((4, 4, 4), 2, 7.5, 1),
        ((5, 3, 5), 1, 8.0, 1),
        ((4, 4, 4, 4), 1, 6.5, 1),
        ((6, 6, 6, 6), 3, 16.5, 1),
        ((1, 1, 1), 0, 0.5, 2),  # (xy)^2: the volume below e is of order sqrt(e) ln(1/e)
        ((1, 1, 1, 1), 0, 0.5, 3),  # (xyz)^2
        ((3, 2), 1, 3.0, 1),  # one layer is regular: half its weights
        ((4, 2, 4), 2, 6.0, 1),  # full rank: half the dimension r (n + m - r) of matrices of that rank
    ],
)
def test_deep_linear_networks(widths, rank, value, multiplicity):
    exact = fn.deep_linear_coefficient(widths, rank)
    assert exact.value == pytest.approx(value, abs=1e-12)
    assert exact.multiplicity == multiplicity


@pytest.mark.parametrize("power", [2, 4])
def test_powers(power):
    # d = 1, K = w^power: 1 / power; at finite t by quadrature
    found = fn.learning_coefficient(
        lambda w: w[:, 0] ** power, lambda w: power * w ** (power - 1), [0.0], (1e2, 1e4), draws=1500
    )
    for n, t in enumerate((1e2, 1e4)):
        weight = [
            quad(lambda w, p=p, t=t: w**p * np.exp(-t * w**power - w * w / 2), 0, 3, points=[0.1, 0.5])[0]
            for p in (0, power)
        ]
        for kind in ("cold", "annealed"):
            assert abs(found.values[kind][n] - t * weight[1] / weight[0]) < 4.0 * found.errors[kind][n]
            assert found.errors[kind][n] < 0.05
            assert 0.4 < found.acceptance[kind][n] < 0.7
    assert found.mixed
    assert found.bracket[1] == pytest.approx(1.0 / power, rel=0.15)


def test_multiplicity_shows_on_the_ladder():
    # (xy)^2: exact quadrature gives .390, .412 at t = 1e3, 1e4 and .5 in the limit
    found = fn.learning_coefficient(
        lambda w: (w**2).prod(axis=1),
        lambda w: 2.0 * w * w[:, ::-1] ** 2,
        [0.0, 0.0],
        (1e3, 1e4),
        chains=64,
        draws=3000,
    )
    for n, exact in enumerate((0.3903, 0.4123)):
        assert abs(found.values["annealed"][n] - exact) < 3.5 * found.errors["annealed"][n]
        assert found.errors["annealed"][n] < 0.02
        assert exact - 0.06 < found.values["cold"][n] < exact + 0.04  # they climb out of the centre along narrow arms
    slope, error = found.multiplicity_slope
    assert abs(slope - 0.61) < 3.5 * error  # of quadrature; 1 in the limit


def test_cold_starts_alone_claim_nothing_and_a_trap_breaks_the_agreement():
    # minimum at 0 behind a barrier; the wide valley beyond it is deeper. Cold chains never see it.
    def excess(w):
        return 3.0 * w[:, 0] ** 2 * (w[:, 0] - 2.0) ** 2 - 0.02 * w[:, 0] ** 3

    def gradient(w):
        return 6.0 * w * (w - 2.0) * (2.0 * w - 2.0) - 0.06 * w**2

    cold = fn.learning_coefficient(excess, gradient, [0.0], (1e3,), starts="cold", draws=400)
    assert cold.bracket is None
    assert cold.mixed is None
    assert cold.r_hat["cold"][0] < 1.1
    assert "one kind of start" in repr(cold)
    with pytest.warns(fp.ModelWarning, match="chains found places"):
        both = fn.learning_coefficient(excess, gradient, [0.0], (1e3,), draws=400)
    assert both.mixed is False
    assert "do not agree" in repr(both)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"ladder": (1e3, 1e2)}, "`ladder`"),
        ({"ladder": (0.5,)}, "`ladder`"),
        ({"starts": "warm"}, "`starts`"),
        ({"pull": 0.0}, "`pull`"),
        ({"chains": 2}, "`chains`"),
    ],
)
def test_refusals(options, word):
    with pytest.raises(ValueError, match=word):
        fn.learning_coefficient(lambda w: w[:, 0] ** 2, lambda w: 2 * w, [0.0], **options)
    with pytest.raises(ValueError, match="`rank`"):
        fn.deep_linear_coefficient((3, 2), 3)


def test_a_line_is_regular():
    # t E[K] of a quadratic: sum of t h / (2 (t h + pull)) over the eigenvalues h, d / 2 in the limit
    line = Line()
    for kind in ["network"] + ["jax_network"] * (importlib.util.find_spec("jax") is not None):
        found = getattr(line, kind)().learning_coefficient(line.minimum, (1e3,), chains=8, draws=500)
        h = np.linalg.eigvalsh(line.hessian)
        exact = np.sum(1e3 * h / (2.0 * (1e3 * h + 1.0)))
        for value, error in zip(found.values.values(), found.errors.values(), strict=True):
            assert abs(value[0] - exact) < 4.0 * error[0]
            assert error[0] < 0.15
        assert found.mixed


def test_a_deep_linear_network_lies_in_its_bracket():
    # 3-3-3 of rank 0: L = |W_2 W_1|^2 / 2 for white inputs; at finite t the value is below the limit
    eye = np.eye(3) * np.sqrt(3.0)

    def excess(w):
        first, second = w[:, :9].reshape(-1, 3, 3), w[:, 9:].reshape(-1, 3, 3)
        return 0.5 * np.sum((second @ first @ eye) ** 2, axis=(1, 2)) / 3.0

    def gradient(w):
        first, second = w[:, :9].reshape(-1, 3, 3), w[:, 9:].reshape(-1, 3, 3)
        error = second @ first
        parts = [np.swapaxes(second, 1, 2) @ error, error @ np.swapaxes(first, 1, 2)]
        return np.concatenate([p.reshape(-1, 9) for p in parts], axis=1)

    exact = fn.deep_linear_coefficient((3, 3, 3), 0)
    found = fn.learning_coefficient(excess, gradient, np.zeros(18), (1e3, 1e4), draws=1500)
    assert exact.value == pytest.approx(3.5)
    low, high = found.bracket
    assert 0.9 * exact.value < low <= high < 1.05 * exact.value


@pytest.mark.parametrize("start", ["cold", "annealed"])
def test_stiff_directions_do_not_hide_soft_ones(start):
    """Curvatures of 1 to 3000: cold chains said 2.49 +- .13 for 3, each as it had not left the start along the soft ones."""
    c = np.geomspace(1.0, 3000.0, 6)
    found = fn.learning_coefficient(
        lambda x: 0.5 * (x * x) @ c, lambda x: x * c, np.zeros(6), [1e2, 1e4], starts=start, draws=800
    )
    exact = [0.5 * (t * c / (t * c + 1.0)).sum() for t in found.ladder]
    assert (np.abs(found.values[start] - exact) < 4.0 * found.errors[start] + 0.01).all()
    assert (found.errors[start] < 0.15).all()
    assert (found.r_hat[start] < 1.05).all()


def test_a_centre_above_the_minimum_is_told():
    """From w = .3 beside the minimum of w^2 at 0 the answer was -895 at t = 10^4, for 1/2, and the starts agreed."""
    with pytest.warns(fp.ModelWarning, match=r"places 0\.09 lower; at t = 10000 the answer is too small by 9"):
        fn.learning_coefficient(lambda w: w[:, 0] ** 2 - 0.09, lambda w: 2.0 * w, [0.3], starts="cold", draws=200)
