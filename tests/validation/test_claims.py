"""The claims of `validation/` at coarse levels: right models hold, wrong ones are caught, and so is a broken package.

Simulations have fixed seeds. With fresh ones a coarse run of claim 01 would fail by chance once in 400, of 02 and 03 once
in 16,000 each (the page states this for every claim).
"""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.sgd import diffusion_models as models
from fokkerplanck.solvers.discretization import tensor_diffusion as tensor
from validation import __main__, claim, page, runner
from validation.claim import Row

CLAIMS = {name[:2]: name for name in (script.stem for script in runner.claims())}


def study(number):
    module = importlib.import_module(f"validation.{CLAIMS[number]}")
    return module.study(module.QUICK)


def wrong(rows):
    return [row.case for row in rows if not row.good]


@pytest.mark.parametrize("number", ["01", "02", "03", "04", "05"])
def test_right_models_hold_and_wrong_ones_are_caught(number):
    rows = study(number)
    assert wrong(rows) == []
    assert sum(row.control for row in rows) >= 2
    assert claim.false_alarm(rows) < 3e-3


def test_a_stratonovich_drift_for_sgd_is_noticed(monkeypatch):
    right = models.model_equation

    def mistaken(sgd, model, settings):
        eq = right(sgd, model, settings)
        return dataclasses.replace(eq, convention="stratonovich") if sgd.loss.dim == 1 else eq

    monkeypatch.setattr(models, "model_equation", mistaken)
    assert any("linear model" in case and "density against simulation" in case for case in wrong(study("01")))
    assert any("Ito against simulated SGD" in case for case in wrong(study("02")))
    assert any("diffusion against quadrature" in case for case in wrong(study("03")))


def test_noise_scaled_by_two_is_noticed(monkeypatch):
    right = fp.SGD.diffusion
    monkeypatch.setattr(fp.SGD, "diffusion", lambda self, *theta: 2.0 * right(self, *theta))
    failed = [case for case in wrong(study("01")) if "density against simulation" in case]
    assert {case.split(",")[0] for case in failed} == {"parabola", "linear model", "least squares"}
    assert len(failed) == 9 + 3 * 4  # each setting, in 2D each component


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_clipped_peclet_number_is_noticed(monkeypatch):
    right = tensor.exponential_fit_all

    def clipped(velocity, conductance, largest=30.0):
        return right(np.clip(velocity, -largest * conductance, largest * conductance), conductance)

    monkeypatch.setattr(tensor, "exponential_fit_all", clipped)
    tensors = importlib.import_module("validation.04_tensor")
    failed = wrong(tensors.carried_rows(tensors.QUICK))
    assert failed == ["noise of 1e-6: mean y at t = 0.5"] * 2  # along x it moves by less than is allowed


def test_a_lost_current_is_noticed(monkeypatch):
    monkeypatch.setattr(fp.Generator, "current", lambda self, p: np.zeros((self.grid.dim, *self.grid.shape)))
    assert any(case == "turning double well: current, L1" for case in wrong(study("05")))


SCRIPT = '''"""One is {word}.

By definition.
"""
import sys
from validation import claim
from validation.claim import Row
LEVELS = QUICK = (8,)
def study(levels):
    {body}
    return [Row("one", 1.0 + 1e-3 * levels[0], 1.0, 0.01), Row("two", 2.0, 1.0, 0.01, control=True)]
def figure(rows):
    return claim.canvas()
if __name__ == "__main__":
    sys.exit(claim.main(sys.modules[__name__]))
'''


def write(folder, name, word, body="pass"):
    path = folder / f"{name}.py"
    path.write_text(SCRIPT.format(word=word, body=body))
    return path


