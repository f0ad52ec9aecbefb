"""The cost of a piece of path against its definition, the largest p.v with H = 0, found by a general optimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize

from fokkerplanck.rare_events.action import DiffusionHamiltonian, StepHamiltonian, position_slope

X = np.array([[0.3], [0.1]])


def by_definition(hamiltonian, v):
    inside = {"type": "ineq", "fun": lambda p: -hamiltonian.value(X, p[:, None])[0]}
    return -minimize(lambda p: -p @ v, 0.1 * v, constraints=[inside], options={"ftol": 1e-13}).fun


def skewed(x):
    """Seven steps about a mean that leads down, with one long and rare one."""
    steps = np.array([[1, 0], [-1, 0.2], [0, 1], [0.1, -1], [-0.5, -0.5], [0.3, 0.2], [2.0, 3.0]])
    return steps[:, :, None] - 0.3 * x


HAMILTONIANS = {
    "diffusion": DiffusionHamiltonian(
        lambda x: -x, lambda x: np.array([[0.5, 0.2], [0.2, 0.3]])[:, :, None] + 0 * x[0]
    ),
    "steps": StepHamiltonian(skewed, np.array([0.2, 0.3, 0.1, 0.1, 0.1, 0.19, 0.01])),
}


@pytest.mark.parametrize("name", HAMILTONIANS)
@pytest.mark.parametrize("angle", [0.2, 1.3, 2.9, 4.0, 5.5])
def test_cost_is_the_largest_momentum_along_a_displacement(name, angle):
    v = 0.7 * np.array([np.cos(angle), np.sin(angle)])
    cost = HAMILTONIANS[name].cost(X, v[:, None])
    assert cost.value[0] == pytest.approx(by_definition(HAMILTONIANS[name], v), rel=1e-5, abs=1e-7)
    assert HAMILTONIANS[name].value(X, cost.momentum)[0] == pytest.approx(0.0, abs=1e-10)
    h = 1e-6
    slope = [
        (HAMILTONIANS[name].value(X, cost.momentum + e) - HAMILTONIANS[name].value(X, cost.momentum - e))[0] / (2 * h)
        for e in h * np.eye(2)[:, :, None]
    ]
    np.testing.assert_allclose(cost.time[0] * np.array(slope), v, atol=1e-6)


def test_bounded_steps_lead_nowhere_else():
    steps = StepHamiltonian(
        lambda x: np.array([[-1.0, 0.5], [-1.0, -0.5], [-0.5, 0.0]])[:, :, None] + 0 * x, np.full(3, 1 / 3)
    )
    assert np.isinf(steps.cost(X, np.array([[1.0], [0.0]])).value[0])
    assert steps.cost(X, np.array([[-1.0], [0.1]])).value[0] < 10.0


def test_two_steps_on_a_line_have_a_closed_form():
    # steps 1 - m and -1 - m of equal weight: cosh(q) = exp(q m)
    m = 0.4
    steps = StepHamiltonian(lambda x: np.array([1.0 - m, -1.0 - m])[:, None, None] + 0 * x, np.array([0.5, 0.5]))
    q = steps.cost(np.zeros((1, 1)), np.ones((1, 1))).value[0]
    assert np.log(np.cosh(q)) - q * m == pytest.approx(0.0, abs=1e-12)
    assert q > 0.5
    assert steps.cost(np.zeros((1, 1)), -np.ones((1, 1))).value[0] == 0.0


def test_slope_in_x_is_that_of_the_hamiltonian():
    diffusion = DiffusionHamiltonian(lambda x: -(x**3), lambda x: np.eye(2)[:, :, None] * (1.0 + x[0] ** 2))
    p = np.array([[0.7], [-0.4]])
    exact = -3.0 * X**2 * p + np.array([[2.0 * X[0, 0]], [0.0]]) * (p**2).sum()
    np.testing.assert_allclose(position_slope(diffusion, X, p, np.full(2, 1e-3)), exact, atol=1e-10)
