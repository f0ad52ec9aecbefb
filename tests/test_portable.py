"""Equations and results travel between processes, with the lambdas that they were asked with."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fokkerplanck as fp

GRID = fp.Grid((-4, 4), 80)
WALL = fp.Grid((-4, 2), 80, boundary=[("reflecting", "absorbing")])
START = fp.gaussian(0.5, 0.3)
ASK = {
    "solution": lambda eq: fp.solve(eq, GRID, START, [0.5, 1.0]),
    "resets": lambda eq: fp.solve(eq, WALL, START, [0.5, 1.0], reset=fp.point(0.0)),
    "source": lambda eq: fp.stationary(eq, WALL, source=lambda x: np.exp(-(x**2))),
    "stationary": lambda eq: fp.stationary(eq, GRID),
    "driven": lambda eq: fp.stationary(
        fp.FokkerPlanck(drift=lambda x, t: np.cos(2 * np.pi * t) - x, diffusion=0.5), GRID, period=1.0
    ),
    "passage": lambda eq: fp.first_passage(eq, GRID, lambda x: x > 1.05),
    "committor": lambda eq: fp.committor(eq, GRID, lambda x: x < -0.95, lambda x: x > 1.05),
    "spectrum": lambda eq: fp.spectrum(eq, GRID, 3),
    "quasipotential": lambda eq: fp.quasipotential(eq, 0.0, GRID),
}


def ornstein_uhlenbeck():
    return fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


@pytest.mark.parametrize("name", ASK)
def test_results_are_pickled_with_their_errors(name):
    result = ASK[name](ornstein_uhlenbeck())
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert type(again) is type(result)
        assert repr(again) == repr(result)
        errors, known = again.error, result.error
        if name == "quasipotential":
            np.testing.assert_array_equal(errors, known)
        else:
            assert len(known) > 0
            for key in known:
                np.testing.assert_array_equal(errors[key], known[key])


def test_a_pickled_passage_still_knows_the_edge_of_its_target():
    passage = ASK["passage"](ornstein_uhlenbeck())
    again = pickle.loads(pickle.dumps(passage))
    assert again.at(1.04) == passage.at(1.04)
    assert again.at(1.06) == 0.0
    assert again.error_at(0.0) == passage.error_at(0.0)


def test_what_is_shared_is_pickled_once():
    solution = fp.solve(ornstein_uhlenbeck(), fp.Grid((-4, 4), 4000), START, np.linspace(0.1, 1, 10), rtol=1e-4)
    once = len(pickle.dumps(solution))  # with those on coarser cells, and what reads the errors off them
    assert len(pickle.dumps([solution, solution])) < 1.01 * once < 8 * solution.density.nbytes


JUMPS = {
    "levy": lambda: fp.LevyJumps(1.5, scale=lambda x: 0.3 + 0.01 * x**2),
    "poisson": lambda: fp.PoissonJumps(lambda x: 1 + x**2, fp.gaussian(0.0, 0.1)),
}
PULLS = {
    "pair": lambda: fp.PairForce(lambda x: -x),
    "mean": lambda: fp.MeanField(lambda x: x**2, lambda x, m: -m * x),
}


@pytest.mark.parametrize("jumps", JUMPS)
def test_equations_of_lambdas_are_pickled(jumps):
    eq = fp.FokkerPlanck(drift=lambda x: -(x**3), diffusion=0.5, jumps=JUMPS[jumps]())
    there = pickle.loads(pickle.dumps(eq))
    np.testing.assert_array_equal(
        fp.stationary(there, GRID, error=False).density, fp.stationary(eq, GRID, error=False).density
    )
    assert type(pickle.loads(pickle.dumps(eq.jumps))) is type(eq.jumps)


@pytest.mark.parametrize("pull", PULLS)
def test_interactions_of_lambdas_are_pickled(pull):
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=PULLS[pull]())
    there, back = (fp.solve(e, GRID, START, [0.5], error=False) for e in (eq, pickle.loads(pickle.dumps(eq))))
    np.testing.assert_array_equal(there.density, back.density)
    assert type(pickle.loads(pickle.dumps(eq.interaction))) is type(eq.interaction)


def test_a_fit_is_pickled_with_its_family():
    runs = fp.simulate(ornstein_uhlenbeck(), 0.0, np.arange(0, 10, 0.5), 0.05, n_paths=20, seed=1)
    fit = fp.fit(runs, lambda k, D: fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D), {"k": 1.0, "D": 1.0})
    again = pickle.loads(pickle.dumps(fit))
    assert repr(again) == repr(fit)

    def spread(eq):
        return fp.stationary(eq, GRID, error=False).covariance()[0, 0]

    assert again.propagate(spread) == fit.propagate(spread)  # which asks the family anew


SCRIPT = """
import concurrent.futures, multiprocessing
import fokkerplanck as fp

def ask(rate):
    eq = fp.FokkerPlanck(drift=lambda x: -rate * x, diffusion=0.5)
    return fp.first_passage(eq, fp.Grid((-4, 4), 80), lambda x: x > 1.05)

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = list(pool.map(ask, [1.0]))[0]
    here = ask(1.0)
    assert there.at(0.0) == here.at(0.0) and there.error_at(0.0) == here.error_at(0.0)
    print("the same")
"""


def test_a_pool_of_processes_hands_results_back(tmp_path):
    script = tmp_path / "ask.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    assert done.stdout == "the same\n", done.stderr
