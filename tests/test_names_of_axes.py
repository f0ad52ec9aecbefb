"""The names of the coordinates, said once, stand on every figure, in tables and in files."""

import numpy as np
import pytest

import fokkerplanck as fp

LOSS = fp.SampleLoss("(w*v*x - y)**2/2", ["w", "v"], {"x": [0.5, 1.0, 1.5], "y": [0.4, 1.1, 1.6]})
GRID = fp.Grid([(-0.5, 2.0), (-0.5, 2.0)], 20)
START = fp.gaussian([1.2, 0.6], 0.2)


@pytest.fixture(scope="module")
def sgd():
    return fp.SGD(LOSS, learning_rate=0.1, batch_size=1)


@pytest.fixture(scope="module")
def solution(sgd):
    return fp.solve(sgd.equation(), GRID, START, [1.0, 3.0], error=False)


def labels(figure):
    return {text for ax in figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())}


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_equations_of_sgd_have_the_names_of_its_parameters(sgd, solution):
    assert solution.grid.names == ("w", "v")
    assert fp.stationary(sgd.equation(), GRID, error=False).grid.names == ("w", "v")
    assert {"w"} <= labels(solution.plot())
    assert labels(solution.distribution().plot()) >= {"w", "v"}
    passage = fp.first_passage(sgd.equation(), GRID, lambda w, v: w > 1.5, error=False)
    assert labels(passage.plot()) >= {"w", "v"}
    assert solution.distribution().conditional(w=1.0).grid.names == ("v",)
    assert solution.distribution().marginal(1).plot().axes[0].get_xlabel() == "v"


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_operators_of_sgd_have_them_too(sgd):
    found = sgd.transfer_operator(GRID).evolve(START, [3], error=False)
    assert found.to_xarray()["density"].dims == ("time", "w", "v")
    one = fp.SGD(fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [0.0, 1.0]}), 0.1, batch_size=1, momentum=0.5)
    plane = fp.Grid([(-1, 2), (-1, 1)], 20)
    assert one.transfer_operator(plane).grid.names == ("w", "v_w")
    assert one.equation("momentum").names == ("w", "v_w")


def test_tables_and_files_have_them(solution, tmp_path):
    data = solution.to_xarray()
    assert data["density"].dims == ("time", "w", "v")
    assert list(solution.to_dataframe().columns)[:3] == ["time", "w", "v"]
    solution.to_csv(tmp_path / "field.csv")
    assert (tmp_path / "field.csv").read_text().splitlines()[0] == "time,w,v,density"
    solution.save(tmp_path / "field.nc")
    again = fp.load(tmp_path / "field.nc")
    assert again.grid.names == ("w", "v")
    np.testing.assert_array_equal(again.density, solution.density)


def test_names_that_files_need_for_other_things_survive(tmp_path):
    names = ("time", "rate_x/s")
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5, names=names)
    found = fp.solve(eq, fp.Grid([(-3, 3), (-3, 3)], 16), fp.gaussian([0, 0], 0.8), [0.5], error=False)
    assert found.to_xarray()["density"].dims == ("time", "axis_time", "axis_rate_x_s")
    found.save(tmp_path / "field.nc")
    assert fp.load(tmp_path / "field.nc").grid.names == names


def test_coarser_and_finer_cells_and_moved_faces_keep_them():
    grid = fp.Grid((0, 1), 16).named(["share"])
    assert grid.with_edges([grid.edges[0][::2]]).names == ("share",)
    eq = fp.FokkerPlanck(diffusion=lambda x: x * (1 - x), names=["share"])
    found = fp.solve(eq, fp.Box((0, 1)), fp.gaussian(0.4, 0.1), [0.1], tol=3e-2)
    assert found.grid.names == ("share",)


