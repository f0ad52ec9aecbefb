"""Saved solutions come back bit by bit, and whatever else a file may be is refused in one sentence."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck import arguments
from fokkerplanck.results.loading import load
from fokkerplanck.results.stats import SolutionStats
from fokkerplanck.storage import netcdf as storage_netcdf
from fokkerplanck.storage.files import write_atomically
from fokkerplanck.storage.netcdf import save_solution


@pytest.fixture(scope="module")
def line():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    grid = fp.Grid.from_edges(np.sinh(np.linspace(-2, 2, 101)), boundary=("absorbing", "reflecting"))
    return fp.solve(eq, grid, fp.gaussian(1, 0.3), [0.0, 0.5, 1.0], observe={"a/b é": lambda x: x**2})


@pytest.fixture(scope="module")
def plane():
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x + y, -y), diffusion=[0.6, 0.5])
    grid = fp.Grid([(-3, 3), (-2, 2)], [24, 20], boundary=["reflecting", "periodic"])
    return fp.solve(eq, grid, fp.gaussian([1, 0], 0.5), [0.5, 1.0])


@pytest.fixture(scope="module")
def space():
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (-x, -y, -z), diffusion=0.6)
    return fp.solve(eq, fp.Grid([(-2, 2)] * 3, 8), fp.gaussian([0, 0, 0], 0.6), [0.3])


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.filterwarnings("ignore:the density at the reflecting wall")
@pytest.mark.parametrize("name", ["line", "plane", "space"])
def test_round_trip_is_exact(name, request, tmp_path):
    sol = request.getfixturevalue(name)
    sol.save(tmp_path / "s.nc")
    back = load(tmp_path / "s.nc")
    assert same_bits(sol.times, back.times)
    assert same_bits(sol.density, back.density)
    assert all(same_bits(a, b) for a, b in zip(sol.grid.edges, back.grid.edges, strict=True))
    assert all(same_bits(sol.current(i), back.current(i)) for i in range(sol.times.size))
    assert list(sol.observed) == list(back.observed)
    assert all(same_bits(sol.observed[key], back.observed[key]) for key in sol.observed)
    assert sol.grid.boundary == back.grid.boundary
    assert (sol.method, sol.message, sol.success, sol.stats) == (back.method, back.message, back.success, back.stats)
    assert back.generator is None


def test_a_loaded_solution_can_be_saved_again(line, tmp_path):
    line.save(tmp_path / "a.nc")
    load(tmp_path / "a.nc").save(tmp_path / "b.nc")
    assert same_bits(load(tmp_path / "b.nc").current(1), line.current(1))


def test_current_may_be_left_out(line, tmp_path):
    line.save(tmp_path / "a.nc", current=False)
    back = load(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"^`current` must be known for this solution, got 'none'\."):
        back.current(0)
    back.save(tmp_path / "b.nc")
    assert load(tmp_path / "b.nc").saved_current is None


def test_xarray_reads_the_same_file(plane, tmp_path):
    import xarray as xr

    plane.save(tmp_path / "s.nc")
    data = xr.load_dataset(tmp_path / "s.nc", engine="h5netcdf")
    assert data.density.dims == ("time", "x", "y")
    assert data.current.dims == ("time", "component", "x", "y")
    np.testing.assert_array_equal(data.density, plane.density)
    np.testing.assert_array_equal(data.x, plane.grid.centers[0])


def test_to_xarray_has_labels(line):
    data = line.to_xarray()
    assert data.density.dims == ("time", "x")
    np.testing.assert_array_equal(data.x_edges, line.grid.edges[0])
    assert float(data["observed_a_b é"].sel(time=1.0)) == line.observed["a/b é"][2]
    assert data["observed_a_b é"].attrs["long_name"] == "expectation of a/b é"


def test_a_data_frame_has_one_row_a_time_and_cell(line, plane, tmp_path):
    assert len(line.to_xarray().to_dataframe()) == 3 * 100
    frame = plane.to_xarray().to_dataframe()
    assert len(frame) == 2 * 24 * 20
    x, y = plane.grid.centers[0][3], plane.grid.centers[1][7]
    assert frame.loc[(1.0, x, y), "density"] == plane.density[1, 3, 7]
    line.to_xarray().to_netcdf(tmp_path / "x.nc", engine="h5netcdf")


def test_every_flipped_byte_is_noticed_or_harmless(plane, tmp_path):
    plane.save(tmp_path / "good.nc")
    good = (tmp_path / "good.nc").read_bytes()
    sentences = []
    for place in np.random.default_rng(0).integers(0, len(good), 150):
        bad = bytearray(good)
        bad[place] ^= 0xFF
        (tmp_path / "bad.nc").write_bytes(bad)
        try:
            back = load(tmp_path / "bad.nc")
        except ValueError as error:
            sentences.append(str(error))
        else:
            assert same_bits(back.density, plane.density)
            assert same_bits(back.current(0), plane.current(0))
    assert all(sentence.startswith("`path` must be") for sentence in sentences)
    assert len(sentences) > 50


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files_are_refused(plane, tmp_path, share):
    plane.save(tmp_path / "s.nc")
    whole = (tmp_path / "s.nc").read_bytes()
    (tmp_path / "s.nc").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        ValueError, match=r"^`path` must be .*, got (a truncated or damaged one|an empty file)\. It is .*s\.nc"
    ):
        load(tmp_path / "s.nc")


def test_foreign_files_are_refused(tmp_path):
    import h5py

    (tmp_path / "a.txt").write_text("hello, this is no netCDF file")
    with pytest.raises(ValueError, match=r"got a file of another kind\. It is .*a\.txt\."):
        load(tmp_path / "a.txt")
    with h5py.File(tmp_path / "b.nc", "w") as file:
        file["x"] = np.arange(3.0)
    with pytest.raises(ValueError, match=r"written by Solution\.save, got one of another program\. It is .*b\.nc\."):
        load(tmp_path / "b.nc")
    with pytest.raises(
        ValueError, match=r"^`path` must be the name of an existing file, got 'none'\. There is no .*missing\.nc\."
    ):
        load(tmp_path / "missing.nc")


def test_newer_files_are_refused(line, tmp_path):
    import h5py

    line.save(tmp_path / "s.nc")
    with h5py.File(tmp_path / "s.nc", "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(ValueError, match=r"format version 3 or older, got one of version 99\. Install a newer"):
        load(tmp_path / "s.nc")


def test_a_changed_statistic_is_noticed(line, tmp_path):
    import h5py

    line.save(tmp_path / "s.nc")
    with h5py.File(tmp_path / "s.nc", "r+") as file:
        file.attrs["stats"] = file.attrs["stats"].replace("error", "terror")
    with pytest.raises(ValueError, match="checksum"):
        load(tmp_path / "s.nc")


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail(name):
        with open(name, "w") as file:
            file.write("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_missing_folder_is_refused(line, tmp_path):
    with pytest.raises(ValueError, match=r"^`path` must be in an existing folder"):
        save_solution(line, tmp_path / "no" / "s.nc")


def test_statistics_that_are_not_finite_survive(line, tmp_path):
    odd = dataclasses.replace(line, stats=SolutionStats(peclet=float("inf"), steps=np.int64(3), noise=[1.5, 2.0]))
    odd.save(tmp_path / "s.nc")
    assert load(tmp_path / "s.nc").stats == {"peclet": float("inf"), "steps": 3, "noise": [1.5, 2.0]}


def test_importing_the_package_stays_light():
    heavy = ["xarray", "matplotlib", "sympy", "h5py", "pandas", "pydantic"]
    code = f"import sys, fokkerplanck; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "index", "value", "reason"),
    [
        ("density", (1, 5), np.nan, "its density is negative or not finite"),
        ("density", (1, 5), np.inf, "its density is negative or not finite"),
        ("density", (1, 5), -0.1, "its density is negative or not finite"),
        ("saved_current", (1, 0, 5), np.nan, "its current is not finite"),
        ("times", 2, 0.1, "its times are not increasing from 0 on"),
        ("times", 0, -1.0, "its times are not increasing from 0 on"),
        ("times", 1, np.nan, "its times are not increasing from 0 on"),
        ("times", 2, np.inf, "its times are not increasing from 0 on"),
    ],
)
def test_values_that_no_run_gives_are_refused_with_a_valid_checksum(line, tmp_path, name, index, value, reason):
    parts = {"density": line.density.copy(), "times": line.times.copy()}
    parts["saved_current"] = np.stack([line.current(i) for i in range(3)])
    parts[name][index] = value
    dataclasses.replace(line, generator=None, **parts).save(tmp_path / "s.nc")
    with pytest.raises(ValueError, match=f"`path` must be an undamaged file, .*: {reason}"):
        load(tmp_path / "s.nc")


def test_negative_rounding_and_stationary_results_are_read(line, tmp_path):
    density = line.density.copy()
    density[1, 5] = -1e-9 * density.max()
    dataclasses.replace(line, density=density).save(tmp_path / "s.nc")
    assert load(tmp_path / "s.nc").density[1, 5] < 0.0
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    fp.stationary(eq, fp.Grid((-5, 5), 50)).save(tmp_path / "rest.nc")
    rest = load(tmp_path / "rest.nc")
    assert rest.times.tolist() == [np.inf]
    assert "at rest" in repr(rest)
    assert "nan" not in repr(rest)


def test_the_version_that_wrote_a_file_is_checked(line, tmp_path):
    """It is printed: neither a forged one nor one with the escapes of a terminal is believed."""
    import h5py

    line.save(tmp_path / "s.nc")
    for version, reason in (("9.9", "checksum"), ("0.1\x1b[2J", "the version that wrote it is none")):
        with h5py.File(tmp_path / "s.nc", "r+") as file:
            file.attrs["fokkerplanck_version"] = version
        with pytest.raises(ValueError, match=f"`path` must be an undamaged file, .*{reason}") as caught:
            load(tmp_path / "s.nc")
        assert str(caught.value).isprintable()


def test_files_of_the_first_format_are_read(line, tmp_path):
    """Their checksum leaves the version of the package out."""
    import h5py

    line.save(tmp_path / "s.nc")
    with h5py.File(tmp_path / "s.nc", "r+") as file:
        file.attrs["format_version"] = 1
    with h5py.File(tmp_path / "s.nc", "r+") as file:
        variables = storage_netcdf.variables_of(line, current=True)
        file.attrs["checksum"] = storage_netcdf.checksum(variables, storage_netcdf.attributes_of(line, 1, "0.1.0"))
        file.attrs["fokkerplanck_version"] = "0.0.9"
    assert load(tmp_path / "s.nc").settings["version"] == "0.0.9"


def test_a_file_that_declares_more_than_it_holds_is_refused_at_once(line, tmp_path):
    """10^9 edges in a kilobyte, an array in another file, a link to another file."""
    import h5py

    for k, forge in enumerate((
        lambda file: file.create_dataset("x_edges", (10**9,), dtype=float, chunks=(10**6,), compression="gzip"),
        lambda file: file.create_dataset("x_edges", (10,), dtype=float, external=[(str(tmp_path / "a"), 0, 80)]),
        lambda file: file.__setitem__("x_edges", h5py.ExternalLink(str(tmp_path / "b.nc"), "x_edges")),
    )):  # fmt: skip
        line.save(tmp_path / f"{k}.nc")
        (tmp_path / "a").write_bytes(bytes(80))
        with h5py.File(tmp_path / f"{k}.nc", "r+") as file:
            del file["x_edges"]
            forge(file)
        with pytest.raises(ValueError, match=r"x_edges (declares more than the file holds|is no array of this file)"):
            load(tmp_path / f"{k}.nc")


def test_a_file_larger_than_memory_is_refused_before_it_is_read(plane, tmp_path, monkeypatch):
    plane.save(tmp_path / "s.nc")
    monkeypatch.setattr(arguments, "SMALL", 0.0)
    monkeypatch.setattr(arguments, "free_memory", lambda: 1e4)
    with pytest.raises(ValueError, match=r"`path` must be small enough for the 0\.0 GB of free memory"):
        load(tmp_path / "s.nc")


def test_errors_travel_with_the_density(line, plane, tmp_path):
    for sol in (line, plane):
        sol.save(tmp_path / "s.nc")
        found = load(tmp_path / "s.nc")
        assert set(found.error) == set(sol.error) >= {"density", "mean", "covariance", "mass"}
        assert all(np.array_equal(found.error[name], sol.error[name]) for name in sol.error)
        assert (found.error.note, found.error.converging) == (sol.error.note, sol.error.converging)
        assert "grid error" in repr(found)
    rest = fp.stationary(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-4, 4), 60))
    rest.save(tmp_path / "r.nc")
    assert load(tmp_path / "r.nc").error["density"] == pytest.approx([float(rest.error["density"])])
    dataclasses.replace(line, error=type(line.error).unknown()).save(tmp_path / "u.nc")
    assert not load(tmp_path / "u.nc").error
