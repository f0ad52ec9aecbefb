"""The comparison table against distances in closed form; statistical checks use fixed seeds."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.storage.tables import WIDTH, Comparison, with_error


def ensemble(positions, times=(1.0,)):
    return fp.Ensemble(np.array(times), np.asarray(positions, dtype=float))


def gaussian_solution(mean, std, times=(1.0,)):
    """A density that does not move."""
    eq = fp.FokkerPlanck(diffusion=0.0)
    return fp.solve(eq, fp.Grid((-8, 8), 800), fp.gaussian(mean, std), list(times))


def rows(table):
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_wasserstein_of_shifted_and_of_scaled_laws():
    """W1 of a shift is the shift; of N(0, 1) and N(0, s^2) it is |s - 1| sqrt(2 / pi)."""
    laws = {str(k): gaussian_solution(m, s) for k, (m, s) in enumerate(((0, 1), (0.7, 1), (0, 1.5)))}
    base, shifted, scaled = rows(fp.compare(laws, reference="0"))
    assert base["W1"] is None
    assert shifted["W1"] == pytest.approx(0.7, rel=1e-4)
    assert scaled["W1"] == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=1e-3)
    assert scaled["W2"] == pytest.approx(0.5, rel=1e-3)
    assert scaled["kurtosis"] == pytest.approx(0.0, abs=1e-3)
    points = {str(x): ensemble([[[x], [x + 1.0]]]) for x in (0.0, 0.25)}
    assert rows(fp.compare(points, reference="0.0", distances=()))[1]["W1"] == pytest.approx(0.25)


def test_sampling_noise_of_w1_is_what_sampling_gives():
    """Mean of W1 over 60 ensembles of 400 paths against the column; the mean of 60 is within 4 standard errors."""
    solution = gaussian_solution(0.0, 1.0)
    rng = np.random.default_rng(1)
    distances, stated = [], []
    for _ in range(60):
        table = fp.compare({"model": solution, "paths": ensemble(rng.normal(size=(1, 400, 1)))}, distances=())
        row = dict(zip(table.columns, table.rows[0], strict=True))
        distances.append(row["W1"])
        stated.append(row["W1_sampling"])
    assert abs(np.mean(distances) - np.mean(stated)) < 4 * np.std(distances) / np.sqrt(60)


def test_z_counts_standard_errors():
    positions = np.array([[[-1.0], [1.0], [-1.0], [1.0]]])
    table = fp.compare({"model": gaussian_solution(1.0, 0.5), "paths": ensemble(positions)}, reference="paths")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["z_mean"] == pytest.approx(1.0 / (np.sqrt(4 / 3) / 2), rel=1e-6)
    reference = dict(zip(table.columns, table.rows[1], strict=True))
    assert reference["z_mean"] is None
    assert reference["se_mean"] == pytest.approx(np.sqrt(4 / 3) / 2)


def test_standard_error_of_the_deviation():
    """For a normal law it is s / sqrt(2 n)."""
    rng = np.random.default_rng(0)
    (one,) = rows(fp.compare({"paths": ensemble(rng.normal(size=(1, 200_000, 1)))}, distances=()))
    assert one["se_deviation"] == pytest.approx(1.0 / np.sqrt(2 * 200_000), rel=0.02)


def test_a_large_offset_loses_no_digits():
    """E[x^2] - E[x]^2 would give 2.0 for 1.0 here."""
    rng = np.random.default_rng(0)
    (one,) = rows(fp.compare({"paths": ensemble(1e8 + rng.normal(size=(1, 1000, 1)))}, distances=()))
    assert one["deviation"] == pytest.approx(1.0, abs=0.1)


def test_table_formats():
    table = fp.compare({"model": gaussian_solution(1.0, 0.5), "paths": ensemble([[[0.0], [1.0], [2.0]]])})
    markdown = table.to_markdown().splitlines()
    assert markdown[0].startswith("| t | model |")
    assert len(markdown) == 2 + len(table.rows) + 2
    assert table.note in markdown[-1]
    lines = table.to_csv().splitlines()
    assert lines[0].split(",")[:3] == ["t", "model", "axis"]
    assert float(lines[1].split(",")[3]) == table.column("mean")[0]
    assert "z_mean" in repr(table)


def test_common_times_and_axes():
    positions = np.zeros((2, 5, 2)) + np.arange(5)[None, :, None]
    other = ensemble(positions, times=(1.0, 2.0))
    table = fp.compare({"a": other, "b": ensemble(positions, times=(2.0, 3.0))}, reference="b")
    assert table.column("t") == [2.0] * 5
    assert table.column("axis") == ["x", "x", "y", "y", "all"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({},), "`results` must be a dictionary with at least one result"),
        (({"a": 1},), r"`results\['a'\]` must be a Solution, an Ensemble or a stationary result"),
        (({"a": ensemble([[[0.0], [1.0]]])}, "b"), "`reference` must be one of 'a'"),
        (({"a": ensemble([[[0.0], [1.0]]]), "b": ensemble([[[0.0], [1.0]]], (2.0,))},), "recorded at some common time"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        fp.compare(*arguments)


def test_the_table_fits_80_columns_and_marks_what_is_chance():
    rng = np.random.default_rng(2)
    paths = ensemble(rng.normal(size=(2, 4000, 1)), times=(1.0, 2.0))
    model, other = gaussian_solution(0.0, 1.0, (1.0, 2.0)), gaussian_solution(0.5, 1.3, (1.0, 2.0))
    text = repr(fp.compare({"right": model, "a model that is wrong": other, "paths": paths}))
    assert max(map(len, text.splitlines())) <= WIDTH
    lines = [line for line in text.splitlines() if line.strip().startswith("1  ")]
    assert sum("(" in line for line in lines if " right " in line) == 2, "W1, W2, MMD and KL"
    assert not any("(" in line for line in lines if "wrong" in line)
    assert "\nin brackets: " in text
    assert "se_" not in text
    assert (with_error(1.23456, 0.0123), with_error(2.0, None)) == ("1.235 ± 0.012", "2")


def test_a_tail_without_one_power_is_none():
    """Brackets stay with distances: 1.5 from 2 % of the paths and 1.1 from 4 % are no index; 1.5 and 1.49 are one."""
    rows = (("a", 1.5, 0.05, 1.1), ("b", 1.5, 0.05, 1.49))
    text = repr(Comparison(("model", "tail", "se_tail", "tail_sampling"), rows, keys=("model",)))
    assert [line.split() for line in text.splitlines()[1:3]] == [["a", "none"], ["b", "1.500", "±", "0.050"]]
    assert "(" not in text
    assert text.splitlines()[-1].startswith("tail none: the index depends")


def test_trajectories_have_a_two_time_covariance():
    """x(2) = x(1) / 2 + noise: covariance 1/2."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=20_000)
    paths = ensemble(np.stack([x, 0.5 * x + rng.normal(size=x.size)])[..., None], times=(1.0, 2.0))
    first, second = rows(fp.compare({"paths": paths}, distances=()))
    assert first["two_time"] is None
    assert abs(second["two_time"] - 0.5) < 4 * second["se_two_time"] < 0.05


