"""The generator from equation and grid in one dimension and for diagonal noise: orders, conventions, walls, currents."""

import numpy as np
import pytest
from exact import (
    brownian_right_share,
    brownian_survival,
    flow_moments,
    gaussian_pdf,
    ornstein_uhlenbeck,
    ring_current,
    square_root_process,
    stationary_cells,
    two_datapoint_drift,
    two_media_pdf,
    wrapped_gaussian_pdf,
)
from scipy.special import gammainc

import fokkerplanck as fp
from fokkerplanck.solvers.discretization.scharfetter_gummel import Sampled, generator

SPRING = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def graded(n):
    """Cells on [-6, 6], three times finer in the middle than the mean and twice as coarse outside."""
    u = np.linspace(-1.0, 1.0, n + 1)
    return fp.Grid.from_edges(3.0 * (u + u**3))


@pytest.mark.parametrize("make", [lambda n: fp.Grid((-6, 6), n), graded], ids=["uniform", "graded"])
def test_second_order_on_uniform_and_graded_cells(make, solve, l1):
    mean, variance = ornstein_uhlenbeck(0.7, 2.0, 0.3**2)
    density, means = [], []
    for n in (100, 200, 400):
        s = solve(SPRING, make(n), fp.gaussian(2.0, 0.3), 0.7, rtol=1e-9)
        density.append(l1(s.grid, s.density[0], gaussian_pdf(s.grid.centers[0], mean, variance)))
        means.append(abs(s.mean()[0, 0] - mean))
        assert s.stats["order"] == 2
    np.testing.assert_allclose(orders(density), 2.0, atol=0.1)
    np.testing.assert_allclose(orders(means), 2.0, atol=0.1)
    assert density[-1] < 4.5e-4


def test_from_a_point(solve):
    # measured at 400 cells: 2.1e-4 and 1.6e-4, falling fourfold; a point moved by half a cell would be off by 7e-3
    errors = []
    for n in (200, 400):
        s = solve(SPRING, fp.Grid((-6, 6), n), fp.point(2.0), 0.7)
        errors.append([abs(s.mean()[0, 0] - 0.9931706076), abs(s.covariance()[0, 0, 0] - 0.3767015180)])
    assert max(errors[-1]) < 2.5e-4
    np.testing.assert_allclose(orders([e[0] for e in errors]), 2.0, atol=0.1)
    np.testing.assert_allclose(orders([e[1] for e in errors]), 2.0, atol=0.1)


def test_double_well_at_time_one_by_refinement(solve):
    eq = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.15)
    runs = [
        solve(eq, fp.Grid((-2.5, 2.5), n), fp.gaussian(-1.0, 0.1), 1.0, rtol=1e-9).masses[0].reshape(50, -1).sum(axis=1)
        for n in (150, 450, 1350)
    ]
    coarse, fine = np.abs(runs[0] - runs[1]).sum(), np.abs(runs[1] - runs[2]).sum()
    assert np.log(coarse / fine) / np.log(3.0) == pytest.approx(2.0, abs=0.1)
    assert fine < 1e-3


@pytest.mark.parametrize(("alpha", "mean", "square"), [
    (0.0, 0.3862943611, 0.2274112778), (0.5, 0.4426950409, 0.2786524796), (1.0, 0.5, 1 / 3),
])  # fmt: skip
def test_stationary_density_without_drift_is_d_to_alpha_minus_one(alpha, mean, square):
    eq = fp.FokkerPlanck(diffusion=lambda x: (1 + x) ** 2, convention=alpha)
    errors = []
    for n in (50, 100):
        st = fp.stationary(eq, fp.Grid((0, 1), n))
        # the exact second moment of a piecewise constant density has h^2/12 more than its centers
        errors.append([st.mean()[0] - mean, st.moment(2)[0] + 1 / (12 * n**2) - square])
    assert np.abs(errors[-1]).max() < 3e-5  # conventions differ by 0.05
    assert np.abs(errors[-1]).max() < 0.3 * max(np.abs(errors[0]).max(), 1e-12)


