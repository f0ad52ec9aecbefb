"""The study of a network: what names one, its refusals, its files, going on where it stopped, and its parts by hand."""

import sys

import numpy as np
import pytest
from paths import EXAMPLES
from PIL import Image
from typer.testing import CliRunner

from fokkerplanck.cli import app
from fokkerplanck.comparison.distances import wasserstein
from fokkerplanck.comparison.wasserstein import assigned
from fokkerplanck.networks import Runs
from fokkerplanck.storage.tables import Comparison
from fokkerplanck.workflows.deep_linear import is_deep_study
from fokkerplanck.workflows.networks import analysis, blocks, is_network_study, read_network_study, tables, verdicts
from fokkerplanck.workflows.networks import run_network_study as run
from fokkerplanck.workflows.networks.spec import Dynamics, named

# Least squares (w - x_i)^2 h / 2 in two directions, stiff and soft: noise of the batches with covariance h Sigma_x h / B
MODULE = """
import numpy as np
from fokkerplanck.networks import Network
from beside import DEVIATIONS

assert __file__.endswith("squares.py")


def make(stiff, runs=24):
    h = np.array([stiff, 0.1])
    x = np.random.default_rng(0).standard_normal((40, 2)) * DEVIATIONS
    starts = 3.0 + np.random.default_rng(1).standard_normal((runs, 2))
    return Network.from_functions(
        lambda w, p: h * (p.sum() * w - p @ x), lambda w: 0.5 * ((w - x) ** 2 * h).sum(axis=1), lambda w, v: h * v,
        params=starts,
    )


def nothing(stiff):
    return 3
"""
TEXT = """
title = "Least squares"

[network]
module = "squares.py"
function = "make"
stiff = 1.0

[study]
dynamics = ["sgd", "refined", "langevin", "flow", { stability = 1.5 }]
learning_rate = [0.1, 0.4]
batch_size = 2
steps = [160, 40]
runs = 24
moments = 3
block = 10
seed = 3
"""


def study_file(folder, *changes, text=TEXT):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "squares.py").write_text(MODULE)
    (folder / "beside.py").write_text("DEVIATIONS = [1.0, 0.0]\n")
    path = folder / "study.toml"
    path.write_text(text)
    return path


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in (".md", ".csv", ".txt")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    study = read_network_study(study_file(folder), allow_code=True)
    return study, run(study, folder / "out"), folder / "out"


def rows(table, **where):
    found = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return [row for row in found if all(row[k.replace("_", " ")] == v for k, v in where.items())]


