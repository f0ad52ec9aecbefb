"""Times of rows, in whatever form they come."""

import warnings

import numpy as np
import pytest

import fokkerplanck as fp

X = np.cumsum(np.random.default_rng(0).normal(size=40))
DATES = np.datetime64("2024-02-28T12:00:00") + 90 * np.arange(40).astype("timedelta64[s]")


@pytest.mark.parametrize("dates", [DATES, DATES.astype("datetime64[ns]"), DATES.astype(str), DATES.astype(object)])
def test_dates_are_seconds_apart(dates):
    """They counted as microseconds, or were taken for words that are no numbers."""
    assert fp.Paths({"time": dates, "x": X}).dt == pytest.approx(90.0)
    assert fp.Paths({"date": dates, "x": X}, dt=1 / 60).dt == pytest.approx(1.5)  # minutes


def test_words_that_are_no_dates_are_refused():
    with pytest.raises(ValueError, match=r"column `time` holds numbers or dates such as .*to_datetime"):
        fp.Paths({"time": np.array(["noon"] * 40), "x": X})


def test_the_index_of_a_frame_says_times():
    """It was left out, and rows were 1 apart."""
    pandas = pytest.importorskip("pandas")
    indices = [
        pandas.Index(0.1 * np.arange(40)),
        pandas.date_range("2024-01-01", periods=40, freq="100ms"),
        pandas.Index(0.1 * np.arange(40), name="t"),
    ]
    for index in indices:
        for frame in (pandas.DataFrame({"x": X}, index=index), pandas.Series(X, index=index)):
            assert fp.Paths(frame).dt == pytest.approx(0.1)
    both = pandas.DataFrame(
        {"x": X}, index=pandas.MultiIndex.from_product([["a", "b"], np.arange(20)], names=["particle", "frame"])
    )
    assert fp.Paths(both).n_runs == 2
    assert fp.Paths(pandas.DataFrame({"x": X})).dt == 1.0


def test_times_of_xarray_are_read():
    """The rows were 1 apart whatever the coordinate said, uneven ones too."""
    xarray = pytest.importorskip("xarray")
    even = xarray.DataArray(np.stack([X, 2 * X]), dims=("run", "time"), coords={"time": 0.25 * np.arange(40)})
    assert (fp.Paths(even).dt, fp.Paths(even).n_runs) == (0.25, 2)
    uneven = even.assign_coords(time=np.arange(40.0) ** 1.37)
    with pytest.raises(ValueError, match="multiples of one step"):
        fp.Paths(uneven)
    data = xarray.Dataset({"u": ("t", X), "v": ("t", X**2)}, coords={"t": 0.5 * np.arange(40)})
    assert (fp.Paths(data).dim, fp.Paths(data).dt, fp.Paths(data).names) == (2, 0.5, ("u", "v"))


