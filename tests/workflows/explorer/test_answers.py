"""Answers of the explorer are those of `fokkerplanck run`."""

import csv
import io
import math
import tomllib

import numpy as np
import pytest
from run_files import relaxation, two_datapoints

from fokkerplanck.workflows.explorer.answers import answer
from fokkerplanck.workflows.explorer.state import State
from fokkerplanck.workflows.run import build, compute
from fokkerplanck.workflows.run_report import verdicts

OUTPUT = 'times = [1, 20]\nmodels = ["first-order", "exact"]\ntarget = "w > 0.6"\nshares = ["w > 0.5"]'
BOTH = two_datapoints().replace("times = [1, 20]", OUTPUT)


@pytest.fixture(scope="module", params=[BOTH, relaxation()], ids=["SGD", "equation"])
def both(request):
    """The explorer's answers, and the outcome of the run of the run file that it exports."""
    answers = answer(State.of(tomllib.loads(request.param)))
    problem = build(State.of(tomllib.loads(answers.state.toml())).run_file)
    (outcome,) = compute(problem)
    return answers, problem, outcome


def test_densities_and_their_errors_are_those_of_a_run(both):
    answers, problem, outcome = both
    for k, time in enumerate(problem.spec.output.times):
        frame = answers.frame(time)
        assert frame.time == time
        for model, sol in outcome.solutions.items():
            assert np.abs(frame.densities[model] - sol.density[k]).max() < 1e-7 * sol.density[k].max()
            assert frame.errors[model] == pytest.approx(sol.error["density"][k], rel=0.01)


def test_the_simulation_is_that_of_a_run(both):
    answers, problem, outcome = both
    if outcome.ensemble is None:
        assert all("SGD" not in frame.densities for frame in answers.frames)
        return
    counted = outcome.ensemble.density(problem.grid)
    for k, time in enumerate(problem.spec.output.times):
        assert np.array_equal(answers.frame(time).densities["SGD"], counted[k])


def test_verdicts_and_moments_are_those_of_a_run(both):
    answers, problem, outcome = both
    times = problem.spec.output.times
    assert [s for t in times for s in answers.frame(t).verdict] == verdicts(outcome, problem.grid)
    columns = outcome.comparison.columns
    rows = [dict(zip(columns, row, strict=True)) for row in outcome.comparison.rows]
    shown = [row for t in times for row in answers.frame(t).moments]
    for mine, theirs in zip(shown, rows, strict=True):
        assert mine["model"] == theirs["model"]
        assert mine["mean"] == pytest.approx(theirs["mean"], rel=1e-7, abs=1e-9)
        assert mine["deviation"] == pytest.approx(theirs["deviation"], rel=1e-7)


def test_rest_and_escape_are_those_of_a_run(both):
    answers, _, outcome = both
    assert list(answers.sentences) == outcome.answers
    assert answers.stationary.keys() == outcome.stationary.keys()
    for model, found in outcome.stationary.items():
        assert np.array_equal(answers.stationary[model], found.density)
    if answers.state.rate is not None:
        assert any("w > 0.6 is reached by exact after" in s for s in answers.sentences)


def test_a_quadratic_against_its_exact_law():
    """dX = -X dt + dW from a normal: mean exp(-t) and variance 1/2 + (s^2 - 1/2) exp(-2t) at every frame."""
    answers = answer(State.of(tomllib.loads(relaxation(cells=200))))
    for frame in answers.frames:
        (row,) = frame.moments
        assert row["mean"] == pytest.approx(math.exp(-frame.time), abs=1e-3)
        exact = 0.5 + (0.09 - 0.5) * math.exp(-2.0 * frame.time)
        assert row["deviation"] ** 2 == pytest.approx(exact, rel=3e-3)


def test_the_data_hold_every_frame(both):
    answers, _, _ = both
    rows = list(csv.DictReader(io.StringIO(answers.csv())))
    name, cells = answers.names[0], answers.grid.size
    assert len(rows) == cells * (len(answers.frames) + 1)
    model = answers.state.models[0]
    for k, frame in enumerate(answers.frames):
        here = rows[k * cells : (k + 1) * cells]
        assert {float(row["t"]) for row in here} == {frame.time}
        assert [float(row[model]) for row in here] == frame.densities[model].tolist()
        assert [float(row[name]) for row in here] == answers.grid.centers[0].tolist()
    assert {row["t"] for row in rows[-cells:]} == {"inf"}
    assert [float(row[model]) for row in rows[-cells:]] == answers.stationary[model].tolist()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("(w - x)**", "`landscape.loss`"),
        ("(w - y)**2", "`landscape.loss`"),
        ("__import__('os')", "`landscape.loss`"),
        ("(w - x)**2; 1", "`landscape.loss`"),
    ],
)
def test_a_bad_formula_is_answered_by_its_sentence(loss, message):
    with pytest.raises(ValueError, match=message):
        answer(State.of(tomllib.loads(two_datapoints(loss=loss))).preview)


def test_sgd_that_diverges_is_said_to():
    """(w - x)^2 at learning rate 1.5 multiplies w by -2 a step: the runs overflow one after another, and none agrees."""
    state = State.of(tomllib.loads(two_datapoints(rate="learning_rate = 1.5").replace("[1, 20]", "[10, 2000]")))
    answers = answer(state)
    assert any("100.00% of the runs of SGD have diverged" in s for s in answers.frames[-1].verdict)
    late = [frame for frame in answers.frames if frame.time > 600]
    assert late
    assert not any("agrees" in s for frame in late for s in frame.verdict)
    assert all(row["z_mean"] is None for row in answers.frames[-1].moments)
