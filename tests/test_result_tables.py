"""Every result with numbers on cells, at lags, frequencies or along a path is a table: a data frame and a CSV file."""

import numpy as np
import pandas
import pytest

import fokkerplanck as fp

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # few cells do here
GRID = fp.Grid((-4, 4), 80)
PLANE = fp.Grid([(-3, 3)] * 2, (12, 10))
EQ = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
TURNING = fp.FokkerPlanck(drift=lambda x, y: [-x - y, -y + x], diffusion=3.0, names=["w", "b"])
LAGS = np.linspace(0, 3, 7)
ASK = {
    "passage": (
        lambda: fp.first_passage(EQ, GRID, lambda x: x > 1),
        ["x", "mean", "mean_error", "deviation", "deviation_error"],
    ),
    "passage without errors": (lambda: fp.first_passage(EQ, GRID, lambda x: x > 1, error=False), ["x", "mean", "deviation"]),
    "way out": (lambda: fp.first_passage(EQ, GRID, lambda x: x > 1).ways_out["target"], ["x", "probability", "mean"]),
    "committor": (
        lambda: fp.committor(TURNING, PLANE, lambda x, y: x < -1, lambda x, y: x > 1, error=False),
        ["w", "b", "committor"],
    ),
    "spectrum": (lambda: fp.spectrum(EQ, GRID, 3), ["real", "imaginary", "rate", "rate_error"]),
    "underdamped": (
        lambda: fp.underdamped_spectrum(lambda x: x**2 / 2, GRID, friction=1.0, temperature=1.0),
        ["real", "imaginary", "rate", "rate_error"],
    ),
    "correlation": (lambda: fp.correlation(EQ, GRID, lambda x: x, LAGS), ["lag", "correlation", "correlation_error"]),
    "power": (lambda: fp.power_spectrum(EQ, GRID, lambda x: x, LAGS), ["frequency", "power", "power_error"]),
    "response": (
        lambda: fp.response(lambda a: fp.FokkerPlanck(drift=lambda x: a - x, diffusion=0.5), 0.0, GRID, lambda x: x, LAGS),
        ["frequency", "real", "imaginary", "modulus", "modulus_error"],
    ),
    "transitions": (
        lambda: fp.transition_paths(TURNING, PLANE, lambda x, y: x < -1, lambda x, y: x > 1, error=False),
        ["w", "b", "density", "current_w", "current_b", "forward", "backward"],
    ),
    "exponents": (lambda: fp.quasipotential(EQ, 0.0, GRID), ["x", "quasipotential", "quasipotential_error"]),
    "way": (lambda: fp.quasipotential(EQ, 0.0, 1.0), ["x", "action"]),
    "law": (lambda: fp.stationary(TURNING, PLANE, error=False).marginal("b"), ["b", "density"]),
    "stationary": (lambda: fp.stationary(TURNING, PLANE, error=False), ["w", "b", "density"]),
    "solution": (
        lambda: fp.solve(TURNING, PLANE, fp.gaussian([0.5, 0], 0.5), [0.1, 0.2], error=False),
        ["time", "w", "b", "density"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASK)
def test_tables_in_memory_and_in_files(name, tmp_path):
    ask, columns = ASK[name]
    result = ask()
    table = result.to_dataframe()
    assert list(table.columns) == columns
    assert len(table) > 2
    result.to_csv(tmp_path / "table.csv")
    pandas.testing.assert_frame_equal(pandas.read_csv(tmp_path / "table.csv"), table, rtol=1e-14)


def test_rows_are_where_the_cells_are():
    stationary = fp.stationary(TURNING, PLANE, error=False)
    table = stationary.to_dataframe()
    for w, b, density in table.itertuples(index=False):
        assert stationary.density[PLANE.locate((w, b), "x")] == density


def test_errors_are_those_of_the_result():
    passage = fp.first_passage(EQ, GRID, lambda x: x > 1)
    table = passage.to_dataframe()
    np.testing.assert_array_equal(table["mean"], passage.mean)
    np.testing.assert_array_equal(table["mean_error"], passage.error["mean"])
    lag, correlation, error = fp.correlation(EQ, GRID, lambda x: x, LAGS).to_dataframe().to_numpy().T
    assert np.abs(correlation - 0.5 * np.exp(-lag)).max() < 1.5 * error.max() < 1e-3


def test_a_coordinate_with_the_name_of_a_column():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, names=["mean"])
    table = fp.first_passage(eq, GRID, lambda x: x > 1, error=False).to_dataframe()
    assert list(table.columns) == ["mean (coordinate)", "mean", "deviation"]