class TestRecognition:
    def test_files_that_name_a_network(self, tmp_path):
        assert is_network_study(study_file(tmp_path))
        assert is_network_study(study_file(tmp_path, ("module", "modul")))
        assert not is_network_study(EXAMPLES / "deep_linear.toml")
        assert is_deep_study(EXAMPLES / "deep_linear.toml")
        assert not is_network_study(EXAMPLES / "pit_study.toml")
        assert not is_network_study(tmp_path / "missing.toml")

    def test_code_is_run_only_where_it_is_allowed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = study_file(tmp_path)
        (tmp_path / "squares.py").write_text("raise SystemError('was run')")
        refused = CliRunner().invoke(app, ["study", str(path)])
        assert refused.exit_code == 2
        assert "`network.module` must be left out unless --allow-code is given, got 'squares.py'" in refused.output
        assert "fokkerplanck study study.toml --allow-code" in refused.output
        with pytest.raises(SystemError, match="was run"):
            read_network_study(path, allow_code=True)

    @pytest.mark.parametrize(
        "case",
        [
            (
                ('module = "squares.py"\n', ""),
                "`network` must be a table with `model`, or with `module` and `function`",
            ),
            (('function = "make"', ""), "`network` must be a table with `model`, or with"),
            (('"make"', '"mak"'), "`network.function` must be a function of squares.py, got 'mak'"),
            (
                ('"make"', '"nothing"'),
                "`network.function` must be a function that returns a fokkerplanck.networks.Network",
            ),
            (('"squares.py"', '"../squares.py"'), "`network.module` must be a file below the run file's folder"),
            (('["sgd", ', "["), '`study.dynamics` must be a list with "sgd", each once'),
            (("stability = 1.5", "stability = 2.5"), "`study.dynamics` must be"),
            (("stability = 1.5", "stabilty = 1.5"), "`study.dynamics` must be"),
            (("stability = 1.5", 'noise = "sgd"'), "`study.dynamics` must be"),
            (("[0.1, 0.4]", "[0.4, 0.1]"), "`study.learning_rate` must be a positive number, or an increasing list"),
            (("[160, 40]", "[160, 40, 20]"), "`study.steps` must be one number, or one for each learning rate"),
            (("runs = 24", "runs = 3"), "`study.runs` must be a whole number of at least 10"),
            (("seed = 3", "record_every = 100"), "`study.record_every` must be such that 20 steps"),
            (("batch_size = 2", "batchsize = 2"), "`study.batchsize` must be one of .* Did you mean 'batch_size'"),
            (
                ("batch_size = 2", "batch_size = 50"),
                ("stability = 1.5", "replacement = false"),
                "`study.batch_size` must be a whole number from 1 to 40",
            ),
        ],
    )
    def test_bad_files_are_refused(self, tmp_path, case):
        *changes, text = case
        path = study_file(tmp_path, *changes)
        with pytest.raises((ValueError, TypeError), match=text):
            read_network_study(path, allow_code=True)

    def test_packages_that_are_not_there_are_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "jax", None)
        monkeypatch.setitem(sys.modules, "optax", None)
        toy = study_file(tmp_path, text=TestToys.TOY.replace("bits = 4", "bits = 5"))
        with pytest.raises(
            ValueError, match=r"`network.model` must be one whose packages are installed, got 'parity'. .* JAX"
        ):
            read_network_study(toy)
        path = study_file(tmp_path, ("stability = 1.5", "momentum = 0.7"))
        with pytest.raises(ValueError, match=r"`study.dynamics` must be without momentum and Adam where optax is not"):
            read_network_study(path, allow_code=True)


