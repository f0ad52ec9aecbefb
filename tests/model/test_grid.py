"""Grid: cells, walls, and the sentences in which a bad one is refused."""

import dataclasses

import numpy as np
import pytest

import fokkerplanck as fp


def test_uniform_cells_fill_the_box_as_asked():
    # a peer changed the spacing silently to fit the box
    grid = fp.Grid([(-2.5, 2.5), (-2, 1)], [7, 3])
    assert grid.shape == (7, 3)
    assert grid.dim == 2
    assert [e[[0, -1]].tolist() for e in grid.edges] == [[-2.5, 2.5], [-2.0, 1.0]]
    np.testing.assert_allclose(grid.widths[0], 5 / 7, rtol=1e-14)
    np.testing.assert_allclose(grid.centers[1], [-1.5, -0.5, 0.5])
    assert grid.volumes.sum() == pytest.approx(15.0)
    x, y = grid.coordinates()
    assert np.broadcast_shapes(x.shape, y.shape) == grid.shape
    assert x.shape == (7, 1)
    assert y.shape == (1, 3)


def test_volumes_of_uneven_cells_are_products_of_widths():
    grid = fp.Grid.from_edges([[0, 1, 3], [0, 0.5, 0.6, 2], [0.0, 4.0]])
    np.testing.assert_allclose(
        grid.volumes, np.array([1, 2.0])[:, None, None] * np.array([0.5, 0.1, 1.4])[:, None] * 4.0
    )


def test_from_edges_takes_a_bare_array_in_one_dimension_and_copies_it():
    edges = np.array([0.0, 1.0, 1.5])
    grid = fp.Grid.from_edges(edges)
    edges[1] = 1.2
    np.testing.assert_array_equal(grid.edges[0], [0.0, 1.0, 1.5])
    with pytest.raises(ValueError, match="read-only"):
        grid.edges[0][0] = 5.0


@pytest.mark.parametrize(
    ("boundary", "dim", "walls"),
    [
        ("periodic", 2, (("periodic", "periodic"),) * 2),
        (["reflecting", ("absorbing", "reflecting")], 2, (("reflecting", "reflecting"), ("absorbing", "reflecting"))),
        (("absorbing", "reflecting"), 1, (("absorbing", "reflecting"),)),
        (["absorbing", "reflecting"], 1, (("absorbing", "reflecting"),)),
        ([("absorbing", "reflecting")], 1, (("absorbing", "reflecting"),)),
        (["periodic"], 1, (("periodic", "periodic"),)),
        (["periodic", "absorbing"], 2, (("periodic", "periodic"), ("absorbing", "absorbing"))),
    ],
)
def test_boundary_forms(boundary, dim, walls):
    grid = fp.Grid([(0, 1)] * dim, [4] * dim, boundary=boundary)
    assert grid.boundary == walls
    assert grid.absorbs == any("absorbing" in pair for pair in walls)
    assert [grid.periodic(axis) for axis in range(dim)] == [pair[0] == "periodic" for pair in walls]


def test_one_cell_count_serves_all_axes():
    assert fp.Grid([(0, 1), (0, 2), (0, 3)], 5).shape == (5, 5, 5)


def test_graded_cells_follow_the_wished_width():
    grid = fp.Grid.graded((-1, 4), lambda x: 1e-3 + 0.01 * (x - 1) ** 2)
    wished = 1e-3 + 0.01 * (grid.centers[0] - 1) ** 2
    np.testing.assert_allclose(grid.widths[0], wished, rtol=0.05)
    assert grid.edges[0][[0, -1]].tolist() == [-1.0, 4.0]


def test_locate_finds_the_cell_that_holds_a_point():
    grid = fp.Grid([(0, 1), (0, 2)], [4, 4])
    assert grid.locate((0.26, 0.0)) == (1, 0)
    assert grid.locate((1.0, 2.0)) == (3, 3)
    with pytest.raises(ValueError, match=r"`point` must be inside the box \[0, 1\], got 1\.1"):
        grid.locate((1.1, 0.5))
    with pytest.raises(ValueError, match=r"`point` must be a point with 2 coordinate\(s\)"):
        grid.locate((0.5,))


