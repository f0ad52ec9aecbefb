"""Verdicts tell apart: the model, its grid, its sampled batches, its box, and divergence of SGD itself."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.results.stats import SolutionStats
from fokkerplanck.workflows.outcome import Case, Outcome
from fokkerplanck.workflows.run import build, compute
from fokkerplanck.workflows.run_report import Gap, _verdict, verdicts
from fokkerplanck.workflows.runfile import read_run_file

PARABOLA = fp.SampleLoss("(w - x)**2 / 2", ["w"], {"x": [-1.0, 1.0]})


def outcome(sgd, solutions, ensemble):
    table = fp.compare({**solutions, "SGD": ensemble}, reference="SGD", distances=())
    return Outcome(Case(sgd.learning_rate, dict.fromkeys(solutions), sgd), solutions, {}, ensemble, comparison=table)


def said(gaps, stats=None):
    return _verdict(gaps, 3.0, SolutionStats(**(stats or {})))


def test_a_model_that_is_off_has_no_other_reason():
    assert said([Gap(31.0, 30.0, "deviation", 0, "sampling")]) == "is off by 30 standard errors in the deviation."


def test_differences_within_its_own_error_are_those_of_the_grid_or_the_batches():
    for source, word in (("grid", "its grid"), ("batches", "its sampled batches")):
        text = said([Gap(31.0, 2.0, "deviation", 0, source), Gap(1.0, 0.5, "mean", 0, source)])
        assert text.startswith("cannot be told from SGD: its deviation is off by 31 standard errors of the simulation")
        assert word in text


def test_a_box_that_paths_meet_is_the_reason():
    assert "by its box" in said([Gap(31.0, 31.0, "mean", 0, "sampling")], {"clamped": 0.4})


def test_agreement():
    assert said([Gap(1.0, 1.0, "mean", 0, "sampling")]) == "agrees with SGD within 3 standard errors."


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning", "ignore:.*paths diverged:RuntimeWarning")
def test_diverged_runs_are_said_and_not_compared():
    sgd = fp.SGD(PARABOLA, 2.5)
    grid, start, steps = fp.Grid((-5, 5), 200), fp.gaussian(0, 0.3), [1, 200]
    exact = sgd.transfer_operator(grid).evolve(start, steps)
    paths = sgd.simulate(start, steps, n_paths=500)
    assert np.isfinite(paths.positions).all()
    assert paths.diverged_at(1.0) == 0.0
    sentences = verdicts(outcome(sgd, {"exact": exact}, paths), grid)
    assert sentences[-1] == "t = 200: 100.00% of the runs of SGD have diverged. There is nothing to compare with."
    assert sentences[0].startswith("t = 1: exact")


def test_errors_of_a_run_are_those_of_its_output_times(tmp_path):
    """Densities between the output times are computed for curves: their errors are not those of the table."""
    (tmp_path / "run.toml").write_text(
        '[equation]\nvariables = ["x"]\ndrift = "-x"\ndiffusion = 0.5\n[grid]\nbounds = [-6, 6]\ncells = 64\n'
        "[start]\nmean = 2.0\ndeviation = 0.4\n[output]\ntimes = [0.5, 2.0]\n"
    )
    (outcome,) = compute(build(read_run_file(tmp_path / "run.toml")))
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    direct = fp.solve(eq, fp.Grid((-6, 6), 64), fp.gaussian(2.0, 0.4), [0.5, 2.0])
    (solution,) = outcome.solutions.values()
    for name in ("density", "mean", "covariance"):
        assert solution.error[name] == pytest.approx(direct.error[name], rel=1e-2)
    errors = [row[outcome.comparison.columns.index("se_mean")] for row in outcome.comparison.rows]
    assert errors == pytest.approx(direct.error["mean"][:, 0], rel=1e-2)


@pytest.mark.parametrize("cells", [2, 5])
def test_a_grid_whose_error_is_not_known_is_no_verdict_on_the_model(cells):
    """With 2 cells the model was called off by 129 standard errors."""
    sgd = fp.SGD(PARABOLA, 0.1, batch_size=1)
    start = fp.gaussian(0.5, 0.2)
    coarse = fp.Grid((-3, 3), cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        solution = fp.solve(sgd.equation(), coarse, start, [5.0])
    found = verdicts(outcome(sgd, {"first-order": solution}, sgd.simulate(start, [5], n_paths=200, seed=0)), coarse)
    assert len(found) == 1
    assert "first-order cannot be compared with SGD: its deviation is off by" in found[0]
    assert "its own error is not known (grid error not measured: an axis has fewer than 16 cells)" in found[0]
