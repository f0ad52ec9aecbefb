"""Coefficients that depend on time or on the density, against moments in closed form."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.scharfetter_gummel import Sampled, generator
from fokkerplanck.solvers.evolution.time_dependent import aligned, change, mixture

TIMES = [1.0, 2.0, 5.0]


def forced_mean(t):
    """Of dx = -(x - sin 3t) dt from 2."""
    return 2.3 * np.exp(-t) + (np.sin(3 * t) - 3 * np.cos(3 * t)) / 10


def test_forced_mean_at_order_two_in_space():
    errors = []
    for n in (200, 400):
        eq = fp.FokkerPlanck(drift=lambda x, t: -(x - np.sin(3 * t)), diffusion=0.5)
        solution = fp.solve(eq, fp.Grid((-6, 6), n), fp.gaussian(2, 0.3), TIMES, rtol=1e-7)
        errors.append(np.abs(solution.mean().ravel() - forced_mean(np.array(TIMES))))
        np.testing.assert_allclose(solution.mass, 1.0, atol=1e-10)
        assert solution.stats["min_density"] >= 0.0 or solution.stats["min_density"] > -1e-10
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), 2.0, atol=0.1)


def test_the_error_estimate_covers_the_error():
    eq = fp.FokkerPlanck(
        drift=lambda x, t: -x * (1 + 0.8 * np.sin(5 * t)), diffusion=lambda x, t: 0.2 * (1.5 + np.cos(4 * t)) + 0 * x
    )
    grid, start = fp.Grid((-4, 4), 120), fp.gaussian(1, 0.3)
    fine = fp.solve(eq, grid, start, TIMES, rtol=1e-9).masses
    previous = None
    for rtol in (1e-3, 1e-5):
        solution = fp.solve(eq, grid, start, TIMES, rtol=rtol)
        error = np.abs(solution.masses - fine).sum(axis=1).max()
        assert error <= solution.stats["error_estimate"] <= rtol
        assert previous is None or solution.stats["steps"] > 1.5 * previous
        previous = solution.stats["steps"]


def test_time_dependent_tensor():
    """A tensor that turns with time: the covariance obeys its own equation."""
    turn = lambda t: np.array([[0.3, 0.1 * np.sin(t)], [0.1 * np.sin(t), 0.2]])  # noqa: E731
    eq = fp.FokkerPlanck(
        drift=lambda x, y: (-x, -y),
        diffusion=lambda x, y, t: np.multiply.outer(turn(t), np.ones_like(x)),
    )
    solution = fp.solve(eq, fp.Grid([(-3.5, 3.5)] * 2, 56), fp.gaussian([0, 0], 0.4), 1.0, rtol=1e-3)
    # d c / dt = -2 c + 2 d(t) with d = 0.1 sin t
    expected = 0.2 * ((2 * np.sin(1) - np.cos(1)) / 5 + np.exp(-2) / 5)
    assert solution.covariance()[0, 0, 1] == pytest.approx(expected, abs=5e-4)


def test_swarm_narrows_and_does_not_move_the_mean():
    """dx = -x dt - k (x - <x>) dt: the mean decays at rate 1, the variance at 2 (1 + k)."""
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=fp.Swarm(strength=2.0))
    times = np.array([0.5, 1.0, 2.0])
    solution = fp.solve(eq, fp.Grid((-5, 5), 400), fp.gaussian(2, 0.3), times, rtol=1e-5)
    np.testing.assert_allclose(solution.mean().ravel(), 2 * np.exp(-times), atol=5e-4)
    variance = 0.09 * np.exp(-6 * times) + 0.5 / 3 * (1 - np.exp(-6 * times))
    np.testing.assert_allclose(solution.covariance().ravel(), variance, atol=2e-4)
    assert solution.method == "magnus"


@pytest.mark.parametrize(
    ("grid", "coefficients"),
    [
        (fp.Grid((-2, 3), 40), {"drift": lambda x: -x, "diffusion": lambda x: 0.1 + x**2}),
        (fp.Grid((0, 3), 40), {"potential": lambda x: x**2, "diffusion": lambda x: x, "convention": "klimontovich"}),
        (fp.Grid((-2, 3), 40, ("absorbing", "reflecting")), {"diffusion": 0.3, "jumps": fp.LevyJumps(1.5, 0.2)}),
        (fp.Grid([(-2, 3), (-1, 2)], [12, 15]), {"drift": lambda x, y: (-x, x - y), "diffusion": [0.1, 0.2]}),
        (fp.Grid([(-2, 3), (-1, 2)], [12, 15]), {"drift": lambda x, y: (-x, -y), "diffusion": [[1, 0.3], [0.3, 0.5]]}),
    ],
)
def test_a_generator_renewed_for_the_mean_is_that_of_the_whole_drift(grid, coefficients):
    """The pull written out as a drift, from scratch, against coefficients read once."""
    mean = 0.3 + 0.2 * np.arange(grid.dim)
    swarm = fp.FokkerPlanck(**coefficients, interaction=fp.Swarm(0.7))
    own = coefficients.get("drift", lambda *x: [0.0 * c for c in x])

    def pulled(*x):
        drift = np.reshape(own(*x), (grid.dim, *x[0].shape))
        return [m - 0.7 * (c - a) for m, c, a in zip(drift, x, mean, strict=True)]

    whole = fp.FokkerPlanck(**(coefficients | {"drift": pulled}))
    renewed = Sampled(swarm, grid)
    renewed.generator(mean + 1.0)
    masses = np.random.default_rng(1).random(grid.shape)
    from_scratch = generator(whole, renewed.grid, fixed=True)
    got, want = renewed.generator(mean).apply(masses), from_scratch.apply(masses)
    np.testing.assert_allclose(got, want, rtol=0.0, atol=1e-13 * np.abs(want).max())


def test_a_single_product_from_the_links():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.3, jumps=fp.LevyJumps(1.5, 0.2))
    q = generator(eq, fp.Grid((-2, 3), 40, ("absorbing", "reflecting")))
    masses = np.random.default_rng(1).random(40)
    np.testing.assert_allclose(change(q, masses), q.apply(masses), rtol=0.0, atol=1e-12)


def test_steps_as_long_as_the_run_lose_no_mass():
    """A coupling of 0 lets the steps grow without bound; the error of the exponentials themselves once went uncounted."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=0.1, interaction=fp.Swarm(0.0))
    solution = fp.solve(eq, fp.Grid((-2, 2), 100), fp.gaussian(0.1, 0.3), 4000.0, rtol=1e-3)
    assert solution.stats["mass_error"] <= solution.stats["error_estimate"] <= 1e-3


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_swarm_without_noise_takes_few_steps():
    """Upwind rates that vanish where the drift changes its sign once cut every step to nothing: 90 s for 7."""
    loss = fp.landscapes.scalar_net().loss
    eq = fp.SGD(loss, 0.02, batch_size=None).equation("swarm", strength=0.05)
    solution = fp.solve(eq, fp.Grid([(-2, 2), (-2, 2)], [20, 20]), fp.gaussian([1, 1], 0.3), 20.0, rtol=1e-3)
    assert solution.stats["steps"] + solution.stats["rejected"] < 40


