"""Feller's classification from the coefficients, of processes whose boundaries are known in closed form."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.axis_reader import AxisReader
from fokkerplanck.solvers.discretization.boundaries import classify

GRID = fp.Grid((-2, 2), 100)


def still(x):
    return 0.0 * x


def constant(value):
    return lambda x: value + 0.0 * x


def power(scale, exponent):
    return lambda x: scale * np.abs(x) ** exponent


def line(slope, value=0.0):
    return lambda x: value + slope * x


# name: kind, attracts, convention, drift, D, at 0 from above. A square-root process with drift b at 0 and D = x is regular for
# 0 < b < 1, an entrance from 1 on, an exit for b <= 0; a Bessel process of dimension d likewise at 0 and 2.
PROCESSES = {
    "Wright-Fisher": ("exit", True, 0.0, still, lambda x: 0.35 * x * (1 - x)),
    "square root, b = .08": ("regular", False, 0.0, line(-1, 0.08), power(1, 1)),
    "square root, b = .9": ("regular", False, 0.0, line(-1, 0.9), power(1, 1)),
    "square root, b = 1": ("entrance", False, 0.0, line(-1, 1.0), power(1, 1)),
    "square root, b = 1.5": ("entrance", False, 0.0, line(-1, 1.5), power(1, 1)),
    "square root, b = -.3": ("exit", True, 0.0, line(-1, -0.3), power(1, 1)),
    "Bessel, d = .2": ("regular", False, 0.0, lambda x: -0.4 / x - x, constant(0.5)),
    "Bessel, d = 1.5": ("regular", False, 0.0, lambda x: 0.25 / x, constant(0.5)),
    "Bessel, d = 2": ("entrance", False, 0.0, lambda x: 0.5 / x, constant(0.5)),
    "Bessel, d = 3": ("entrance", False, 0.0, lambda x: 1.0 / x, constant(0.5)),
    "Bessel, d = -.5": ("exit", True, 0.0, lambda x: -0.75 / x, constant(0.5)),
    "geometric Brownian, falling": ("natural", True, 0.0, line(0.1), power(0.5, 2)),
    "geometric Brownian, rising": ("natural", False, 0.0, line(0.8), power(0.5, 2)),
    "geometric Brownian, level in ln x": ("natural", False, 0.0, line(0.5), power(0.5, 2)),
    "logistic, loud": ("natural", True, 0.0, lambda x: x * (1 - x), power(1.28, 2)),
    "logistic, quiet": ("natural", False, 0.0, lambda x: x * (1 - x), power(0.5, 2)),
    "constant elasticity .75": ("exit", True, 0.0, still, power(0.5, 1.5)),
    "constant elasticity .4": ("regular", False, 0.0, still, power(0.5, 0.8)),
    "|x|, Stratonovich": ("regular", False, 0.5, still, power(1, 1)),
    "|x|, Klimontovich": ("entrance", False, 1.0, still, power(1, 1)),
    "x^2, Stratonovich": ("natural", False, 0.5, still, power(1, 2)),
    "x^4, drift outward": ("entrance", False, 0.0, constant(0.3), power(1, 4)),
    "x^4, drift inward": ("exit", True, 0.0, constant(-0.3), power(1, 4)),
    "x^4, drift -sqrt(x)": ("exit", True, 0.0, lambda x: -np.sqrt(np.abs(x)), power(1, 4)),
    "x^4, drift -x": ("natural", True, 0.0, line(-1), power(1, 4)),
    "x^4, drift x": ("natural", False, 0.0, line(1), power(1, 4)),
    "no singularity": ("regular", False, 0.0, line(-1, 0.3), lambda x: 1 + x * x),
    "D does not quite vanish": ("regular", False, 0.0, still, lambda x: 1e-6 + np.abs(x)),
    "without noise, drift outward": ("entrance", False, 0.0, constant(0.3), still),
    "without noise and drift": ("natural", False, 0.0, still, still),
}


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("place", [(0.0, 1), (0.0, -1), (1.0, 1), (1.0, -1)], ids=["0+", "0-", "1+", "1-"])
def test_the_classification_is_that_of_feller(name, place):
    """On either side, and away from the origin, where the distance to the point loses digits."""
    kind, attracts, convention, drift, diffusion = PROCESSES[name]
    point, direction = place
    eq = fp.FokkerPlanck(
        drift=lambda x: direction * drift(direction * (x - point)),
        diffusion=lambda x: np.abs(diffusion(direction * (x - point))),
        convention=convention,
    )
    side = classify(AxisReader(eq, GRID, 0, 0.0), point, direction, 0.04)
    assert (side.kind, side.attracts) == (kind, attracts)


def test_exponents_of_a_square_root_process():
    side = classify(
        AxisReader(fp.FokkerPlanck(drift=line(-1, 0.3), diffusion=power(0.5, 1)), GRID, 0, 0.0), 0.0, 1, 0.04
    )
    assert side.power == pytest.approx(1.0, abs=1e-6)
    assert side.pull == pytest.approx(0.6, abs=1e-6)
    assert (side.es, side.em) == pytest.approx((-0.6, -0.4), abs=1e-6)


def test_a_zero_written_so_that_rounding_makes_it_negative():
    """1 - 2x + x^2 is -1e-17 at places beside 1."""
    eq = fp.FokkerPlanck(drift=lambda x: 1 - x, diffusion=lambda x: 1 - 2 * x + x * x)
    side = classify(AxisReader(eq, GRID, 0, 0.0), 1.0, 1, 0.04)
    assert (side.kind, side.attracts) == ("natural", True)
    assert side.power == pytest.approx(2.0, abs=1e-2)


def test_the_drift_of_a_potential_counts():
    eq = fp.FokkerPlanck(potential=lambda x: -1.5 * np.log(np.abs(x) + 1e-300), diffusion=1.0)
    assert classify(AxisReader(eq, GRID, 0, 0.0), 0.0, 1, 0.04).kind == "entrance"
