"""Numbers near the ends of double precision are refused in a sentence, or computed without a warning."""

import re
import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.arguments import LARGEST, LEAST

GRID = fp.Grid((-3, 3), 40)
START = fp.gaussian(0, 0.5)
OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
DRIVEN = fp.FokkerPlanck(drift=lambda x, t: -x + np.sin(t), diffusion=0.5)
LOSS = fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [0.0, 1.0, 3.0]})
DESCENT = fp.SGD(LOSS, learning_rate=0.1)


def levy(stability, scale):
    return fp.FokkerPlanck(drift=lambda x: -x, jumps=fp.LevyJumps(stability, scale))


TAKES = {
    "learning_rate": lambda v: fp.SGD(LOSS, learning_rate=v),
    "momentum": lambda v: fp.SGD(LOSS, momentum=v),
    "data['x']": lambda v: fp.SampleLoss("(w - x)**2", ["w"], {"x": [0.0, v]}),
    "stability": lambda v: fp.LevyJumps(v, 0.2),
    "scale": lambda v: fp.LevyJumps(1.5, v),
    "kind": lambda v: fp.LevyJumps(1.5, 0.2, [[v, 0.0], [0.0, v]]),
    "strength": fp.Swarm,
    "time_order": lambda v: fp.FokkerPlanck(diffusion=1.0, time_order=v),
    "temperature": lambda v: DESCENT.equation("langevin", temperature=v),
    "times": lambda v: fp.solve(OU, GRID, START, v),
    "max_step": lambda v: fp.solve(DRIVEN, GRID, START, 1.0, max_step=v),
    "period": lambda v: fp.stationary(DRIVEN, GRID, period=v),
    "dt": lambda v: fp.simulate(OU, 0.5, [1.0], dt=v, n_paths=10, seed=1),
    "mean": lambda v: fp.gaussian(v, 1.0),
    "std_or_cov": lambda v: fp.gaussian(0.0, v),
    "x": fp.point,
    "samples": lambda v: fp.from_samples([0.0, v]),
    "bounds": lambda v: fp.Grid((0, v), 40),
    "edges": lambda v: fp.Grid.from_edges([0.0, v]),
}


@pytest.mark.parametrize("value", [1e308, 1e150, 1e-150, 1e-300, 5e-324])
@pytest.mark.parametrize("name", TAKES)
def test_numbers_whose_squares_are_none_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^`{re.escape(name)}` must be "):
        TAKES[name](value)


@pytest.mark.parametrize("name", ["diffusion", "drift"])
def test_coefficients_whose_rates_would_overflow_are_refused(name):
    given = {"diffusion": 0.5, name: 1e308}
    with pytest.raises(
        ValueError, match=f"`{name}` must be at most 1e\\+240 in size everywhere on the grid, got 1e\\+308 at"
    ):
        fp.solve(fp.FokkerPlanck(**given), GRID, START, 1.0)


def refusal(ask):
    """The sentence of a refused argument, or None; no convergence is an answer, too."""
    try:
        ask()
    except fp.ConvergenceError:
        return None
    except ValueError as error:
        return str(error)


def answers(value):
    """Computations with a number of an allowed size."""
    yield lambda: DESCENT.simulate_swarm(0.5, [3], 0.1, n_workers=5, n_swarms=2, seed=0)
    yield lambda: fp.SGD(LOSS, learning_rate=value).simulate_swarm(0.5, [3], 0.1, n_workers=5, n_swarms=2, seed=0)
    yield lambda: fp.SGD(LOSS, learning_rate=value).central_flow([0.5], [1, 5])
    yield lambda: fp.solve(fp.SGD(LOSS, learning_rate=value).equation(), GRID, START, 1.0)
    yield lambda: fp.solve(levy(1.5, value), GRID, START, 1.0)
    yield lambda: fp.solve(fp.FokkerPlanck(diffusion=0.5, interaction=fp.Swarm(value)), GRID, START, 1.0)
    yield lambda: fp.solve(fp.FokkerPlanck(drift=value, diffusion=0.5), GRID, START, 1.0)
    yield lambda: fp.solve(OU, GRID, START, value)
    yield lambda: fp.solve(DRIVEN, GRID, START, 1.0, max_step=value)


@pytest.mark.parametrize("value", [LARGEST / 2.0, 1e99, 1e-99, LEAST * 2.0])
def test_what_is_allowed_is_answered_or_refused_in_words(value):
    for ask in answers(value):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fp.ResolutionWarning)
            warnings.simplefilter("ignore", fp.ModelWarning)
            said = refusal(ask)
        assert said is None or re.match("`[a-z_0-9]+` must be ", said), said


def test_a_time_of_no_jump_leaves_the_start():
    still = fp.solve(OU, GRID, START, 1e-99)
    np.testing.assert_allclose(still.masses[0], START.masses(GRID) / START.masses(GRID).sum(), rtol=1e-12)
    assert still.stats["error_estimate"] < 1e-12


@pytest.mark.parametrize("index", [0.01, 0.05])
def test_variates_of_small_indices_are_numbers_or_infinite(index):
    from fokkerplanck.simulation.stable_variates import positive_stable, symmetric_stable, waiting_times

    for law in (positive_stable, symmetric_stable, waiting_times):
        drawn = law(np.random.default_rng(0), index, 100_000)
        assert not np.isnan(drawn).any()
        assert np.isfinite(drawn).mean() > 0.1
