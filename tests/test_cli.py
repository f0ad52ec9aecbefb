"""The command line: what it prints and writes, and how it refuses."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from run_files import relaxation, two_datapoints
from typer.testing import CliRunner

import fokkerplanck as fp
from fokkerplanck import cli
from fokkerplanck.results import figures as plotting
from fokkerplanck.results.loading import load
from fokkerplanck.workflows.runfile import read_run_file

ONE = two_datapoints()

TWO = """
[equation]
variables = ["a", "b"]
potential = "a**2 + b**2"
drift = ["-b", "a"]
diffusion = [["0.5", 0.1], [0.1, 0.4]]
[grid]
bounds = [[-3, 3], [-3, 3]]
cells = [40, 40]
[start]
mean = [1, 0]
deviation = 0.4
[output]
times = [0.1, 0.5]
"""


FAST = relaxation()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def refused(*arguments):
    """The one line on stderr with which a command ends with status 2."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_run_writes_densities_tables_and_figures(here):
    (here / "quadratic.toml").write_text(ONE)
    result = invoke("run", "quadratic.toml")
    assert result.exit_code == 0, result.output
    folder = here / "results" / "quadratic"
    names = [
        "answers.txt",
        "density_0.05.nc",
        "density_0.05_SGD.nc",
        "evolution.png",
        "landscape.png",
        "moments.png",
        "stationary.png",
        "table.csv",
        "table.md",
    ]
    assert sorted(os.listdir(folder)) == names
    assert os.listdir(folder.parent) == ["quadratic"]
    sol = load(folder / "density_0.05.nc")
    assert list(sol.times) == [1.0, 20.0]
    assert sol.current(0).shape == (1, 200)
    lines = (folder / "table.csv").read_text().splitlines()
    assert lines[0].startswith("learning_rate,t,model,axis,mean,")
    assert len(lines) == 5
    assert (folder / "table.md").read_text().startswith("| learning_rate | t | model |")
    counted = load(folder / "density_0.05_SGD.nc")
    assert (counted.method, counted.stats["n_paths"], counted.stats["seed"]) == ("simulation", 2000, 3)
    np.testing.assert_allclose(counted.mean()[-1], 0.4635, atol=0.02)  # 1/2 - 0.3 * 0.9^20 = 0.4635, of deviation 0.16
    for name in names[3:7]:
        with Image.open(folder / name) as image:
            assert np.asarray(image.convert("L")).std() > 5, name


def test_run_prints_a_table_and_verdicts_in_80_columns(here):
    (here / "quadratic.toml").write_text(ONE)
    result = invoke("run", "quadratic.toml", "--out", "here")
    *lines, last = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in result.stdout
    assert re.search(r"t +model +mean +± +dev +± +z +W1", result.stdout)
    assert re.search(
        r"^t = 1: first-order (agrees with SGD within 3|is off by \S+) standard errors", result.stdout, re.M
    )
    assert "±: standard error. z: (mean - that of SGD) in standard errors. W1:" in result.stdout
    assert "(4 comparisons at 3 standard errors: if all is well, one fails by chance in 1%" in result.stdout
    assert last.startswith("9 files in here: answers.txt, density_0.05.nc, ")


def test_models_and_transfer_operators_side_by_side(here):
    text = ONE.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["first-order", "exact", "gaussian-chain"]')
    (here / "q.toml").write_text(text)
    result = invoke("run", "q.toml", "--out", "out")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 80
    assert re.search(r"^t = 20: exact agrees with SGD within 3 standard errors", result.stdout, re.M)
    names = {f"density_0.05_{model}.nc" for model in ("first-order", "exact", "gaussian-chain", "SGD")}
    assert names | {"evolution.png", "stationary.png"} < set(os.listdir("out"))
    exact, chain = (load(here / "out" / f"density_0.05_{m}.nc") for m in ("exact", "gaussian-chain"))
    np.testing.assert_allclose(exact.mean(), chain.mean(), rtol=1e-10)
    assert exact.method == "transfer (enumerated)"
    assert np.abs(exact.masses - chain.masses).sum() > 0.01, "two jumps of one size are no normal law"


