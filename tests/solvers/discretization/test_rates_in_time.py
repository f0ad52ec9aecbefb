"""Rates at many times at once against the generator of each time."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.rates_in_time import RatesInTime
from fokkerplanck.solvers.discretization.scharfetter_gummel import generator

BOX = fp.Grid((-2, 3), 30)
GRADED = fp.Grid.from_edges([np.linspace(0, 1, 21) ** 1.5], boundary=["absorbing"])
RING = fp.Grid((0, 2 * np.pi), 24, "periodic")


@pytest.mark.parametrize(
    ("grid", "coefficients"),
    [
        (BOX, {"drift": lambda x, t: -x + np.cos(t), "diffusion": 0.3}),
        (BOX, {"drift": lambda x: -x, "diffusion": lambda x, t: 0.3 + 0.1 * np.sin(t) * np.tanh(x)}),
        (BOX, {"potential": lambda x, t: (1 + t) * x**2, "diffusion": lambda x, t: 0.2 + 0.1 * t + 0 * x}),
        (BOX, {"drift": np.linspace(-1, 1, 30), "noise": lambda x, t: 1 + t + 0.1 * x, "convention": "stratonovich"}),
        (GRADED, {"drift": [lambda x, t: -x * t], "diffusion": [lambda x: 0.1 + x**2], "convention": "klimontovich"}),
        (RING, {"drift": lambda x, t: np.sin(x) + t, "diffusion": lambda x, t: 0.3 + 0.1 * np.cos(x - t)}),
    ],
)
def test_all_times_at_once(grid, coefficients):
    eq = fp.FokkerPlanck(**coefficients)
    rates = RatesInTime(eq, grid, 2.0)
    assert rates.together
    times = np.array([0.1, 0.7, 1.9])
    found = rates(times)
    masses = np.random.default_rng(1).random(grid.size)
    for k, t in enumerate(times):
        q = generator(eq, grid, t)
        up, down = found.up[k] * masses, found.down[k] * masses
        change = np.roll(up, 1) + np.roll(down, -1) - up - down - found.kill[k] * masses
        np.testing.assert_allclose(change, q.apply(masses), rtol=0, atol=1e-11 * np.abs(change).max())


@pytest.mark.parametrize(
    "drift",
    [lambda x, t: -x + (1.0 if t > 1 else 0.0), lambda x, t: -x * float(np.asarray(t).max())],
    ids=["an if", "a maximum over times"],
)
def test_functions_of_one_time_are_asked_one_by_one(drift):
    eq = fp.FokkerPlanck(drift=drift, diffusion=0.3)
    rates = RatesInTime(eq, BOX, 2.0)
    assert not rates.together
    for t in (0.4, 1.3):
        want = generator(eq, BOX, t).links[0]
        np.testing.assert_array_equal(rates(np.array([0.2, t])).up[1, :-1], want.forward)


def test_a_wall_without_noise_keeps_its_own_rates():
    """Beside a reflecting wall at which D vanishes the generator knows better than the plain fit."""
    eq = fp.FokkerPlanck(drift=lambda x, t: 0.3 * (1 + 0.1 * t) - x, diffusion=lambda x: x)
    grid = fp.Grid((0, 2), 40)
    found = RatesInTime(eq, grid, 1.0)(np.array([0.5]))
    np.testing.assert_allclose(found.up[0, :-1], generator(eq, grid, 0.5, fixed=True).links[0].forward, rtol=1e-12)
