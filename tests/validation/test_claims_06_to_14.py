"""The studies of claims 06 to 10, 12, 14 and 15 at their coarse levels, and that their references are the known numbers.

Seeds are fixed; with others, chance alone would fail one of the statistical rows in 0.3 % of all runs.
"""

import importlib

import numpy as np
import pytest

from validation import claim

NAMES = (
    "06_memory",
    "07_levy",
    "08_deep_linear_chain",
    "09_central_flow",
    "10_transfer_operator",
    "12_invariants",
    "14_no_silent_wrong_number",
    "15_measured_errors",
)


def module(name):
    return importlib.import_module(f"validation.{name}")


@pytest.fixture(scope="module", params=NAMES)
def outcome(request, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    return claim.run(module(request.param), quick=True, out=out), out


def test_claims_hold_and_wrong_models_are_caught(outcome):
    result, out = outcome
    assert [row for row in result.rows if not row.good] == []
    assert any(row.control for row in result.rows)
    assert (out / f"{result.name}.png").stat().st_size > 20_000
    assert "|" not in "".join(row.case for row in result.rows)  # it would break the table
    assert len({(row.case, row.level) for row in result.rows}) == len(result.rows)
    assert claim.false_alarm(result.rows) < 2e-3


ORDERS = {
    "06_memory": {"trap": (1.9, 2.1), "walls": (1.9, 2.1), "free, kurtosis": (1.9, 2.1)},
    "07_levy": {
        "trap": (1.8, 2.2),
        "a = 1, exit time from": (0.9, 1.1),
        "a = 1.5, slowest": (0.9, 1.1),
        "a = 1.5, exit time of": (0.5, 1.4),
    },
    "08_deep_linear_chain": {"L = 3, stationary": (1.9, 2.1), "L = 4, stationary": (1.9, 2.1)},
    "10_transfer_operator": {
        "variance, two": (1.9, 2.1),
        "variance, Kesten": (1.9, 2.1),
        "the diffusion itself": (1.9, 2.6),  # two errors of order 2 with opposite signs, which cancel near 840 cells
    },
}


def test_orders(outcome):
    result, _ = outcome
    found = list(zip(result.rows, claim.orders(result.rows), strict=True))
    for start, (low, high) in ORDERS.get(result.name, {}).items():
        orders = [order for row, order in found if row.case.startswith(start) and order is not None]
        assert orders
        assert all(low < order < high for order in orders), start


def test_references_of_memory():
    memory = module("06_memory")
    np.testing.assert_allclose(
        memory.e(np.array([-0.5, -1.0, -20.0])), [0.60514759205956, 0.3996119781156, 0.017395698291604]
    )
    np.testing.assert_allclose(
        memory.trap_square(np.array([0.1, 1, 10])), [2.99424136828, 1.64136018105, 1.10824322515]
    )
    np.testing.assert_allclose(
        memory.survival(np.array([0.05, 0.2, 1])), [0.424696601022, 0.159137333664, 0.0453599172295]
    )
    # the walk on 16 intervals: all there at first, and the continuum when the steps are short
    assert memory.survival(np.array([0.0]), memory.HOP) == pytest.approx(1.0)
    assert memory.survival(np.array([0.2]), 1 / 512) == pytest.approx(memory.survival(np.array([0.2])), rel=1e-5)


def test_references_of_jumps():
    levy = module("07_levy")
    np.testing.assert_allclose(levy.phi(np.array([0.5, 1, 2])).real, [0.79751189, 0.52589106, 0.16060197], rtol=1e-7)
    assert levy.exit_time(1.5) == pytest.approx(0.7522527781)


def test_references_of_the_chain():
    """Reference case F4, of which 4e-9 in the variance lies beyond the box; and the density integrates to one."""
    chain = module("08_deep_linear_chain")
    density, mean, variance = chain.stationary_law(2)
    assert (mean, variance) == pytest.approx((0.98958537, 0.020623008 - 3.2e-9), rel=5e-8)
    s = np.linspace(*chain.BOX, 801)
    assert np.trapezoid([density(v) for v in s], s) == pytest.approx(1.0, abs=1e-6)


def test_references_of_descent_and_escape():
    flow, transfer = module("09_central_flow"), module("10_transfer_operator")
    path = flow.descent(4200)[3800:]
    assert (path[:, 0] ** 2).mean() == pytest.approx(2.0370, abs=1e-4)
    assert path[:, 2].mean() == pytest.approx(21.842, abs=1e-3)
    assert transfer.diffusion_time(1.23) == pytest.approx(565.7, abs=0.1)
    assert transfer.shuffled(100).reference == pytest.approx(0.65869995, abs=5e-9)


def test_random_potentials_have_their_slope():
    invariants = module("12_invariants")
    waves, x, y = invariants.Waves(np.random.default_rng(1), 2), np.array([0.3]), np.array([-0.6])
    step = 1e-5
    by_hand = [
        (waves.value(x + step, y) - waves.value(x - step, y)) / (2 * step),
        (waves.value(x, y + step) - waves.value(x, y - step)) / (2 * step),
    ]
    np.testing.assert_allclose(waves.slope(x, y), by_hand, rtol=1e-8)
    assert waves.value(x + 2, y) == pytest.approx(waves.value(x, y))
    assert sum(p.rotating for p in invariants.problems(2, 24)) == 12
