"""`fokkerplanck fit FILE.toml`."""

import csv

import numpy as np
import pytest
from processes import ornstein_uhlenbeck, rotating_pair
from typer.testing import CliRunner

from fokkerplanck.cli import app

DATA = '[data]\nfile = "runs.csv"\ndt = 0.5\n'
MODEL = '[model]\ndrift = "-k*x"\ndiffusion = "D"\nstart = { k = 0.5, D = 0.5 }\n'


@pytest.fixture
def folder(tmp_path):
    rows = ornstein_uhlenbeck(10, 121, 0.5, seed=1).T
    with open(tmp_path / "runs.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *(f"run{i}" for i in range(10))])
        writer.writerows([i, *row] for i, row in enumerate(rows.tolist()))
    return tmp_path


def call(folder, text):
    (folder / "fit.toml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(app, ["fit", str(folder / "fit.toml"), "--out", str(folder / "out")])


def test_a_family_from_formulas(folder):
    done = call(folder, DATA + MODEL)
    assert done.exit_code == 0, done.output
    assert "The fit converged" in done.output
    with open(folder / "out" / "parameters.csv", encoding="utf-8") as file:
        table = {row["parameter"]: (float(row["value"]), float(row["standard error"])) for row in csv.DictReader(file)}
    for value, error in table.values():
        assert abs(value - 1.0) < 3.5 * error
    assert set(table) == {"k", "D"}
    assert (folder / "out" / "fit.png").stat().st_size > 5000
    assert "nothing speaks against a Markov process" in (folder / "out" / "report.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_splines_where_no_family_is_given(folder):
    done = call(folder, DATA)
    assert done.exit_code == 0, done.output
    assert "splines" in done.output


def test_two_coordinates(folder):
    np.save(folder / "pair.npy", rotating_pair(10, 81, 0.3))
    text = (
        '[data]\nfile = "pair.npy"\ndt = 0.3\n[model]\nvariables = ["x", "y"]\ndrift = ["-k*x - w*y", "w*x - k*y"]\n'
        'diffusion = "D"\nstart = { k = 0.5, w = 1.0, D = 1.0 }\n'
    )
    done = call(folder, text)
    assert done.exit_code == 0, done.output
    assert not (folder / "out" / "fit.png").exists()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[data]\nfile = 'nowhere.csv'\n", "`data.file`"),
        ("[data]\nfile = '../runs.csv'\n", "`data.file`"),
        (DATA.replace("0.5", "-1.0"), "`data.dt`"),
        (DATA + MODEL.replace("-k*x", "-j*x"), "`model.drift`"),
        (DATA + MODEL.replace('"-k*x"', '["-k*x", "0"]'), "`model.drift`"),
        (DATA + MODEL + "walls = [[1, 0]]\n", "`model.walls`"),
        (DATA + MODEL.replace("start", "strat"), "strat"),
        (DATA + "[modle]\ndrift = '1'\n", "modle"),
    ],
)
def test_bad_files_are_refused_by_name(folder, text, named):
    done = call(folder, text)
    assert done.exit_code == 2
    assert named in done.output
    assert "Traceback" not in done.output
