"""Exponents of SGD: against the transfer operator, closed forms, sums of independent parts; where no step leads."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

import fokkerplanck as fp

PIT, EDGE = 1.00745330, 1.17431018
LOSS = fp.landscapes.two_datapoints().loss


def mean_steps(model, rate):
    grid = fp.Grid((0.5, 1.6), 1100)
    return fp.SGD(LOSS, rate).transfer_operator(grid, model).first_passage(lambda w: w > 1.3).at(PIT)


@pytest.mark.parametrize(("model", "known"), [("exact", 0.1323583), ("first-order", 0.0786409)])
def test_two_datapoints(model, known):
    answer = fp.SGD(LOSS).quasipotential(PIT, EDGE, model)
    assert answer.exponent == pytest.approx(known, rel=1e-5)
    g = lambda w: LOSS.gradient(w)[0]  # noqa: E731

    def momentum(w):
        if model == "first-order":
            return 2.0 * g(w) / LOSS.covariance(w)[0, 0]
        each = LOSS.sample_gradients(np.arange(2), np.array([[w]]))[:, 0, 0]
        h = lambda p: np.log(np.mean(np.exp(-p * each)))  # noqa: E731
        start = 1e-3 * 2.0 * g(w) / each.var()
        return brentq(lambda p: h(p) / p, start, -np.log(0.5) / -each.min(), xtol=1e-13)

    assert answer.exponent == pytest.approx(quad(momentum, PIT + 1e-6, EDGE - 1e-6, epsabs=1e-10)[0], rel=1e-6)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize(("model", "rates"), [("exact", (0.008, 0.005)), ("gaussian-chain", (0.006, 0.003))])
def test_slope_of_the_operators_escape_times(model, rates):
    """tau = C exp(V / eta) / eta: the factor 1/eta turns steps into times. The other model is 40 % off."""
    tau = [mean_steps(model, rate) for rate in rates]
    slope = np.log(tau[1] * rates[1] / (tau[0] * rates[0])) / (1.0 / rates[1] - 1.0 / rates[0])
    assert slope == pytest.approx(fp.SGD(LOSS).quasipotential(PIT, EDGE, model).exponent, rel=0.03)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_escape_times_are_predicted_from_larger_learning_rates():
    answer, at = fp.SGD(LOSS).quasipotential(PIT, EDGE, "gaussian-chain"), [0.009, 0.008, 0.007, 0.006]
    seen = answer.extrapolate(0.0025, at, [mean_steps("gaussian-chain", rate) for rate in at])
    assert seen.log_time == pytest.approx(np.log(mean_steps("gaussian-chain", 0.0025)), abs=2.0 * seen.log_error)
    assert seen.log_error < 0.7
    assert "one standard error" in repr(seen)


def test_quadratic_with_two_samples_has_a_closed_form():
    """theta is a sum of independent steps, of which large deviations say V' = s at x = ln cosh(s) / s (Cramer)."""
    sgd = fp.SGD(fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 1.0]}))
    s = 2.5
    x = np.log(np.cosh(s)) / s
    legendre = s * x - quad(lambda y: np.log(np.cosh(y)) / y if y else 0.0, 0.0, s)[0]
    assert sgd.quasipotential(0.0, x).exponent == pytest.approx(legendre, rel=1e-9)
    assert abs(x**2 - legendre) > 0.05  # the first-order model's


def test_batch_size_and_momentum_scale_the_exponent():
    one = fp.SGD(LOSS).quasipotential(PIT, EDGE).exponent
    assert fp.SGD(LOSS, batch_size=5).quasipotential(PIT, EDGE).exponent == pytest.approx(5 * one, rel=1e-10)
    assert fp.SGD(LOSS, momentum=0.9).quasipotential(PIT, EDGE).exponent == pytest.approx(0.1 * one, rel=1e-10)


def test_first_order_is_the_equation_at_its_learning_rate():
    for sgd in (fp.SGD(LOSS, 0.01), fp.SGD(LOSS, 0.003, batch_size=4)):
        own = sgd.quasipotential(PIT, EDGE, "first-order").exponent / sgd.learning_rate
        assert fp.quasipotential(sgd.equation(), PIT, EDGE).exponent == pytest.approx(own, rel=1e-9)


