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