def test_questions_of_the_long_run_are_refused():
    driven = fp.FokkerPlanck(drift=lambda x, t: -x * t, diffusion=0.5)
    swarm = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5, interaction=fp.Swarm(strength=1.0))
    grid = fp.Grid((-1, 1), 10)
    for eq, ask in ((driven, fp.stationary), (driven, fp.spectrum), (swarm, fp.spectrum)):
        with pytest.raises(ValueError, match="`eq` must be independent of time and of the density"):
            ask(eq, grid)
    with pytest.raises(ValueError, match="`eq` must be without interaction"):
        fp.generator(swarm, grid)
    with pytest.raises(ValueError, match="`method` must be 'auto' where coefficients depend on time"):
        fp.solve(driven, grid, fp.gaussian(0, 0.2), 1.0, method="chebyshev")


@pytest.mark.parametrize("strength", [-1.0, np.inf, True, "2"])
def test_bad_strength(strength):
    with pytest.raises((ValueError, TypeError), match="`strength` must be a number not below 0"):
        fp.Swarm(strength=strength)


def covered(eq, grid, p0, times, rtol=1e-6, **options):
    """A solution whose error in time, against one much finer, lies below its own estimate."""
    solution = fp.solve(eq, grid, p0, times, rtol=rtol, **options)
    fine = fp.solve(eq, grid, p0, times, rtol=1e-3 * rtol, **options)
    error = np.abs(solution.masses - fine.masses).sum(axis=1).max()
    assert error <= solution.stats["error_estimate"] <= rtol
    np.testing.assert_allclose(solution.mass, fine.mass, rtol=0, atol=solution.stats["error_estimate"])
    assert solution.stats["min_density"] > -1e-10
    return solution


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_short_pulse_of_the_drift():
    """Mean 20 (1 - e^-0.05) e^-0.92 = 0.3887 (variation of constants); once stepped over: 2e-16, "error at most 1e-10"."""
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.where((t > 4.03) & (t < 4.08), 20.0, 0.0), diffusion=0.1)
    solution = covered(eq, fp.Grid((-6, 6), 240), fp.gaussian(0, 0.3162), [5.0])
    assert solution.mean()[-1, 0] == pytest.approx(0.3887, abs=0.002)