@pytest.mark.filterwarnings("ignore:the density at the reflecting wall")  # which belongs to the problem
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_density_on_the_wide_box(alpha):
    grid = fp.Grid((-2, 2), 200)
    st = fp.stationary(fp.FokkerPlanck(diffusion=lambda x: 0.1 + 0.4 * x**2, convention=alpha), grid)
    want = stationary_cells(grid.edges[0], lambda x: (alpha - 1) * np.log(0.1 + 0.4 * x**2))
    assert np.abs(st.masses - want).sum() < 2e-4
    assert st.is_equilibrium


@pytest.mark.parametrize(("alpha", "variance", "peak", "share"), [
    (0.0, 1 / 3, 0.8488263632, 3e-5), (0.5, 1 / 2, 0.75, 8e-4), (1.0, 1.0, 0.6366197724, 0.03),
])  # fmt: skip
def test_power_law_tails(alpha, variance, peak, share):
    # density (1 + x^2)^-(3 - alpha); `share` of the variance lies beyond the box [-50, 50]
    eq = fp.FokkerPlanck(drift=lambda x: -4 * x, diffusion=lambda x: 1 + x**2, convention=alpha)
    st = fp.stationary(eq, fp.Grid((-50, 50), 2001))
    assert st.density[1000] == pytest.approx(peak, rel=1e-5)
    assert st.covariance()[0, 0] == pytest.approx(variance, rel=share)
    x = st.grid.centers[0]
    slope = np.polyfit(np.log(1 + x[1400:1900] ** 2), np.log(st.density[1400:1900]), 1)[0]
    assert slope == pytest.approx(-(3 - alpha), abs=1e-3)


def test_rates_read_at_the_source_and_on_the_bond():
    # r_i pi_i constant where a walker leaves i at rate r_i either way; uniform for symmetric bond rates
    d = np.random.default_rng(0).uniform(0.5, 2.0, 40)
    grid = fp.Grid((0, 40), 40)
    ito = fp.stationary(fp.FokkerPlanck(diffusion=d), grid)
    np.testing.assert_allclose(ito.masses * d, (ito.masses * d).mean(), rtol=1e-12)
    bond = fp.stationary(fp.FokkerPlanck(diffusion=d, convention="klimontovich"), grid)
    np.testing.assert_allclose(bond.masses, 1 / 40, rtol=1e-12)
    middle = fp.stationary(fp.FokkerPlanck(diffusion=d, convention="stratonovich"), grid)
    np.testing.assert_allclose(middle.masses * np.sqrt(d), (middle.masses * np.sqrt(d)).mean(), rtol=1e-12)


def square_root_errors(sigma, cells, box, solve):
    law = square_root_process(1.0, 0.5, 1.0, 1.0, sigma)
    eq = fp.FokkerPlanck(drift=lambda x: 1 - x, diffusion=lambda x: 0.5 * sigma**2 * x)
    s = solve(eq, fp.Grid((0, box), cells), fp.point(0.5), 1.0)
    x, edges = s.grid.centers[0], s.grid.edges[0]
    cdf = np.append(0.0, np.cumsum(s.masses[0]))
    below = np.interp(0.1, edges, cdf)
    got = np.array([s.mean()[0, 0], s.covariance()[0, 0, 0], np.interp(0.5, x, s.density[0]), below])
    want = np.array([law.mean(), law.var(), law.pdf(0.5), law.cdf(0.1)])
    return got / want - 1.0, want, np.abs(cdf - law.cdf(edges)).max()


def test_square_root_process(solve):
    errors, want, distance = square_root_errors(1.0, 1600, 24, solve)
    np.testing.assert_allclose(want, [0.8160602794, 0.3160602794, 0.8835113939, 0.0241020450], rtol=1e-8)
    # measured 4e-5, 7e-5, 1e-4, 4e-3: the last is P(X < 0.1), seven cells of a steep foot
    assert (np.abs(errors) < [1e-4, 2e-4, 3e-4, 6e-3]).all()
    assert distance < 1e-4


