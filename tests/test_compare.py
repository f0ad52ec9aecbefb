"""The comparison table against distances in closed form; statistical checks use fixed seeds."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.compare import marginal_of, wasserstein


def ensemble(positions, times=(1.0,)):
    return fp.Ensemble(np.array(times), np.asarray(positions, dtype=float))


def gaussian_solution(mean, std, times=(1.0,)):
    """A density that does not move."""
    eq = fp.FokkerPlanck(diffusion=0.0)
    return fp.solve(eq, fp.Grid((-8, 8), 800), fp.gaussian(mean, std), list(times))


def test_wasserstein_of_shifted_and_of_scaled_laws():
    """W1 of a shift is the shift; of N(0, 1) and N(0, s^2) it is |s - 1| sqrt(2 / pi)."""
    a, b, c = (marginal_of(gaussian_solution(m, s), 1.0, 0) for m, s in ((0, 1), (0.7, 1), (0, 1.5)))
    assert wasserstein(a, b) == pytest.approx(0.7, rel=1e-4)
    assert wasserstein(a, c) == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=1e-3)
    points = [marginal_of(ensemble([[[x], [x + 1.0]]]), 1.0, 0) for x in (0.0, 0.25)]
    assert wasserstein(*points) == pytest.approx(0.25)


def test_sampling_noise_of_w1_is_what_sampling_gives():
    """Mean of W1 over 60 ensembles of 400 paths against the column; the mean of 60 is within 4 standard errors."""
    solution = gaussian_solution(0.0, 1.0)
    rng = np.random.default_rng(1)
    distances, stated = [], []
    for _ in range(60):
        table = fp.compare({"model": solution, "paths": ensemble(rng.normal(size=(1, 400, 1)))})
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
    one = marginal_of(ensemble(rng.normal(size=(1, 200_000, 1))), 1.0, 0)
    assert one.se_deviation == pytest.approx(1.0 / np.sqrt(2 * 200_000), rel=0.02)


def test_a_large_offset_loses_no_digits():
    """E[x^2] - E[x]^2 would give 2.0 for 1.0 here."""
    rng = np.random.default_rng(0)
    one = marginal_of(ensemble(1e8 + rng.normal(size=(1, 1000, 1))), 1.0, 0)
    assert one.deviation == pytest.approx(1.0, abs=0.1)


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
    assert table.column("t") == [2.0] * 4
    assert table.column("axis") == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({},), "`results` must be a dictionary with at least one result"),
        (({"a": 1},), r"`results\['a'\]` must be a Solution or an Ensemble"),
        (({"a": ensemble([[[0.0], [1.0]]])}, "b"), "`reference` must be one of 'a'"),
        (({"a": ensemble([[[0.0], [1.0]]]), "b": ensemble([[[0.0], [1.0]]], (2.0,))},), "recorded at some common time"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        fp.compare(*arguments)
