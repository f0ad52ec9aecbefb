"""The study: a small sweep on the two-datapoint landscape, its table, its files, and going on where it stopped."""

from concurrent.futures import BrokenExecutor

import pytest
from paths import EXAMPLES
from PIL import Image

import fokkerplanck as fp
from fokkerplanck import SGD
from fokkerplanck.errors import ConvergenceError
from fokkerplanck.solvers.accuracy import refinement
from fokkerplanck.workflows import sweep as study
from fokkerplanck.workflows.executors import spread_over
from fokkerplanck.workflows.run import described
from fokkerplanck.workflows.runfile import read_run_file
from fokkerplanck.workflows.sweep_report import verdicts

EXAMPLE = (EXAMPLES / "pit_study.toml").read_text()


def run_file(folder, **changes):
    text = EXAMPLE.replace("[0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05]", "[0.005, 0.02]")
    text = text.replace("cells = [2200]", "cells = [1100]").replace("paths = 4000", "paths = 1000")
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text)
    return read_run_file(path)


def test_trajectories_are_ranked(tmp_path):
    """Of the simulated SGD at 0.02: no diffusion comes near the discrete operators, and no other learning rate."""
    run = run_file(tmp_path, models=('"second-order", "gaussian-chain"', '"gaussian-chain"'),
                   study=('target = "w > 1.3"', 'trajectories = "runs.csv"\nlag = 3'))  # fmt: skip
    sgd = fp.SGD(described(run).cases[0].sgd.loss, 0.02, 1)
    paths = sgd.simulate(fp.gaussian(1.00745330, 0.005), range(40), 60, seed=3).positions[:, :, 0]
    (tmp_path / "runs.csv").write_text("\n".join([",".join(f"run {k}" for k in range(60)),
                                                 *(",".join(map(str, row)) for row in paths)]))  # fmt: skip
    result = study.run_study(run, tmp_path / "out")
    first = "learning rate 0.02, batch 1, exact"
    assert result.ranking.order[0] == first
    assert len(result.ranking.order) == 6
    assert "learning rate 0.02, batch 1, first-order" not in result.ranking.best
    assert result.verdicts[0].startswith(
        f"{60 * 13} transitions over 3 steps in runs.csv are most likely under '{first}'"
    )
    assert (tmp_path / "out" / "ranking.csv").read_text().startswith("model,score,deficit,se_deficit,best")
    assert result.verdicts[0] in (tmp_path / "out" / "study.md").read_text()
    run.path.write_text(run.path.read_text().replace("runs.csv", "none.csv"))
    with pytest.raises(ValueError, match="file"):
        study.run_study(read_run_file(run.path), tmp_path / "other")


def test_study_of_the_pit(tmp_path, monkeypatch, caplog):
    """Reference case B3: first-order 566 steps for 149; at 0.005 the rare escape is wrong by orders of magnitude."""
    run = run_file(tmp_path)
    result = study.run_study(run, tmp_path / "out")
    rows = [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]
    found = {(r["learning_rate"], r["model"]): r for r in rows if r["t"] == 1000}
    assert found[0.02, "exact"]["escape"] == pytest.approx(149, rel=0.02)
    assert found[0.02, "first-order"]["escape_ratio"] == pytest.approx(3.8, rel=0.05)
    assert found[0.005, "first-order"]["escape_ratio"] < 1e-3
    simulated = found[0.02, "SGD"]
    assert abs(simulated["escape"] - found[0.02, "exact"]["escape"]) < 5 * simulated["se_escape"]
    assert found[0.02, "exact"]["edge"] > 1.5
    assert {p.name for p in result.files} == {"study.csv", "study.md", "distance.png", "escape.png"}
    assert all(p.stat().st_size > 500 for p in result.files)
    assert len(result.verdicts) == 6
    assert any("0.02, batch 1, first-order: the density at t = 1000 is off" in v for v in result.verdicts)
    report = result.report()
    assert report.startswith("learning rate 0.005, batch 1, first-order: ")
    assert max(map(len, report.splitlines())) <= 80
    assert sum(line.startswith(" rate") for line in report.splitlines()) == 1

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(study, "_setting", refuse)
    with caplog.at_level("INFO", logger="fokkerplanck"):
        again = study.run_study(run, tmp_path / "out")
    told = sorted(record.getMessage().rsplit(", ", 1) for record in caplog.records)
    names = [f"study: learning rate {rate}, batch 1 done" for rate in (0.005, 0.02)]
    assert [name for name, _ in told] == names
    assert {count for _, count in told} == {"1 of 2", "2 of 2"}
    assert again.table.rows == result.table.rows
    (tmp_path / "out" / "points" / "0.02-1.npz").write_bytes(b"of another program")
    once_more = study.run_study(run, tmp_path / "out")
    assert once_more.verdicts[0].startswith(
        "learning rate 0.02, batch 1: not finished (AssertionError: computed again)"
    )
    (tmp_path / "out" / "points" / "0.005-1.npz").write_bytes(b"of another program")
    with pytest.raises(AssertionError, match="computed again"):
        study.run_study(run, tmp_path / "out")