def test_a_grid_is_frozen_and_shows_itself():
    grid = fp.Grid([(-1, 1), (0, 2)], [3, 4], boundary=["periodic", ("absorbing", "reflecting")])
    assert repr(grid) == "Grid([-1, 1] in 3 cells, periodic x [0, 2] in 4 cells, absorbing|reflecting)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        grid.boundary = ()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (((1, 0), 5), ValueError, r"`bounds` must be finite with low < high on each axis, got \(1, 0\)"),
        (((0, np.inf), 5), ValueError, r"`bounds` must be finite with low < high on each axis, got \(0, inf\)"),
        (((0, 1, 2), 5), ValueError, r"`bounds` must be a pair \(low, high\) or a list of such pairs, got \(0, 1, 2\)"),
        ((("a", 1), 5), TypeError, r"`bounds` must be a pair \(low, high\) or a list of such pairs, got \('a', 1\)"),
        (([(0, 1)] * 4, 5), ValueError, "`bounds` must be given for one, two or three axes, got '?4 axes"),
        (((0, 1), 0), ValueError, "`cells` must be whole numbers of at least 1, got 0"),
        (((0, 1), 2.5), ValueError, r"`cells` must be whole numbers of at least 1, got 2\.5"),
        (((0, 1), True), ValueError, "`cells` must be whole numbers of at least 1, got True"),
        (([(0, 1), (0, 1)], [3, 4, 5]), ValueError, r"`cells` must be one number or 2 numbers.*, got \[3, 4, 5\]"),
        (
            ((0, 1), 5, "reflect"),
            ValueError,
            r"`boundary` must be one of 'reflecting'.*, got 'reflect'\. Did you mean 'reflecting'\?",
        ),
        (
            ((0, 1), 5, "dirichlet"),
            ValueError,
            "`boundary` must be one of 'reflecting', 'absorbing', 'periodic', got 'dirichlet'",
        ),
        (((0, 1), 5, 3), TypeError, "`boundary` must be a word, or a list with one entry an axis, got 3"),
        (((0, 1), 5, ["periodic"] * 3), ValueError, "`boundary` must be one word, or a list of 1 entries"),
        (
            ([(0, 1)] * 2, 5, ["periodic", ("periodic", "absorbing")]),
            ValueError,
            "`boundary` must be 'periodic' for a whole axis",
        ),
        (
            ((0, 1), 5, ("periodic", "reflecting")),
            ValueError,
            "`boundary` must be 'periodic' for a whole axis, not inside a pair",
        ),
        (([(0, 1)] * 2, 5, ["periodic", 7]), ValueError, "`boundary` must be a word or a pair .*, got 7"),
    ],
)
def test_bad_grids_are_refused_in_a_sentence(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        fp.Grid(*arguments)


@pytest.mark.parametrize("edges", [[0.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, np.nan, 1.0], [[0, 1, 2], [0]], [1.0]])
def test_bad_edges_are_refused_in_a_sentence(edges):
    with pytest.raises(ValueError, match="`edges` must be finite and increasing, at least two an axis, got"):
        fp.Grid.from_edges(edges)


def test_a_periodic_axis_needs_three_cells():
    grid = fp.Grid((0, 1), 2, boundary="periodic")
    with pytest.raises(ValueError, match="`cells` must be at least 3 along a periodic axis, got 2"):
        fp.generator(fp.FokkerPlanck(diffusion=1.0), grid)


def test_what_a_grid_shares_cannot_be_written_to():
    grid = fp.Grid([(0, 1), (-2, 2)], [4, 5])
    shared = [*grid.edges, *grid.centers, *grid.widths, grid.volumes, fp.Grid((0, 1), 3).volumes]
    for array in shared:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 7.0
    assert grid.centers[1][0] == pytest.approx(-1.6)


def test_a_function_that_writes_to_its_arguments_changes_nothing_else():
    def drift(x):
        x *= -1.0
        return x

    grid = fp.Grid((-4, 4), 100)
    solution = fp.solve(fp.FokkerPlanck(drift=drift, diffusion=0.5), grid, fp.gaussian(1, 0.4), [1.0])
    assert solution.mean()[0, 0] == pytest.approx(np.exp(-1.0), rel=0.01)  # Ornstein-Uhlenbeck: x0 exp(-t)


def test_results_and_starts_keep_copies_of_what_they_were_given():
    times, mean, samples = np.array([0.5, 1.0]), np.array([0.3]), np.array([[0.1], [0.2]])
    start, empirical = fp.gaussian(mean, 0.4), fp.from_samples(samples)
    solution = fp.solve(fp.FokkerPlanck(diffusion=0.5), fp.Grid((-4, 4), 40), start, times)
    times[:], mean[:], samples[:] = 9.0, 9.0, 9.0
    assert solution.times.tolist() == [0.5, 1.0]
    assert start.mean.tolist() == [0.3]
    assert empirical.positions.tolist() == [[0.1], [0.2]]
    with pytest.raises(ValueError, match="read-only"):
        solution.times[0] = 3.0


def test_a_field_is_interpolated_round_a_periodic_axis():
    """It was even over the half cells where the axis is joined: a slope of 1 was off by half a cell."""
    turn = 2.0 * np.pi
    grid = fp.Grid([(0.0, turn), (0.0, 1.0)], [64, 2], ["periodic", "reflecting"])
    x, y = grid.coordinates()
    for place in (0.0, 0.01, turn - 0.03, turn):
        assert grid.interpolate(np.sin(x) + 0.0 * y, [place, 0.4]) == pytest.approx(np.sin(place), abs=1e-4)
    walls = fp.Grid((0.0, turn), 64)
    assert walls.interpolate(np.sin(walls.centers[0]), [0.0]) == pytest.approx(np.sin(walls.centers[0][0]))
