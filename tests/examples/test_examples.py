"""The examples run, at smaller sizes through the same code, and say what their comments promise."""

import importlib.util

import numpy as np
import pytest
from paths import EXAMPLES
from PIL import Image
from scipy.special import erf

from fokkerplanck.storage.csv_columns import read_csv
from fokkerplanck.workflows.deep_linear import read_deep_study, run_deep_study
from fokkerplanck.workflows.networks import read_network_study, run_network_study
from fokkerplanck.workflows.run import build, compute, table, write
from fokkerplanck.workflows.run_report import verdicts
from fokkerplanck.workflows.runfile import read_run_file


def script(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small(name, **changes):
    """A run file of the examples with some settings made smaller."""
    run = read_run_file(EXAMPLES / f"{name}.toml")
    spec = run.spec
    for section, update in changes.items():
        part = getattr(spec, section).model_copy(update=update)
        spec = spec.model_copy(update={section: part})
    return type(run)(run.path, spec)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_two_datapoints_script(tmp_path, capsys):
    tables = script("two_datapoints").main(cells=800, n_paths=2000, picture=tmp_path / "a.png")
    assert set(tables) == {0.02, 0.005}
    assert "learning rate 0.02" in capsys.readouterr().out
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10
    z = {rate: [abs(z) for z in tab.column("z_mean") if z is not None] for rate, tab in tables.items()}
    assert max(z[0.02]) > 20 * max(z[0.005])


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # fewer cells than the example has
def test_escape_from_the_pit_script(tmp_path):
    table, seen = script("escape_from_the_pit").main([0.005, 0.02], cells=800, n_paths=2000, picture=tmp_path / "a.png")
    assert list(seen) == [0.02]
    mean, error = seen[0.02]
    assert abs(mean - table[0.02]["SGD"]) < 5 * error + 0.01 * mean
    assert 3 < table[0.02]["first-order"] / table[0.02]["SGD"] < 5
    assert table[0.005]["SGD"] > 1e4 * table[0.005]["first-order"]
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # fewer cells than the example has
def test_wide_and_narrow_script(tmp_path):
    ratios, error, level, slopes = script("wide_and_narrow").main(500, n_paths=2000, picture=tmp_path / "a.png")
    assert ratios["ito, solved"] == pytest.approx(ratios["Ito, by quadrature"], rel=0.02)
    assert abs(ratios["SGD, simulated"] - ratios["SGD, exact operator"]) < 5 * error
    assert abs(ratios["klimontovich, solved"] - ratios["SGD, simulated"]) > 5 * error
    np.testing.assert_allclose(level, level[0], rtol=1e-10)
    np.testing.assert_allclose(slopes[:, 0], 2.0 * np.linspace(1.0, 2.0, 5) ** 2, rtol=0.02)
    assert slopes[-1, 0] / slopes[0, 0] == pytest.approx(4.0, rel=0.02), "doubling the width"
    np.testing.assert_allclose(slopes[:, 1], slopes[:, 0], rtol=0.05)
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


def test_swarm_script(tmp_path):
    strengths = (0.0, 0.002, 0.008)
    rows = script("swarm").main(80, n_workers=400, n_swarms=6, strengths=strengths, picture=tmp_path / "a.png")
    shares = [rows[k][0] for k in strengths]
    assert shares[0] < 0.92 < shares[1] - 0.02 < shares[2] - 0.04, "the coupling empties the minimum of high noise"
    for computed, simulated, error, distance in rows.values():
        assert abs(simulated - computed) < 5 * error + 0.015
        assert distance < 0.06
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_saddle_escape_script(tmp_path):
    """Within 4 standard errors, and 0.03 for the grid and for looking after whole steps only; the noises are 0.4 apart."""
    noises = {"Gaussian": 2.0, "Levy": 1.5}
    curves = script("saddle_escape").main(cells=40, n_paths=2000, noises=noises, picture=tmp_path / "a.png")
    for computed, simulated, error in curves.values():
        assert (np.abs(computed - simulated) < 4 * error + 0.03).all()
    assert (curves["Gaussian"][0] - curves["Levy"][0]).max() > 0.3
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_momentum_script(tmp_path):
    table = script("momentum").main((0.5, 0.9), cells=(192, 90), n_paths=4000, picture=tmp_path / "a.png")
    for _, *row in table:
        exact, seen, limit, grid, by_hand = np.reshape(row, (5, 2))
        np.testing.assert_allclose(seen, exact, rtol=5 * np.sqrt(2 / 4000))
        np.testing.assert_allclose(limit, by_hand, rtol=0.01)
        assert grid[0] > 1.04 * by_hand[0], "what is taken off"
    assert table[0, 10] / table[0, 2] < 0.75, "at m = 0.5 the equation's velocities are a quarter too small"
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


def test_degenerate_minima_script(tmp_path):
    """Paths within 5 standard errors, and 0.03 for the diffusion where it holds; where it fails it is off by 0.4."""
    found = script("degenerate_minima").main([0.33], 240, n_paths=500, time=800, picture=tmp_path / "a.png")
    for rows in found.values():
        assert (np.abs(rows["operator"] - rows["simulated"]) < 5 * rows["error"] + 0.02).all()
    assert found[0.1]["operator"][0, 2] > found[0.1]["Ito"][0, 2] + 0.3, "SGD sticks to the flattest"
    np.testing.assert_allclose(found[0.02]["operator"], found[0.02]["Ito"], atol=0.04)
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


def test_diode_resistor_script(tmp_path, capsys):
    curves, power = script("diode_resistor").main([0.25, 1.0, 4.0], cells=300, picture=tmp_path / "out" / "a.png")
    cold, equal, hot = curves["klimontovich"]
    assert cold < -0.1
    assert abs(equal) < 1e-12, "a mean voltage at one temperature"
    assert hot > 0.3
    assert max(curves["stratonovich"]) < -0.1
    assert max(curves["ito"]) < -0.3
    assert power["klimontovich"] < -1e-4
    assert min(power["stratonovich"], power["ito"]) > 1e-3
    assert capsys.readouterr().out.count("T1 = T2: mean voltage") == 3
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.parametrize(("convention", "alpha"), [("ito", 0.0), ("stratonovich", 0.5), ("klimontovich", 1.0)])
@pytest.mark.parametrize("t1", [0.25, 1.0, 4.0])
def test_diode_resistor_against_the_closed_form(convention, alpha, t1):
    # p ~ D^(alpha - 1) exp(int drift / D): half of a Gaussian on each side of the jump, in cells by the error function
    example = script("diode_resistor")
    errors = []
    for cells in (300, 600):
        result = example.rest(convention, t1, cells=cells)
        edges = result.grid.edges[0]
        want = np.zeros(cells)
        for g, side in ((example.REVERSE, edges[1:] < 1e-9), (example.FORWARD, edges[:-1] > -1e-9)):
            d, slope = t1 * g + example.RESISTOR, g + example.RESISTOR
            primitive = np.sqrt(d / slope) * erf(edges * np.sqrt(slope / (2.0 * d)))
            want[side] = d ** (alpha - 1.0) * np.diff(primitive)[side]
        want /= want.sum()
        errors.append(np.abs(result.masses - want).sum())
        assert result.masses[cells // 2 :].sum() == pytest.approx(example.by_hand(alpha, t1)[1], abs=2e-4)
        assert result.mean()[0] == pytest.approx(example.by_hand(alpha, t1)[0], abs=1e-3)  # conventions: 0.1 apart
        assert result.mean()[0] == pytest.approx(want @ result.grid.centers[0], abs=1e-3)
    assert errors[1] < 2e-4
    assert errors[1] < 0.3 * errors[0], "second order, jump or not"


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_iris_script(tmp_path):
    stationary, comparison = script("iris").main(cells=64, n_paths=1000, picture=tmp_path / "a.png")
    assert not stationary.is_equilibrium
    last = [row for row in comparison.rows if row[0] == 1000 and row[1] == "SGD"]
    np.testing.assert_allclose(stationary.mean(), [row[3] for row in last], atol=0.05)
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_autodiff_script(capsys):
    example = script("autodiff_gradient")
    table = example.main("none", cells=50, n_paths=2000)
    assert "gradient written by hand" in capsys.readouterr().out
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    exact = [row for row in rows if row["model"] == "exact" and row["axis"] != "all"]
    assert max(abs(row["z_mean"]) for row in exact) < 5
    theta = np.random.default_rng(0).normal(size=(2, 4))
    (bend,) = (np.tanh(theta[0] * example.DATA["x"]),)
    np.testing.assert_allclose(example.by_hand(theta, example.DATA)[1], bend + theta[1] - example.DATA["y"])
    for name, make in (("jax", example.by_jax), ("torch", example.by_torch)):
        if importlib.util.find_spec(name):
            np.testing.assert_allclose(make()(theta, example.DATA), example.by_hand(theta, example.DATA), rtol=1e-12)


def test_two_datapoints_run_file(tmp_path):
    run = small("two_datapoints", grid={"cells": [1000]}, simulation={"paths": 4000, "seed": 0})
    problem = build(run)
    outcomes = compute(problem)
    fast, slow = (verdicts(outcome, problem.grid) for outcome in outcomes)
    times = [10, 50, 100, 200, 500, 1000]
    assert [line.split(":")[0] for line in fast] == [f"t = {t}" for t in times]
    assert "is off by" in fast[-1]
    assert all("agrees" in line for line in (slow[0], slow[2], slow[-1]))
    write(problem, outcomes, table(outcomes), tmp_path / "out", lambda text, share: None)
    assert len(list((tmp_path / "out").iterdir())) == 14
    answers = (tmp_path / "out" / "answers.txt").read_text(encoding="utf-8")
    assert answers.startswith("Learning rate 0.02: At rest by first-order w has mean 2.00")
    # all of it ends in the valley at w = 2, whose noise is nothing: a point mass
    assert abs(outcomes[0].stationary["first-order"].mean()[0] - 2.0) < 3 * problem.grid.widths[0][0]


def test_iris_run_file(tmp_path):
    run = small("iris", grid={"cells": [72, 80]}, simulation={"paths": 2000, "seed": 0})
    problem = build(run)
    (outcome,) = compute(problem)
    assert outcome.ensemble.n_paths == 2000
    sol = outcome.solutions["first-order"]
    assert np.abs(sol.mass - 1.0).max() < 1e-6
    walls = [sol.masses[:, :2], sol.masses[:, -2:], sol.masses[:, :, :2], sol.masses[:, :, -2:]]
    assert max(wall.sum(axis=(1, 2)).max() for wall in walls) < 1e-6, "the box is too small"
    write(problem, [outcome], table([outcome]), tmp_path / "out", lambda text, share: None)
    assert len(list((tmp_path / "out").iterdir())) == 9


def test_iris_data_are_fishers():
    columns = read_csv(EXAMPLES / "iris.csv")
    assert {name: values.size for name, values in columns.items()} == dict.fromkeys(columns, 150)
    # Fisher (1936), table 1 and 2: sample means of versicolor and virginica, sepal and petal
    versicolor = [columns[c][columns["species"] == 1].mean() for c in list(columns)[:4]]
    virginica = [columns[c][columns["species"] == 2].mean() for c in list(columns)[:4]]
    np.testing.assert_allclose(versicolor, [5.936, 2.770, 4.260, 1.326], atol=5e-4)
    np.testing.assert_allclose(virginica, [6.588, 2.974, 5.552, 2.026], atol=5e-4)


def test_iris_optimum_is_the_maximum_likelihood():
    problem = build(read_run_file(EXAMPLES / "iris.toml"))
    loss = problem.cases[0].sgd.loss
    theta = np.array([-1.0, 4.0])
    for _ in range(30):
        theta = theta - np.linalg.solve(loss.hessian(*theta), loss.gradient(*theta))
    assert np.abs(loss.gradient(*theta)).max() < 1e-12
    # the loss there, found beside with scipy.optimize on the raw data: 0.1671040
    assert loss.value(*theta) == pytest.approx(0.1671040, abs=1e-6)


def test_deep_linear_modes_script(tmp_path):
    times = script("deep_linear_modes").main(points=31, picture=tmp_path / "a.png")
    for passage, mean, error in times.values():
        assert abs(mean - passage) < 4 * error + 0.01 * passage
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 10


def test_mode_equation_check_script(capsys):
    results = script("mode_equation_check").main(scale=0.5)
    sizes = {name: np.abs(mean - equation) / error for name, (mean, error, equation, _) in results.items()}
    # 28 entries at 4.5 standard errors, with room for second order: false alarm below 1e-3
    for mean, error, _, predicted in results.values():
        assert (np.abs(mean - predicted) < 4.5 * error + 1e-3).all()
    assert sizes["one mode"].max() < 4.0
    assert sizes["three modes, little noise"].max() < 4.0
    assert sizes["three modes"].max() > 5.0
    assert "three modes: learning rate 0.01, batches of 1" in capsys.readouterr().out


def test_deep_linear_study(tmp_path):
    study = read_deep_study(EXAMPLES / "deep_linear.toml")
    spec = study.spec
    spec = spec.model_copy(update={"network": spec.network.model_copy(update={"widths": (6, 12, 12, 6)})})
    spec = spec.model_copy(update={"study": spec.study.model_copy(update={"runs": 10, "inspect": 1})})
    result = run_deep_study(type(study)(study.path, spec), tmp_path)
    escapes = result.tables["escapes"]
    assert len(escapes.rows) == 20
    visited = np.reshape(escapes.column("visited"), (4, 5))
    assert (visited[:3] >= 0.5).all(), "three plateaus at least, with no threshold set run by run"
    assert (np.array(result.tables["largest noise"].column("before learned")) > 0.6).all()
    assert len(result.sentences) == 8


def test_scripts_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert 30 <= len(path.read_text().splitlines()) <= 70, path.name


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning", "ignore::fokkerplanck.ModelWarning")
def test_edge_of_stability():
    example = script("edge_of_stability")
    models = {name: example.MODELS[name] for name in ("central flow", "two-step")}
    found = example.distances(19.0, 60, (64, 32), 400, models)
    assert found["two-step"][0] < 0.03 < found["SGD, other batches"][1]  # numerical diffusion of the operator's cells
    assert found["two-step"][2] == pytest.approx(found["SGD, other batches"][2], abs=0.02)


@pytest.mark.parametrize("name", ["superposition", "parity", "modular", "iris_network", "digits"])
def test_network_studies(tmp_path, name):
    pytest.importorskip("jax")
    if name == "digits":
        pytest.importorskip("sklearn")
    study = read_network_study(EXAMPLES / f"{name}.toml")
    asked = study.spec.study
    update = {"runs": 10, "learning_rate": asked.learning_rate[:1], "steps": (60,), "moments": 2}
    spec = study.spec.model_copy(update={"study": asked.model_copy(update=update)})
    result = run_network_study(type(study)(study.path, spec, study.recipe), tmp_path)
    assert any(line.startswith("Refined against SGD: at learning rate") for line in result.sentences)
    far = result.tables["distances"]
    assert set(far.column("dynamics")) == {one.name for one in asked.dynamics} - {"sgd"} | {"sgd again"}
    assert all(0.0 <= p <= 1.0 for p in far.column("p energy"))