def test_processes_give_the_bytes_of_one_and_a_lost_worker_costs_its_setting(tmp_path, monkeypatch):
    run = run_file(tmp_path, models=('"second-order", "gaussian-chain"', '"gaussian-chain"'))
    with spread_over(2, None) as spread:
        by_processes = study.run_study(run, tmp_path / "processes", spread=spread)
    assert study.run_study(run, tmp_path / "one").table.rows == by_processes.table.rows
    assert (tmp_path / "one" / "study.csv").read_bytes() == (tmp_path / "processes" / "study.csv").read_bytes()

    def loses_one(tasks):
        for k, task in tasks.items():
            yield k, (BrokenExecutor("a worker was killed") if k == 0 else task())

    part = study.run_study(run, tmp_path / "part", spread=loses_one)
    assert part.verdicts[0].startswith(
        "learning rate 0.005, batch 1: not finished (BrokenExecutor: a worker was killed)"
    )
    assert {row[0] for row in part.table.rows} == {0.02}
    assert study.run_study(run, tmp_path / "part").table.rows == by_processes.table.rows


def test_schedulers_that_do_not_answer_are_said():
    with pytest.raises(ValueError, match=r"`workers` must be left out beside a scheduler"), spread_over(2, "tcp://a:1"):
        pass
    pytest.importorskip("distributed")
    with (
        pytest.raises(ValueError, match=r"`scheduler` must be the address of a Dask scheduler"),
        spread_over(None, "no"),
    ):
        pass


def test_study_over_batches_and_other_models(tmp_path):
    changes = {
        "batches": ("batch_size = [1]", "batch_size = [1, 4]\ntemperature = 0.01"),
        "models": ('["first-order", "second-order", "gaussian-chain"]', '["langevin", "exact"]'),
        "no target": ('target = "w > 1.3"\n', ""),
        "rates": ("[0.005, 0.02]", "0.005"),
        "no simulation": ("[simulation]\npaths = 1000\nseed = 0\n", ""),
    }
    result = study.run_study(run_file(tmp_path, **changes), tmp_path / "out")
    assert {(row[1], row[2]) for row in result.table.rows} == {(b, m) for b in (1, 4) for m in ("exact", "langevin")}
    assert "escape.png" not in {p.name for p in result.files}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            ('["first-order", "second-order", "gaussian-chain"]', '["firstorder"]'),
            "`study.models` must be .*'gaussian-chain', got 'firstorder'. Did you mean",
        ),
        (('target = "w > 1.3"', 'target = "v > 1.3"'), "`study.target` must be"),
        (("batch_size = [1]", "batch_size = [0]"), "`batch_size` must be|`study.batch_size` must be"),
        (("batch_size = [1]", "batch_sizes = [1]"), "`study.batch_sizes` must be .*Did you mean 'batch_size'"),
        (("batch_size = [1]", "learning_rates = [0.1]"), r"Did you mean 'learning_rate' under \[sgd\]\?"),
    ],
)
def test_bad_studies_are_refused(tmp_path, change, text):
    with pytest.raises(ValueError, match=text):
        study.run_study(run_file(tmp_path, change=change), tmp_path / "out")


