"""The ablation of a study: what is left out, distances that are known, and what the sentences say of them."""

import re

import numpy as np
import pytest
from paths import EXAMPLES
from run_files import two_datapoints

import fokkerplanck as fp
from fokkerplanck.workflows.ablation import ablation_sentences, apart, study_models
from fokkerplanck.workflows.runfile import read_run_file
from fokkerplanck.workflows.schema import Study
from fokkerplanck.workflows.sweep import run_study


def normal_on(grid, mean, deviation):
    """A solution of no steps: the initial density itself."""
    eq = fp.FokkerPlanck(drift=lambda *x: 0.0 * x[0] if len(x) == 1 else [0.0 * y for y in x], diffusion=0.0)
    return fp.solve(eq, grid, fp.gaussian(mean, deviation), [0.0])


def test_each_refinement_is_left_out_with_what_belongs_to_it():
    study = Study(models=["refined"], ablate=True, drift="second-order", stability=1.8, scale=0.5, anisotropic=True,
                  central_flow=False, time_order=1.0)  # fmt: skip
    models = study_models(study)
    out = [f"refined without {key}" for key in ("drift", "stability", "anisotropic")]
    assert list(models) == ["refined", *out, "first-order", "langevin"]
    without = models["refined without stability"].settings
    assert (without.stability, without.scale, without.anisotropic, without.drift) == (None, None, None, "second-order")
    isotropic = models["refined without anisotropic"].settings
    assert (isotropic.stability, isotropic.scale, isotropic.anisotropic) == (1.8, None, None)


def test_distances_of_two_normal_laws():
    """Shifted by (.3, -.4): .5 between the means and by W2; the MMD of N(0, s^2) and N(m, s^2) in closed form."""
    grid = fp.Grid([(-4, 4), (-4, 4)], [64, 64])
    found = apart(normal_on(grid, [0.3, -0.4], 0.7), normal_on(grid, [0.0, 0.0], 0.7), 0.0)
    assert found["mean_apart"] == pytest.approx(0.5, rel=1e-3)
    assert found["W2"] == pytest.approx(0.5, rel=0.02)
    line = fp.Grid((-5, 5), 1000)
    s, m = 0.7, 0.5
    found = apart(normal_on(line, m, s), normal_on(line, 0.0, s), 0.0)
    square = 2.0 * np.sqrt(1.0 / 3.0) * (1.0 - np.exp(-(m**2) / (6.0 * s**2)))  # kernel of width s
    assert found["MMD"] == pytest.approx(np.sqrt(square), rel=5e-3)
    assert found["se_MMD"] is None


def ablated(tmp_path, lines, **parts):
    text = two_datapoints(rate="learning_rate = 0.1", cells="60", **parts).split("[simulation]")[0]
    study = "\n".join(["[study]", 'models = ["refined"]', "ablate = true", *lines])
    (tmp_path / "study.toml").write_text(f"{text}\n{study}\n")
    return read_run_file(tmp_path / "study.toml")


@pytest.mark.filterwarnings("ignore:the grid adds")
def test_the_table_of_an_ablation(tmp_path):
    """Without its only refinement the refined model is that of first order, to the last digit."""
    result = run_study(ablated(tmp_path, ['drift = "second-order"', 'target = "w > 0.6"']), tmp_path / "out")
    rows = [dict(zip(result.ablation.columns, row, strict=True)) for row in result.ablation.rows]
    names = ["refined", "refined without drift", "first-order", "langevin"]
    assert list(dict.fromkeys(row["model"] for row in rows)) == names
    by = {(row["model"], row["t"]): row for row in rows}
    for t in {row["t"] for row in rows}:
        one, other = by["refined without drift", t], by["first-order", t]
        assert {k: v for k, v in one.items() if k != "model"} == {k: v for k, v in other.items() if k != "model"}
        assert by["refined", t]["W1"] != one["W1"]
        assert all(by["refined", t][key] >= 0.0 for key in ("mean_apart", "W2", "se_escape_ratio"))
    text = (tmp_path / "out" / "ablation.md").read_text()
    said = [v for v in result.verdicts if "without the refined drift, " in v]
    assert len(said) == 1
    assert f"- {said[0]}\n" in text
    assert "with langevin instead, " in text
    assert (tmp_path / "out" / "ablation.csv").read_text().startswith("learning_rate,batch_size,model,t,mean_apart")