def test_a_crash_is_reported_and_stops_no_other(tmp_path, capsys):
    scripts = [
        write(tmp_path, "21_good", "one"),
        write(tmp_path, "22_bad", "two", "raise ValueError('no such number')"),
        write(tmp_path, "23_dead", "gone", "import os; os._exit(7)"),
        write(tmp_path, "24_needy", "missing", "raise claim.Skipped('needs a program')"),
    ]
    out = tmp_path / "out"
    outcomes = runner.run_all(scripts, quick=True, out=out)
    assert [outcome.verdict for outcome in outcomes] == ["holds", "CRASHED", "CRASHED", "skipped"]
    assert [outcome.good for outcome in outcomes] == [True, False, False, True]
    assert outcomes[0].rows == (Row("one", 1.008, 1.0, 0.01), Row("two", 2.0, 1.0, 0.01, control=True))
    assert "no such number" in outcomes[1].section
    assert "EXIT(7)" in outcomes[2].trouble
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 claims, 2 at a time"
    assert sum("4/4" in line for line in lines) == 1
    text = page.page(outcomes, "python -m validation --quick")
    assert "(coarse levels)" in text
    assert "| [21 One is one.](#21-one-is-one) | 1 | 1 of 1 | holds |" in text
    assert "**1 comparisons, 1 wrong models: failed: 22_bad, 23_dead.**" in text
    assert "Not run: 24_needy (skipped: needs a program)." in text
    assert (out / "21_good.png").exists()


def test_what_is_less_than_everything_leaves_the_kept_page_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        __main__, "claims", lambda: [write(tmp_path, "31_one", "one"), write(tmp_path, "32_two", "two")]
    )
    kept, elsewhere = tmp_path / "report", tmp_path / "elsewhere"
    monkeypatch.setattr(claim, "REPORT", kept)
    monkeypatch.setattr(claim, "ELSEWHERE", elsewhere)
    assert __main__.main(["--quick"]) == 0
    assert __main__.main(["31"]) == 0
    assert "| one |  | 1 | 1.008 |" in capsys.readouterr().out
    assert not kept.exists()
    assert "## 32" not in (elsewhere / "README.md").read_text()
    assert __main__.main([]) == 0
    assert "## 32" in (kept / "README.md").read_text()
    assert __main__.main(["nothing"]) == 2


def test_list(capsys):
    assert __main__.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [script.stem for script in runner.claims()]
    assert all(line.endswith(".") for line in lines)


NUMBERS = """import numpy as np
    x, y = np.random.default_rng(0).normal(size=(2, 200_000))
    return [Row("product", float(np.dot(x, y)), 0.0, 1e4, "absolute")]"""


def test_a_claim_leaves_the_same_bytes_whatever_the_engine(tmp_path):
    """Such a product is rounded otherwise on one thread than on two."""
    scripts = [write(tmp_path, name, "one", NUMBERS) for name in ("41_a", "42_b", "43_c")]
    left = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        outcomes = runner.run_all(scripts, quick=True, out=out, workers=workers)
        assert [outcome.verdict for outcome in outcomes] == ["holds"] * 3
        sections = [outcome.section for outcome in outcomes]
        left.append((sections, {path.name: path.read_bytes() for path in sorted(out.iterdir())}))
    assert left[0] == left[1]
    assert list(left[0][1]) == ["41_a.csv", "41_a.png", "42_b.csv", "42_b.png", "43_c.csv", "43_c.png"]


KILLED_ONCE = """import os, signal
    if not os.path.exists({mark!r}):
        open({mark!r}, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)"""


def test_claims_on_dask_of_which_a_worker_is_killed(tmp_path, capsys):
    """The command, on a real local cluster of two processes; what was under way on the lost one is done again."""
    distributed = pytest.importorskip("distributed")
    mark = str(tmp_path / "killed")
    bodies = {"51_a": NUMBERS, "52_b": KILLED_ONCE.format(mark=mark), "53_c": "raise ValueError('no such number')"}
    scripts = [write(tmp_path, name, "one", body) for name, body in bodies.items()]
    try:
        cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    except (OSError, RuntimeError) as error:
        pytest.skip(f"no local cluster here: {error}")
    with cluster:
        there = runner.run_all(
            scripts, quick=True, out=tmp_path / "there", workers=None, scheduler=cluster.scheduler_address
        )
    assert Path(mark).exists()
    assert [outcome.verdict for outcome in there] == ["holds", "holds", "CRASHED"]
    assert "no such number" in there[2].section
    assert capsys.readouterr().out.startswith("3 claims, by tcp://")
    here = runner.run_all(scripts, quick=True, out=tmp_path / "here", workers=1)
    assert [outcome.rows for outcome in here] == [outcome.rows for outcome in there]
    for name in ("51_a.png", "52_b.csv", "52_b.png"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_bad_engines_are_a_sentence(capsys):
    assert __main__.main(["12", "--workers", "0"]) == 2
    assert "`workers` must be" in capsys.readouterr().err
    assert __main__.main(["12", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "`workers` must be left out beside a scheduler" in capsys.readouterr().err