def test_a_deviation_off_by_the_grid_is_said_in_the_verdict(here):
    """Cells of 0.075 for jumps of deviation 0.05: the operator smears, the equation does not."""
    text = ONE.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["first-order", "exact"]')
    (here / "q.toml").write_text(text.replace("cells = 200", "cells = 40").replace("2000", "20000"))
    said = " ".join(invoke("run", "q.toml", "--out", "out").stdout.split())
    assert re.search(
        r"t = 20: exact .* is off by \S+ standard errors .*, within the error of its grid: take \S+ times as many cells",
        said,
    )
    added, noise = re.search(
        r"Note: exact: the grid adds a variance of (\S+) a step to the (\S+) of SGD", said
    ).groups()
    assert 0.1 * 0.0025 < float(added) < 0.075**2 / 4, "at most a quarter of the cell's square"
    assert float(noise) == pytest.approx(0.0025, rel=0.05)
    assert "first-order: the grid adds" not in said


def test_a_result_file_repeats_its_run(here):
    """Bit by bit, with data from a CSV file that is no longer there; and anything else says that it cannot."""
    (here / "data.csv").write_text("x,kind\n0,1\n1,1\n7,2\n0.3,1\n")
    text = ONE.replace("data = { x = [0, 1] }", 'data = "data.csv"\nwhere = "kind < 2"\ncolumns = { x = "x" }')
    text = text.replace("learning_rate = 0.05", "learning_rate = [0.05, 0.1]\nbatch_size = 2")
    (here / "q.toml").write_text(text.replace("times = [1, 20]", 'times = [1, 20]\nmodels = ["first-order", "exact"]'))
    assert invoke("run", "q.toml", "--out", "first").exit_code == 0
    (here / "data.csv").unlink()
    (here / "q.toml").unlink()
    again = invoke("run", "first/density_0.1_exact.nc", "--out", "again")
    assert again.exit_code == 0, again.output
    assert "Note: density" not in again.stdout
    assert sorted(os.listdir("first")) == sorted(os.listdir("again"))
    assert (here / "first" / "table.csv").read_text() == (here / "again" / "table.csv").read_text()
    for name in (n for n in os.listdir("first") if n.endswith(".nc")):
        one, two = (load(here / folder / name) for folder in ("first", "again"))
        np.testing.assert_array_equal(one.density, two.density)
        assert one.settings == two.settings
    settings = load(here / "first" / "density_0.1_SGD.nc").settings
    assert settings["version"] == fp.__version__
    assert (settings["seed"], settings["learning_rate"], settings["model"]) == (3, 0.1, "SGD")
    assert settings["run_file"]["landscape"]["data"] == {"x": [0.0, 1.0, 0.3]}


def test_a_full_batch_and_an_equation_repeat_too(here):
    (here / "q.toml").write_text(ONE.replace("learning_rate = 0.05", 'learning_rate = 0.05\nbatch_size = "full"'))
    (here / "turn.toml").write_text(TWO)
    for name, result in (("q", "density_0.05.nc"), ("turn", "density.nc")):
        invoke("run", f"{name}.toml", "--out", name)
        assert invoke("run", f"{name}/{result}", "--out", "again").exit_code == 0
        np.testing.assert_array_equal(load(f"{name}/{result}").density, load(f"again/{result}").density)


def test_results_that_hold_no_run_file(here, monkeypatch):
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    fp.solve(eq, fp.Grid((-4, 4), 50), fp.gaussian(0, 1), [1.0]).save("mine.nc")
    assert load("mine.nc").settings["rtol"] == 1e-6
    line = refused("run", "mine.nc")
    assert line.startswith("fokkerplanck: `FILE` must be a run file, or a result that `fokkerplanck run` wrote, got")
    assert line.endswith("It was saved from Python, and holds densities but no equation: run your script again.")
    (here / "broken.nc").write_bytes(b"no netCDF")
    assert refused("run", "broken.nc").startswith("fokkerplanck: `path` must be a netCDF file written by")
    (here / "q.toml").write_text(ONE)
    invoke("run", "q.toml", "--out", "out")
    monkeypatch.setattr("fokkerplanck.version.__version__", "9.9")
    result = invoke("run", "out/density_0.05.nc", "--out", "again")
    assert "density_0.05.nc was written by version" in result.stdout


def test_several_learning_rates_have_files_of_their_own(here):
    (here / "q.toml").write_text(ONE.replace("0.05", "[0.05, 0.1]"))
    assert invoke("run", "q.toml", "--out", "out").exit_code == 0
    names = os.listdir(here / "out")
    assert {"density_0.05.nc", "density_0.1.nc", "moments_0.05.png", "evolution_0.1.png", "landscape.png"} < set(names)