def test_joint_laws_in_two_dimensions():
    """Marginals that agree in every way, and a correlation that does not."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1, 2000, 1))
    line = ensemble(np.concatenate([x, x], axis=2))
    cloud = ensemble(np.concatenate([x, rng.permutation(x, axis=1)], axis=2))
    table = rows(fp.compare({"line": line, "cloud": cloud}, reference="cloud"))
    for row in table:
        if row["model"] == "line" and row["axis"] == "all":
            assert row["W2"] > row["W2_sampling"] + 5 * row["se_W2"]
            assert row["MMD"] > 10 * row["se_MMD"]
            assert row["mean"] is None
        elif row["model"] == "line":
            assert row["W2"] == 0.0


def test_stationary_results_go_with_any_time():
    eq, grid = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-6, 6), 400)
    st, sol = fp.stationary(eq, grid), fp.solve(eq, grid, fp.gaussian(1, 0.5), [1.0, 20.0])
    table = rows(fp.compare({"late": sol, "rest": st}))
    assert [(row["t"], row["model"]) for row in table] == [(t, m) for t in (1.0, 20.0) for m in ("late", "rest")]
    assert table[2]["W1"] < 1e-6 < 0.1 < table[0]["W1"]
    assert {row["t"] for row in rows(fp.compare({"a": st, "b": st}))} == {np.inf}


def test_an_ensemble_of_one_path_and_a_time_not_recorded_are_named():
    sgd = fp.SGD(fp.SampleLoss("(w-x)**2/2", ["w"], {"x": [-1.0, 1.0]}), 0.1)
    many, one = (sgd.simulate(fp.gaussian(0, 1), [1.0, 2.0], n_paths=n) for n in (20, 1))  # whole floats are steps
    assert many.times.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"`results\['one'\]` must be at least two finite samples"):
        fp.compare({"many": many, "one": one})
    with pytest.raises(ValueError, match=r"`times` must be recorded by results\['many'\], such as 2, got 3.0"):
        fp.compare({"many": many}, times=[3])


def test_pairs_are_compared_pair_by_pair():
    """With one seed the starts are shared: the error of the difference is that of the differences, and KL is left out."""
    rng = np.random.default_rng(5)
    common = rng.normal(size=2000)
    one, two = (common + 0.1 * rng.normal(size=2000) for _ in range(2))
    pair = {n: fp.Ensemble(np.array([1.0]), x[None, :, None], seed=7) for n, x in (("a", one), ("b", two + 0.03))}
    row = rows(fp.compare(pair, reference="b"))[0]
    assert row["z_mean"] == pytest.approx(-0.03 / (0.1 * np.sqrt(2 / 2000)), abs=3.0)
    assert abs(row["z_mean"]) > 5.0
    assert row["KL"] is None
    unknown = {n: fp.Ensemble(e.times, e.positions) for n, e in pair.items()}
    assert rows(fp.compare(unknown, reference="b"))[0]["KL"] is None
    apart = {n: fp.Ensemble(e.times, rng.permutation(e.positions, axis=1)) for n, e in pair.items()}
    assert rows(fp.compare(apart, reference="b", distances=()))[0]["z_mean"] == pytest.approx(
        -0.03 / np.sqrt(2 / 2000), abs=0.4
    )


def test_errors_of_grid_and_step_enter_and_the_largest_is_named():
    solution = gaussian_solution(0.0, 1.0)
    object.__setattr__(solution, "error", {"mean": np.array([[0.3]]), "covariance": np.array([[[0.4]]])})
    rng = np.random.default_rng(6)
    step = {"mean": np.array([[0.04]]), "deviation": np.array([[0.5]])}
    paths = fp.Ensemble(np.array([1.0]), rng.normal(size=(1, 4000, 1)), step_error=step)
    density, mc = rows(fp.compare({"density": solution, "paths": paths}))
    assert (density["largest_error"], mc["largest_error"]) == ("grid", "step")
    assert density["se_mean"] == pytest.approx(0.3)
    assert density["se_deviation"] == pytest.approx(0.2, rel=1e-3)
    assert mc["se_mean"] == pytest.approx(np.hypot(0.04, 1 / np.sqrt(4000)), rel=0.05)
    assert mc["se_deviation"] == pytest.approx(0.5, rel=0.01)
    for word in ("W1", "W2"):
        assert density[f"se_{word}"] == pytest.approx(np.sqrt(0.3**2 + 0.2**2 + 0.04**2 + 0.5**2), rel=0.01)
    plain = rows(fp.compare({"density": gaussian_solution(0, 1), "paths": ensemble(rng.normal(size=(1, 400, 1)))}))
    assert [row["largest_error"] for row in plain] == ["grid", "sampling"]


def test_p_values_know_pairs():
    """Pairs of correlation .99 that differ by .03: seen in pairs, not by laws of spread 1; densities have no p-value."""
    rng = np.random.default_rng(8)
    common = rng.normal(size=800)
    one, two = (common + 0.1 * rng.normal(size=800) for _ in range(2))
    times = np.array([1.0])
    for seed, seen in ((3, True), (None, True)):
        pair = {n: fp.Ensemble(times, x[None, :, None], seed=seed) for n, x in (("a", one), ("b", two + 0.03))}
        assert (rows(fp.compare(pair, reference="b", distances=["p"]))[0]["p"] < 1e-4) is seen
    apart = {
        n: fp.Ensemble(times, x[None, :, None], seed=k) for k, (n, x) in enumerate((("a", one), ("b", two + 0.03)))
    }
    assert rows(fp.compare(apart, reference="b", distances=["p"]))[0]["p"] > 0.01
    mixed = fp.compare({"density": gaussian_solution(0, 1), "a": apart["a"]}, distances=["p"])
    assert mixed.column("p") == [None, None]


def test_energy_distance_stands_beside_its_p_value():
    """Of ensembles, and of a density beside one; none of two densities."""
    rng = np.random.default_rng(12)
    near, far = (ensemble(rng.normal(mean, 1.0, size=(1, 500, 1))) for mean in (0.0, 0.5))
    results = {"near": near, "far": far, "density": gaussian_solution(0, 1), "same": gaussian_solution(0, 1)}
    found = {row["model"]: row for row in rows(fp.compare(results, reference="density", distances=["energy"]))}
    assert found["near"]["p_energy"] > 0.01
    assert found["far"]["p_energy"] < 1e-4
    assert found["same"]["p_energy"] is None
    assert found["same"]["energy"] == pytest.approx(0.0, abs=1e-6)
    assert found["far"]["energy"] > 5.0 * found["far"]["energy_sampling"]
    assert found["far"]["se_energy"] < 0.1
