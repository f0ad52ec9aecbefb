"""What [sgd] of a run file says reaches SGD, its operator and its models."""

import numpy as np
import pytest
from run_files import two_datapoints

from fokkerplanck.workflows.run import build, compute
from fokkerplanck.workflows.run_report import verdicts
from fokkerplanck.workflows.runfile import read_run_file
from fokkerplanck.workflows.sweep import _descent

SETTINGS = {
    "momentum": 0.8,
    "shuffle": True,
    "weight_decay": 0.5,
    "schedule": "1/(1 + t/10)",
    "langevin_temperature": 0.02,
}


def problem_of(tmp_path, *lines, models="exact", times="[2, 20]", **parts):
    rate = "\n".join(["learning_rate = 0.05", *lines])
    text = two_datapoints(rate=rate, **parts).replace("[1, 20]", f'{times}\nmodels = ["{models}"]')
    (tmp_path / "run.toml").write_text(text)
    return build(read_run_file(tmp_path / "run.toml"))


@pytest.mark.parametrize("name", ["shuffle", "weight_decay", "schedule", "langevin_temperature"])
@pytest.mark.filterwarnings("ignore:the grid adds")
def test_settings_reach_the_operator_and_the_simulation(tmp_path, name):
    value = SETTINGS[name]
    written = {True: "true"}.get(value, repr(value)) if not isinstance(value, str) else f'"{value}"'
    problem = problem_of(tmp_path, f"{name} = {written}", cells="400")
    sgd = problem.cases[0].sgd
    assert getattr(sgd, name) == value or getattr(sgd, name).text == value
    assert repr(_descent(problem, problem.spec, 0.05, 1)) == repr(sgd)
    outcome = compute(problem)[0]
    assert all("agrees" in line or "cannot be told" in line for line in verdicts(outcome, problem.grid))
    plain = compute(problem_of(tmp_path, cells="400"))[0]
    apart = outcome.solutions["exact"].density[-1] - plain.solutions["exact"].density[-1]
    assert np.abs(apart).max() > 0.1


def test_momentum_has_axes_for_velocities(tmp_path):
    """By the means of the linear map (w, v): 20 steps of heavy ball on (w - 1/2)^2."""
    parts = {"bounds": "[[-1, 2], [-1, 1]]", "cells": "[60, 60]", "paths": "paths = 2000"}
    text = two_datapoints(rate="learning_rate = 0.05\nmomentum = 0.8", **parts)
    text = text.replace("mean = 0.2\ndeviation = 0.1", "mean = [0.2, 0.0]\ndeviation = 0.1")
    (tmp_path / "run.toml").write_text(text.replace("[1, 20]", '[20]\nmodels = ["exact"]'))
    problem = build(read_run_file(tmp_path / "run.toml"))
    assert problem.names == ("w", "v_w")
    outcome = compute(problem)[0]
    w, v = 0.2, 0.0
    for _ in range(20):
        v = 0.8 * v - 0.05 * 2 * (w - 0.5)
        w += v
    np.testing.assert_allclose(outcome.solutions["exact"].mean()[0], [w, v], atol=2e-3)
    np.testing.assert_allclose(problem.value(0.5, 7.0), 0.25)
    assert outcome.case.noise.settings["model"] == "momentum"


def test_times_within_an_epoch_are_refused(tmp_path):
    problem = problem_of(tmp_path, "shuffle = true", times="[1, 20]")
    with pytest.raises(
        ValueError, match=r"`output.times` must be multiples of the 2 steps of an epoch, got \(1.0, 20.0\)"
    ):
        compute(problem)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("momentum = 1.0", "`sgd.momentum` must be a number from 0 to below 1"),
        ("shuffle = 1", "`sgd.shuffle` must be true or false"),
        ("weight_decay = -1", "`sgd.weight_decay` must be a number not below 0"),
        ('schedule = "1/(1+s)"', "`sgd.schedule` must be in the names t"),
        ("langevin_temperature = -1", "`sgd.langevin_temperature` must be a number not below 0"),
    ],
)
def test_mistakes(tmp_path, line, sentence):
    with pytest.raises(ValueError, match=sentence):
        problem_of(tmp_path, line)


@pytest.mark.filterwarnings("ignore:the grid adds")
def test_what_models_of_shuffled_sgd_say_is_a_note_of_the_run(tmp_path):
    """And nothing where only the operator was asked for, though pictures and grids read the model of first order."""
    problem = problem_of(tmp_path, "shuffle = true", models="first-order")
    assert compute(problem)[0].notes[0].startswith("first-order: SGD with shuffle=True sees every sample once")
    silent = problem_of(tmp_path, "shuffle = true").cases[0]  # warnings are errors here
    assert silent.notes == ()
    assert silent.noise.settings["model"] == "first-order"