def test_noise_that_is_switched_on():
    """Variance 0.09 + 2 * 0.5 * 0.7 = 0.79; once 0.825."""
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x)
    solution = fp.solve(eq, fp.Grid((-6, 6), 600), fp.gaussian(0, 0.3), [2.0], rtol=1e-9)
    assert solution.covariance()[-1, 0, 0] == pytest.approx(0.79, abs=1e-8)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_smooth_kick_in_a_long_run():
    """Of size 2 around t = 50, decayed to 2 e^-0.5 = 1.213 at 100; once -6e-14."""
    kick = lambda t: 2 * np.exp(-((t - 50) ** 2) / 0.125) / (0.25 * np.sqrt(2 * np.pi))  # noqa: E731
    eq = fp.FokkerPlanck(drift=lambda x, t: kick(t) - 0.01 * x, diffusion=0.05)
    solution = covered(eq, fp.Grid((-8, 8), 400), fp.gaussian(0, 0.3), [100.0])
    assert solution.mean()[-1, 0] == pytest.approx(2 * np.exp(-0.5), abs=0.004)


def test_two_kicks_with_a_gap_shorter_than_they_are():
    force = lambda t: 100.0 * ((t > 2) & (t < 2.004)) + 100.0 * ((t > 2.0061) & (t < 2.0101))  # noqa: E731
    eq = fp.FokkerPlanck(drift=lambda x, t: force(t) + 0 * x, diffusion=0.05)
    assert covered(eq, fp.Grid((-4, 4), 160), fp.gaussian(-1, 0.4), [4.0]).mean()[-1, 0] == pytest.approx(
        -0.2, abs=1e-6
    )


def test_drifts_that_jump_at_irrational_times():
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + 2.0 * (t > np.sqrt(2)) - 3.0 * (t > np.e), diffusion=0.5)
    want = 2 * (1 - np.exp(np.sqrt(2) - 4)) - 3 * (1 - np.exp(np.e - 4))
    assert covered(eq, fp.Grid((-6, 6), 300), fp.gaussian(0, 0.5), [4.0]).mean()[-1, 0] == pytest.approx(want, abs=1e-3)


def test_a_pulse_of_noise():
    eq = fp.FokkerPlanck(diffusion=lambda x, t: np.where((t > 1) & (t < 1.01), 10.0, 0.0) + 0 * x)
    assert covered(eq, fp.Grid((-4, 4), 200), fp.gaussian(0, 0.3), [4.0]).covariance()[-1, 0, 0] == pytest.approx(
        0.29, abs=1e-5
    )


def test_a_potential_that_jumps():
    """V = x^2 to t = 1.7, then (x - 1)^2 / 2: mean 1 - e^-2.3."""
    eq = fp.FokkerPlanck(potential=lambda x, t: np.where(t < 1.7, x * x, 0.5 * (x - 1) ** 2), diffusion=0.5)
    solution = covered(eq, fp.Grid((-6, 6), 200), fp.gaussian(0, 0.3), [4.0])
    assert solution.mean()[-1, 0] == pytest.approx(1 - np.exp(-2.3), abs=1e-3)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # a drift that jumps in space too
