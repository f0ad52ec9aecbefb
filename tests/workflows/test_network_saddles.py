"""Where runs of every dynamics wait, and whether tails go with short stays: against values by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from fokkerplanck import networks as fn
from fokkerplanck.storage.tables import Comparison
from fokkerplanck.workflows.networks import analysis, blocks, read_network_study, saddles, tables, verdicts
from fokkerplanck.workflows.networks import run_network_study as run
from fokkerplanck.workflows.paired_runs import NOT_TOLD, rank_correlation
from fokkerplanck.workflows.saddles import Saddle, tails_and_stays
from fokkerplanck.workflows.tail_correlation import LONGER, SHORTER

# (1 - a^2)^2 / 4 + b^2 / 2 + x_i a: a saddle at 0 between two minima, of Hessian diag(-1, 1), with noise along a
MODULE = """
import numpy as np
from fokkerplanck.networks import Network


def make(noise, runs=14):
    x = noise * np.array([-1.5, -0.5, 0.5, 1.5])
    starts = np.stack([0.02 * (1.0 + np.arange(runs) / 10), np.zeros(runs)], axis=1)
    return Network.from_functions(
        lambda w, p: np.array([p.sum() * (w[0] ** 3 - w[0]) + p @ x, p.sum() * w[1]]),
        lambda w: 0.25 * (1.0 - w[0] ** 2) ** 2 + 0.5 * w[1] ** 2 + x * w[0],
        lambda w, v: np.array([(3.0 * w[0] ** 2 - 1.0) * v[0], v[1]]),
        params=starts,
    )
"""
TEXT = """
[network]
module = "well.py"
function = "make"
noise = 0.02

