"""The study: a small sweep on the two-datapoint landscape, its table, its files, and going on where it stopped."""

import json
from pathlib import Path

import pytest

from fokkerplanck import study
from fokkerplanck.runfile import read_run_file

EXAMPLE = (Path(__file__).parent.parent / "examples" / "pit_study.toml").read_text()


def run_file(folder, **changes):
    text = EXAMPLE.replace("[0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05]", "[0.005, 0.02]")
    text = text.replace("cells = [2200]", "cells = [1100]").replace("paths = 4000", "paths = 1000")
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text)
    return read_run_file(path)


def test_study_of_the_pit(tmp_path, monkeypatch):
    """cases.md B3: first-order 566 steps for 149; at 0.005 the rare escape is wrong by orders of magnitude."""
    run = run_file(tmp_path)
    result = study.run_study(run, tmp_path / "out")
    rows = [dict(zip(result.table.columns, row, strict=True)) for row in result.table.rows]
    found = {(r["learning_rate"], r["model"]): r for r in rows if r["t"] == 1000}
    assert found[0.02, "SGD"]["escape"] == pytest.approx(149, rel=0.02)
    assert found[0.02, "first-order"]["escape_ratio"] == pytest.approx(3.8, rel=0.05)
    assert found[0.005, "first-order"]["escape_ratio"] < 1e-3
    simulated = found[0.02, "SGD, simulated"]
    assert abs(simulated["escape"] - found[0.02, "SGD"]["escape"]) < 5 * simulated["escape_error"]
    assert found[0.02, "SGD"]["edge"] > 1.5
    assert {p.name for p in result.files} == {"study.csv", "study.md", "distance.png", "escape.png"}
    assert all(p.stat().st_size > 500 for p in result.files)
    assert len(result.verdicts) == 6
    assert any("0.02, batch 1, first-order: the density at t = 1000 is off" in v for v in result.verdicts)
    assert "verdict" not in result.report()

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(study, "_setting", refuse)
    again = study.run_study(run, tmp_path / "out")
    assert again.table.rows == result.table.rows
    (tmp_path / "out" / "points" / "0.02-1.json").write_text(json.dumps({"mark": "old", "rows": []}))
    with pytest.raises(AssertionError, match="computed again"):
        study.run_study(run, tmp_path / "out")


def test_study_over_batches_and_other_models(tmp_path):
    changes = {
        "batches": ("batch_size = [1]", "batch_size = [1, 4]\ntemperature = 0.01"),
        "models": ('["first-order", "second-order", "gaussian-chain"]', '["langevin", "exact"]'),
        "no target": ('target = "w > 1.3"\n', ""),
        "rates": ("[0.005, 0.02]", "0.005"),
        "no simulation": ("[simulation]\npaths = 1000\nseed = 0\n", ""),
    }
    result = study.run_study(run_file(tmp_path, **changes), tmp_path / "out")
    assert {(row[1], row[2]) for row in result.table.rows} == {(b, m) for b in (1, 4) for m in ("SGD", "langevin")}
    assert "escape.png" not in {p.name for p in result.files}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (('["first-order", "second-order", "gaussian-chain"]', '["firstorder"]'), "`model` must be"),
        (('target = "w > 1.3"', 'target = "v > 1.3"'), "`study.target` must be"),
        (("batch_size = [1]", "batch_size = [0]"), "`batch_size` must be|`study.batch_size` must be"),
        (("batch_size = [1]", "batch_sizes = [1]"), "`study.batch_sizes` must be .*Did you mean 'batch_size'"),
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