def test_an_equation_says_them_for_any_grid():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, names=["voltage"])
    assert fp.spectrum(eq, fp.Grid((-3, 3), 40), 2, error=False).plot().axes[0].get_xlabel() == "voltage"
    plain = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    assert fp.stationary(plain, fp.Grid((-3, 3), 40).named(["u"]), error=False).grid.names == ("u",)
    path = fp.quasipotential(eq, 0.0, 1.0)
    assert path.plot().axes[0].get_xlabel() == "voltage"


@pytest.mark.parametrize("names", [["w", "w"], [""], [" "], ["a\nb"], "w", 3])
def test_names_that_are_none_are_refused(names):
    with pytest.raises((ValueError, TypeError), match="names"):
        fp.FokkerPlanck(diffusion=1.0, names=names)


def test_so_many_names_as_axes():
    eq = fp.FokkerPlanck(diffusion=1.0, names=["a", "b"])
    with pytest.raises(ValueError, match=r"`names` must be 1 names, one an axis, got \('a', 'b'\)"):
        fp.solve(eq, fp.Grid((0, 1), 8), fp.uniform(0, 1), 0.1)


EQ = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5, names=["theta", "v"])
BOX = fp.Grid([(-1, 1), (-2, 2)], [20, 24], boundary=["absorbing", ("reflecting", "absorbing")])


def test_ways_out_have_the_names_of_the_axes():
    ways = fp.first_passage(EQ, BOX, error=False).ways_out
    assert set(ways) == {"theta low", "theta high", "v high"}
    assert "'theta low'" in repr(ways["theta low"])
    back = fp.stationary(EQ, BOX, reset=fp.point([0.0, 0.0]), error=False)
    assert set(back.rates) == {"theta low", "theta high", "v high"}


def test_reactive_walls_are_given_by_the_names_of_the_equation():
    line = fp.Grid((0, 1), 40)
    eq = fp.FokkerPlanck(diffusion=0.5, reactivity={"theta high": 2.0}, names=["theta"])
    plain = fp.FokkerPlanck(diffusion=0.5, reactivity={"x high": 2.0})
    named, usual = (fp.first_passage(one, line, error=False) for one in (eq, plain))
    assert list(named.ways_out) == ["theta high"]
    np.testing.assert_array_equal(named.mean, usual.mean)
    paths = [fp.simulate(one, 0.5, [0.5], 0.01, n_paths=200, seed=1, grid=line) for one in (eq, plain)]
    np.testing.assert_array_equal(paths[0].exit_times, paths[1].exit_times)
    with pytest.raises(ValueError, match=r"for walls named 'theta low', 'theta high', got x high. .*theta high"):
        fp.FokkerPlanck(diffusion=0.5, reactivity={"x high": 2.0}, names=["theta"])


def test_messages_name_the_axis_of_a_wall_or_a_grid():
    eq = fp.FokkerPlanck(drift=lambda s: -s, diffusion=0.5, names=["s"])
    with pytest.warns(fp.ResolutionWarning, match="reflecting wall s = "):
        fp.solve(eq, fp.Grid((-0.5, 0.5), 40), fp.gaussian(0, 0.02), [3.0], error=False)
    root = fp.FokkerPlanck(drift=lambda s: 0.05 - s, diffusion=lambda s: s, names=["s"])
    assert "\n  s = 0: regular" in repr(fp.stationary(root, fp.Grid((0, 3), 60), error=False))
    ring = fp.FokkerPlanck(potential=lambda a: a, diffusion=1.0, names=["a"])
    with pytest.raises(ValueError, match="periodic along a, where the walls are"):
        fp.stationary(ring, fp.Grid((0, 1), 20, "periodic"))


