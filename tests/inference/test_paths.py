"""Runs from whatever holds trajectories."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp


def test_lists_arrays_and_gaps():
    data = fp.Paths([[0.0, 0.1, np.nan, 0.3, 0.4], [1.0, 2.0]], dt=0.5)
    assert (data.n_runs, data.dim, data.dt) == (2, 1, 0.5)
    pairs = data.transitions()
    np.testing.assert_array_equal(pairs.starts[:, 0], [0.0, 0.3, 1.0])  # none across the gap
    np.testing.assert_array_equal(pairs.ends[:, 0], [0.1, 0.4, 2.0])
    np.testing.assert_array_equal(pairs.run, [0, 0, 1])
    np.testing.assert_allclose(pairs.when, [0.0, 1.5, 0.0])


def test_an_array_ends_its_runs_with_nan():
    array = np.array([[0.0, 1.0, 2.0], [5.0, 6.0, np.nan]])
    data = fp.Paths(array)
    assert [len(run) for run in data.runs] == [3, 2]
    assert fp.Paths(np.zeros((4, 5, 2))).dim == 2
    assert fp.Paths(np.arange(4.0)).n_runs == 1


def test_thinning_takes_pairs_that_do_not_overlap():
    pairs = fp.Paths(np.arange(10.0), dt=0.1).transitions(3)
    np.testing.assert_array_equal(pairs.starts[:, 0], [0.0, 3.0, 6.0])
    np.testing.assert_array_equal(pairs.ends[:, 0], [3.0, 6.0, 9.0])
    assert pairs.tau == pytest.approx(0.3)
    thin = fp.Paths(np.arange(10.0), dt=0.1).thin(3)
    np.testing.assert_array_equal(thin.runs[0][:, 0], [0.0, 3.0, 6.0, 9.0])


def test_an_ensemble_brings_its_times():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    runs = fp.simulate(eq, 0.0, [0.0, 0.5, 1.0, 2.0], 0.1, n_paths=7, seed=1)
    data = fp.Paths(runs)
    assert (data.n_runs, data.dt) == (7, 0.5)
    assert np.isnan(data.runs[0][3, 0])  # nothing at 1.5
    np.testing.assert_array_equal(data.runs[2][[0, 1, 2, 4], 0], runs.positions[:, 2, 0])
    with pytest.raises(ValueError, match="multiples of one step"):
        fp.Paths(fp.simulate(eq, 0.0, [0.0, 0.5, 0.8284271, 1.1715729], 0.1, n_paths=3, seed=1))


def test_diverged_paths_are_gaps():
    with pytest.warns(UserWarning, match="infinite, and count as gaps"):
        runs = fp.Paths([[1.0, 2.0, np.inf, np.nan]])
    assert runs.transitions().size == 1


def test_observables():
    data = fp.Paths(np.ones((3, 4, 2)), observable=[lambda x, y: x + y, lambda x, y: x * 3])
    np.testing.assert_array_equal(data.runs[0][0], [2.0, 3.0])
    assert fp.Paths(np.ones((3, 4)), observable=lambda x: np.log(x)).dim == 1
    with pytest.raises(ValueError, match="`observable` must be one number a row"):
        fp.Paths(np.ones((3, 4)), observable=lambda x: x[:2])


def test_semicolons_decimal_commas_and_comments(tmp_path):
    file = tmp_path / "europe.csv"
    file.write_text("# from a spreadsheet\nstep;loss;note\n0;1,5;start\n1;0,75;\n2;0,25;end\n")
    np.testing.assert_array_equal(fp.Paths(file).runs[0][:, 0], [1.5, 0.75, 0.25])


def test_a_wide_table_has_a_run_a_column(tmp_path):
    """As Weights & Biases exports a metric: a column of steps, a column a run with its extremes beside it."""
    file = tmp_path / "wandb.csv"
    file.write_text(
        '"Step","run-1 - loss","run-1 - loss__MIN","run-1 - loss__MAX","run-2 - loss"\n'
        '"10","1.0","1.0","1.0","2.0"\n"20","0.5","0.5","0.5",""\n"40","0.25","0.2","0.3","1.0"\n'
    )
    data = fp.Paths(file)
    assert (data.n_runs, data.dt) == (2, 10.0)
    np.testing.assert_array_equal(data.runs[0][:, 0], [1.0, 0.5, np.nan, 0.25])
    np.testing.assert_array_equal(data.runs[1][:, 0], [2.0, np.nan, np.nan, 1.0])


def test_a_long_table_names_its_runs(tmp_path):
    """As TensorBoard's runs are when stacked: wall time, step, value, with the run beside them."""
    file = tmp_path / "long.csv"
    file.write_text("\ufeffWall time,Step,Value,run\n1,0,5,a\n3,2,4,a\n2,1,4.5,a\n9,0,7,b\n9,1,8,b\n", encoding="utf-8")
    data = fp.Paths(file, dt=0.1)
    np.testing.assert_array_equal(data.runs[0][:, 0], [5.0, 4.5, 4.0])
    np.testing.assert_array_equal(data.runs[1][:, 0], [7.0, 8.0])
    assert data.dt == pytest.approx(0.1)


