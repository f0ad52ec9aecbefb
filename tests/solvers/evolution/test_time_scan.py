"""Jumps and pulses are found from the coefficients, before any step."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.evolution.time_scan import Timetable, timetable

BOX = fp.Grid((-6, 6), 120)
SQUARE = fp.Grid([(-3, 3), (-2, 2)], [30, 20])


def jumps_of(table):
    return table.ends[1:-1][table.first[1:] > table.last[:-1]]


def scan(eq, grid=BOX, horizon=5.0, breaks=(), max_step=None):
    return timetable(eq, grid, horizon, 1e-6, np.array(breaks, dtype=float), max_step)


def drift(f):
    return fp.FokkerPlanck(drift=f, diffusion=1.0)


def crossed(x, y, t):
    return 0.1 * (t < 3.3) + 0 * x


def pulse(low, high):
    return lambda t: (t > low) & (t < high)


@pytest.mark.parametrize(
    ("eq", "grid", "jumps"),
    [
        (drift(lambda x, t: -x + 20.0 * pulse(4.03, 4.08)(t)), BOX, [4.03, 4.08]),
        (fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x), BOX, [1.3]),
        (drift(lambda x, t: np.sin(t) - x + (t > np.e)), BOX, [np.e]),
        (drift(lambda x, t: pulse(2, 2.004)(t) - 1.0 * pulse(2.006, 2.01)(t) + 0 * x), BOX, [2, 2.004, 2.006, 2.01]),
        (drift(lambda x, t: 100.0 * pulse(2, 2.1)(t) + 0.01 * pulse(3, 3.1)(t) + 0 * x), BOX, [2, 2.1, 3, 3.1]),
        (drift(lambda x, t: np.where(pulse(1, 1.01)(t) & (x > 2), 1.0, 0.0)), BOX, [1, 1.01]),
        (drift(lambda x, t: np.where(pulse(1, 1.2)(t) & (abs(x) < 0.03), 1.0, 0.0)), BOX, [1, 1.2]),
        (fp.FokkerPlanck(potential=lambda x, t: np.where(t < 1.7, x * x, x**4), diffusion=1.0), BOX, [1.7]),
        (fp.FokkerPlanck(noise=lambda x, t: np.where(t < 1.7, 1.0, -2.0) + 0 * x), BOX, [1.7]),
        (drift(lambda x, t: -x if t < 0.77 else x), BOX, [0.77]),
        (drift([lambda x, y: -x, lambda x, y, t: -y * (t < 3.3)]), SQUARE, [3.3]),
        (fp.FokkerPlanck(diffusion=[[1.0, crossed], [crossed, 1.0]]), SQUARE, [3.3]),
    ],
)
def test_jumps_are_located(eq, grid, jumps):
    found = jumps_of(scan(eq, grid))
    np.testing.assert_allclose(found, jumps, rtol=0, atol=1e-10)


def test_coefficients_are_read_on_the_side_of_the_piece():
    table = scan(fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x))
    before, after = table.read(0, np.array([1.0, 1.3]))[1], table.read(1, np.array([1.3, 2.0]))[0]
    assert before < 1.3 <= after < 1.3 + 1e-10


def test_a_smooth_pulse_is_cut_finely_and_what_is_smooth_is_not():
    width = 0.01
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + 20 * np.exp(-(((t - 4.03) / width) ** 2)), diffusion=0.1)
    ends = scan(eq).ends
    near = ends[abs(ends - 4.03) < 2 * width]
    assert np.diff(near).max() < 2 * width
    assert ends.size < 60
    assert scan(fp.FokkerPlanck(drift=lambda x, t: -x * (1 + t), diffusion=0.1)).ends.size == 2
    assert jumps_of(scan(eq)).size == 0


def test_fast_oscillations_are_cut_into_parts_of_a_period():
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.cos(300 * t), diffusion=0.1)
    table = scan(eq)
    assert np.diff(table.ends).max() < 0.5 * 2 * np.pi / 300
    assert jumps_of(table).size == 0


@pytest.mark.parametrize("count", [1, 40])
def test_square_waves(count):
    eq = fp.FokkerPlanck(drift=lambda x, t: -x + np.sign(np.sin(2 * np.pi * count * t / 5.0 + 0.5)), diffusion=0.1)
    found = jumps_of(scan(eq))
    want = (np.arange(1, 2 * count + 1) * np.pi - 0.5) * 5.0 / (2 * np.pi * count)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-10)


def test_breaks_and_max_step_name_what_a_scan_cannot_see():
    eq = fp.FokkerPlanck(drift=lambda x, t: 1e4 * ((t > 1.23456) & (t < 1.23459)) + 0 * x, diffusion=0.1)
    assert jumps_of(scan(eq)).size == 0
    np.testing.assert_allclose(jumps_of(scan(eq, breaks=[1.23459, 1.23456, 9.0])), [1.23456, 1.23459], atol=1e-10)
    fine = scan(eq, max_step=1e-4)
    assert np.diff(fine.ends).max() <= 1e-4 * (1 + 1e-9)
    np.testing.assert_allclose(jumps_of(fine), [1.23456, 1.23459], atol=1e-10)
    assert np.diff(scan(eq, max_step=0.3).ends).max() <= 0.3


def test_a_break_that_is_found_too_counts_once():
    eq = fp.FokkerPlanck(diffusion=lambda x, t: 0.5 * (t >= 1.3) + 0 * x)
    assert jumps_of(scan(eq, breaks=[1.3])).size == 1


def test_plans_end_where_pieces_end():
    table = Timetable(np.array([0.0, 1.0, 1.5, 4.0]), np.array([0.0, 1.0, 1.5]), np.array([1.0, 1.5, 4.0]))
    plan = table.plan(0.25, 3.0, 0.5, 10)
    np.testing.assert_allclose([s.end for s in plan], [0.625, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert [s.piece for s in plan] == [0, 0, 1, 2, 2, 2]


def test_jumps_at_the_very_ends_leave_no_pieces_of_their_own():
    table = scan(fp.FokkerPlanck(drift=lambda x, t: np.where((t > 0) & (t < 5), 1.0, 0.0) + 0 * x, diffusion=1.0))
    np.testing.assert_array_equal(table.ends, [0.0, 5.0])
    assert 0.0 < table.first[0] < 1e-9 < 5.0 - 1e-9 < table.last[0] < 5.0