def test_a_run_file_without_a_study_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(EXAMPLE.split("[study]")[0])
    with pytest.raises(ValueError, match="`study` must be given"):
        study.run_study(read_run_file(path), tmp_path / "out")


def arrival(folder, **changes):
    """The two-dimensional example at a coarse level."""
    text = (EXAMPLES / "arrival_study.toml").read_text().replace("cells = [60, 60]", "cells = [36, 36]")
    for old, new in {"[0.05, 0.1, 0.2, 0.4]": "[0.1, 0.4]", "paths = 4000": "paths = 2000", **changes}.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text)
    return study.run_study(read_run_file(path), folder / "out")


def test_study_in_two_dimensions(tmp_path):
    """Simulated with 10^5 paths beside: 22.92 +- 0.06 steps at 0.4 and batch 1, where the diffusion says under 3."""
    result = arrival(tmp_path)
    rows = [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]
    found = {(r["learning_rate"], r["batch_size"], r["model"]): r for r in rows if r["t"] == 50}
    assert len(found) == 2 * 2 * 4
    assert abs(found[0.4, 1, "SGD"]["escape"] - 22.92) < 5 * found[0.4, 1, "SGD"]["se_escape"]
    assert found[0.4, 1, "first-order"]["escape_ratio"] < 0.2
    assert found[0.4, 1, "gaussian-chain"]["escape_ratio"] < 0.5
    assert 0.8 < found[0.1, 1, "first-order"]["escape_ratio"] < 1.25
    assert found[0.4, 1, "first-order"]["mean"].count(", ") == 1
    assert any("0.4, batch 1, first-order: the density at t = 50 is off from exact SGD" in v for v in result.verdicts)
    report = result.report()
    assert max(map(len, report.splitlines())) <= 80
    for name in ("distance.png", "escape.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert image.size[0] > 1.7 * image.size[1], "a panel a batch size"


def test_sentences():
    """Each branch, from rows made by hand."""
    same = {"learning_rate": 0.4, "batch_size": None, "t": 50.0, "cell": 0.1, "spread": 1.0, "failure": None,
            "W1_sampling": 0.0, "sampling": 0.0, "se_W1": 0.0, "largest_error": None,
            "margin": 0.0, "escape_told": True, "largest_escape_error": None, "reference": "operator"}  # fmt: skip
    sgd = {**same, "model": "exact", "escape": 19.3, "escape_ratio": 0.85, "se_escape": None, "W1": 0.0}
    seen = {**same, "model": "SGD", "escape": 22.74, "escape_ratio": 1.0, "se_escape": 0.28, "W1": 0.0}
    rows = [{**same, "model": name, "W1": w1, "W1_sampling": chance, "escape_ratio": ratio} for name, w1, chance, ratio in (
        ("a", 0.01, 0.0, None), ("b", 0.3, 0.0, 1.1), ("c", 0.3, 0.31, 3.0), ("d", 0.3, 0.0, float("inf")),
        ("e", 0.3, 0.0, float("nan")), ("f", 0.08, 0.0, None))]  # fmt: skip
    rows[1] |= {"se_W1": 0.29, "margin": 0.29, "largest_error": "grid"}  # less than the distance
    rows += [
        {**rows[0], "model": name, "W1": 0.3, "se_W1": 0.16, "margin": 0.31, "largest_error": source, "escape_told": told,
         "escape_ratio": 3.0, "largest_escape_error": "SGD's grid"}
        for name, source, told in (("g", "grid", True), ("h", "sampling", False))
    ]  # fmt: skip
    said = verdicts([sgd, seen, *rows])
    start = "learning rate 0.4, full batch"
    off = "the density at t = 50 is off from exact SGD (W1 is 0.3 of its spread)"
    assert said == (
        f"{start}: on this grid exact SGD takes 19.3 steps to the target, simulated 22.74 ± 0.28: the simulation counts. Take "
        "twice as many cells in and around the target, until the two come together.",
        f"{start}, a: the density at t = 50 agrees with exact SGD (within a cell).",
        f"{start}, b: {off}, but its escape takes as long as simulated SGD, within 25%.",
        f"{start}, c: the density at t = 50 agrees with exact SGD (within sampling), but its escape takes 3 times as long as "
        "simulated SGD.",
        f"{start}, d: {off}, and part of it never arrives at the target.",
        f"{start}, e: {off}, and its escape is too rare for double precision.",
        f"{start}, f: the density at t = 50 cannot be told from exact SGD on this grid (W1 0.08, a cell 0.1; take 2 "
        "times as many cells).",
        f"{start}, g: the density at t = 50 cannot be told from exact SGD (W1 0.3 ± 0.16, most by the grid: take more cells), "
        "but its escape takes 3 times as long as simulated SGD.",
        f"{start}, h: the density at t = 50 cannot be told from exact SGD (W1 0.3 ± 0.16, most by the sampling: take more "
        "paths), and its escape, 3 times as long, cannot be told from that of simulated SGD: most of their error is that of "
        "SGD's grid (take more cells).",
    )


def test_a_grid_too_coarse_for_the_operator_is_said(tmp_path):
    """Along the valley of a product SGD has no noise, and the grid's is not to be taken for it."""
    net = {
        'loss = "(y - w0 - w1*x)**2/2"': 'loss = "(y - w0*w1*x)**2/2"',
        "x = [-1.5, -0.5, 0.5, 1.5], y = [0.2, -0.4, 0.6, 3.2]": "x = [1, 1, -1, -1], y = [1.5, 0.5, -1.5, -0.5]",
        "[[-2, 4], [-2, 4]]": "[[-2, 2], [-2, 2]]",
        "mean = [-0.2, 0]": "mean = [0.3, 0.3]",
        "[1, 4]": "[1]",
        'target = "(w0 - 0.9)**2 + (w1 - 1)**2 < 0.09"': "",
        "[0.05, 0.1, 0.2, 0.4]": "[0.05]",
    }
    result = arrival(tmp_path, **net)
    assert {row[-1] for row in result.table.rows} == {"simulation"}
    assert result.verdicts[0].startswith(
        "learning rate 0.05, batch 1: the grid is too coarse for exact SGD, the transfer operator"
    )


def test_a_model_that_cannot_be_solved_is_a_sentence(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ConvergenceError("the error is too large")

    monkeypatch.setattr(study, "solve", fail)
    changes = {"rates": ("[0.005, 0.02]", "0.02"), "no simulation": ("[simulation]\npaths = 1000\nseed = 0\n", "")}
    result = study.run_study(run_file(tmp_path, **changes), tmp_path / "out")
    assert "learning rate 0.02, batch 1, first-order: not solved, as the error is too large." in result.verdicts
    assert sum("agrees" in v or "is off" in v for v in result.verdicts) == 1


def test_rates_that_agree_to_six_digits_are_settings_of_their_own(tmp_path):
    changes = {"rates": ("[0.005, 0.02]", "[0.1, 0.1000004]"), "no target": ('target = "w > 1.3"\n', ""),
               "no simulation": ("[simulation]\npaths = 1000\nseed = 0\n", "")}  # fmt: skip
    result = study.run_study(run_file(tmp_path, **changes), tmp_path / "out")
    first, second = ([r for r in result.table.rows if r[0] == rate] for rate in (0.1, 0.1000004))
    assert len(first) == len(second) > 0
    assert {p.name for p in (tmp_path / "out" / "points").iterdir()} == {"0.1-1.npz", "0.1000004-1.npz"}
    assert any(v.startswith("learning rate 0.1000004, ") for v in result.verdicts)
    one = (tmp_path / "out" / "points" / "0.1-1.npz").read_bytes()
    (tmp_path / "out" / "points" / "0.1000004-1.npz").write_bytes(one)  # the key of one setting is not that of another
    again = study.run_study(run_file(tmp_path, **changes), tmp_path / "out")
    assert again.table.rows == result.table.rows


def test_batch_sizes_are_different_ones(tmp_path):
    with pytest.raises(ValueError, match=r"`study\.batch_size` must be a list of different whole numbers above 0"):
        run_file(tmp_path, change=("batch_size = [1]", "batch_size = [1, 1]"))


WELLS = """
[landscape]
loss = "(w**2 - 1)**2 / 4 + x*w"
parameters = ["w"]
data = { x = [-0.9, 0.1, 1.0] }
[sgd]
learning_rate = [0.05, 0.2]
[grid]
bounds = [[-2.5, 2.5]]
tol = 1e-4
[start]
mean = -1.0
deviation = 0.1
[output]
times = [10, 100]
[study]
models = ["first-order", "second-order"]
target = "w > 0"
"""


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_each_setting_of_a_study_takes_the_cells_that_its_tolerance_asks_for(tmp_path, monkeypatch):
    """More at the smaller rate, whose density is narrower; and the operator's coarse cells are no judge of rare escapes."""
    (tmp_path / "study.toml").write_text(WELLS)
    seen = {}

    def spy(sgd, grid, original=SGD.transfer_operator):
        seen[sgd.learning_rate] = grid
        return original(sgd, grid)

    monkeypatch.setattr(SGD, "transfer_operator", spy)
    result = study.run_study(read_run_file(tmp_path / "study.toml"), tmp_path / "out")
    assert seen[0.05].size > seen[0.2].size
    start = fp.gaussian(-1.0, 0.1)
    for rate, grid in seen.items():
        for model in ("first-order", "second-order"):
            eq = fp.SGD(fp.SampleLoss("(w**2 - 1)**2 / 4 + x*w", ["w"], {"x": [-0.9, 0.1, 1.0]}), rate).equation(model)
            assert fp.solve(eq, grid, start, [10, 100]).error["density"].max() <= 1e-4
    rows = [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]
    rare = next(r for r in rows if r["learning_rate"] == 0.05 and r["model"] == "first-order")
    assert not 0.8 < rare["escape_ratio"] < 1.25
    assert any("0.05" in v and "first-order" in v and "error is that of SGD's grid" in v for v in result.verdicts)


def test_a_model_out_of_reach_of_the_tolerance_is_a_sentence(tmp_path, monkeypatch):
    """The other model is compared all the same, on the cells that it asks for."""
    monkeypatch.setitem(refinement.LARGEST, 1, 300)
    text = WELLS.replace("[0.05, 0.2]", "0.2").replace("tol = 1e-4", "tol = 1e-3").replace('target = "w > 0"', "")
    text = text.replace('"second-order"]', '"levy"]\nstability = 1.1\nscale = 0.01')
    (tmp_path / "study.toml").write_text(text)
    result = study.run_study(read_run_file(tmp_path / "study.toml"), tmp_path / "out")
    assert any("levy: not solved, as tol = 0.001 is out of reach" in v for v in result.verdicts)
    assert any("first-order: the density at t = 100" in v for v in result.verdicts)


@pytest.mark.slow
def test_a_smeared_operator_is_not_the_truth(tmp_path):
    """Cells of 0.1 add more to a step at rate 0.05 than SGD does: deviation .277, simulated .203(2), first-order .216."""
    text = (EXAMPLES / "arrival_study.toml").read_text()
    for old, new in (
        ("[0.05, 0.1, 0.2, 0.4]", "[0.05]"),
        ("batch_size = [1, 4]", "batch_size = [1]"),
        ('target = "(w0 - 0.9)**2 + (w1 - 1)**2 < 0.09"\n', ""),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "study.toml").write_text(text)
    result = study.run_study(read_run_file(tmp_path / "study.toml"), tmp_path / "out")
    rows = [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]
    assert {row["reference"] for row in rows} == {"simulation"}
    distance = {row["model"]: row["W1"] for row in rows if row["t"] == 50}
    assert distance["first-order"] < distance["SGD"], "SGD's row is its distance to the operator"
    assert "too coarse for exact SGD" in result.verdicts[0]