def row(model, w1, ratio, **more):
    base = {"learning_rate": 0.1, "batch_size": 1, "model": model, "t": 5.0, "W1": w1, "se_W1": 0.001, "cell": 0.01,
            "failure": None, "escape_ratio": ratio, "se_escape_ratio": 0.01}  # fmt: skip
    return base | more


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (
            row("refined without drift", 0.3, 2.0),
            "is farther from SGD .*its escape is farther off: 2.000 ± 0.010 times",
        ),
        (row("refined without drift", 0.05, 1.0), "is nearer to SGD .*its escape is less off"),
        (row("refined without drift", 0.1005, 0.8), "is as far from SGD, within errors.*as far off, within errors"),
        (
            row("refined without drift", 0.2, None),
            "its escape takes a time without a mean, that of the full model takes 1.250",
        ),
        (row("refined without drift", 0.2, float("inf")), "its escape takes forever, "),
        (row("refined without drift", None, None, failure="it ran out"), "the model is not solved, as it ran out"),
    ],
)
def test_sentences_of_an_ablation(other, text):
    """A ratio of 0.8 is as far off as one of 1.25."""
    said = ablation_sentences([row("refined", 0.1, 1.25), other])
    assert len(said) == 1
    assert re.search(f"learning rate 0.1, batch 1: without the refined drift, .*{text}", said[0])


def test_distances_below_a_cell_are_no_distances():
    said = ablation_sentences([row("refined", 0.002, None), row("langevin", 0.008, None)])
    assert said[0].startswith(
        "learning rate 0.1, batch 1: with langevin instead, the density at t = 5 is as near to SGD"
    )


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "`study.ablate` must be given with some of drift, stability"),
        (['drift = "first-order"', "anisotropic = false"], "`study.ablate` must be given with some of drift"),
        (['drift = "second"'], "`study.drift` must be .*'second-order'.*, got 'second'"),
        (["central_flow = 1"], "`study.central_flow` must be true or false"),
        (["anisotropic = true", "time_order = 0.9"], "`study.anisotropic` must be left out without stability"),
    ],
)
def test_bad_ablations_are_refused(tmp_path, lines, text):
    with pytest.raises(ValueError, match=text):
        run_study(ablated(tmp_path, lines), tmp_path / "out")


def test_an_ablation_needs_the_refined_model(tmp_path):
    run = ablated(tmp_path, ['drift = "second-order"'])
    run.path.write_text(run.path.read_text().replace('models = ["refined"]', 'models = ["first-order"]'))
    with pytest.raises(ValueError, match=r"`study\.ablate` must be false unless `study.models` has 'refined'"):
        run_study(read_run_file(run.path), tmp_path / "out")


@pytest.mark.filterwarnings("ignore::UserWarning")  # fewer cells than the examples have
@pytest.mark.parametrize("name", ["valley", "scalar_net", "scalar_net_heavy_tails"])
def test_the_examples_of_valleys_need_the_covariance_of_their_jumps(tmp_path, name):
    """Noise across the valley only: whatever sends SGD along it is farther off than all that does not."""
    text = (EXAMPLES / f"{name}_study.toml").read_text()
    for old, new in (("[40, 40]", "[20, 20]"), ("paths = 4000", "paths = 500"), ("time_order = 0.95\n", "")):
        assert old in text
        text = text.replace(old, new)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("target"))
    (tmp_path / "study.toml").write_text(text)
    result = run_study(read_run_file(tmp_path / "study.toml"), tmp_path / "out")
    w1 = dict(zip(result.ablation.column("model"), result.ablation.column("W1"), strict=True))
    along = {w1.pop("refined without anisotropic"), w1.pop("langevin")}
    assert {"refined without drift", "refined without stability", "refined without central_flow"} < set(w1)
    assert min(along) > 1.5 * max(w1.values())