def test_square_root_process_whose_noise_reaches_the_wall(solve):
    errors, want, _ = square_root_errors(2.0, 1600, 24, solve)
    np.testing.assert_allclose(want[1:], [1.2642411177, 0.4615831972, 0.2693268758], rtol=1e-8)
    assert np.abs(errors).max() < 5e-3


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_noise_off_is_first_order_and_says_so(solve):
    drift = two_datapoint_drift(0.02)
    times = [10.0, 50.0, 100.0, 200.0]
    means, stds = flow_moments(drift, 0.5, 0.175, times)
    np.testing.assert_allclose(means, [0.582057, 0.868944, 0.982919, 1.006262], atol=1e-6)
    np.testing.assert_allclose(stds, [0.219436, 0.219787, 0.108454, 0.027579], atol=5e-6)
    errors = []
    for n in (1600, 3200):
        s = solve(fp.FokkerPlanck(drift=drift, diffusion=0.0), fp.Grid((-1, 3), n), fp.gaussian(0.5, 0.175), times)
        errors.append(np.abs(np.sqrt(s.covariance()[:3, 0, 0]) - stds[:3]))
        assert s.stats["order"] == 1
        assert s.stats["diffusion"] == 0.0
        # |v| h / 2, averaged over the density: at the start, where it is largest
        start = solve(fp.FokkerPlanck(drift=drift, diffusion=0.0), s.grid, fp.gaussian(0.5, 0.175), 0.0)
        average = float((np.abs(drift(s.grid.centers[0])) * start.masses[0]).sum()) * 2.0 / n
        assert s.stats["numerical_diffusion"] == pytest.approx(average, rel=0.02)
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.12)
    assert np.max(errors[-1]) < 1e-3  # measured 2.3e-4, 1.7e-4, 5.4e-4 at 3200 cells


def test_equilibrium_current_vanishes_in_a_closed_box_with_variable_d():
    for alpha in (0.0, 0.3, 0.5, 1.0):
        eq = fp.FokkerPlanck(
            drift=lambda x: np.sin(3 * x), diffusion=lambda x: 0.2 + 0.1 * np.cos(5 * x), convention=alpha
        )
        st = fp.stationary(eq, fp.Grid((-3, 3), 150))
        traffic = max(np.abs(link.forward * st.masses[link.lower]).max() for link in st.generator.links)
        assert max(np.abs(f).max() for f in st.generator.flux(st.masses)) < 1e-14 * traffic
        assert np.abs(st.current).max() < 1e-13 * traffic
        assert st.is_equilibrium
        assert st.entropy_production == 0.0


def test_potential_and_drift_together_count_diffusion_once():
    # a peer counted it twice: variance 4 instead of 2
    grid = fp.Grid((-12, 12), 400)
    both = fp.FokkerPlanck(potential=lambda x: 0.25 * x**2, drift=lambda x: -0.25 * x + 0.5, diffusion=1.5)
    st = fp.stationary(both, grid)
    assert st.mean()[0] == pytest.approx(2.0 / 3.0, abs=1e-3)
    assert st.covariance()[0, 0] == pytest.approx(2.0, rel=2e-3)
    one = fp.FokkerPlanck(drift=lambda x: -0.75 * x + 0.5, diffusion=1.5)
    np.testing.assert_allclose(
        fp.generator(both, grid).matrix.toarray(), fp.generator(one, grid).matrix.toarray(), rtol=1e-9
    )


def test_equilibrium_of_a_potential_is_exact():
    grid = fp.Grid.from_edges(np.linspace(-1, 1, 61) ** 3 * 2)
    st = fp.stationary(fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.05), grid)
    weight = np.exp(-((grid.centers[0] ** 2 - 1) ** 2) / 0.05)
    np.testing.assert_allclose(st.density, weight / (weight * grid.volumes).sum(), rtol=1e-11)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("cells", [100, 101])