def test_a_pulse_that_only_some_places_see():
    eq = fp.FokkerPlanck(
        drift=lambda x, t: np.where((t > 2) & (t < 2.1) & (abs(x - 0.1) < 0.1), 3.0, 0.0), diffusion=0.05
    )
    without = fp.solve(fp.FokkerPlanck(diffusion=0.05), fp.Grid((-4, 4), 200), fp.gaussian(0, 0.1), [2.1])
    solution = covered(eq, fp.Grid((-4, 4), 200), fp.gaussian(0, 0.1), [2.1])
    assert solution.mean()[-1, 0] - without.mean()[-1, 0] > 0.03


@pytest.mark.parametrize("breaks", [None, [1.3]])
def test_outputs_and_breaks_at_the_switch(breaks):
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x)
    solution = fp.solve(eq, fp.Grid((-5, 5), 200), fp.gaussian(0, 0.3), [0.5, 1.3, 1.7, 2.0], breaks=breaks)
    first = solution.covariance()[0, 0, 0]
    np.testing.assert_allclose(solution.covariance().ravel() - first, [0, 0, 0.4, 0.7], atol=1e-6)


def test_a_driven_ring_and_absorbing_walls():
    ring = fp.Grid((0, 2 * np.pi), 180, "periodic")
    eq = fp.FokkerPlanck(drift=lambda x, t: np.where(t < 1, 3.0, -1.0) + 0 * x, diffusion=0.2)
    solution = covered(eq, ring, fp.gaussian(3, 0.2), [1.0, 2.5])
    angle = np.angle((solution.masses * np.exp(1j * ring.centers[0])).sum(axis=1))
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * np.array([6.0, 4.5])), atol=2e-3)
    wall = fp.Grid((-1, 2), 100, ["absorbing"])
    eq = fp.FokkerPlanck(drift=lambda x, t: 4 * np.sin(3 * t) - x, diffusion=0.5)
    assert 0.01 < covered(eq, wall, fp.point(0.3), [2.0]).mass[-1] < 0.2


def test_a_pulse_in_two_dimensions():
    def drift(x, y, t):
        return -x + np.where((t > 1.03) & (t < 1.04), 30.0, 0.0), -y

    eq = fp.FokkerPlanck(drift=drift, diffusion=0.3)
    solution = fp.solve(eq, fp.Grid([(-3, 3)] * 2, [48, 32]), fp.gaussian([0, 0], 0.4), 2.0, rtol=1e-4)
    want = 30 * (np.exp(-0.96) - np.exp(-0.97))
    np.testing.assert_allclose(solution.mean()[-1], [want, 0.0], atol=0.002)


def test_the_current_of_each_time_is_that_of_its_coefficients():
    eq = fp.FokkerPlanck(drift=lambda x, t: np.where(t < 1.5, 1.0, -1.0) + 0 * x, diffusion=0.1)
    solution = fp.solve(eq, fp.Grid((-4, 4), 100), fp.gaussian(0, 0.4), [1.0, 2.0])
    flow = [(solution.current(i)[0] * solution.grid.widths[0]).sum() for i in (0, 1)]
    np.testing.assert_allclose(flow, [1.0, -1.0], atol=1e-3)


def test_features_are_named_only_where_coefficients_change():
    eq, grid, p0 = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-1, 1), 10), fp.gaussian(0, 0.2)
    for options in ({"breaks": [1.0]}, {"max_step": 0.1}):
        with pytest.raises(
            ValueError, match=f"`{next(iter(options))}` must be None where no coefficient depends on time"
        ):
            fp.solve(eq, grid, p0, 1.0, **options)
    driven = fp.FokkerPlanck(drift=lambda x, t: -x * t, diffusion=0.5)
    for options in ({"breaks": [np.nan]}, {"max_step": 0.0}, {"breaks": "now"}):
        with pytest.raises((ValueError, TypeError), match=f"`{next(iter(options))}` must be"):
            fp.solve(driven, grid, p0, 1.0, **options)


def test_coefficients_that_are_singular_at_the_start():
    """Drift t^-1/2 to t = 1 moves by 2, D = t^-1/2 / 10 adds 0.4 to the variance."""
    eq = fp.FokkerPlanck(drift=lambda x, t: t**-0.5 + 0 * x, diffusion=lambda x, t: 0.1 * t**-0.5 + 0 * x)
    solution = fp.solve(eq, fp.Grid((-4, 6), 200), fp.gaussian(0, 0.5), [1.0], rtol=1e-4)
    first = fp.solve(fp.FokkerPlanck(diffusion=0.0), fp.Grid((-4, 6), 200), fp.gaussian(0, 0.5), [0.0])
    assert solution.mean()[0, 0] == pytest.approx(2.0, abs=1e-3)
    assert solution.covariance()[0, 0, 0] - first.covariance()[0, 0, 0] == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("answer", ["a", np.zeros(3), 1j])