class TestStudy:
    def test_answers_come_first_and_stand_on_the_page(self, finished):
        _, result, folder = finished
        assert [p.name for p in result.files[:2]] == ["answers.txt", "study.md"]
        assert tuple((folder / "answers.txt").read_text().splitlines()) == result.sentences
        page = (folder / "study.md").read_text()
        assert all(f"- {sentence}" in page for sentence in result.sentences)
        assert "nan" not in page
        for name in ("loss", "escapes", "distances"):
            assert f"({name}.png)" in page
            with Image.open(folder / f"{name}.png") as image:
                assert np.asarray(image.convert("L")).std() > 10, name

    def test_refined_noise_is_that_of_sgd_here_and_descent_is_not(self, finished):
        """The gradient is linear, so that Gaussian noise of the same covariance differs in higher moments only."""
        _, result, _ = finished
        far = result.tables["distances"]
        assert {r["apart"] for r in rows(far, dynamics="sgd again")} == {"not told apart"}
        assert {r["apart"] for r in rows(far, dynamics="refined")} == {"not told apart"}
        last = rows(far, dynamics="flow", step=160)[0]
        assert "parameters" in last["apart"]
        assert last["loss"] < 0.0
        assert "not told apart from SGD in any of" in result.sentences[-1]
        assert "From which learning rate on does refined fail? At none of 0.1, 0.4" in " ".join(result.sentences)

    def test_the_soft_direction_has_no_noise_of_sgd(self, finished):
        """Its samples are all alike: SGD descends there exactly, and isotropic noise does not."""
        study, result, folder = finished
        trained = blocks.train_blocks(study, folder / "blocks")[0.1]
        start = 3.0 + np.random.default_rng(1).standard_normal((24, 2))
        soft = start[:, 1] * (1.0 - 0.1 * 0.1) ** 160
        np.testing.assert_allclose(trained["sgd"].parameters[-1, :, 1], soft, rtol=1e-10)
        assert np.abs(trained["langevin"].parameters[-1, :, 1] - soft).min() > 1e-6
        last = rows(result.tables["distances"], dynamics="langevin", step=160)[0]
        assert last["W1 exact"] == assigned(trained["sgd"].parameters[-1], trained["langevin"].parameters[-1])

    def test_times_of_descent_are_those_by_hand(self, finished):
        """Loss of descent: sum of h (w_0 (1 - eta h)^t)^2 / 2 about that of the mean; first below SGD's level."""
        study, result, folder = finished
        trained = blocks.train_blocks(study, folder / "blocks")[0.1]
        level = rows(result.tables["escapes"], learning_rate=0.1, event="half of the drop", dynamics="flow")[0]["loss"]
        x = np.random.default_rng(0).standard_normal((40, 2)) * [1.0, 0.0]
        h, steps = np.array([1.0, 0.1]), np.arange(161)[:, None, None]
        start = 3.0 + np.random.default_rng(1).standard_normal((24, 2)) - x.mean(axis=0)
        loss = 0.5 * (h * ((start * (1.0 - 0.1 * h) ** steps) ** 2 + x.var(axis=0))).sum(axis=-1)
        first = np.argmax(loss <= level, axis=0)
        times = analysis.events(0.1, trained).times["half of the drop"]["flow"]
        assert np.abs(times - first).max() <= 1.0
        assert ((times <= first) | (first == 0)).all()

    def test_an_interrupted_study_ends_with_the_same_bits(self, finished, tmp_path, monkeypatch):
        study, _, folder = finished
        trained, calls = blocks.Block.trained, []

        def interrupted(block, study):
            calls.append(block)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return trained(block, study)

        monkeypatch.setattr(blocks.Block, "trained", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path)
        assert len(list((tmp_path / "blocks").iterdir())) == 4
        run(study, tmp_path)
        assert len(calls) == 5 + 2 * 6 * 3 - 4
        assert contents(tmp_path) == contents(folder)

    def test_processes_give_the_same_bytes_and_changed_code_is_run_anew(self, finished, tmp_path, monkeypatch):
        _, _, folder = finished
        monkeypatch.chdir(tmp_path)
        path = study_file(tmp_path)
        done = CliRunner().invoke(app, ["study", str(path), "--allow-code", "--workers", "2", "--out", "out"])
        assert done.exit_code == 0, done.output
        assert "Does the anisotropy of the noise change escapes?" in done.output
        assert contents(tmp_path / "out") == contents(folder)
        kept = {p.name: p.read_bytes() for p in (tmp_path / "out" / "blocks").iterdir()}
        (tmp_path / "squares.py").write_text(MODULE.replace("[stiff, 0.1]", "[stiff, 0.2]"))
        run(read_network_study(path, allow_code=True), tmp_path / "out")
        assert all(p.read_bytes() != kept[p.name] for p in (tmp_path / "out" / "blocks").iterdir())


def trained(name, loss, parameters=None):
    """Runs (n_times, n_runs) of a loss at steps 0, 1, ..."""
    n_times, n_runs = loss.shape
    at = np.zeros((1, n_runs, 1)) if parameters is None else parameters
    empty = np.empty((n_times, 0, at.shape[-1]))
    runs = Runs(steps=np.arange(n_times), loss=loss, gradient_norm=np.abs(np.gradient(loss, axis=0)) + 1e-12,
                final=at[-1], kept=empty)  # fmt: skip
    return blocks.Trained(named(Dynamics("", name)), runs, at)