def test_discontinuous_d_at_rest(alpha, cells):
    # the jump lies on a face of 100 cells, inside a cell of 101
    grid = fp.Grid((-1, 1), cells)
    st = fp.stationary(fp.FokkerPlanck(diffusion=lambda x: np.where(x < 0, 0.2, 2.0), convention=alpha), grid)
    left = 0.2 ** (alpha - 1)
    right = 2.0 ** (alpha - 1)
    x = grid.centers[0]
    want = np.where(x < 0, left, right) / (left + right)
    assert st.masses[x < -1e-9].sum() + 0.5 * st.masses[np.abs(x) < 1e-9].sum() == pytest.approx(
        left / (left + right), abs=1e-10 if cells == 100 else 0.01
    )
    np.testing.assert_allclose(
        st.density[np.abs(x) > 0.02], want[np.abs(x) > 0.02], rtol=1e-10 if cells == 100 else 0.02
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_discontinuous_d_in_time(alpha, solve, l1):
    errors = []
    for n in (200, 400):
        eq = fp.FokkerPlanck(diffusion=lambda x: np.where(x < 0, 0.2, 2.0), convention=alpha)
        s = solve(eq, fp.Grid((-8, 8), n), fp.point(-0.6), 0.5)
        errors.append(l1(s.grid, s.density[0], two_media_pdf(s.grid.centers[0], 0.5, -0.6, 0.2, 2.0, alpha)))
    assert errors[-1] < 0.01  # conventions lie 0.2 apart
    assert errors[-1] < 0.6 * errors[0]


def test_survival_between_absorbing_walls(solve):
    times = [0.01, 0.05, 0.2, 0.6]
    s = solve(
        fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 200, boundary="absorbing"), fp.point(0.3), times, rtol=1e-9
    )
    np.testing.assert_allclose(s.mass, [brownian_survival(t, 0.3) for t in times], rtol=3e-4)


def test_outflow_is_split_between_the_walls(solve):
    grid = fp.Grid((0, 1), 100, boundary="absorbing")
    s = solve(fp.FokkerPlanck(diffusion=1.0), grid, fp.point(0.3), np.linspace(0, 0.4, 401), rtol=1e-9)
    low, high = s.generator.exits
    assert (low.side, high.side) == (0, 1)
    right = np.array([high.rates @ m[high.cells] for m in s.masses])
    left = np.array([low.rates @ m[low.cells] for m in s.masses])
    dt = 1e-3
    assert np.trapezoid(right, dx=dt) == pytest.approx(brownian_right_share(0.4, 0.3), abs=5e-4)
    assert np.trapezoid(left + right, dx=dt) == pytest.approx(1.0 - s.mass[-1], abs=5e-4)
    assert s.generator.outflux(s.masses[5]) == pytest.approx(left[5] + right[5], rel=1e-12)


def test_one_absorbing_wall_beside_a_reflecting_one(solve):
    # half of (0, 2) with both walls absorbing
    s = solve(
        fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 200, boundary=("absorbing", "reflecting")), fp.point(0.5), 0.3
    )
    assert s.mass[0] == pytest.approx(brownian_survival(0.3 / 4, 0.25), rel=3e-4)


