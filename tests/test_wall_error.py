"""What lies beyond walls that are not those of the problem: told beside the measured error, and near the truth."""

import numpy as np
import pytest
from scipy.stats import norm

import fokkerplanck as fp

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
OU = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


@pytest.mark.parametrize("half", [1.5, 2.0, 2.6, 3.5])
def test_a_stationary_density_cut_by_its_box(half):
    """Of a normal law of variance 1/2: twice what lies beyond, as what is held back widens the rest."""
    st = fp.stationary(OU, fp.Grid((-half, half), 100))
    assert st.error.box == pytest.approx(4.0 * norm.sf(half / np.sqrt(0.5)), rel=0.15)
    assert ("the box is not in it" in st.error.note) == (st.error.box > 0.1 * st.error["density"])


@pytest.mark.parametrize(("options", "half", "dim"), [
    ({"potential": lambda x: (x**2 - 1) ** 2, "diffusion": 0.3}, 1.5, 1),
    ({"drift": lambda x: -np.tanh(3 * x), "diffusion": lambda x: 0.3 + 0.1 * np.cos(x)}, 2.0, 1),
    ({"drift": lambda x, y: (-x - y, x - y), "diffusion": 0.5}, 1.7, 2),
    ({"drift": lambda x, y: (-x + 2 * y, -1.5 * x - 0.8 * y), "diffusion": [[0.3, 0.1], [0.1, 0.2]]}, 1.4, 2),
    ({"drift": lambda x, y: (-x, -y), "diffusion": [[0.3, 0.25], [0.25, 0.25]]}, 1.4, 2),
])  # fmt: skip
def test_other_potentials_varying_noise_and_turning_drifts(options, half, dim):
    """Beside the same density in a box three times as large."""
    eq, cells = fp.FokkerPlanck(**options), 120 if dim == 1 else 40
    st, wide = (fp.stationary(eq, fp.Grid([(-k * half, k * half)] * dim, k * cells)) for k in (1, 3))
    inner = wide.density[(slice(cells, 2 * cells),) * dim]
    true = np.abs(inner - st.density).sum() * st.grid.volumes.flat[0] + 1.0 - inner.sum() * st.grid.volumes.flat[0]
    assert 0.7 < st.error.box / true < 2.0
    assert wide.error.box < 1e-6


def test_a_box_that_cuts_nothing_off_a_tensor_is_told_of_as_such():
    """It was "2.0e+00 of the density": links along the axes carry part of the drift of a full tensor only."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x + 2 * y, -1.5 * x - 0.8 * y), diffusion=[[0.3, 0.1], [0.1, 0.2]])
    wide = fp.Grid([(-3, 3), (-3, 3)], 64)
    assert fp.stationary(eq, wide).error.box < 1e-5
    assert "the box is not in it" not in fp.correlation(eq, wide, lambda x, y: x + 0 * y, [0.0, 1.0]).error.note
    with pytest.warns(fp.ResolutionWarning, match="the box cuts it off"):
        fp.stationary(eq, fp.Grid([(-1.2, 1.2), (-0.9, 0.9)], 40))


def test_a_density_on_its_way():
    """The largest over the output times; the wall is met only later."""
    times, grid = [0.2, 1.0], fp.Grid((-2.6, 2.6), 130)
    start = fp.gaussian(1.5, 0.2)
    sol, wide = fp.solve(OU, grid, start, times), fp.solve(OU, fp.Grid((-7.8, 7.8), 390), start, times)
    inner = wide.density[:, 130:260]
    true = ((np.abs(inner - sol.density) - inner) @ grid.volumes + 1.0).max()
    assert 0.5 < sol.error.box / true < 2.5
    assert "the box is not in it" in sol.error.note
    assert "the box" not in wide.error.note


def test_walls_that_are_asked_for_are_no_error():
    """A box without force, a force towards the wall, absorbing walls and rings have no density beyond."""
    for eq, walls in (
        (fp.FokkerPlanck(diffusion=0.5), "reflecting"),
        (fp.FokkerPlanck(drift=lambda x: 3.0 + 0 * x, diffusion=0.5), ("absorbing", "reflecting")),
        (OU, "absorbing"),
        (fp.FokkerPlanck(drift=lambda x: np.sin(np.pi * x), diffusion=0.5), "periodic"),
    ):
        sol = fp.solve(eq, fp.Grid((-1, 1), 64, walls), fp.gaussian(0.0, 0.2), [0.5])
        assert sol.error.box == 0.0
        assert "box" not in sol.error.note


def test_it_is_kept_in_files(tmp_path):
    sol = fp.solve(OU, fp.Grid((-1.5, 1.5), 64), fp.gaussian(0.0, 0.2), [1.0])
    sol.save(tmp_path / "a.nc")
    assert fp.load(tmp_path / "a.nc").error.box == sol.error.box > 0.01


@pytest.mark.parametrize(("pull", "half"), [(0.0, 5.0), (0.0, 20.0), (1.0, 5.0), (3.0, 5.0)])
def test_noise_that_grows_towards_the_walls(pull, half):
    """D = 1 + x^2 (Ito): p ~ (1 + x^2)^-(1 + pull / 2), the tail of which the box cuts off."""
    options = {"drift": lambda x: -pull * x} if pull else {}
    st = fp.stationary(fp.FokkerPlanck(diffusion=lambda x: 1 + x * x, **options), fp.Grid((-half, half), 200))
    angle = np.linspace(-np.pi / 2, np.pi / 2, 200_002)[1:-1]
    weight = np.cos(angle) ** pull
    true = 2.0 * weight[np.abs(np.tan(angle)) > half].sum() / weight.sum()
    assert 0.9 < st.error.box / true < 1.5
    assert "the box is not in it" in st.error.note


def test_noise_whose_density_has_no_end():
    """D = 1 + |x|: no box holds it, and the error is as large as one can be."""
    st = fp.stationary(fp.FokkerPlanck(diffusion=lambda x: 1 + abs(x)), fp.Grid((-5, 5), 200))
    assert st.error.box == 2.0


def test_noise_that_changes_along_the_other_axis_alone():
    """D_x = y^2 / 2: nothing thins the density out towards the walls of x."""
    eq = fp.FokkerPlanck(diffusion=[lambda x, y: 0.5 * y * y, 0.5])
    sol = fp.solve(eq, fp.Grid([(-6, 6), (-5, 5)], [60, 50]), fp.gaussian([0, 0], 0.3), [1.0])
    assert sol.error.box == 0.0
