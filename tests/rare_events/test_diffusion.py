"""Exponents of equations: barriers over D, a linear process, a known system without a potential, singular noise."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fp


def test_barrier_over_diffusion_on_a_line():
    well = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.1)
    up = fp.quasipotential(well, -1, 0)
    assert up.exponent == pytest.approx(10.0, rel=1e-10)
    assert up.cost[-1] == up.exponent
    assert fp.quasipotential(well, 0, 1).exponent == pytest.approx(0.0, abs=1e-9)
    assert fp.quasipotential(well, 1, 0).exponent == pytest.approx(10.0, rel=1e-10)
    assert repr(up) == "LeastAction from -1 to 0: mean time like exp(10)"


def test_mean_times_grow_by_the_exponent():
    # Kramers' factor is the same at both temperatures, to 2 %
    times = []
    for d in (0.05, 0.04):
        eq = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=d)
        times.append(fp.first_passage(eq, fp.Grid((-2, 1.5), 400), lambda x: x > 1).at(-1))
    v = [
        fp.quasipotential(fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=d), -1, 0).exponent
        for d in (0.05, 0.04)
    ]
    assert np.log(times[1] / times[0]) == pytest.approx(v[1] - v[0], rel=0.01)


@pytest.mark.parametrize(("power", "exact"), [(0.5, 4.0), (0.9, 20.0)])
def test_noise_that_vanishes_at_a_point_is_crossed_where_the_integral_is_finite(power, exact):
    eq = fp.FokkerPlanck(drift=-1.0, diffusion=lambda x: np.abs(x) ** power)
    assert fp.quasipotential(eq, -1, 1).exponent == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize("power", [1, 1.5, 2])
def test_and_is_not_where_it_is_infinite(power):
    eq = fp.FokkerPlanck(drift=-1.0, diffusion=lambda x: np.abs(x - 0.3) ** power)
    answer = fp.quasipotential(eq, -1, 1)
    assert answer.exponent == np.inf
    assert answer.stuck == pytest.approx((0.3,), abs=1e-6)
    assert "D vanishes" in repr(answer)
    assert fp.quasipotential(eq, 1, -1).exponent == 0.0  # carried by the drift


def test_several_wells_are_several_climbs():
    chain = fp.FokkerPlanck(drift=lambda x: -np.sin(x), diffusion=0.5)
    answer = fp.quasipotential(chain, 0, 3 * np.pi)
    np.testing.assert_allclose(answer.climbs, [4.0, 4.0], rtol=1e-6)
    assert "another attractor" in repr(answer)


def test_linear_process_by_its_stationary_covariance():
    a, d, b = np.array([[-1.0, 1.0], [-1.0, -1.5]]), np.array([[0.5, 0.1], [0.1, 0.2]]), np.array([1.0, 0.5])
    covariance = solve_continuous_lyapunov(a, -2.0 * d)  # V = b^T C^-1 b / 2
    eq = fp.FokkerPlanck(drift=lambda x, y: list(np.tensordot(a, np.stack([x, y]), 1)), diffusion=d)
    answer = fp.quasipotential(eq, [0, 0], b, points=100)
    exact = 0.5 * b @ np.linalg.solve(covariance, b)
    assert answer.exponent == pytest.approx(exact, rel=1e-5)
    assert abs(answer.exponent - exact) < 3.0 * answer.error
    # x' = (A + 2 D C^-1) x on the way: the path is known too
    p = np.linalg.solve(covariance, answer.path[60])
    tangent, flow = answer.path[61] - answer.path[59], a @ answer.path[60] + 2.0 * d @ p
    assert tangent @ flow == pytest.approx(np.linalg.norm(tangent) * np.linalg.norm(flow), rel=1e-3)


def test_rotated_gradient_system_has_barrier_over_diffusion():
    c, s = np.cos(0.5), np.sin(0.5)

    def height(x, y):
        u, v = c * x + s * y, c * y - s * x
        return (u**2 - 1) ** 2 + 2.0 * (v - 0.5 * (u**2 - 1)) ** 2

    answer = fp.quasipotential(
        fp.FokkerPlanck(potential=height, diffusion=0.2), [-c, -s], [0.5 * s, -0.5 * c], points=64
    )
    assert height(-c, -s) == pytest.approx(0.0, abs=1e-12)
    assert height(0.5 * s, -0.5 * c) == pytest.approx(1.0)
    assert answer.exponent == pytest.approx(5.0, rel=1e-5)


@pytest.mark.parametrize(("alpha", "exact"), [(1.0, 0.5), (3.0, 0.5), (10.0, 0.340041)])
def test_maier_stein(alpha, exact):
    """x' = x - x^3 - alpha x y^2, y' = -(1 + x^2) y, D = 1/2 (Maier and Stein 1993).

    Up to alpha = 4 the path is the axis and V = 1/2. Beyond, it leaves the axis: at alpha = 10 the same action minimised over
    paths that take the time 30, in 300, 600 and 1200 steps, gives .340233, .340089, .340053, extrapolated .340041.
    """
    eq = fp.FokkerPlanck(drift=lambda x, y: [x - x**3 - alpha * x * y**2, -(1 + x**2) * y], diffusion=0.5)
    answer = fp.quasipotential(eq, [-1, 0], [0, 0], points=100)
    assert answer.exponent == pytest.approx(exact, rel=1e-5)
    assert (np.abs(answer.path[:, 1]).max() > 0.1) == (alpha > 4)


def test_polygon_converges_by_the_fourth_power_once_extrapolated():
    eq = fp.FokkerPlanck(drift=lambda x, y: [x - x**3 - x * y**2, -(1 + x**2) * y], diffusion=0.5)
    off = [fp.quasipotential(eq, [-1, 0], [0, 0], points=n).exponent - 0.5 for n in (50, 100)]
    assert np.log2(off[0] / off[1]) == pytest.approx(4.0, abs=0.3)


def test_three_dimensions_add_up():
    eq = fp.FokkerPlanck(drift=lambda x, y, z: [-x, -y, -z - z**3], diffusion=[0.5, 1.0, 0.25])
    answer = fp.quasipotential(eq, [0, 0, 0], [1, 1, 0.5], points=48)
    assert answer.exponent == pytest.approx(1.0 + 0.5 + (0.125 + 0.5**4 / 4) / 0.25, rel=1e-4)


@pytest.mark.parametrize(
    ("coefficients", "word"),
    [
        ({"drift": lambda x, t: -x * t}, "constant in time"),
        ({"drift": lambda x: -x, "time_order": 0.5}, "time_order"),
        ({"drift": lambda x: -x, "jumps": fp.LevyJumps(1.5)}, "jumps"),
        ({"drift": lambda x: -x, "interaction": fp.Swarm(0.5)}, "interaction"),
        ({"drift": np.linspace(-1, 1, 8)}, "numbers and functions"),
    ],
)
def test_what_has_no_exponent_is_refused(coefficients, word):
    with pytest.raises((ValueError, TypeError), match=word):
        fp.quasipotential(fp.FokkerPlanck(diffusion=0.5, **coefficients), 0, 1)


def test_noise_in_one_of_two_directions_is_refused():
    kinetic = fp.FokkerPlanck(drift=lambda x, v: [v, -v - x], diffusion=[0.0, 0.5])
    with pytest.raises(ValueError, match="random in all 2 directions"):
        fp.quasipotential(kinetic, [0, 0], [1, 0])


def test_a_wall_that_only_a_fine_polygon_meets_is_seen():
    """Where D vanishes, |x - 0.5| < 0.01, the drift stands against the way; sides of 24 and 48 step over it."""
    eq = fp.FokkerPlanck(drift=[-1.0, 0.0], diffusion=lambda x, y: np.where(np.abs(x - 0.5) < 0.01, 0.0, 1.0))
    assert fp.quasipotential(eq, [0, 0], [1, 0], points=48).exponent == pytest.approx(1.0)
    fine = fp.quasipotential(eq, [0, 0], [1, 0], points=96)
    assert fine.exponent == np.inf
    assert fine.stuck[0] == pytest.approx(0.5, abs=0.01)


def test_the_way_nowhere_is_refused():
    with pytest.raises(ValueError, match="another point"):
        fp.quasipotential(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), 1, 1)


def test_figures():
    eq = fp.FokkerPlanck(drift=lambda x, y: [-x, -y], diffusion=0.5, names=["u", "v"])
    fig = fp.quasipotential(eq, [0, 0], [1, 1], points=24).plot(lambda x, y: x**2 + y**2)
    assert [ax.get_xlabel() for ax in fig.axes] == ["u", "length along the path"]
    line = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    assert len(fp.quasipotential(line, 0, 1).plot().axes) == 1


def test_extrapolation_of_a_known_law():
    well = fp.quasipotential(fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=1.0), -1, 0)
    at = np.array([0.1, 0.12, 0.15, 0.2])
    seen = well.extrapolate(0.01, at, 3.0 * np.exp(1.0 / at + 0.7 * at))
    assert seen.log_time == pytest.approx(np.log(3.0) + 100.0 + 0.007, abs=1e-6)
    assert seen.log_error < 1e-6
    bent = well.extrapolate(0.01, at, np.exp(1.0 / at + 5.0 * at**2))
    assert abs(bent.log_time - 100.0) < 3.0 * bent.log_error
    with pytest.raises(ValueError, match="at least 3"):
        well.extrapolate(0.01, [0.1, 0.2], [1.0, 2.0])


@pytest.mark.parametrize("units", [(1e-3, 40.0), (5.0, 1e-7), (1e8, 1e-8)])
def test_units_of_the_axes_change_no_path(units):
    # the noise is tilted and one axis counted in units up to 1e16 times those of the other
    s = np.array(units)

    def equation(s):
        def drift(x, y):
            x, y = x / s[0], y / s[1]
            return s[0] * (x - x**3 + 0.5 * y), s[1] * (-1.2 * y - 0.4 * x)

        return fp.FokkerPlanck(
            drift=drift, diffusion=[[0.2 * s[0] ** 2, 0.05 * s[0] * s[1]], [0.05 * s[0] * s[1], 0.3 * s[1] ** 2]]
        )

    a, b = np.array([-np.sqrt(5.0 / 6.0), np.sqrt(5.0 / 6.0) / 3.0]), np.array([0.55, 0.1])
    plain = fp.quasipotential(equation(np.ones(2)), a, b, points=48)
    scaled = fp.quasipotential(equation(s), a * s, b * s, points=48)
    assert scaled.exponent == pytest.approx(plain.exponent, rel=1e-9)
    np.testing.assert_allclose(scaled.path / s, plain.path, atol=1e-6)


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_the_slope_of_a_potential_in_any_units(c):
    # x in units of c beside y: V = (U(b) - U(a)) / D, 1 / .1 along x and 2 (.2)^2 / .1 along y
    eq = fp.FokkerPlanck(potential=lambda x, y: (c * ((x / c) ** 2 - 1)) ** 2 + 2 * y**2, diffusion=[0.1 * c**2, 0.1])
    found = fp.quasipotential(eq, (-c, 0), (0, 0.2), points=96)
    assert found.exponent == pytest.approx(10.8, abs=found.error)
    assert found.error < 0.01


def test_the_error_holds_where_the_best_path_has_a_corner():
    # no force along y: at x = -1, where the force vanishes, y is free, and the climb from there costs 10 whatever y is
    eq = fp.FokkerPlanck(potential=lambda x, y: (x**2 - 1) ** 2 + 0.0 * y, diffusion=0.1)
    found = fp.quasipotential(eq, (-1, 0), (0, 0.2), points=64)
    assert abs(found.exponent - 10.0) <= found.error < 0.1
