"""Transition path theory: E and Vanden-Eijnden 2006; Metzner, Schuette and Vanden-Eijnden 2006, 2009."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import fokkerplanck as fp

A, B = -0.83, 0.9
D = 0.15
BOX = [(-2.2, 2.2), (-2, 2)]
PLANE = fp.Grid(BOX, 40)
TURNED = fp.FokkerPlanck(drift=lambda x, y: [x - x**3 + y, -y + (x - x**3)], diffusion=0.2)


def potential(x):
    return (x**2 - 1) ** 2 + 0.2 * x


def left(x, y=0.0):
    return (x + 1) ** 2 + y**2 < 0.09


def right(x, y=0.0):
    return (x - 1) ** 2 + y**2 < 0.09


def in_a_double_well():
    """(rate, probability) of transitions from x < A to x > B in closed form, with q = int_A^x e^(V/D) / int_A^B e^(V/D)."""
    z = quad(lambda x: np.exp(-potential(x) / D), -3, 3)[0]
    up = quad(lambda x: np.exp(potential(x) / D), A, B)[0]

    def on_its_way(x):
        q = quad(lambda y: np.exp(potential(y) / D), A, x)[0] / up
        return np.exp(-potential(x) / D) / z * q * (1 - q)

    return D / (z * up), quad(on_its_way, A, B)[0]


def double_well(n, **options):
    eq = fp.FokkerPlanck(potential=potential, diffusion=D)
    return fp.transition_paths(eq, fp.Grid((-2.5, 2.5), n), lambda x: x < A, lambda x: x > B, **options)


def test_double_well():
    found, (rate, probability) = double_well(200), in_a_double_well()
    assert found.rate == pytest.approx(rate, rel=1e-7)
    assert abs(found.rate - rate) < found.error["rate"]
    assert found.probability == pytest.approx(probability, rel=2e-3)
    assert abs(found.probability - probability) < 2 * found.error["probability"]
    assert found.mean_duration == pytest.approx(probability / rate, rel=2e-3)
    between = ~found.fixed
    assert found.current[0][between] == pytest.approx(rate, rel=1e-6)
    assert not found.current[0][found.fixed].any()
    assert not found.density[found.fixed].any()
    assert found.density.sum() * 5.0 / 200 == pytest.approx(found.probability, rel=1e-12)


def test_with_detailed_balance_the_past_mirrors_the_future():
    found = double_well(100, error=False)
    eq = fp.FokkerPlanck(potential=potential, diffusion=D)
    assert found.backward == pytest.approx(1 - found.forward, abs=1e-12)
    assert found.forward == pytest.approx(
        fp.committor(eq, found.grid, lambda x: x < A, lambda x: x > B, error=False).values, abs=1e-14
    )


def test_a_barrier_of_sixty_kt():
    deep = fp.FokkerPlanck(potential=lambda x: 60 * (x**2 - 1) ** 2, diffusion=1.0)
    found = fp.transition_paths(deep, fp.Grid((-1.8, 1.8), 400), lambda x: x < -1, lambda x: x > 1, error=False)
    z = quad(lambda x: np.exp(-60 * (x**2 - 1) ** 2), -3, 3, points=[-1, 1])[0]
    up = quad(lambda x: np.exp(60 * (x**2 - 1) ** 2 - 60), -1, 1, points=[0])[0]
    assert found.rate == pytest.approx(np.exp(-60) / (z * up), rel=1e-3)


def test_a_ring_that_turns():
    """dx = F dt + sqrt(2 D) dW on a ring: uniform density, and both committors in closed form on both arcs.

    With w = F L / D on an arc of length L, (F / 2 pi) / (1 - e^-w) transitions per time go along F and
    (F / 2 pi) / (e^w - 1) against it.
    """
    force, d, half = 0.7, 0.5, 0.4
    eq = fp.FokkerPlanck(drift=lambda x: force + 0 * x, diffusion=d)
    ring = fp.Grid((0, 2 * np.pi), 200, "periodic")
    found = fp.transition_paths(
        eq, ring, lambda x: np.abs(x - 0.5 * np.pi) < half, lambda x: np.abs(x - 1.5 * np.pi) < half, error=False
    )
    w = force * (np.pi - 2 * half) / d
    along, against = force / (2 * np.pi) / (1 - np.exp(-w)), force / (2 * np.pi) / np.expm1(w)
    x = ring.centers[0]
    first = (x > 0.5 * np.pi + half) & (x < 1.5 * np.pi - half)
    assert found.rate == pytest.approx(along + against, rel=1e-6)
    assert found.current[0][first] == pytest.approx(along, rel=1e-6)
    assert found.current[0][~first & ~found.fixed] == pytest.approx(-against, rel=1e-6)


def test_without_detailed_balance_what_leaves_one_set_enters_the_other():
    there, back = (fp.transition_paths(TURNED, PLANE, *ends, error=False) for ends in ((left, right), (right, left)))
    assert there.rate == pytest.approx(back.rate, rel=1e-11)
    assert there.backward == pytest.approx(1 - back.backward, abs=1e-11)
    assert np.abs(there.backward - 1 + there.forward).max() > 0.5
    through = there.current[0].sum(axis=1) * 0.1  # across lines of constant x
    x = PLANE.centers[0]
    assert through[np.abs(x) < 0.65] == pytest.approx(there.rate, rel=1e-10)
    assert np.abs(through[np.abs(x) > 1.9]).max() < 1e-4 * there.rate
    turned = there.current[:, ::-1, ::-1]  # the system is symmetric under a rotation by pi, which exchanges the sets
    assert -turned == pytest.approx(back.current, abs=1e-11)


def test_its_error_holds_in_the_plane():
    found = fp.transition_paths(TURNED, PLANE, left, right)
    fine = fp.transition_paths(TURNED, fp.Grid(BOX, 120), left, right, error=False)
    for name in ("rate", "mean_duration", "rate_constant"):
        assert abs(getattr(found, name) - getattr(fine, name)) < 3 * found.error[name], name
    assert f"{found.rate:.6g}" in repr(found)
    assert "grid error" in repr(found)


def test_sets_of_cells():
    x = fp.Grid((-2.5, 2.5), 100).centers[0]
    eq = fp.FokkerPlanck(potential=potential, diffusion=D)
    found = fp.transition_paths(eq, fp.Grid((-2.5, 2.5), 100), x < -0.8, x > 0.9)
    same = fp.transition_paths(eq, found.grid, lambda x: x < -0.8, lambda x: x > 0.9, error=False)
    assert found.rate == pytest.approx(same.rate, rel=1e-9)


@pytest.mark.parametrize("grid", [fp.Grid((-2.5, 2.5), 60), PLANE])
def test_it_draws_itself(grid):
    eq = fp.FokkerPlanck(potential=potential, diffusion=D) if grid.dim == 1 else TURNED
    eq = replace(eq, names=["u", "v"][: grid.dim])
    ax = fp.transition_paths(eq, grid, left, right, error=False).plot().axes[0]
    assert ax.get_xlabel() == "u"
    assert any(type(part).__name__ == "Quiver" for part in ax.collections) == (grid.dim == 2)


def test_what_has_no_transitions_is_refused():
    eq = fp.FokkerPlanck(potential=potential, diffusion=D)
    line = fp.Grid((-2.5, 2.5), 60)

    def ask(eq=eq, grid=line, ends=(left, right)):
        return fp.transition_paths(eq, grid, *ends)

    with pytest.raises(ValueError, match="disjoint"):
        ask(ends=(lambda x: x < 0.5, lambda x: x > 0))
    with pytest.raises(ValueError, match="move them apart"):
        ask(ends=(lambda x: x < 0, lambda x: x > 0))
    with pytest.raises(ValueError, match="absorbing"):
        ask(grid=fp.Grid((-2.5, 2.5), 60, "absorbing"))
    with pytest.raises(ValueError, match="independent of time"):
        ask(ends=(left, lambda x, t: x > 1 + t))
    with pytest.raises(ValueError, match="without memory"):
        ask(eq=fp.FokkerPlanck(potential=potential, diffusion=D, time_order=0.7))


def test_jumps_to_anywhere_by_hand():
    """Each jump, at rate 2, ends anywhere in (0, 1). Sets of .3 and .4: q+ = 4/7 and q- = 3/7 between them, and of the jumps at
    the target .3 come from the source and .3 * 3/7 from those that were on their way."""
    anywhere = fp.FokkerPlanck(jumps=fp.PoissonJumps(rate=2.0, law=lambda a, b: 1.0 * ((b > 0) & (b < 1)) + 0 * a))
    found = fp.transition_paths(anywhere, fp.Grid((0, 1), 100), lambda x: x < 0.3, lambda x: x > 0.6, error=False)
    between = ~found.fixed
    np.testing.assert_allclose(found.forward[between], 4 / 7, rtol=1e-9)
    np.testing.assert_allclose(found.backward[between], 3 / 7, rtol=1e-9)
    assert found.rate == pytest.approx(2 * 0.4 * (0.3 + 0.3 * 3 / 7), rel=1e-9)
    assert found.probability == pytest.approx(0.3 * 12 / 49, rel=1e-9)
    assert found.rate_constant == pytest.approx(found.rate / (0.3 + 0.3 * 3 / 7), rel=1e-9)


JUMPING = {
    "one-sided jumps": fp.PoissonJumps(rate=0.4, law=stats.expon(scale=0.8)),
    "Levy jumps": fp.LevyJumps(1.5, 0.3),
}


@pytest.mark.parametrize("name", JUMPING)
@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_as_many_go_as_come_back_and_the_current_is_the_rate(name):
    """Invariants: transitions one way are those the other way, and all that is reactive crosses each place between the sets."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.1, jumps=JUMPING[name])
    grid = fp.Grid((-3, 4), 140)
    sets = [lambda x: x < -0.7, lambda x: x > 0.7]
    there, back = (fp.transition_paths(eq, grid, *pair, error=False) for pair in (sets, sets[::-1]))
    assert there.rate == pytest.approx(back.rate, rel=1e-8)
    between = np.abs(grid.centers[0]) < 0.6
    np.testing.assert_allclose(there.current[0, between], there.rate, rtol=1e-7)
    np.testing.assert_allclose(back.current[0, between], -there.rate, rtol=1e-7)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_rate_with_jumps_against_simulation():
    """One-sided jumps over 300 paths of 100 time units: some 1900 transitions, whose number is off by 2.3 %, and steps that
    overlook some of what touches an edge: 5 of the former and 2 % for the latter."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.3, jumps=JUMPING["one-sided jumps"])
    grid, ends = fp.Grid((-3.5, 5), 340), [lambda x: x < -0.7, lambda x: x > 0.7]
    found = fp.transition_paths(eq, grid, *ends)
    start = fp.stationary(eq, grid, error=False)
    paths = fp.simulate(eq, start, np.arange(0, 100, 0.01), 0.01, n_paths=300, seed=2, step_error=False)
    side = np.sign(paths.positions[:, :, 0]) * (np.abs(paths.positions[:, :, 0]) > 0.7)
    met = [one[one != 0.0] for one in side.T]
    count = sum(int(((seen[:-1] < 0) & (seen[1:] > 0)).sum()) for seen in met)
    assert count > 1500
    assert count / (300 * 100) == pytest.approx(found.rate, rel=0.14)
    assert found.error["rate"] < 0.03 * found.rate


def test_jumps_in_a_plane_and_round_a_circle_have_no_current():
    jumps = fp.PoissonJumps(rate=1.0, law=stats.norm(scale=0.3))
    eq = fp.FokkerPlanck(diffusion=0.1, jumps=jumps)
    with pytest.raises(ValueError, match="`grid` must be a line between walls for transition paths with jumps"):
        fp.transition_paths(eq, fp.Grid((0, 6), 60, "periodic"), lambda x: x < 1, lambda x: (x > 3) & (x < 4))
