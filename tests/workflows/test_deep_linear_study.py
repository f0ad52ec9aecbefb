"""The study of a deep linear network at small size: its files, going on where it stopped, and its parts by hand."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr
from typer.testing import CliRunner

from fokkerplanck.cli import app
from fokkerplanck.comparison.compare import Comparison
from fokkerplanck.deep_linear import plateaus
from fokkerplanck.workflows import deep_linear as deep_study
from fokkerplanck.workflows.deep_linear import analysis, blocks, read_deep_study, run_deep_study, tables
from fokkerplanck.workflows.paired_runs import FEWEST, joint_level, median_difference, median_interval
from fokkerplanck.workflows.saddles import COLUMNS, Saddle, tails_and_stays

TEXT = """
title = "Small"

[network]
widths = [4, 12, 12, 4]
teacher = [3.0, 1.5]
learning_rate = 0.01
batch_size = 5
label_noise = 0.1
start = { kind = "small", scale = 2.5 }

[study]
generators = ["sgd", "refined", { stability = 1.7 }]
runs = 10
steps = 1200
block = 4
inspect = 1
seed = 3
"""


def study_file(folder, *changes, text=TEXT):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text)
    return path


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.suffix in (".md", ".csv")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep")
    study = read_deep_study(study_file(folder))
    return study, run_deep_study(study, folder / "out"), folder / "out"


def column(table, name, **where):
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return [row[name] for row in rows if all(row[k] == v for k, v in where.items())]


class TestStudy:
    def test_page_and_figures(self, finished):
        _, result, folder = finished
        page = (folder / "study.md").read_text()
        titles = [line[3:] for line in page.splitlines() if line.startswith("## ")]
        assert titles == [
            "Escape times",
            "Do heavy tails speed up the escape?",
            "Plateaus",
            "The saddles: Hessian and gradient noise",
            "One equation a mode",
            "Largest noise before learned",
            "Low-rank bias",
        ]
        assert "DeepLinear 4-12-12-4" in page
        assert all(f"- {sentence}" in page for sentence in result.sentences)
        assert "nan" not in page
        for name in ("loss", "escape", "modes", "rank"):
            assert f"({name}.png)" in page
            with Image.open(folder / f"{name}.png") as image:
                assert np.asarray(image.convert("L")).std() > 10, name
        assert {p.name for p in result.files} >= {"study.md", "escapes.csv", "saddles.csv", "loss.png"}

    def test_escapes_come_one_after_another(self, finished):
        _, result, _ = finished
        table = result.tables["escapes"]
        for name in ("sgd", "refined", "refined 1.7"):
            first, second = column(table, "escape", generator=name)
            assert 0 < first < second
            assert column(table, "visited", generator=name)[0] == 1.0
        assert all(
            low <= m <= high
            for m, low, high in zip(*(table.column(c) for c in ("escape", "escape from", "escape to")), strict=True)
        )

    def test_saddles_of_every_generator_lie_at_the_loss_of_what_is_not_learned(self, finished):
        study, result, folder = finished
        table = result.tables["saddles"]
        names = ["sgd", "refined", "refined 1.7"]
        assert table.column("modes learned") == [0] * 3 + [1] * 3
        assert table.column("generator") == names * 2
        np.testing.assert_allclose(table.column("loss"), [5.625] * 3 + [1.125] * 3, rtol=0.1)
        for name in names:  # each where its own noise has led it
            places = plateaus(blocks.train_blocks(study, folder / "blocks")[name].training).nearest[:2, 0]
            assert column(table, "step", generator=name) == places.tolist()
        assert len(set(table.column("trace")[3:])) == 3
        assert all(low < 0 < high for low, high in zip(table.column("lowest"), table.column("highest"), strict=True))
        assert all(t > 3 for t in table.column("tail")), "Gaussian inputs have no heavy tail"
        assert result.tables["tails"].rows == (), "of one run there is no correlation"

    def test_a_study_that_is_run_again_does_not_look_again(self, finished, monkeypatch):
        study, result, folder = finished

        def never(*arguments):
            raise AssertionError("looked at again")

        monkeypatch.setattr(analysis, "saddle_index", never)
        again = run_deep_study(study, folder)
        assert again.tables["saddles"].rows == result.tables["saddles"].rows
        assert set(COLUMNS) <= set(again.tables["saddles"].columns)

    def test_tails_are_correlated_with_stays(self):
        """A tail index that rises with the stay at one saddle; and too few runs at another."""
        saddle = Saddle((0, "sgd"), 0, 5, *(1.0,) * 3, 1, True, *(0.0,) * 8, 5.0, 4.0, 6.0)
        found = [saddle._replace(run=k, stay=float(k**2), tail=5.0 + 0.1 * k) for k in range(12)]
        found += [saddle._replace(run=k, place=(1, "sgd")) for k in range(9)]
        found += [
            saddle._replace(run=k, place=(0, "refined"), stay=np.inf if k > 8 else 7.0 * k % 10, tail=5.0 + k)
            for k in range(12)
        ]
        table = tails_and_stays(tables.PLACE, found, FEWEST)
        assert [row[:3] for row in table.rows] == [(0, "sgd", 12), (0, "refined", 12)]
        assert table.column("correlation")[0] == pytest.approx(1.0)
        assert table.column("verdict")[0] == "heavier, shorter"
        rank = spearmanr([s.tail for s in found[-12:]], [min(s.stay, 99.0) for s in found[-12:]]).statistic
        assert table.column("correlation")[1] == pytest.approx(rank)

    def test_modes_near_their_equation_and_ranks_rise(self, finished):
        _, result, _ = finished
        modes = result.tables["modes"]
        for target, value, error, equation in zip(
            *(modes.column(c) for c in ("target", "mean", "error", "equation")), strict=True
        ):
            assert abs(value - equation) < 5 * error + 0.06 * target
        ranks = result.tables["ranks"]
        final = column(ranks, "stable rank", step=1200, generator="sgd")[0]
        assert final == pytest.approx((9 + 2.25) / 9, abs=0.05)
        assert column(result.tables["largest noise"], "before learned")[0] >= 0.8

    def test_the_report_names_the_verdict(self, finished):
        _, result, _ = finished
        text = " ".join(result.report().split())
        assert "Heavy tails, refined 1.7 against refined: heavy-tailed noise" in text
        assert max(len(line) for line in result.report().splitlines()) <= 100


class TestGoingOn:
    def test_an_interrupted_study_ends_with_the_same_bits(self, finished, tmp_path, monkeypatch):
        study, _, folder = finished
        train, calls = blocks.train, []

        def interrupted(*args, **options):
            calls.append(args)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return train(*args, **options)

        monkeypatch.setattr(blocks, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_deep_study(study, tmp_path)
        left = sorted(p.name for p in (tmp_path / "blocks").iterdir())
        assert left == ["refined-00000.npz", "sgd-00000.npz", "sgd-00004.npz", "sgd-00008.npz"]
        run_deep_study(study, tmp_path)
        assert len(calls) == 5 + 5, "four of nine blocks were kept"
        assert contents(tmp_path) == contents(folder)

    def test_blocks_of_another_study_or_damaged_ones_are_not_used(self, tmp_path, monkeypatch):
        small = study_file(
            tmp_path, ("runs = 10", "runs = 5"), ("steps = 1200", "steps = 60"), ("block = 4", "block = 5")
        )
        study = read_deep_study(small)
        first = blocks.train_blocks(study, tmp_path)["sgd"]
        path = tmp_path / "sgd-00000.npz"
        path.write_bytes(path.read_bytes()[:1000])
        again = blocks.train_blocks(study, tmp_path)["sgd"]
        assert np.array_equal(first.strengths, again.strengths)
        other = read_deep_study(study_file(tmp_path, ("seed = 3", "seed = 4"), text=small.read_text()))
        changed = blocks.train_blocks(other, tmp_path)["sgd"]
        assert not np.array_equal(first.training.loss, changed.training.loss)

        def refuse(*args):
            raise AssertionError("trained again")

        monkeypatch.setattr(blocks.Block, "trained", refuse)
        kept = blocks.train_blocks(other, tmp_path)["sgd"]
        assert np.array_equal(kept.training.end_to_end, changed.training.end_to_end)


class TestAnalysis:
    def test_median_difference(self):
        start = np.random.default_rng(0).exponential(100.0, 101)
        d = median_difference(start + 3.0, start)
        assert (d.value, d.low, d.high) == pytest.approx((3.0, 3.0, 3.0)), "what pairs share drops out"
        assert d.sign == 1
        assert median_difference(start, start + 3.0).sign == -1
        other = np.random.default_rng(1).permutation(start)
        assert median_difference(other, start).sign == 0

    def test_median_difference_with_runs_that_never_leave(self):
        base = np.arange(20.0)
        late = np.where(base < 8, np.inf, base)
        d = median_difference(late, base, level=0.99)
        assert d.value == 19.0 + 0.0 - 10.0 or d.value == 18.0 - 10.0
        assert d.high == np.inf
        assert np.isnan(median_difference(np.full(20, np.inf), np.full(20, np.inf)).value)
        missing = np.where(base < 17, np.nan, base)
        assert median_difference(missing, base)[3] == 3
        assert np.isnan(median_difference(missing, base).value)

    def test_clock(self):
        steps, values = np.arange(0, 50, 10), np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0, 0.0]]).T
        found = analysis.clock(steps, values, np.array([5.0, np.inf]), np.array([5, 30, 40]))
        np.testing.assert_allclose(found, [[1.0, np.nan], [3.5, np.nan], [np.nan, np.nan]])

    def test_median_interval(self):
        low, middle, high = median_interval(np.append(np.arange(1.0, 102.0), np.nan))
        assert middle == 51.0
        # the median of 101 resampled ranks: binomial, +- 1.96 sqrt(101) / 2 = 9.8 ranks
        assert (low, high) == pytest.approx((41, 61), abs=3)

    def test_intervals_that_hold_together(self):
        assert joint_level(8) == pytest.approx(1 - 0.05 / 8)

    def test_sentences(self):
        columns = ("generator", "modes learned", "pairs", "difference", "from", "to", "stay")
        rows = (
            ("refined 1.5", 0, 200, -20.0, -30.0, -10.0, "shorter"),
            ("refined 1.5", 1, 200, 4.0, -9.0, 12.0, "not told apart"),
            ("refined 1.8", 0, 200, 1.0, -3.0, 3.0, "not told apart"),
            ("refined 1.8", 1, 9, None, None, None, "undefined"),
        )
        one, two = tables.heavy_tail_sentences(
            Comparison(columns, rows), "refined", {"refined 1.5": 0.12, "refined 1.8": 0.0}
        )
        assert one == (
            "Heavy tails, refined 1.5 against refined: heavy-tailed noise speeds up the escape where it makes a difference "
            "(intervals that hold together at 95 %): the median stay is shorter at the saddle of rank 0 (-20 steps, -30 to "
            "-10), and not told apart at the saddle of rank 1 (+4 steps, -9 to +12). 12.0% of its runs diverged."
        )
        assert "makes no difference to the escape that these runs can show" in two
        assert "undefined at the saddle of rank 1 (too many runs never leave)" in two


def test_an_aligned_start_counts_from_the_start(tmp_path):
    path = study_file(
        tmp_path,
        ('{ kind = "small", scale = 2.5 }', '{ kind = "aligned", scale = 0.1 }'),
        ("[3.0, 1.5]", "[1.0]"),
        ("[4, 12, 12, 4]", "[1, 4, 4, 1]"),
        ("learning_rate = 0.01", "learning_rate = 0.005"),
        ("runs = 10", "runs = 200"),
        ('["sgd", "refined", { stability = 1.7 }]', '["sgd"]'),
        ("block = 4", "block = 200"),
    )
    result = run_deep_study(read_deep_study(path), tmp_path / "out")
    modes = result.tables["modes"]
    np.testing.assert_allclose(modes.column("from"), 0.1)
    assert max(modes.column("off-diagonal")) < 1e-12
    # one mode alone: within what sampling gives; 6 dependent comparisons at 4 errors, false alarm below 1e-3
    for value, error, sampling in zip(*(modes.column(c) for c in ("W1", "W1 error", "W1 sampling")), strict=True):
        assert value < sampling + 4 * error
    assert abs(result.tables["halves"].column("z")[0]) < 4
    assert result.tables["heavy"].rows == ()


def test_inputs_without_an_equation(tmp_path):
    rng = np.random.default_rng(0)
    rows = "\n".join(",".join(f"{x:.4f}" for x in row) for row in rng.standard_normal((30, 4)))
    (tmp_path / "data.csv").write_text("a,b,c,d\n" + rows)
    few = [
        ("runs = 10", "runs = 5"),
        ("steps = 1200", "steps = 300"),
        ("label_noise", 'inputs = "data.csv"\nlabel_noise'),
    ]
    study = read_deep_study(study_file(tmp_path, *few))
    assert study.net.data.shape == (30, 4)
    result = run_deep_study(study, tmp_path / "out")
    assert "No equation of one mode holds" in result.sentences[-1]
    assert not (tmp_path / "out" / "modes.png").exists()
    student = study_file(tmp_path, ("label_noise", "inputs = { student = 6 }\nlabel_noise"))
    assert read_deep_study(student).kurtosis == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("widths = [4, 12, 12, 4]", "widths = [4]"), "`network.widths` must be at least two whole numbers above 0"),
        (("widths", "width"), "`network.width` must be one of .*Did you mean 'widths'"),
        (("[3.0, 1.5]", "[1.5, 3.0]"), "`network.teacher` must be positive singular values"),
        (("[3.0, 1.5]", "[5.0, 4.0, 3.0, 2.0, 1.0]"), "`teacher` must be"),
        (("learning_rate = 0.01", "learning_rate = 0"), "`network.learning_rate` must be a positive number"),
        (('kind = "small"', 'kind = "tiny"'), "`network.start` must be { kind ="),
        (("scale = 2.5", "scale = 0.5"), "`gamma` must be above 1"),
        (("label_noise", "inputs = 3\nlabel_noise"), "`network.inputs` must be"),
        (("label_noise", 'inputs = "no.csv"\nlabel_noise'), "`network.inputs` must be a file in"),
        (("label_noise", "inputs = { student = 3 }\nlabel_noise"), "`inputs` must be with fourth moments"),
        (('["sgd", ', '["langevin", '), '`study.generators` must be a list with "sgd"'),
        (("stability = 1.7", "stability = 2.5"), "`study.generators` must be"),
        (("runs = 10", "runs = 2"), "`study.runs` must be a whole number of at least 5"),
        (("seed = 3", "record_every = 100"), "`study.record_every` must be such that 20 steps"),
        (("[study]", "[sutdy]"), "`sutdy` must be one of .*Did you mean 'study'"),
    ],
)
def test_bad_files_are_refused(tmp_path, change, text):
    with pytest.raises(ValueError, match=text):
        read_deep_study(study_file(tmp_path, change))


def test_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = study_file(tmp_path, ("runs = 10", "runs = 5"), ("steps = 1200", "steps = 400"))
    result = CliRunner().invoke(app, ["study", str(path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "results" / "study-study" / "study.md").is_file()
    assert "modes learned" in result.stdout
    path.write_text(TEXT.replace("batch_size = 5", "batch_size = 0"))
    refused = CliRunner().invoke(app, ["study", str(path)])
    assert refused.exit_code == 2
    assert "`network.batch_size` must be a whole number of at least 1, got 0" in refused.output
    assert not deep_study.is_deep_study(tmp_path / "missing.toml")
