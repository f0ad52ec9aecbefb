"""The quasipotential over a grid: known potentials, with and without a current, Maier and Stein's system, steps of SGD."""

from dataclasses import replace

import numpy as np
import pytest

import fokkerplanck as fp


def turned(rotation, diffusion=1.0):
    """mu = -grad U + r J grad U, U = (x^2 - 1)^2 / 4 + y^2 / 2: V = U / D up to the saddle, whatever r is."""

    def drift(x, y):
        gx, gy = x**3 - x, y
        return [-gx - rotation * gy, -gy + rotation * gx]

    return fp.FokkerPlanck(drift=drift, diffusion=diffusion)


@pytest.mark.parametrize("rotation", [0.0, 1.0, 5.0])
def test_potential_over_diffusion_with_and_without_a_current(rotation):
    grid = fp.Grid([(-2, 2), (-1.5, 1.5)], (80, 60))
    field = fp.quasipotential(turned(rotation, 0.5), [-1, 0.01], grid)
    x, y = np.meshgrid(*grid.centers, indexing="ij")
    potential = (x**2 - 1) ** 2 / 4 + y**2 / 2
    inside = (potential < 0.24) & (x < 0)
    off = np.abs(field.values - potential / 0.5)[inside]
    assert off.max() < 0.006
    assert np.quantile(off / field.error[inside], [0.5, 0.95]).max() < 1.0
    assert field.at([0, 0]) == pytest.approx(0.5, abs=0.004)
    assert field.a == pytest.approx((-1.0, 0.0), abs=1e-6)


def test_its_error_falls_with_the_cells():
    found = [fp.quasipotential(turned(1.0), [-1, 0], fp.Grid([(-2, 1), (-1, 1)], n)) for n in ((30, 20), (90, 60))]
    off = [abs(f.at([-0.3, 0.0]) - 0.91**2 / 4) for f in found]
    assert off[1] < 0.3 * off[0]


def test_a_system_without_a_potential_and_its_way_out():
    def drift(x, y):
        return [x - x**3 - 10 * x * y**2, -(1 + x**2) * y]

    field = fp.quasipotential(
        fp.FokkerPlanck(drift=drift, diffusion=0.5), [-1, 0], fp.Grid([(-1.5, 0.5), (-1, 1)], (80, 80))
    )
    assert abs(field.at([0, 0]) - 0.340041) < min(0.004, 2.0 * field.error_at([0, 0]))  # Maier and Stein (1993)
    way = field.to([0, 0], points=100)
    assert way.exponent == pytest.approx(0.340041, abs=2e-5)
    assert np.abs(way.path[:, 1]).max() > 0.1  # bent: the straight one costs .5


def test_beyond_the_saddle_it_stays_and_climbs_again():
    field = fp.quasipotential(turned(0.0), [-1, 0], fp.Grid([(-2, 2), (-1, 1)], (100, 50)))
    assert field.at([1, 0]) == pytest.approx(field.at([0, 0]), abs=0.004)
    assert field.at([1, 0.5]) == pytest.approx(0.25 + 0.125, abs=0.006)


def test_on_a_line_it_is_the_integral():
    well = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.1)
    field = fp.quasipotential(well, -1, fp.Grid((-1.5, 1.5), 60))
    x = field.grid.centers[0]
    height = np.where(x < 0, (x**2 - 1) ** 2, np.where(x < 1, 1.0, 1.0 + (x**2 - 1) ** 2)) / 0.1
    np.testing.assert_allclose(field.values, height, rtol=1e-8, atol=1e-8)
    assert field.to(0).exponent == pytest.approx(10.0)


def test_an_attractor_at_a_center_of_a_line():
    field = fp.quasipotential(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), 0.0, fp.Grid((-1.5, 1.5), 15))
    np.testing.assert_allclose(field.values, field.grid.centers[0] ** 2, atol=1e-9)


def test_across_a_period():
    grid = fp.Grid([(0, 2 * np.pi), (-1, 1)], (64, 32), boundary=["periodic", "reflecting"])
    eq = fp.FokkerPlanck(drift=lambda x, y: [-np.sin(x) + 0 * y, -y], diffusion=1.0)
    field = fp.quasipotential(eq, [0.02, 0], grid)
    x = grid.centers[0]
    np.testing.assert_allclose(field.values[:, 15:17].mean(axis=1), 1.0 - np.cos(x), atol=0.01)


def plane_sgd(noise):
    data = {"x": [noise, -noise, 0.0, 0.0], "y": [0.0, 0.0, noise, -noise]}
    loss = fp.SampleLoss("(a**2 - 1)**2 / 4 + b**2 / 2 + x*a + y*b", ["a", "b"], data)
    return fp.SGD(loss, batch_size=1)


@pytest.mark.parametrize("model", ["exact", "first-order"])
def test_sgd_in_the_plane_by_the_grid_and_by_the_path(model):
    sgd = plane_sgd(1.5)
    field = sgd.quasipotential([1, 0], fp.Grid([(0, 1.6), (-0.6, 0.6)], (32, 24)), model)
    assert field.noise == "learning rate"
    path = sgd.quasipotential([1, 0], [0.3, 0.2], model, points=60)
    assert field.at([0.3, 0.2]) == pytest.approx(path.exponent, rel=0.01)
    assert field.to([0.3, 0.2], points=60).exponent == pytest.approx(path.exponent, rel=1e-3)


def test_where_bounded_steps_do_not_lead_it_is_infinite():
    sgd = plane_sgd(0.2)
    field = sgd.quasipotential([1, 0], fp.Grid([(0, 1.4), (-0.4, 0.4)], (32, 24)))
    assert np.isinf(field.at([0.2, 0.0]))
    assert np.isfinite(field.at([0.95, 0.05]))
    assert "infinite in" in repr(field)
    assert np.isnan(field.error[np.isinf(field.values)]).all()
    way = sgd.quasipotential([1, 0], [0.95, 0.05], points=60)
    assert field.to([0.95, 0.05], points=60).exponent == pytest.approx(way.exponent, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "said"),
    [([-0.8, 0.3], "It does at"), ([0, 0], "stable"), ([-3, 0], "inside the box"), ([-1], "a Grid of 1 axes")],
)
def test_starts_that_are_no_attractors_are_refused(a, said):
    with pytest.raises(ValueError, match=said):
        fp.quasipotential(turned(0.0), a, fp.Grid([(-2, 2), (-1, 1)], (40, 20)))


def test_grids_that_do_not_serve_are_refused():
    graded = fp.Grid.from_edges([np.linspace(-1.5, 1.5, 41) ** 3, np.linspace(-1, 1, 21)])
    for grid in (graded, fp.Grid([(-2, 2), (-1, 1)], (40, 8))):
        with pytest.raises(ValueError, match="even cells"):
            fp.quasipotential(turned(0.0), [-1, 0], grid)
    flat = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=[1.0, 0.0])
    with pytest.raises(ValueError, match="random in all 2 directions"):
        fp.quasipotential(flat, [0, 0], fp.Grid([(-1, 1), (-1, 1)], (20, 20)))


def test_its_picture_has_the_ways():
    field = fp.quasipotential(
        replace(turned(1.0), names=["w", "b"]), [-1, 0], fp.Grid([(-2, 2), (-1.5, 1.5)], (40, 30))
    )
    figure = field.plot(to=[[0, 0]])
    assert figure.axes[0].get_xlabel() == "w"
    assert any(np.allclose(line.get_xydata()[-1], [0, 0], atol=1e-9) for line in figure.axes[0].lines)