@pytest.mark.parametrize(
    "times",
    [0.1 * np.arange(40, dtype=np.float32), 1.7e9 + 0.1 * np.arange(40), np.round(np.arange(40) / 30, 5) * 3],
)
def test_clocks_of_few_digits(times):
    """Times of single precision were refused, and those since 1970 gave a step of .0999999."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fp.Paths({"t": times, "x": X}).dt == pytest.approx(0.1, rel=1e-5)


def test_a_clock_that_jitters_is_told_and_one_that_does_not_tick_is_refused():
    rng = np.random.default_rng(1)
    with pytest.warns(UserWarning, match=r"off multiples of 0\.\d+ by up to 0\.0"):
        data = fp.Paths({"t": 0.1 * np.arange(40) + 0.001 * rng.normal(size=40), "x": X})
    assert data.dt == pytest.approx(0.1, rel=1e-3)
    assert len(data.runs[0]) == 40
    with pytest.raises(ValueError, match="Do not interpolate"):
        fp.Paths({"t": np.cumsum(rng.exponential(size=40)), "x": X})


def test_gaps_are_multiples_of_a_shorter_step():
    data = fp.Paths({"t": np.array([0.0, 0.3, 0.8, 1.1]), "x": np.array([1.0, 2.0, 4.0, 8.0])})
    assert data.dt == pytest.approx(0.1)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(data.runs[0][:, 0])), [0, 3, 8, 11])


def test_times_that_were_given_twice_are_told():
    with pytest.warns(UserWarning, match=r"times of their own, 0.1 apart; dt=0.1 multiplies"):
        fp.Paths({"t": 0.1 * np.arange(40), "x": X}, dt=0.1)


@pytest.mark.parametrize(
    ("run", "time"), [("particle", "frame"), ("TRACK_ID", "FRAME"), ("trajectory", "t"), ("Track ID", "time")]
)
def test_names_of_tracking_programs(run, time):
    """They were refused, as coordinates that must be said to be such."""
    table = {run: np.repeat([3, 8], 20), time: np.tile(np.arange(20), 2), "x": X, "y": X**2}
    data = fp.Paths(table)
    assert (data.n_runs, data.dim, data.names) == (2, 2, ("x", "y"))


def test_two_clocks_are_no_coordinate():
    data = fp.Paths({"track": np.zeros(40), "frame": np.arange(40), "t": 0.1 * np.arange(40), "x": X})
    assert (data.dim, data.dt) == (1, pytest.approx(0.1))


def test_a_column_that_counts_the_rows_and_a_first_line_of_numbers(tmp_path):
    """pandas writes the first unless told not to; of a file without a header the first row was lost."""
    (tmp_path / "a.csv").write_text(",x\n" + "".join(f"{k},{v}\n" for k, v in enumerate(X)))
    np.testing.assert_allclose(fp.Paths(tmp_path / "a.csv").runs[0][:, 0], X)
    (tmp_path / "b.csv").write_text("".join(f"{v}\n" for v in X))
    with pytest.raises(ValueError, match="first line names the columns"):
        fp.Paths(tmp_path / "b.csv")


def test_arrays_of_a_file_that_name_their_steps(tmp_path):
    """The steps were a second run."""
    np.savez(tmp_path / "log.npz", step=10 * np.arange(40), loss=X)
    data = fp.Paths(tmp_path / "log.npz")
    assert (data.n_runs, data.dt) == (1, 10.0)


def test_times_that_were_taken_for_a_run_are_told():
    with pytest.warns(UserWarning, match="Run 0 .* goes by equal steps"):
        fp.Paths((0.1 * np.arange(40), X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fp.Paths([X, X[::-1]])


def test_one_run_in_the_plane_that_reads_as_many_runs_is_told():
    with pytest.warns(UserWarning, match=r"read as 40 runs of 2 rows\. If it is one run in 2D"):
        fp.Paths(np.stack([X, X**2], axis=1))
    assert fp.Paths(X[:, None]).n_runs == 1


def test_masked_values_none_and_runs_by_name():
    """Masked values were data."""
    masked = np.ma.masked_where(np.arange(40) == 7, X)
    assert np.isnan(fp.Paths(masked).runs[0][7, 0])
    assert np.isnan(fp.Paths([masked]).runs[0][7, 0])
    assert np.isnan(fp.Paths({"x": masked}).runs[0][7, 0])
    objects = np.array([None if k == 7 else v for k, v in enumerate(X)], dtype=object)
    assert np.isnan(fp.Paths({"x": objects}).runs[0][7, 0])
    assert [len(run) for run in fp.Paths({"a": X, "b": X[:9]}).runs] == [40, 9]
    ragged = np.empty(2, dtype=object)
    ragged[:] = [X, X[:9]]
    assert fp.Paths(ragged).n_runs == 2


def test_lazy_frames_are_collected():
    polars = pytest.importorskip("polars")
    assert fp.Paths(polars.DataFrame({"x": X}).lazy()).n_runs == 1
