"""Run files: what they say is what is computed, and each mistake meets its sentence."""

import os
from pathlib import Path

import numpy as np
import pytest
from run_files import relaxation, two_datapoints

import fokkerplanck as fp
from fokkerplanck.errors import ConvergenceError
from fokkerplanck.model.coefficients import Points
from fokkerplanck.storage.csv_columns import read_csv
from fokkerplanck.workflows import run
from fokkerplanck.workflows.deep_linear.spec import is_deep_study
from fokkerplanck.workflows.run import build, compute, table
from fokkerplanck.workflows.run_report import verdicts
from fokkerplanck.workflows.runfile import read_run_file

GOOD = two_datapoints("Test", rate="learning_rate = [0.1, 0.05]\nbatch_size = 1", bounds="[[-1, 2]]", cells="[300]")

FORMULAS = """
[equation]
variables = ["x", "y"]
drift = ["-x - 0.5*y", "-y"]
diffusion = [["0.3 + 0.1*x**2", 0.05], [0.05, 0.2]]
[grid]
bounds = [[-3, 3], [-3, 3]]
cells = [40, 40]
boundary = ["reflecting", ["absorbing", "reflecting"]]
[start]
mean = [0.5, 0]
covariance = [[0.2, 0.05], [0.05, 0.1]]
[output]
times = [0.1, 0.5]
"""


def read(tmp_path, text):
    (tmp_path / "run.toml").write_text(text)
    return read_run_file(tmp_path / "run.toml")