def test_without_replacement_agrees_with_the_batches_written_out():
    """Two of four: six batches, so samples that are their means give the same steps."""
    x = np.array([-1.0, 0.5, 2.0, -1.5])
    pairs = [(x[i] + x[j]) / 2 for i in range(4) for j in range(i)]
    loss = fp.SampleLoss("(w-x)**2/2", ["w"], {"x": x})
    own = fp.SGD(loss, batch_size=2, replacement=False).quasipotential(0.0, 0.8).exponent
    listed = fp.SGD(fp.SampleLoss("(w-x)**2/2", ["w"], {"x": pairs})).quasipotential(0.0, 0.8).exponent
    assert own == pytest.approx(listed, rel=1e-10)
    assert own > fp.SGD(loss, batch_size=2).quasipotential(0.0, 0.8).exponent


def test_known_by_its_gradient_too():
    loss = fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 1.0, 3.0]})
    other = fp.SampleLoss.from_gradient(lambda w, s: w - s["x"], {"x": [-1.0, 1.0, 3.0]}, ["w"])
    one, two = (fp.SGD(each).quasipotential(1.0, 2.0).exponent for each in (loss, other))
    assert one == pytest.approx(two, rel=1e-12)


def test_independent_parts_add_up_also_when_rotated():
    x, y = (np.ravel(c) for c in np.meshgrid([-1.0, 1.0], [-1.0, 1.0, 2.0, -2.0]))
    first = fp.SGD(fp.SampleLoss("(u-x)**2/2", ["u"], {"x": [-1, 1]})).quasipotential(0, 0.6).exponent
    second = fp.SGD(fp.SampleLoss("v**4/4+v**2/2-v*y", ["v"], {"y": [-1, 1, 2, -2]})).quasipotential(0, 0.8).exponent
    text = "(0.8*a+0.6*b-x)**2/2 + (0.8*b-0.6*a)**4/4 + (0.8*b-0.6*a)**2/2 - (0.8*b-0.6*a)*y"
    loss = fp.SampleLoss(text, ["a", "b"], {"x": x, "y": y})
    answer = fp.SGD(loss).quasipotential([0, 0], [0.8 * 0.6 - 0.6 * 0.8, 0.6 * 0.6 + 0.8 * 0.8], points=48)
    assert answer.exponent == pytest.approx(first + second, rel=1e-5)
    assert abs(answer.exponent - first - second) < answer.error


def test_exits_that_no_step_reaches_are_said():
    loss = fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 0.0, 1.0]})
    answer = fp.SGD(loss).quasipotential(0, 1.5)
    assert answer.exponent == np.inf
    assert answer.stuck[0] == pytest.approx(1.0, abs=0.05)
    assert "no batch leads on" in repr(answer)
    assert fp.SGD(loss).quasipotential(0, 1.5, "first-order").exponent == pytest.approx(1.5**2 / (2 / 3), rel=1e-9)
    assert fp.SGD(loss).quasipotential(1.5, 0).exponent == 0.0
    assert "epoch" in repr(fp.SGD(loss, shuffle=True).quasipotential(0, 0.5))
    assert fp.SGD(loss, batch_size=None).quasipotential(0, 0.5).exponent == np.inf
    with pytest.raises(ValueError, match="path"):
        answer.plot()


def test_and_in_two_dimensions():
    corners = np.array([-1.0, 1.0, -1.0, 1.0]), np.array([-1.0, -1.0, 1.0, 1.0])
    loss = fp.SampleLoss("(u-x)**2/2+(v-y)**2/2", ["u", "v"], {"x": corners[0], "y": corners[1]})
    assert fp.SGD(loss).quasipotential([0, 0], [0.9, 0.1], points=24).exponent < 2.0
    far = fp.SGD(loss).quasipotential([0, 0], [1.2, 0.1], points=24)
    assert far.exponent == np.inf
    assert "batches lead on" in repr(far)


@pytest.mark.parametrize("model", ["second-order", "levy", "exakt"])
def test_other_models_are_refused_with_what_to_do(model):
    with pytest.raises(ValueError, match="`model` must be one of 'exact', 'first-order', 'gaussian-chain'"):
        fp.SGD(LOSS).quasipotential(PIT, EDGE, model)


def test_losses_on_a_line_of_minima_are_refused():
    with pytest.raises(ValueError, match="random in all 2 directions"):
        fp.SGD(fp.landscapes.scalar_net().loss).quasipotential([1, 1], [0, 0])
