"""relu, max, min and logistic in formulas: values, derivatives, compiled losses, and a coefficient with a kink."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.formulas.parser import parse

X = np.linspace(-2.0, 2.0, 41)


@pytest.mark.parametrize(
    ("text", "value", "slope"),
    [
        ("relu(x)", np.maximum(X, 0), X > 0),
        ("max(x, 0.33)", np.maximum(X, 0.33), X > 0.33),
        ("min(x, 0.33, -x)", np.minimum(np.minimum(X, 0.33), -X), np.where(X < 0, 1.0, -1.0)),
        ("max(x, -x) + relu(-x)", np.abs(X) + np.maximum(-X, 0), np.where(X > 0, 1.0, -2.0)),
        ("logistic(3*x)", 1 / (1 + np.exp(-3 * X)), 3 * np.exp(-3 * X) / (1 + np.exp(-3 * X)) ** 2),
    ],
)
def test_values_and_derivatives(text, value, slope):
    formula = parse(text, ["x"])
    away = np.abs(X) > 1e-9
    assert formula.evaluate(X) == pytest.approx(value, abs=1e-12)
    assert np.asarray(formula.derivative("x").evaluate(X))[away] == pytest.approx(
        np.asarray(slope, float)[away], abs=1e-12
    )


def test_constants_are_folded():
    assert parse("max(2, 3) + min(1, 4) + relu(-1) + logistic(0)", ["x"]).evaluate(0.0) == pytest.approx(4.5)


def test_losses_of_relu_networks_are_compiled_with_their_gradients():
    loss = fp.SampleLoss("(relu(w*x + b) - y)**2 / 2", ["w", "b"], {"x": [1.0, -1.0, 2.0], "y": [1.0, 0.5, 0.0]})
    theta = [0.7, 0.2]
    active = np.maximum(theta[0] * np.array([1.0, -1.0, 2.0]) + theta[1], 0)
    assert loss.value(*theta) == pytest.approx(np.mean((active - [1.0, 0.5, 0.0]) ** 2 / 2))
    by_hand = [np.mean((active - [1.0, 0.5, 0.0]) * (active > 0) * np.array(g)) for g in ([1.0, -1.0, 2.0], [1.0] * 3)]
    assert np.ravel(loss.gradient(*theta)) == pytest.approx(by_hand)


def test_stationary_density_over_a_kink():
    """V = max(x, -2 x) and D: p = 2/3 exp(-V), whose probability of x > 0 is 2/3."""
    slope = parse("max(x, -2*x)", ["x"])
    eq = fp.FokkerPlanck(potential=lambda x: slope.evaluate(x), diffusion=1.0)
    st = fp.stationary(eq, fp.Grid((-12, 24), 720))
    assert st.probability(lambda x: x > 0) == pytest.approx(2 / 3, abs=1e-3)


@pytest.mark.parametrize("text", ["max(x)", "min()", "max(x, key=1)", "max(*x)", "relu(x, 1)"])
def test_wrong_calls_are_refused(text):
    with pytest.raises(ValueError, match="must be made of"):
        parse(text, ["x"])


def test_a_column_may_be_called_max():
    assert parse("max + 1", ["max"]).evaluate(2.0) == 3.0
    with pytest.raises(ValueError, match=r"write max\*\( for a product"):
        parse("max(2)", ["max"])