def test_comparisons_name_the_axes(sgd, solution):
    table = fp.compare(
        {"density": solution, "SGD": sgd.simulate(START, [3], n_paths=200, seed=1)}, times=[3], distances=[]
    )
    assert table.column("axis") == ["w", "w", "v", "v"]
    paths = fp.simulate(EQ, [0.0, 0.0], [0.5], 0.1, n_paths=40, seed=1)
    other = fp.simulate(EQ, [0.0, 0.0], [0.5], 0.1, n_paths=40, seed=2)
    assert paths.joined(other).names == ("theta", "v")
    table = fp.compare({"one": paths, "other": other}, distances=["MMD"])
    assert table.column("axis") == ["theta", "theta", "v", "v", "all"]
    odd = fp.Ensemble(paths.times, paths.positions, seed=1, names=("all", "v"))
    assert fp.compare({"one": odd, "other": other}, distances=["MMD"]).column("axis")[-1] == "all axes"
    many = [fp.Ensemble(np.array([1.0]), np.random.default_rng(k).normal(size=(1, 9, 4)), seed=k) for k in (0, 1)]
    assert fp.compare(dict(zip("ab", many, strict=True)), distances=[]).column("axis") == list("00112233")


def recorded(names, seed=0, n=400):
    """Two runs of two coordinates in a long table."""
    paths = fp.simulate(EQ, [0.0, 0.0], np.arange(1, n + 1) * 0.1, 0.05, n_paths=2, seed=seed)
    columns = {name: paths.positions[:, :, k].T.ravel() for k, name in enumerate(names)}
    return {"run": np.repeat([0, 1], n), "step": np.tile(np.arange(n), 2), **columns}


@pytest.mark.filterwarnings("ignore:the error of the grid:fokkerplanck.ResolutionWarning")
def test_paths_have_the_names_of_the_columns(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(recorded(["length", "stay time"]))
    paths = fp.Paths(frame)
    assert paths.names == ("length", "stay time")
    assert paths.thin(2).names == paths.transitions().names == fp.Paths(paths).names == ("length", "stay time")
    assert "in 2D (length, stay time)" in repr(paths)
    frame.to_csv(tmp_path / "runs.csv", index=False)
    assert fp.Paths(str(tmp_path / "runs.csv")).names == paths.names
    assert fp.Paths(pandas.DataFrame({"run 1": [0.0, 1.0], "run 2": [0.5, 0.7]})).names is None  # a run a column
    assert fp.Paths(paths, observable=lambda x, y: x).names is None
    found = fp.markov_test(paths, lags=1)
    assert found.features[0].split(" along ")[-1] in ("length", "stay time") or "of" in found.features[0]
    fitted = fp.fit(paths, lambda k: fp.FokkerPlanck(drift=lambda x, y: [-k * x, -k * y], diffusion=0.5), cells=12)
    shown = labels(fitted.plot())
    assert {"length", "fit\nstay time"} <= shown


def test_names_of_columns_are_no_kinds_of_memory():
    """A coordinate called "length" that carries momentum is no hidden strength of the noise."""
    rng = np.random.default_rng(3)
    steps = np.zeros((8, 1500, 2))
    for k in range(1, 1500):
        steps[:, k] = 0.8 * steps[:, k - 1] + 0.1 * rng.normal(size=(8, 2))
    places = np.cumsum(steps, axis=1)
    table = {"run": np.repeat(np.arange(8), 1500)} | {"length": places[..., 0].ravel(), "stay": places[..., 1].ravel()}
    found = fp.markov_test(fp.Paths(table), lags=1)
    assert "along length" in found.features[0] or "along stay" in found.features[0]
    assert found.memory.startswith("momentum")


def test_ensembles_and_arrays_pass_their_names_on():
    xarray = pytest.importorskip("xarray")
    assert fp.Paths(fp.simulate(EQ, [0.0, 0.0], [0.0, 0.1, 0.2], 0.1, n_paths=3, seed=1)).names == ("theta", "v")
    values = np.random.default_rng(0).normal(size=(2, 5, 2))
    data = xarray.DataArray(values, dims=("run", "time", "what"), coords={"what": ["w", "b"]})
    assert fp.Paths(data).names == ("w", "b")
    assert fp.Paths(data.drop_vars("what")).names is None


def test_refusals_of_data_name_the_column():
    table = recorded(["w", "b"]) | {"b": np.zeros(800)}
    with pytest.raises(ValueError, match="got b, which is 0 in every row"):
        fp.fit(fp.Paths(table), "spline")