def test_what_a_function_of_time_may_not_answer(answer):
    eq = fp.FokkerPlanck(drift=lambda x, t: answer, diffusion=0.1)
    with pytest.raises((TypeError, ValueError), match=r"`drift` must be (a field|real)"):
        fp.solve(eq, fp.Grid((-1, 1), 20), fp.gaussian(0, 0.2), 1.0)


def turning(x, y, t):
    """A tensor of eigenvalues .3 and .03 that turns by one radian per time."""
    c, s = np.cos(t) + 0 * x, np.sin(t) + 0 * x
    return [[0.3 * c * c + 0.03 * s * s, 0.27 * c * s], [0.27 * c * s, 0.3 * s * s + 0.03 * c * c]]


def test_a_tensor_that_turns_under_a_drift_takes_few_steps():
    """Its lattice directions change, and where the drift goes: 138 steps were taken and 134 more tried for the same error."""
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x + y, -0.5 * x - y], diffusion=turning)
    with pytest.warns(fp.ResolutionWarning):
        solution = fp.solve(eq, fp.Grid([(-4, 4)] * 2, 24), fp.gaussian([1, 0], 0.4), 0.5, error=False)
    assert solution.stats["error_estimate"] < 1e-6
    assert solution.stats["steps"] + solution.stats["rejected"] < 100
    assert solution.mass[-1] == pytest.approx(1.0, abs=1e-10)
    assert solution.stats["min_density"] >= 0.0


def test_jumps_with_noise_that_changes_take_few_steps():
    """The links far out are steep, and what their upwinding adds is taken off the jumps: 692 and 778 where rates had kinks."""
    eq = fp.FokkerPlanck(
        drift=lambda x, t: -x + np.cos(2 * t),
        diffusion=lambda x, t: 0.2 + 0.1 * np.sin(2 * t) + 0 * x,
        jumps=fp.LevyJumps(1.5, 0.5),
    )
    solution = fp.solve(eq, fp.Grid((-20, 20), 200), fp.gaussian(0, 0.5), np.pi, error=False)
    assert solution.stats["error_estimate"] < 1e-6
    assert solution.stats["steps"] + solution.stats["rejected"] < 100
    # <x> from 0 is that of x' = -x + cos 2t; these cells are off by .007
    assert solution.mean()[-1, 0] == pytest.approx(0.2 - 0.2 * np.exp(-np.pi), abs=0.01)


@pytest.mark.parametrize("walls", ["absorbing", "reflecting"])
def test_generators_with_other_links_are_aligned(walls):
    """The same rates as before, on links and exits that both have; their mean is that of the matrices."""
    eq = fp.FokkerPlanck(drift=lambda x, y: [4 * y - x, -3 * x], diffusion=turning)
    grid = fp.Grid([(-2, 2), (-1, 1)], [14, 9], walls)
    one, two = (generator(eq, grid, t) for t in (0.1, 1.9))
    assert {link.offset for link in one.links} != {link.offset for link in two.links}
    pair = aligned(one, two)
    for before, after in zip((one, two), pair, strict=True):
        np.testing.assert_allclose(after.matrix.toarray(), before.matrix.toarray(), rtol=1e-13, atol=1e-12)
        np.testing.assert_allclose(
            sum(np.bincount(e.cells, e.rates, grid.size) for e in after.exits) if after.exits else 0.0,
            sum(np.bincount(e.cells, e.rates, grid.size) for e in before.exits) if before.exits else 0.0,
            rtol=1e-13,
        )
    for a, b in zip(pair[0].links, pair[1].links, strict=True):
        assert a.offset == b.offset
        np.testing.assert_array_equal(a.lower, b.lower)
    mean = mixture(*pair, 0.5, 0.5).matrix.toarray()
    np.testing.assert_allclose(mean, 0.5 * (one.matrix + two.matrix).toarray(), rtol=1e-12, atol=1e-12)