[study]
dynamics = ["sgd", "refined", "langevin"]
learning_rate = 0.1
batch_size = 2
steps = 200
runs = 14
moments = 2
block = 5
inspect = 12
"""
VARIANCE = 0.02**2 * 1.25 / 2  # of the batch gradient


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saddles")
    (folder / "well.py").write_text(MODULE)
    (folder / "study.toml").write_text(TEXT)
    study = read_network_study(folder / "study.toml", allow_code=True)
    return study, run(study, folder / "out"), folder / "out"


def rows(table, **where):
    found = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return [row for row in found if all(row[k] == v for k, v in where.items())]


class TestStudy:
    def test_saddles_of_every_dynamics_are_those_by_hand(self, finished):
        study, result, folder = finished
        table = result.tables["saddles"]
        trained = blocks.train_blocks(study, folder / "blocks")[0.1]
        for name in ("sgd", "refined", "langevin"):
            found = rows(table, dynamics=name)
            assert [row["run"] for row in found] == list(range(12))
            for row in found:
                # trained again to the same bits
                recorded = trained[name].runs
                n = int(np.searchsorted(recorded.steps, row["step"]))
                assert row["loss"] == recorded.loss[n, row["run"]]
                assert row["gradient"] == recorded.gradient_norm[n, row["run"]]
                assert row["trace"] == pytest.approx(VARIANCE)
                assert row["dimension"] == pytest.approx(1.0)
                h = row["lowest"]  # 3 a^2 - 1
                assert -1.0 <= h < -0.8
                assert (row["negative"], row["highest"]) == ("1", pytest.approx(1.0))
                assert row["curvature"] == pytest.approx(h)
                assert row["cosine"] == pytest.approx(h / np.hypot(h, 1.0))
                assert (row["in lowest"], row["in highest"]) == pytest.approx((1.0, 0.0))
                a = np.sqrt((h + 1.0) / 3.0)
                assert row["gradient"] >= a * (1.0 - a**2) - 1e-9  # and more where b is not zero
        stays = analysis.events(0.1, trained).times
        (event,) = [e for e in stays if e.startswith("stay")]
        assert table.column("stay")[:12] == stays[event]["sgd"][:12].tolist()

    def test_tables_and_sentences_are_written(self, finished):
        _, result, folder = finished
        assert {"saddles.csv", "saddle medians.csv", "tails.csv"} <= {p.name for p in result.files}
        page = (folder / "study.md").read_text()
        assert "## Where runs wait" in page
        assert "nan" not in page
        medians = rows(result.tables["saddle medians"])
        assert [(r["dynamics"], r["runs"], r["negative"]) for r in medians] == [
            (name, 12, 1.0) for name in ("sgd", "refined", "langevin")
        ]
        # noise is the same at all places, and so is its index, to its rounding
        assert {r["verdict"] for r in rows(result.tables["tails"])} == {"undefined"}
        assert "has heavier tails? These runs cannot tell" in " ".join(result.sentences)

    def test_a_study_that_is_run_again_does_not_look_again(self, finished, monkeypatch):
        study, result, folder = finished
        before = (folder / "saddles.csv").read_bytes()

        def never(*arguments):
            raise AssertionError("looked at again")

        monkeypatch.setattr(saddles, "saddle_index", never)
        again = run(study, folder)
        assert again.tables["saddles"].rows == result.tables["saddles"].rows
        assert again.tables["tails"].rows == result.tables["tails"].rows
        assert (folder / "saddles.csv").read_bytes() == before
        fewer = study.spec.model_copy(update={"study": study.spec.study.model_copy(update={"inspect": 3})})
        with pytest.raises(AssertionError, match="looked at again"):
            run(type(study)(study.path, fewer, study.recipe), folder)

    def test_none_are_inspected(self, tmp_path):
        (tmp_path / "well.py").write_text(MODULE)
        (tmp_path / "study.toml").write_text(TEXT.replace("inspect = 12", "inspect = 0"))
        result = run(read_network_study(tmp_path / "study.toml", allow_code=True), tmp_path / "out")
        assert result.tables["saddles"].rows == ()
        assert "heavier tails" not in " ".join(result.sentences)


def test_nearest_steps():
    steps = np.array([0, 10, 20, 30])
    norm = np.array([[0.1, 5.0, 5.0, 5.0], [3.0, 4.0, np.nan, 4.0], [2.0, 3.0, 4.0, 3.0], [9.0, 2.0, 3.0, 2.0]])
    visits = np.array([[5.0, 25.0], [5.0, np.inf], [5.0, 15.0], [np.nan, np.nan]])
    assert saddles.nearest_steps(steps, norm, visits).tolist() == [20, 30, -1, -1]


@pytest.mark.parametrize(("power", "expected"), [(1.0, (1.8, 2.2)), (3.0, (0.4, 1.3))])
def test_tails_of_noise(power, expected):
    """Gradients x_i along one of two directions: Gaussian quantiles, or their cubes, in single samples."""
    z = np.random.default_rng(0).standard_normal(2000)
    x = np.sign(z) * np.abs(z) ** power
    net = fn.Network.from_functions(
        lambda w, p: np.array([p @ x, p.sum() * w[1]]), lambda w: x * w[0] + 0.5 * w[1] ** 2, params=np.ones(2)
    )
    theta = np.ones(2)
    tail, verdict = saddles.tail_of_noise(net, theta, fn.gradient_noise(net, theta), 1)
    assert expected[0] < tail < expected[1]
    assert (verdict == "gaussian") == (power == 1.0)


def test_noise_of_too_few_values_has_no_index():
    x = np.zeros(500)
    x[0] = 1.0
    net = fn.Network.from_functions(lambda w, p: np.array([p @ x]), lambda w: x * w[0], params=np.ones(1))
    tail, verdict = saddles.tail_of_noise(net, np.ones(1), fn.gradient_noise(net, np.ones(1)), 2)
    assert np.isnan(tail)
    assert verdict == ""
    silent = fn.Network.from_functions(lambda w, p: p.sum() * w, lambda w: np.full(9, 0.5 * w @ w), params=np.ones(2))
    assert saddles.tail_of_noise(silent, np.ones(2), fn.gradient_noise(silent, np.ones(2)), 2)[1] == ""


class TestRankCorrelation:
    def test_it_is_that_of_spearman(self):
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 6, 30).astype(float), rng.standard_normal(30)
        y[:3] = np.inf
        assert rank_correlation(x, y).value == pytest.approx(spearmanr(x, np.where(np.isinf(y), 99.0, y)).statistic)
        y[5] = np.nan
        assert rank_correlation(x, y).n == 29
        assert rank_correlation(x, np.arange(30.0) ** 3 + x * 1e9).sign == 1
        assert rank_correlation(np.arange(12.0), -np.exp(np.arange(12.0)))[:3] == pytest.approx((-1.0, -1.0, -1.0))

    def test_undefined(self):
        assert np.isnan(rank_correlation(np.arange(9.0), np.arange(9.0)).value)
        assert np.isnan(rank_correlation(np.arange(20.0), np.full(20, np.inf)).value)

    def test_false_alarms_and_power(self):
        """At most 50 of 1000 independent pairs are told apart (78: four deviations), and nearly all at a correlation of .8."""
        rng = np.random.default_rng(1)
        x, y = rng.standard_normal((2, 1000, 16))
        assert 15 < sum(rank_correlation(a, b).sign != 0 for a, b in zip(x, y, strict=True)) < 78
        assert sum(rank_correlation(a, 0.8 * a + 0.6 * b).sign == 1 for a, b in zip(x, y, strict=True)) > 850


class TestTails:
    def saddle(self, name, run, stay, tail):
        place = (0.1, "stay at loss 1", name)
        return Saddle(place, run, 5, stay, 1.0, 1.0, 1, True, *(0.0,) * 8, tail, tails="mixed")

    def test_heavier_and_shorter(self):
        rng = np.random.default_rng(2)
        tail = rng.uniform(1, 2, (2, 30))
        found = [self.saddle("sgd", k, 10 * t + rng.normal(), t) for k, t in enumerate(tail[0])]
        found += [self.saddle("refined", k, rng.exponential(), t) for k, t in enumerate(tail[1])]
        table = tails_and_stays(tables.PLACE, found)
        assert table.column("verdict") == [SHORTER, NOT_TOLD]
        own, others = verdicts.tail_answers(table)
        assert own.startswith(
            "Does SGD leave sooner where the noise of its batches has heavier tails? Sooner in 1 of 1 "
        )
        assert "No correlation that these runs can show in 1 comparison" in others
        assert tables.place_table(found).column("stable or mixed") == [1.0, 1.0]

    def test_later(self):
        columns = ("learning rate", "event", "dynamics", "runs", "correlation", "from", "to", "verdict")
        row = (0.1, "stay at loss 1", "sgd", 30, -0.7, -0.9, -0.2, LONGER)
        (said,) = verdicts.tail_answers(Comparison(columns, (row,)))
        assert said.endswith("Later in 1 of 1 comparisons: sgd, stay at loss 1 at 0.1 (-0.70, -0.90 to -0.20).")