def test_a_gaussian_carried_round_a_circle(solve, l1):
    errors = []
    for n in (200, 400):
        s = solve(
            fp.FokkerPlanck(drift=1.0, diffusion=0.01),
            fp.Grid((0, 1), n, boundary="periodic"),
            fp.gaussian(0.5, 0.05),
            0.4,
        )
        errors.append(l1(s.grid, s.density[0], wrapped_gaussian_pdf(s.grid.centers[0], 0.5 + 0.4, 0.05**2 + 0.008)))
    assert errors[-1] < 0.02  # half of the mass is across the joint: a wall there would cost 0.5
    assert orders(errors)[0] == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_current_on_a_tilted_ring(alpha):
    # with constant D conventions agree; the current is the same in every cell
    period = 2 * np.pi
    eq = fp.FokkerPlanck(potential=np.cos, drift=0.4, diffusion=0.3, convention=alpha)
    want = ring_current(np.cos, 0.4, 0.3, period)
    for n in (25, 100):
        st = fp.stationary(eq, fp.Grid((0, period), n, boundary="periodic"))
        assert np.ptp(st.current) < 1e-11 * want
        assert not st.is_equilibrium
        # heat given off: force times displacement, over the temperature
        assert st.entropy_production == pytest.approx(0.4 * want * period / 0.3, rel=0.01)
        # sums over a period of a smooth function are right to all digits, and links are integrals; velocities gave 1e-2, 8e-4
        assert st.current[0].mean() == pytest.approx(want, rel=1e-9 if n == 25 else 1e-12)


def tilt(x):
    return x


@pytest.mark.parametrize("potential", [tilt, np.sin, lambda x: x**2], ids=["tilt", "sine", "square"])
@pytest.mark.parametrize("cells", [5, 50])
def test_a_potential_must_close_round_a_circle(potential, cells):
    with pytest.raises(ValueError, match="`potential` must be periodic along x, where the walls are, got a jump"):
        fp.generator(fp.FokkerPlanck(potential=potential, diffusion=0.1), fp.Grid((0, 4), cells, boundary="periodic"))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (6, 1), (1, 6)])
def test_an_axis_of_one_cell_is_an_axis(shape):
    grid = fp.Grid([(0, 1)] * len(shape), list(shape))
    q = fp.generator(fp.FokkerPlanck(diffusion=1.0), grid).matrix
    np.testing.assert_allclose(q.sum(axis=0), 0.0, atol=1e-12)