def refusal(tmp_path, text):
    """The sentence with which a run file is refused, on reading or on building."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - each caller checks the sentence
        build(read(tmp_path, text))
    return str(caught.value)


def test_a_landscape_becomes_one_case_a_learning_rate(tmp_path):
    problem = build(read(tmp_path, GOOD))
    assert [case.rate for case in problem.cases] == [0.1, 0.05]
    assert problem.names == ("w",)
    assert problem.grid.shape == (300,)
    w = np.array([0.0, 0.5])
    np.testing.assert_allclose(problem.value(w), [0.5, 0.25])
    np.testing.assert_allclose(problem.cases[0].sgd.drift(w), [0.1, 0.0])


def test_a_run_reports_agreement_and_disagreement(tmp_path):
    problem = build(read(tmp_path, GOOD))
    outcomes = compute(problem)
    tab = table(outcomes)
    assert tab.columns[:4] == ("learning_rate", "t", "model", "axis")
    assert len(tab.rows) == 2 * 2 * 2
    assert list(outcomes[0].solutions["first-order"].times) == [1.0, 20.0]
    assert outcomes[0].curves["first-order"].times.size > 15  # whole steps only
    # an Ornstein-Uhlenbeck process: first order has the variance D / 0.2 = 0.025, SGD 0.1 / (2 (2 - 0.2)) = 0.02777
    late = np.array([row[5 + 1] for row in tab.rows if row[0] == 0.1 and row[1] == 20 and row[2] == "first-order"])
    np.testing.assert_allclose(late, np.sqrt(0.025), rtol=0.01)
    lines = verdicts(outcomes[0], problem.grid)
    assert len(lines) == 2
    assert lines[0].startswith("t = 1: first-order is off by ")
    assert lines[0].endswith(" standard errors in the mean.")


def test_transfer_operators_are_models(tmp_path):
    """SGD on (w - x)^2, x = 0 or 1: m' = m - 2 eta (m - 1/2), V' = (1 - 2 eta)^2 V + eta^2, both chains alike."""
    text = GOOD.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["exact", "gaussian-chain"]')
    problem = build(read(tmp_path, text))
    outcome = compute(problem)[0]
    mean, variance = 0.2, 0.01
    for _ in range(20):
        mean, variance = mean - 0.2 * (mean - 0.5), 0.64 * variance + 0.01
    assert (outcome.curves["exact"].times % 1.0 == 0.0).all()
    for sol in outcome.solutions.values():
        np.testing.assert_allclose(sol.mean()[1], mean, rtol=1e-9)
        np.testing.assert_allclose(sol.covariance()[1], variance, rtol=2e-3)
    # at rest V = 0.01 / 0.36
    np.testing.assert_allclose(outcome.stationary["exact"].covariance(), 0.01 / 0.36, rtol=2e-3)
    sentences = verdicts(outcome, problem.grid)
    assert sum("agrees" in s for s in sentences) == 4


def test_a_model_that_fails_is_left_out_of_several(tmp_path, monkeypatch):
    text = GOOD.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["first-order", "exact"]')

    def fail(*_, **__):
        raise ConvergenceError("the error is too large")

    monkeypatch.setattr(run, "solve", fail)
    outcome = compute(build(read(tmp_path, text)))[0]
    assert list(outcome.solutions) == ["exact"]
    assert outcome.notes == ["first-order is left out: the error is too large"]
    with pytest.raises(ConvergenceError, match="too large"):
        compute(build(read(tmp_path, GOOD)))


def test_settings_of_models(tmp_path):
    models = 'times = [1, 20]\nmodels = ["langevin"]\ntemperature = 0.3'
    eq = build(read(tmp_path, GOOD.replace("times = [1, 20]", models))).cases[0].models["langevin"]
    assert eq.diffusion_at(Points.centers(fp.Grid((0, 1), 3))).ravel()[0] == pytest.approx(0.1 * 0.3)
    bad = GOOD.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["levy"]')
    assert refusal(tmp_path, bad).startswith("`output.stability` must be given for model 'levy'")
    bad = FORMULAS.replace("times = [0.1, 0.5]", 'times = [0.1, 0.5]\nmodels = ["exact"]')
    assert refusal(tmp_path, bad).startswith("`output.models` must be left out of a run with [equation]")


def test_a_coarse_grid_or_a_small_box_is_noted_of_a_transfer_operator(tmp_path):
    text = GOOD.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["exact"]')
    coarse = compute(build(read(tmp_path, text.replace("cells = [300]", "cells = [12]"))))[0]
    assert any(n.startswith("exact: the grid adds a variance of") for n in coarse.notes)
    small = compute(build(read(tmp_path, text.replace("bounds = [[-1, 2]]", "bounds = [[0.1, 0.9]]"))))[0]
    assert any(n.startswith("exact: a path met a reflecting wall") for n in small.notes)
    assert compute(build(read(tmp_path, text)))[0].notes == []


def test_the_same_seed_gives_the_same_table(tmp_path):
    problem = build(read(tmp_path, GOOD))
    assert table(compute(problem)).rows == table(compute(problem)).rows


def test_formulas_make_an_equation(tmp_path):
    problem = build(read(tmp_path, FORMULAS))
    assert problem.grid.boundary == (("reflecting", "reflecting"), ("absorbing", "reflecting"))
    eq = problem.cases[0].models["density"]
    points = Points.centers(problem.grid)
    x, y = points.coords
    np.testing.assert_allclose(eq.drift_at(points), [-x - 0.5 * y, -y])
    np.testing.assert_allclose(eq.diffusion_at(points)[0, 0], 0.3 + 0.1 * x**2)
    (outcome,) = compute(problem)
    assert outcome.ensemble is None
    assert outcome.stationary == {}
    assert outcome.answers[0].endswith("is left in the box.")
    assert outcome.answers[1].startswith("It ends after ")
    assert verdicts(outcome, problem.grid) == []


def test_a_potential_with_a_variable_called_t(tmp_path):
    text = """
    [equation]
    variables = ["t"]
    potential = "t**2/2"
    diffusion = 0.5
    [grid]
    bounds = [-6, 6]
    cells = 200
    [start]
    point = 1
    [output]
    times = 0.5
    """
    (outcome,) = compute(build(read(tmp_path, text)))
    np.testing.assert_allclose(outcome.solutions["density"].mean(), np.exp(-0.5), rtol=1e-3)
    np.testing.assert_allclose(outcome.stationary["density"].covariance(), 0.5, rtol=1e-3)


def test_cell_widths_may_follow_a_formula(tmp_path):
    graded = GOOD.replace("cells = [300]", 'width = "0.01 + 0.02*abs(w - 0.5)"')
    widths = build(read(tmp_path, graded)).grid.widths[0]
    assert widths.min() == pytest.approx(0.01, rel=0.05)
    assert widths.max() == pytest.approx(0.04, rel=0.05)


def test_data_from_a_csv_file(tmp_path):
    (tmp_path / "plants.csv").write_text("# a comment\nwidth,kind\n0.5,0\n1.5,1\n2.5,1\n")
    text = GOOD.replace("{ x = [0, 1] }", '"plants.csv"\ncolumns = { x = "width" }\nwhere = "kind >= 1"')
    np.testing.assert_array_equal(build(read(tmp_path, text)).cases[0].sgd.loss.table, [[1.5], [2.5]])
    text = GOOD.replace("{ x = [0, 1] }", '"plants.csv"').replace("w - x", "w - width")
    np.testing.assert_array_equal(build(read(tmp_path, text)).cases[0].sgd.loss.table, [[0.5], [1.5], [2.5]])


def test_full_batch_and_replacement(tmp_path):
    text = GOOD.replace("batch_size = 1", 'batch_size = "full"\nreplacement = false')
    assert build(read(tmp_path, text)).cases[0].sgd.batch_size is None


MISTAKES = [
    (
        "cells = [300]",
        "cellz = [300]",
        "`grid.cellz` must be one of boundary, bounds, cells, tol, width, got 'cellz'. Did you mean 'cells'?",
    ),
    (
        "[sgd]",
        "[sdg]",
        "`sdg` must be one of equation, grid, landscape, output, reset, sgd, simulation, solver, source, start, study, title, "
        "got 'sdg'. Did you mean 'sgd'?",
    ),
    ("cells = [300]", "cells = [0]", "`grid.cells` must be whole numbers of at least 1, got [0]."),
    (
        "cells = [300]",
        "",
        "`grid.tol` must be given, or `cells`, or in one dimension `width`: one of the three, got none of them. Such as",
    ),
    ("cells = [300]", 'width = "w - 9"', "`grid.width` must be positive and finite between the bounds, got"),
    (
        "bounds = [[-1, 2]]",
        "bounds = [[2, -1]]",
        "`grid.bounds` must be finite with low < high on each axis, got [[2, -1]].",
    ),
    (
        "bounds = [[-1, 2]]",
        "bounds = [[-1, 2], [0, 1]]",
        "`grid.cells` must be one number or 2 numbers, as there are 2 axes, got [300].",
    ),
    (
        "cells = [300]",
        'cells = [300]\nboundary = "reflect"',
        "`grid.boundary` must be one of 'reflecting', 'absorbing', 'periodic', got 'reflect'. Did you mean 'reflecting'?",
    ),
    (
        "learning_rate = [0.1, 0.05]",
        "",
        "`sgd.learning_rate` must be given, got no such key. Write learning_rate = ... under [sgd].",
    ),
    (
        "learning_rate = [0.1, 0.05]",
        "learning_rate = -1",
        "`sgd.learning_rate` must be a positive number, or a list of different ones, got -1.",
    ),
    (
        "learning_rate = [0.1, 0.05]",
        "learning_rate = nan",
        "`sgd.learning_rate` must be a positive number, or a list of different ones, got nan.",
    ),
    (
        "batch_size = 1",
        "batch_size = 1.5",
        '`sgd.batch_size` must be a whole number of at least 1, or "full", got 1.5.',
    ),
    (
        "batch_size = 1",
        "batch_size = 3\nreplacement = false",
        "`sgd.batch_size` must be at most the 2 samples without replacement, got 3.",
    ),
    (
        "times = [1, 20]",
        "times = [20, 1]",
        "`output.times` must be increasing numbers, none below 0, got [20, 1]. Sort them and drop repeats.",
    ),
    ("times = [1, 20]", "times = [1.5]", "`output.times` must be whole numbers of steps, got [1.5]."),
    ("times = [1, 20]", 'times = [1]\nmodels = ["frist-order"]', "`output.models` must be one of "),
    ("deviation = 0.1", "deviation = -0.1", "`start.deviation` must be positive, got -0.1."),
    (
        "deviation = 0.1",
        "",
        "`start` must be mean with deviation or covariance, a point, low with high, a density, or samples, got 'mean'.",
    ),
    (
        'loss = "(w - x)**2"',
        'loss = "(w - z)**2"',
        "`landscape.loss` must be in the names w, x and pi, got 'z' at column 6.",
    ),
    ('loss = "(w - x)**2"', "loss = \"__import__('os')\"", "`landscape.loss` must be made of the functions "),
    (
        'loss = "(w - x)**2"',
        "loss = 3",
        "`landscape.loss` must be a formula, that is a string, got 3. Put it in quotes.",
    ),
    (
        'parameters = ["w"]',
        'parameters = ["x"]',
        "`landscape.data` must be in columns that are not parameters, got 'x' as both.",
    ),
    ("{ x = [0, 1] }", '"missing.csv"', "`landscape.data` must be a file in "),
    (
        "{ x = [0, 1] }",
        '"../outside.csv"',
        "`landscape.data` must be a file below the run file's folder, got '../outside.csv'. Copy it there.",
    ),
    (
        "{ x = [0, 1] }",
        '"/etc/passwd"',
        "`landscape.data` must be a file below the run file's folder, got '/etc/passwd'.",
    ),
    (
        "{ x = [0, 1] }",
        "{ x = [0, inf] }",
        "`landscape.data` must be columns such as { x = [0, 1] }, or the name of a CSV file, got",
    ),
    ("paths = 2000", "paths = 1", "`simulation.paths` must be a whole number of at least 2, got 1."),
    (
        "[simulation]",
        "[equation]\nvariables = ['w']\n[simulation]",
        "`landscape` must be given, or [equation] instead of it, got 'both'.",
    ),
    ("[simulation]", "[[simulation]]", "`simulation` must be a table [simulation], got"),
    (
        "[start]",
        "[initial]",
        "`initial` must be one of equation, grid, landscape, output, reset, sgd, simulation, solver, source, start, study, "
        "title, got 'initial'. Did you mean 'start'?",
    ),
    (
        "batch_size = 1",
        "eta = 1",
        "`sgd.eta` must be one of batch_size, langevin_temperature, learning_rate, momentum, replacement, "
        "schedule, shuffle, weight_decay, got 'eta'. Did you mean 'learning_rate'?",
    ),
    (
        "times = [1, 20]",
        'times = [1, 20]\nmodels = ["exat"]',
        "`output.models` must be one of 'first-order', 'second-order', 'langevin', 'levy', 'subdiffusive', 'momentum', "
        "'shuffled', 'swarm', 'refined', 'exact', 'gaussian-chain', got 'exat'. Did you mean 'exact'?",
    ),
    ("times = [1, 20]", "times = ", "`FILE` must be valid TOML, got Invalid value (at line "),
    ("times = [1, 20]", "times = ", "`FILE` must be valid TOML, got "),
]


@pytest.mark.parametrize(("good", "bad", "sentence"), MISTAKES)
def test_each_mistake_meets_its_sentence(tmp_path, good, bad, sentence):
    assert good in GOOD
    assert refusal(tmp_path, GOOD.replace(good, bad)).startswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a = " + b"[" * 5000 + b"]" * 5000, "`FILE` must be nested less deeply"),
        (b"a = " + b"9" * 5000, "`FILE` must be valid TOML"),
        (b"\xff\xfe", "`FILE` must be a text file in UTF-8"),
        (b"a = 1\x00", "`FILE` must be valid TOML"),
    ],
)
def test_hostile_files(tmp_path, content, sentence):
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read_run_file(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"x\n\xff\n", "a text file in UTF-8"),
        (b"x\n" + b"1" * 200_000, "a CSV file, got d.csv with an error: field larger"),
    ],
)
def test_hostile_csv_files(tmp_path, content, sentence):
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"`landscape.data` must be {sentence}"):
        dict(read_csv(tmp_path / "d.csv"))


def test_mistakes_in_equations(tmp_path):
    assert refusal(tmp_path, FORMULAS + "[sgd]\nlearning_rate = 1").startswith(
        "`sgd` must be left out of a run with [equation]"
    )
    assert refusal(tmp_path, FORMULAS.replace('"-y"]', '"-z"]')).startswith(
        "`equation.drift` must be in the names x, y and pi, got 'z'"
    )
    bad = FORMULAS.replace("[grid]", 'convention = "itho"\n[grid]')
    assert refusal(tmp_path, bad).startswith("`equation.convention` must be 'ito', ")
    three = FORMULAS.replace('["x", "y"]', '["x", "y", "z"]')
    assert refusal(tmp_path, three).startswith("`grid.bounds` must be 3 pair(s), one for each of x, y, z, got")


def test_a_drift_that_blows_up_is_blamed_on_its_formula(tmp_path):
    problem = build(read(tmp_path, FORMULAS.replace('"-y"]', '"log(y)"]')))
    with pytest.raises(ValueError, match=r"^`equation\.drift` must be finite everywhere on the grid, got nan at "):
        compute(problem)


def test_an_indefinite_diffusion_is_blamed_on_its_formula(tmp_path):
    problem = build(read(tmp_path, FORMULAS.replace("0.05], [0.05, 0.2]]", "9.0], [9.0, 0.2]]")))
    with pytest.raises(ValueError, match=r"^`equation\.diffusion` must be positive semidefinite"):
        compute(problem)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.csv").write_text("x\n1\n")
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert "below the run file's folder" in refusal(tmp_path / "in", GOOD.replace("{ x = [0, 1] }", '"link.csv"'))


CSV_MISTAKES = [
    ("a,b\n1,2\n3\n", "`landscape.data` must be 2 columns wide, got 1 in line 3. d.csv has them in its header."),
    (
        "a,b\n1,x\n",
        "`landscape.data` must be finite numbers throughout, got 'x' in the column 'b', line 2 of d.csv. Code words",
    ),
    ("a,b\n1,\n", "`landscape.data` must be finite numbers throughout, got '' in the column 'b', line 2 of d.csv."),
    ("a,b\n", "`landscape.data` must be a CSV file with a header and rows, got 'd.csv'."),
]


@pytest.mark.parametrize(("content", "sentence"), CSV_MISTAKES)
def test_csv_mistakes(tmp_path, content, sentence):
    (tmp_path / "d.csv").write_text(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        dict(read_csv(tmp_path / "d.csv"))
    assert str(caught.value).startswith(sentence)


def test_columns_and_conditions_that_do_not_fit(tmp_path):
    (tmp_path / "d.csv").write_text("width,kind\n1,0\n")
    data = '"d.csv"\ncolumns = { x = "widht" }'
    assert "got 'widht'. Did you mean 'width'?" in refusal(tmp_path, GOOD.replace("{ x = [0, 1] }", data))
    data = '"d.csv"\nwhere = "kind > 5"'
    assert "`landscape.where` must be true for some rows" in refusal(tmp_path, GOOD.replace("{ x = [0, 1] }", data))
    assert refusal(tmp_path, GOOD.replace("{ x = [0, 1] }", '"d.csv"')) == (
        "`landscape.data` must be a file with the columns x that the loss needs, got columns width, kind in d.csv. "
        'Say which are meant: columns = { x = "width" }.'
    )
    data = '{ x = [0, 1] }\nwhere = "x > 5"'
    assert "`landscape.where` must be left out" in refusal(tmp_path, GOOD.replace("{ x = [0, 1] }", data))


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(ValueError, match=r"^`FILE` must be an existing run file, got .*fokkerplanck init FILE\.toml"):
        read_run_file(tmp_path / "no.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"^`FILE` must be a text file in UTF-8"):
        read_run_file(tmp_path / "binary.toml")


def test_columns_that_nobody_asks_for_may_hold_text(tmp_path):
    (tmp_path / "d.csv").write_text("plant name,x,kind,note\niris,0.5,1,a\nrose,1.5,2,b\n")
    plain = read(tmp_path, GOOD.replace("{ x = [0, 1] }", '"d.csv"'))
    np.testing.assert_array_equal(plain.data()["x"], [0.5, 1.5])
    chosen = read(tmp_path, GOOD.replace("{ x = [0, 1] }", '"d.csv"\nwhere = "kind > 1"'))
    np.testing.assert_array_equal(chosen.data()["x"], [1.5])
    said = refusal(tmp_path, GOOD.replace("{ x = [0, 1] }", '"d.csv"\nwhere = "note > 1"'))
    assert said.startswith(
        "`landscape.data` must be finite numbers throughout, got 'a' in the column 'note', line 2 of d.csv."
    )


@pytest.mark.parametrize(
    "change",
    [
        ("x = [0, 1]", f"x = [0, {10**400}]"),
        ("[300]", f"[{10**400}]"),
        ("[[-1, 2]]", f"[[-1, {10**400}]]"),
        ("paths = 2000", f"paths = {10**400}"),
        ("[0.1, 0.05]", f"[0.1, {10**400}]"),
        ("[1, 20]", f"[1, {10**400}]"),
        ("batch_size = 1", f"batch_size = {10**400}"),
        ('"(w - x)**2"', f'"{10**400}*w*x"'),
    ],
)
def test_numbers_of_hundreds_of_digits_are_refused_in_a_sentence(tmp_path, change):
    assert change[0] in GOOD
    said = refusal(tmp_path, GOOD.replace(*change))
    assert said.startswith("`")
    assert len(said) < 300


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    for path in (tmp_path / "pipe.toml", "/dev/zero", tmp_path / "loop.toml", tmp_path / "a\0b", tmp_path):
        with pytest.raises(ValueError, match="`FILE` must be an existing run file"):
            read_run_file(path)
        assert not is_deep_study(Path(path))


def test_a_tolerance_chooses_the_cells(tmp_path):
    """The measured error of the densities is then within it; without one, of 64 cells, it is not."""
    text = relaxation().replace("cells = [40]", "tol = 2e-3").replace("diffusion = 0.5", "diffusion = 0.02")
    problem = build(read(tmp_path, text))
    assert problem.grid.size > 64
    found = compute(problem)[0].solutions["density"]
    assert 0.0 < found.error["density"].max() < 2e-3
    with pytest.raises(ValueError, match=r"`grid.tol` must be given, or .* got tol and cells"):
        read(tmp_path, text.replace("tol = 2e-3", "tol = 2e-3\ncells = 100"))
    with pytest.raises(ValueError, match=r"`grid.tol` must be a number above 0 and below 1, got 2"):
        read(tmp_path, text.replace("2e-3", "2"))
    with pytest.raises(ValueError, match=r"`grid.tol` must be within reach, got 1e-11"):
        build(read(tmp_path, text.replace("2e-3", "1e-11")))