def test_an_equation_in_two_dimensions(here):
    (here / "turn.toml").write_text(TWO)
    result = invoke("run", "turn.toml", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "density" in result.stdout
    assert "SGD" not in result.stdout
    assert {"density.nc", "evolution.png", "landscape.png", "stationary.png"} < set(os.listdir("out"))
    assert load("out/density.nc").density.shape == (2, 40, 40)


def test_a_coarse_grid_is_a_note_and_no_warning(here):
    (here / "q.toml").write_text(ONE.replace("cells = 200", "cells = 20"))
    result = invoke("run", "q.toml", "--out", "out")
    assert result.exit_code == 0
    coarse = r"first-order: the error of the density is about 0\.\d+, as seen on three grids that are too coarse"
    assert re.search(f"Note: {coarse}", " ".join(result.stdout.split()))
    assert "Warning" not in result.output
    (here / "two.toml").write_text((here / "q.toml").read_text().replace("0.05", "[0.05, 0.1]"))
    said = " ".join(invoke("run", "two.toml", "--out", "two").stdout.split())
    assert re.search(f"Note on learning rate 0.05: {coarse}", said)


def test_running_again_replaces_the_files(here):
    (here / "q.toml").write_text(ONE)
    invoke("run", "q.toml", "--out", "out")
    (here / "out" / "mine.txt").write_text("keep")
    (here / "out" / "table.csv").write_text("old")
    assert invoke("run", "q.toml", "--out", "out").exit_code == 0
    assert (here / "out" / "mine.txt").read_text() == "keep"
    assert (here / "out" / "table.csv").read_text() != "old"


def test_a_failure_leaves_nothing_behind(here, monkeypatch):
    (here / "q.toml").write_text(ONE)

    def fail(tab, folder):
        raise ValueError("`disk` must be larger, got full.")

    monkeypatch.setattr("fokkerplanck.workflows.run.save_table", fail)
    assert refused("run", "q.toml", "--out", "out") == "fokkerplanck: `disk` must be larger, got full."
    assert os.listdir(here) == ["q.toml"]


def test_a_figure_that_cannot_be_drawn_does_not_take_the_numbers_with_it(here, monkeypatch):
    (here / "q.toml").write_text(ONE)
    (here / "out").mkdir()
    (here / "out" / "moments.png").write_text("of an earlier run")

    def fail(*arguments, **options):
        raise ValueError("nothing to draw")

    monkeypatch.setattr(plotting, "plot_moments", fail)
    result = invoke("run", "q.toml", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "moments.png could not be drawn: ValueError: nothing to draw" in " ".join(result.stdout.split())
    names = set(os.listdir(here / "out"))
    assert {"table.csv", "density_0.05.nc", "evolution.png"} < names
    assert "moments.png" not in names


@pytest.mark.parametrize("title", ["costs $5_{ and $6", "$x^$", r"\\frac{", "\u6f22 \u5b57"])
def test_a_title_is_text_and_no_formula(here, title):
    (here / "e.toml").write_text(f'title = "{title}"\n' + FAST)
    result = invoke("run", "e.toml", "--out", "out")
    assert result.exit_code == 0, result.output
    assert "could not be drawn" not in result.stdout
    assert (here / "out" / "evolution.png").exists()


def test_escapes_of_a_terminal_do_not_reach_it(here):
    (here / "e.toml").write_text('title = "a\\u001b[2Jb"\n' + FAST)
    result = invoke("run", "e.toml", "--out", "out")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "a\\x1b[2Jb" in result.stdout
    (here / "bad.toml").write_text('"k\\u001b[2J" = "v\\u001b[2J two words"\n' + FAST)
    assert "\x1b" not in refused("run", "bad.toml")


def test_rates_that_agree_to_six_digits_have_files_of_their_own(here):
    (here / "q.toml").write_text(ONE.replace("0.05", "[0.1, 0.10000001]"))
    assert invoke("run", "q.toml", "--out", "out").exit_code == 0
    names = set(os.listdir(here / "out"))
    assert {"density_0.1.nc", "density_0.10000001.nc", "moments_0.1.png", "moments_0.10000001.png"} < names
    assert load(here / "out" / "density_0.10000001.nc").settings["learning_rate"] == 0.10000001
    assert "| 0.10000001 |" in (here / "out" / "table.md").read_text()


def test_an_empty_name_is_no_folder(here):
    (here / "e.toml").write_text(FAST)
    line = "fokkerplanck: `--out` must be the name of a folder, got ''. A dot is the current one."
    assert refused("run", "e.toml", "--out", "") == line


def test_what_is_no_file_is_not_opened(here):
    os.mkfifo(here / "pipe.toml")
    for command in ("run", "study"):
        for name in ("pipe.toml", "/dev/zero"):
            assert refused(command, name).startswith("fokkerplanck: `FILE` must be an existing run file, got")


def test_help_is_quick():
    """By what is read for it: numerical libraries take a second and more."""
    code = (
        "import sys; from fokkerplanck.cli import app; app(['--help'], standalone_mode=False);"
        "print([m for m in ('numpy', 'scipy', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_bad_input_is_one_sentence_and_status_2(here):
    (here / "bad.toml").write_text(ONE.replace("cells", "cels"))
    line = "fokkerplanck: `grid.cels` must be one of boundary, bounds, cells, tol, width, got 'cels'. Did you mean 'cells'?"
    assert refused("run", "bad.toml") == line
    assert refused("run", "no.toml").startswith("fokkerplanck: `FILE` must be an existing run file, got 'no.toml'.")
    assert os.listdir(here) == ["bad.toml"]


def test_output_folders_that_cannot_be(here):
    (here / "q.toml").write_text(ONE)
    line = f"fokkerplanck: `--out` must be a folder, got 'q.toml'. {here / 'q.toml'} is a file."
    assert refused("run", "q.toml", "--out", "q.toml") == line
    assert refused("run", "q.toml", "--out", "q.toml/sub").startswith("fokkerplanck: ")


def test_unexpected_errors_keep_their_traceback(here, monkeypatch):
    (here / "q.toml").write_text(ONE)
    monkeypatch.setattr("fokkerplanck.workflows.run.compute", lambda *a: [].x)
    assert isinstance(invoke("run", "q.toml").exception, AttributeError)


def test_init_writes_a_run_file_that_runs(here):
    assert invoke("init", "mine.toml").exit_code == 0
    spec = read_run_file("mine.toml").spec
    assert spec.landscape.parameters == ("w",)
    text = (here / "mine.toml").read_text().replace("20000", "500")
    assert "\ntol = 1e-4 " in text
    (here / "mine.toml").write_text(text)
    assert invoke("run", "mine.toml").exit_code == 0
    assert refused("init", "mine.toml") == (
        "fokkerplanck: `FILE` must be the name of a new file, got 'mine.toml'. It exists; choose another name."
    )


def test_every_commented_line_of_the_template_is_valid(here):
    text = cli.TEMPLATE
    for old, new in (("# width =", "width ="), ("\ntol =", "\n# tol =")):
        assert old in text
        text = text.replace(old, new)
    (here / "w.toml").write_text(text)
    assert read_run_file("w.toml").spec.grid.width
    block = cli.TEMPLATE[cli.TEMPLATE.index("# [study]") :].split("\n\n")[0]
    (here / "s.toml").write_text(cli.TEMPLATE + "".join(line[2:] for line in block.splitlines(True)))
    study = read_run_file("s.toml").spec.study
    assert (study.batch_size, study.target) == ((1,), "w > 0")
    equation = "".join(
        line[2:] for line in cli.TEMPLATE.splitlines(True) if line.startswith(("# [equation]", "# variables"))
    )
    rest = "".join(
        line[2:]
        for line in cli.TEMPLATE.splitlines(True)
        if re.match(r"# (drift|diffusion|potential|convention) =", line)
    )
    rest += "[grid]\nbounds = [-1, 4]\ncells = 50\n[start]\npoint = 1\n[output]\ntimes = 1\n"
    (here / "e.toml").write_text(equation + rest)
    assert read_run_file("e.toml").spec.equation.variables == ("x",)


def test_info_names_versions_and_folders():
    result = invoke("info")
    assert result.exit_code == 0
    for word in ("fokkerplanck", "numpy", "threads", "kernels", "formulas"):
        assert re.search(rf"^{word} ", result.stdout, re.M), word


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from fokkerplanck.cli import app; app(['--help'], standalone_mode=False);"
        "print([m for m in ('sympy', 'matplotlib', 'xarray', 'pydantic', 'h5py', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    assert "init" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("3", "3")])
def test_libraries_of_the_command_have_one_thread_unless_told_otherwise(given, found):
    """Those of `explore` and `run` had all: five times the processor time on short vectors."""
    code = "import os; from fokkerplanck import cli; cli.app = lambda: print(os.environ['OPENBLAS_NUM_THREADS']); cli.main()"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == found


def test_the_command_as_a_process(tmp_path):
    (tmp_path / "bad.toml").write_text("title = 3")
    command = [sys.executable, "-m", "fokkerplanck.cli", "run", str(tmp_path / "bad.toml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fokkerplanck: `title` must be a string, got 3.\n"


def test_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "fokkerplanck", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "study" in done.stdout