def test_tables_in_memory_and_arrays_in_files(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"seed": [0, 0, 1, 1], "step": [0, 1, 0, 1], "x": [1.0, 2, 3, 4], "y": [0.0, 1, 2, 3]})
    data = fp.Paths(frame)
    assert (data.n_runs, data.dim) == (2, 2)
    np.savez(tmp_path / "runs.npz", a=np.arange(3.0), b=np.arange(5.0))
    assert [len(run) for run in fp.Paths(tmp_path / "runs.npz").runs] == [3, 5]
    np.save(tmp_path / "runs.npy", np.zeros((4, 6)))
    assert fp.Paths(str(tmp_path / "runs.npy")).n_runs == 4


def test_xarray_goes_by_names_of_dimensions():
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(np.arange(24.0).reshape(4, 3, 2), dims=("time", "run", "coordinate"))
    data = fp.Paths(array)
    assert (data.n_runs, data.dim, len(data.runs[0])) == (3, 2, 4)
    np.testing.assert_array_equal(data.runs[1][0], [2.0, 3.0])


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("nowhere.csv", ValueError),
        (3.0, TypeError),
        ([], TypeError),
        ([[1.0], [[1.0, 2.0]]], ValueError),
        ([[np.nan, np.nan]], ValueError),
        (np.zeros((2, 2, 2, 2)), ValueError),
        (np.array([1j]), TypeError),
        ({"step": [1, 2]}, ValueError),
        ({"step": [1, 1], "x": [1.0, 2.0]}, ValueError),
    ],
)
def test_what_holds_no_runs_is_refused(bad, error):
    with pytest.raises(error, match=r"^`data` must be"):
        fp.Paths(bad)


def test_damaged_files_are_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nonsense")
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1\n")
    (tmp_path / "a.txt").write_text("1")
    for name in ("a.npz", "a.csv", "b.csv", "a.txt"):
        with pytest.raises(ValueError, match=r"^`data` must be"):
            fp.Paths(tmp_path / name)


def test_too_long_a_lag_is_refused():
    with pytest.raises(ValueError, match="`lag` must be below the length of the runs"):
        fp.Paths([[1.0, 2.0]]).transitions(2)