def test_two_axes_are_the_product_of_one(solve):
    x, y = fp.Grid((-3, 3), 40), fp.Grid((0, 1), 30, boundary="absorbing")
    both = fp.Grid([(-3, 3), (0, 1)], [40, 30], boundary=["reflecting", "absorbing"])
    eq_x = fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: 0.5 + 0.1 * x**2)
    eq_y = fp.FokkerPlanck(drift=lambda y: 2 * y, diffusion=0.2)
    eq = fp.FokkerPlanck(drift=[lambda x, y: -x, lambda x, y: 2 * y], diffusion=[lambda x, y: 0.5 + 0.1 * x**2, 0.2])
    qx, qy = (fp.generator(e, g).matrix.toarray() for e, g in ((eq_x, x), (eq_y, y)))
    # Kronecker sum, but for the four quadrature nodes on a line and two in the plane
    want = np.kron(qx, np.eye(30)) + np.kron(np.eye(40), qy)
    np.testing.assert_allclose(fp.generator(eq, both).matrix.toarray(), want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
    one = [solve(e, g, fp.point(p), 0.3, rtol=1e-8).masses[0] for e, g, p in ((eq_x, x, 1.0), (eq_y, y, 0.4))]
    two = solve(eq, both, fp.point([1.0, 0.4]), 0.3, rtol=1e-8).masses[0]
    assert np.abs(two - np.outer(*one)).sum() < 1e-5


@pytest.mark.filterwarnings("ignore:the density at the reflecting wall")  # which belongs to the problem
def test_three_axes_are_the_product_of_three(solve):
    springs = [(0.5, 0.5, 1.0), (1.0, 0.4, -0.5), (0.25, 0.3, 0.3)]
    lines = [fp.Grid((-2.0, 2.0), n) for n in (14, 12, 10)]
    box = fp.Grid([(-2.0, 2.0)] * 3, [14, 12, 10])
    eq = fp.FokkerPlanck(drift=lambda x, y, z: (-0.5 * x, -y, -0.25 * z), diffusion=[d for _, d, _ in springs])
    got = solve(eq, box, fp.point([p for *_, p in springs]), 0.5, rtol=1e-9).masses[0]
    ones = []
    for (k, d, p), line in zip(springs, lines, strict=True):
        one = fp.FokkerPlanck(drift=lambda x, k=k: -k * x, diffusion=d)
        ones.append(solve(one, line, fp.point(p), 0.5, rtol=1e-9).masses[0])
    # two quadrature nodes a link in the box, four on a line, here with cells of a deviation's size
    assert np.abs(got - np.einsum("i,j,k->ijk", *ones)).sum() < 1e-4


@pytest.mark.parametrize("given", ["function", "array"])
def test_a_potential_beside_a_wall_without_noise(given):
    """D = x, V = (x^2 - x)/2 on [0, 9], Ito: p ~ x^-1/2 e^-x, singular; the slope at the wall was once not a number."""
    errors = []
    for n in (90, 180):
        grid = fp.Grid((0, 9), n)
        x = grid.centers[0]
        potential = (lambda x: 0.5 * (x**2 - x)) if given == "function" else 0.5 * (x**2 - x)
        st = fp.stationary(fp.FokkerPlanck(potential=potential, diffusion=lambda x: x), grid)
        want = np.diff(gammainc(0.5, grid.edges[0]))
        errors.append(np.abs(st.masses - want / want.sum()).sum())
    # without the power law at the wall 0.12; an array is a chord between cells
    assert errors[1] < (3e-5 if given == "function" else 4e-3)
    assert errors[1] < 0.9 * errors[0]


def test_two_cells_around_a_periodic_axis_are_refused_with_a_tensor_too():
    eq = fp.FokkerPlanck(diffusion=[[1.0, 0.5], [0.5, 1.0]])
    with pytest.raises(ValueError, match="`cells` must be at least 3 along a periodic axis, got 2"):
        fp.generator(eq, fp.Grid([(0, 1), (0, 1)], [2, 10], boundary="periodic"))


LINE, PLANE = fp.Grid((-2, 3), 30), fp.Grid([(-2, 3), (-1, 2)], [8, 9])


@pytest.mark.parametrize(
    ("grid", "coefficients"),
    [
        (LINE, {"drift": lambda x, t: -x * t, "diffusion": lambda x: 0.1 + x**2}),
        (LINE, {"potential": lambda x, t: x**2 * (1 + t), "diffusion": 0.3, "convention": "klimontovich"}),
        (LINE, {"drift": lambda x, t: -x * t, "diffusion": lambda x: np.where(x < 0.3, 0.1, 1.0)}),
        (LINE, {"drift": lambda x, t: -x * t, "diffusion": 0.3, "jumps": fp.LevyJumps(1.5, 0.2)}),
        (fp.Grid((0, 3), 30), {"drift": lambda x, t: 0.3 + t - x, "diffusion": lambda x: x}),
        (PLANE, {"drift": lambda x, y, t: (-x * t, -y), "diffusion": [0.1, 0.2]}),
        (PLANE, {"drift": lambda x, y, t: (-x * t, -y), "diffusion": [[1, 0.3], [0.3, 0.5]]}),
        (
            PLANE,
            {
                "drift": lambda x, y, t: (t, 0.0),
                "noise": [[1.0, lambda x, y: x], [0.2, 1.0]],
                "convention": "stratonovich",
            },
        ),
        (PLANE, {"drift": lambda x, y: (-x, -y), "diffusion": lambda x, y, t: 1 + t + 0 * x}),
    ],
)
def test_another_time_is_what_it_would_be_from_scratch(grid, coefficients):
    eq, masses = fp.FokkerPlanck(**coefficients), np.random.default_rng(3).random(grid.shape)
    read = Sampled(eq, grid, 0.2)
    read.generator()
    for t in (0.7, 0.7, 0.1):
        read = read.at(t)
        anew = generator(eq, read.grid, t, fixed=True)  # cells beside a zero of D keep the nodes that they had
        np.testing.assert_array_equal(read.generator().apply(masses), anew.apply(masses))