class TestAnalysis:
    def test_assigned(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((50, 1))
        y = rng.permutation(x + 2.0)
        assert assigned(x, y) == pytest.approx(2.0)
        assert assigned(x, x**3) == pytest.approx(wasserstein(x, x**3).value)
        assert assigned(x, x**3, 2) == pytest.approx(wasserstein(x, x**3, 2).value)
        # two pairs across: 3-4-5 triangles
        a, b = np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([[13.0, 4.0], [3.0, 4.0]])
        assert assigned(a, b) == pytest.approx(5.0)

    def test_plateaus_are_common_to_all_dynamics(self):
        t, rng = np.arange(1001)[:, None], np.random.default_rng(0)
        leave = {"sgd": rng.uniform(300, 400, 20), "flow": rng.uniform(600, 700, 20)}
        by_name = {name: trained(name, 0.1 + 0.9 / (1.0 + np.exp((t - at) / 10.0))) for name, at in leave.items()}
        found = analysis.events(0.1, by_name)
        stays = [event for event in found.times if event.startswith("stay")]
        assert stays == ["stay at loss 1"]
        for name, at in leave.items():
            np.testing.assert_allclose(found.times[stays[0]][name], at, atol=1.0)
            np.testing.assert_allclose(found.times["half of the drop"][name], at, atol=1.0)
        table = tables.contrast_table([found], [("flow", "sgd")])
        assert {r["verdict"] for r in rows(table, event="half of the drop")} == {"later"}
        assert rows(table, event=stays[0])[0]["verdict"] == "longer"
        assert rows(table, event=stays[0])[0]["difference"] == pytest.approx(300, abs=40)

    def test_two_plateaus_and_the_noise_of_single_runs(self):
        """Kicks of single runs make no plateau of all, nor does the slow end of a decay."""
        t, rng = np.arange(2001)[:, None], np.random.default_rng(0)
        first, second = rng.uniform(300, 400, 20), rng.uniform(900, 1200, 20)
        loss = (
            0.6 / (1.0 + np.exp((t - first) / 10.0))
            + 0.3 / (1.0 + np.exp((t - second) / 10.0))
            + 1.0 / (1.0 + t / 10.0)
        )
        loss = (loss + 0.001) * np.exp(0.02 * rng.standard_normal(loss.shape))
        found = analysis.events(0.1, {"sgd": trained("sgd", loss)})
        stays = [event for event in found.times if event.startswith("stay")]
        levels = [found.levels[event] for event in stays]
        assert len(stays) == 2
        assert levels[0] == pytest.approx(0.95, abs=0.06)
        assert levels[1] == pytest.approx(0.31, abs=0.02)
        # from within 5 % of 0.31, 10 ln 38 steps and more after the first, to the middle of the second
        np.testing.assert_allclose(found.times[stays[1]]["sgd"], second - first - 55.0, atol=30)

    def test_a_loss_that_does_not_fall_has_no_passages(self):
        flat = {"sgd": trained("sgd", np.ones((50, 12))), "flow": trained("flow", np.ones((50, 12)))}
        assert analysis.events(0.1, flat).times == {}

    def test_runs_that_diverge(self):
        """They get nowhere, and are left out of distances with their partners."""
        t, rng = np.arange(200)[:, None], np.random.default_rng(1)
        fall = np.exp(-t / rng.uniform(20, 30, 20))
        lost = fall.copy()
        lost[2:, :12] = np.nan
        p = rng.standard_normal((1, 20, 3))
        q = np.where(np.arange(20)[:, None] < 12, np.nan, p)
        by_name = {"sgd": trained("sgd", fall, p), "refined": trained("refined", lost, q)}
        found = analysis.events(0.1, by_name)
        assert np.isinf(found.times["half of the drop"]["refined"][:12]).all()
        table = tables.contrast_table([found], [("refined", "sgd")])
        assert rows(table, event="half of the drop")[0]["difference"] == np.inf
        far = analysis.distances(0.1, by_name, np.array([199]))
        assert far[0].pairs == 8
        assert far[0].exact == 0.0
        by_name["refined"] = trained("refined", np.full_like(fall, np.nan), np.full_like(p, np.nan))
        none = tables.distance_table(analysis.distances(0.1, by_name, np.array([199])))
        assert none.column("apart") == ["too few pairs"]

    def test_contrasts_keep_the_optimizer(self):
        given = [
            {"noise": "sgd"}, {"noise": "refined"}, {"noise": "langevin"}, {"noise": "refined", "stability": 1.5},
            {"noise": "langevin", "temperature": 0.1}, {"noise": "langevin", "momentum": 0.9},
        ]  # fmt: skip
        pairs = analysis.contrasts([named(Dynamics("", **one)) for one in given])
        assert ("langevin", "refined") in pairs
        assert ("refined 1.5", "refined") in pairs
        assert [p for p in pairs if p[1] != "sgd"] == [("langevin", "refined"), ("refined 1.5", "refined")]


class TestSentences:
    COLUMNS = ("learning rate", "event", "dynamics", "against", "pairs", "difference", "from", "to", "verdict")

    def test_verdicts_say_no_more_than_the_intervals(self):
        given = (
            (0.1, "half of the drop", "langevin", "refined", 64, -20.0, -30.0, -10.0, "sooner"),
            (0.2, "half of the drop", "langevin", "refined", 64, 4.0, -9.0, 12.0, "not told apart"),
            (0.1, "half of the drop", "refined 1.5", "refined", 64, 1.0, -3.0, 3.0, "not told apart"),
            (0.2, "half of the drop", "refined 1.5", "refined", 64, np.inf, 5.0, np.inf, "later"),
            (0.1, "half of the drop", "refined", "sgd", 64, 1.0, -3.0, 3.0, "not told apart"),
            (0.2, "half of the drop", "refined", "sgd", 64, None, None, None, "undefined"),
        )
        dynamics = [named(Dynamics("", n, s)) for n, s in (("refined", None), ("langevin", None), ("refined", 1.5))]
        gaussian, isotropy, tails = verdicts.escape_answers(dynamics, Comparison(self.COLUMNS, given))
        assert isotropy == (
            "Does the anisotropy of the noise change escapes? Yes in 1 of 2 comparisons: langevin against refined, sooner: "
            "half of the drop at 0.1 (-20 steps, -30 to -10); not told apart: half of the drop at 0.2 (+4 steps, -9 to +12)."
        )
        assert "Yes in 1 of 2 comparisons" in tails
        assert "half of the drop at 0.2 (most runs of refined 1.5 never; +5 to +inf steps)" in tails
        assert "No difference that these runs can show" in gaussian
        nothing = [row for row in given if row[-1] == "undefined"]
        assert "cannot tell" in verdicts.escape_answers(dynamics[:1], Comparison(self.COLUMNS, tuple(nothing)))[0]

    @pytest.mark.parametrize(
        ("failed", "text"),
        [
            ((), "At none of 0.1, 0.2, 0.4 do these runs tell it apart from SGD."),
            ((0.2, 0.4), "These runs tell it apart from SGD from 0.2 on, not at 0.1."),
            ((0.1, 0.2, 0.4), "These runs tell it apart from SGD from 0.1 on, the lowest that was tried."),
            ((0.1, 0.4), "These runs tell it apart from SGD at 0.1, 0.4, and not at 0.2."),
        ],
    )
    def test_from_which_learning_rate_on(self, failed, text):
        rates = [0.1, 0.2, 0.4]
        given = tuple((r, "flow", 10, "loss" if r in failed else "not told apart") for r in rates)
        table = Comparison(("learning rate", "dynamics", "step", "apart"), given)
        assert verdicts._failing(table, "flow", rates) == f"From which learning rate on does flow fail? {text}"

    def test_false_alarms_are_said(self):
        far = Comparison(("dynamics", "apart"), (("sgd again", "loss"), ("flow", "loss")))
        none = Comparison(("dynamics", "verdict"), (("sgd again", "not told apart"),))
        assert "told apart from SGD in 1 of 2 comparisons, by chance: the other verdicts are in doubt" in (
            verdicts.false_alarms(far, none)
        )


class TestToys:
    TOY = """
[network]
model = "parity"
bits = 4
relevant = 2
hidden = 4
start_scale = 0.5

[study]
dynamics = ["sgd", "refined", { momentum = 0.9, learning_rate_factor = 0.1 }, { shuffle = true }]
learning_rate = 0.2
batch_size = 4
steps = 60
runs = 16
moments = 2
"""

    def test_a_toy_by_its_name(self, tmp_path):
        pytest.importorskip("jax")
        study = read_network_study(study_file(tmp_path, text=self.TOY))
        result = run(study, tmp_path / "out")
        assert [d.name for d in study.spec.study.dynamics] == [
            "sgd", "refined", "sgd momentum 0.9 at 0.1 eta", "sgd shuffled",
        ]  # fmt: skip
        found = blocks.train_blocks(study, tmp_path / "out" / "blocks")[0.2]
        first = {name: one.runs.loss[0] for name, one in found.items()}
        assert all(np.array_equal(first["sgd"], loss) for loss in first.values()), "shared starts"
        net = study.net
        assert first["sgd"][3] == pytest.approx(net.loss(0.5 * net.start(0, 3)), rel=1e-5)
        assert not np.array_equal(found["sgd"].runs.loss[-1], found["sgd again"].runs.loss[-1])
        assert "Would Gaussian noise of the same covariance escape as SGD does?" in result.sentences[0]

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (("parity", "partiy"), "`network.model` must be one of .* Did you mean 'parity'"),
            (("parity", "linear"), "`network.model` must be one of .*Deep linear networks have `widths` instead"),
            (("bits = 4", "bit = 4"), "`network.bit` must be one of .* Did you mean 'bits'"),
            (("bits = 4", "bits = 40"), "`network.bits` must be a whole number from 1 to 16, got 40"),
            (("batch_size = 4", "batch_size = 3"), "`study.batch_size` must be a divisor of the 16 samples"),
            (("start_scale = 0.5", "start_scale = 0"), "`network` must be a table with `model`"),
        ],
    )
    def test_bad_toys_are_refused(self, tmp_path, change, text):
        pytest.importorskip("jax")
        with pytest.raises(ValueError, match=text):
            read_network_study(study_file(tmp_path, change, text=self.TOY))

    def test_a_classifier_of_a_table(self, tmp_path):
        pytest.importorskip("jax")
        (tmp_path / "table.csv").write_text("a,b,kind\n" + "\n".join(f"{k},{k % 3},{k % 2}" for k in range(12)))
        text = self.TOY.replace('"parity"\nbits = 4\nrelevant = 2', '"classifier"\ndata = "table.csv"\nlabels = "kind"')
        net = read_network_study(study_file(tmp_path, text=text)).net
        inputs, labels = net.data
        np.testing.assert_allclose(np.mean(inputs, axis=0), 0.0, atol=1e-6)
        np.testing.assert_allclose(np.std(inputs, axis=0), 1.0, rtol=1e-5)
        assert np.array_equal(labels, np.arange(12) % 2)
        for change, message in (
            (('labels = "kind"', 'labels = "c"'), "`network.labels` must be one of the columns a, b, kind"),
            (('data = "table.csv"\n', ""), "`network.data` must be the name of a CSV file"),
        ):
            with pytest.raises(ValueError, match=message):
                read_network_study(study_file(tmp_path, change, text=text))

    def test_samples_of_superposition_are_drawn_once(self):
        pytest.importorskip("jax")
        import fokkerplanck.networks as fn

        net = fn.superposition(3, 2, samples=50)
        assert (net.n_samples, net.sampler) == (50, None)
        assert fn.superposition(3, 2, population=50).sampler is not None