def test_runs_that_repeat_others_are_said():
    """Twenty copies of a run are one observation; runs that stand still, or that are short, may be equal."""
    x = np.random.default_rng(0).normal(size=(3, 50))
    with pytest.warns(UserWarning, match="2 of 5 runs repeat others to the last digit"):
        fp.Paths([*x, x[0], x[2]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fp.Paths(x)
        fp.Paths([[1.0, 2.0], [1.0, 2.0]])
        fp.Paths(np.ones((4, 30)))


def test_infinite_values_are_said():
    with pytest.warns(UserWarning, match=r"2 value\(s\) are infinite, and count as gaps"):
        data = fp.Paths([[0.0, 1.0, np.inf, 2.0, 3.0], [1.0, 0.5, -np.inf]])
    assert data.transitions().size == 3


def test_a_column_of_times_is_no_run():
    """Its steps are times, so that the rows are .25 apart."""
    data = fp.Paths({"t": 0.25 * np.arange(6), "x": np.arange(6.0) ** 2, "note": np.array(["a"] * 6)})
    assert (len(data.runs), data.dt) == (1, 0.25)
    np.testing.assert_array_equal(data.runs[0][:, 0], np.arange(6.0) ** 2)


def spiral(n):
    return {"t": 0.5 * np.arange(n), "x": np.cos(np.arange(n)), "y": np.sin(np.arange(n))}


def test_columns_that_may_be_coordinates_or_runs_must_be_said():
    """A table t, x, y was two runs of one coordinate."""
    with pytest.raises(
        ValueError, match=r'`columns` must be .*Say Paths\(data, columns="coordinates"\) where x, y are'
    ):
        fp.Paths(spiral(30))
    with pytest.raises(ValueError, match="`columns` must be"):
        fp.fit(spiral(30))
    one = fp.Paths(spiral(30), columns="coordinates")
    assert (one.n_runs, one.dim, one.dt, one.names) == (1, 2, 0.5, ("x", "y"))
    np.testing.assert_array_equal(one.runs[0][:, 1], np.sin(np.arange(30)))
    two = fp.Paths(spiral(30), columns="runs")
    assert (two.n_runs, two.dim, two.names) == (2, 1, None)
    with pytest.raises(ValueError, match="Did you mean 'coordinates'"):
        fp.Paths(spiral(30), columns="coordinate")


@pytest.mark.parametrize(
    ("names", "runs"),
    [
        (("run 1", "run 2"), True),
        (("seed-3", "seed-4"), True),
        (("golden-sun - loss", "crisp-leaf - loss"), True),
        (("w1", "w2", "w3", "w4"), True),
        (("0", "1", "2", "3", "4"), True),
        (("x1", "x2"), False),
        (("0", "1"), False),
        (("alpha", "beta"), False),
        (("x",), True),
    ],
)
def test_names_of_columns_that_say_that_each_is_a_run(names, runs):
    table = {name: np.arange(5.0) ** (k + 1) for k, name in enumerate(names)}
    if not runs:
        with pytest.raises(ValueError, match="`columns` must be"):
            fp.Paths(table)
        return
    assert fp.Paths(table).n_runs == len(names)


class _Frame:
    """What a data frame of polars offers: columns by name, which numpy reads, and no index."""

    def __init__(self, columns):
        self._columns = columns

    @property
    def columns(self):
        return list(self._columns)

    def __getitem__(self, name):
        return self._columns[name]

    def to_numpy(self):
        return np.stack(list(self._columns.values()), axis=1)


def _polars(columns):
    polars = pytest.importorskip("polars")
    return polars.DataFrame(columns)


@pytest.mark.parametrize("frame", [_Frame, _polars])
def test_frames_of_polars(frame):
    columns = {"run": np.repeat([0, 1], 20), "step": np.tile(np.arange(20), 2), "x": np.arange(40.0) ** 0.5}
    data = fp.Paths(frame(columns | {"note": np.array(["a"] * 40)}))
    assert (data.n_runs, data.names) == (2, ("x",))
    np.testing.assert_array_equal(data.runs[1][:, 0], np.arange(20, 40) ** 0.5)


def test_a_single_column_of_a_frame_is_a_run():
    pandas = pytest.importorskip("pandas")
    data = fp.Paths(pandas.Series(np.arange(5.0) ** 2), dt=0.5)
    assert (data.n_runs, data.dim, data.dt) == (1, 1, 0.5)
    np.testing.assert_array_equal(data.runs[0][:, 0], np.arange(5.0) ** 2)


@pytest.mark.parametrize("frame", [_Frame, _polars])
def test_passage_times_from_a_table(frame, tmp_path):
    table = {
        "rt": np.array([0.5, 1.5, np.inf]),
        "choice": np.array(["upper", "lower", "lower"]),
        "who": np.array(["a"] * 3),
    }
    found = fp.PassageTimes(frame(table), until=2.0)
    np.testing.assert_array_equal(found.times, [0.5, 1.5, np.inf])
    np.testing.assert_array_equal(found.upper, [True, False, False])
    (tmp_path / "times.csv").write_text("Time;bound;note\n0,5;1;x\n1,5;0;y\n")
    read = fp.PassageTimes(tmp_path / "times.csv")
    np.testing.assert_array_equal(read.times, [0.5, 1.5])
    np.testing.assert_array_equal(read.upper, [True, False])
    with pytest.raises(ValueError, match="`times` must be a table with a column time or times or rt or t"):
        fp.PassageTimes({"x": np.ones(3)})
    with pytest.raises((ValueError, TypeError), match="`choices` must be"):
        fp.PassageTimes({"time": np.ones(2), "choice": np.array(["yes", "no"])})
