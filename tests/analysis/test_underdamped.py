"""Particles with mass: harmonic wells in closed form, escape at all frictions, strong friction, and what is refused."""

import numpy as np
import pytest

import fokkerplanck as fp


def well(x):
    return (x**2 - 1) ** 2 / 4


def spectrum(potential=well, grid=None, **more):
    settings = {"friction": 1.0, "temperature": 0.05, "k": 2} | more
    return fp.underdamped_spectrum(potential, grid or fp.Grid((-2.2, 2.2), 100), **settings)


@pytest.mark.parametrize("friction", [0.5, 1.0, 5.0])
def test_a_harmonic_well_at_order_two(friction):
    """Sums of g / 2 +- sqrt(g^2 / 4 - w^2) (Risken 10.2), nearest to zero, with conjugates together."""
    low, high = 0.5 * friction + np.array([-1, 1]) * np.sqrt(complex(0.25 * friction**2 - 1))
    all_of_them = np.array([-(i * low + j * high) for i in range(8) for j in range(8)])
    off = []
    for n in (60, 120):
        found = spectrum(lambda x: 3 + x**2 / 2, fp.Grid((-7, 7), n), friction=friction, temperature=1.0, k=4)
        exact = [all_of_them[np.abs(all_of_them - z).argmin()] for z in found.eigenvalues]
        assert found.eigenvalues[0] == 0.0
        assert len(set(exact)) == len(exact) >= 4
        assert np.abs(found.eigenvalues).max() <= np.sort(np.abs(all_of_them))[len(exact) - 1] + 0.02
        away = np.abs(found.eigenvalues - exact)
        assert (away <= 2 * found.error["eigenvalues"] + 1e-9).all()
        off.append(away[1:].max())
    assert off[0] / off[1] == pytest.approx(4.0, abs=0.3)
    assert off[1] < 0.01


def test_escape_as_simulated():
    """The sign of x of 20 000 paths of the BAOAB scheme decays between times 100 and 600."""
    g, t, h, rng = 0.2, 0.05, 0.1, np.random.default_rng(0)
    kept, n = np.exp(-g * h), 20_000
    x, v, mean = np.ones(n), np.sqrt(t) * rng.standard_normal(n), []
    for step in range(1, 6001):
        v -= 0.5 * h * x * (x * x - 1)
        x += 0.5 * h * v
        v = kept * v + np.sqrt(t * (1 - kept**2)) * rng.standard_normal(n)
        x += 0.5 * h * v
        v -= 0.5 * h * x * (x * x - 1)
        if step in (1000, 6000):
            mean.append(np.sign(x).mean())
    simulated, error = np.log(mean[0] / mean[1]) / 500, 1 / (mean[1] * np.sqrt(n) * 500)
    assert abs(spectrum(friction=g).rates[1] - simulated) < 4 * error
    assert error < 0.03 * simulated


def test_strong_friction_is_the_equation_without_mass():
    """But for 1 / g^2, by the curvature of the barrier (Kramers 1940)."""
    fine = fp.Grid((-2.2, 2.2), 400)
    slow = fp.spectrum(fp.FokkerPlanck(potential=well, diffusion=0.05), fine, 2, error=False).rates[1]
    off = [1.0 - spectrum(grid=fine, friction=g, error=False).rates[1] * g / slow for g in (5.0, 10.0)]
    assert off[1] == pytest.approx(0.01, rel=0.3)
    assert off[0] / off[1] == pytest.approx(4.0, rel=0.15)


def test_weak_friction_takes_energy_at_its_own_rate():
    """Below the turnover escape is proportional to the friction."""
    weak = [spectrum(friction=g, error=False).rates[1] for g in (0.03, 0.06)]
    assert 1.6 < weak[1] / weak[0] < 2.0


def test_a_ring_without_a_force():
    """exp(i k x) decays at k^2 T / g exactly: the velocity of a free particle has no memory of x."""
    ring = fp.Grid((0, 2 * np.pi), 80, "periodic")
    found = spectrum(lambda x: 0 * x, ring, friction=2.0, temperature=1.0, k=3)
    np.testing.assert_allclose(found.rates, [0.0, 0.5, 0.5], atol=6e-4)
    assert "Hermite functions, grid error" in repr(found)


def test_units_change_nothing():
    """Lengths in units of a, times in units of b: energies are a^2 / b^2 and rates 1 / b."""
    plain = spectrum(k=3)
    for a, b in ((1e-9, 1e-12), (1e6, 1e9)):
        energy = (a / b) ** 2
        box = fp.Grid((-2.2 * a, 2.2 * a), 100)
        found = spectrum(lambda x, a=a, e=energy: e * well(x / a), box, friction=1 / b, temperature=0.05 * energy, k=3)
        np.testing.assert_allclose(found.eigenvalues * b, plain.eigenvalues, rtol=1e-6)
        np.testing.assert_allclose(found.error["rates"] * b, plain.error["rates"], rtol=1e-2, atol=1e-12)


def test_a_potential_on_the_cells_and_unequal_cells():
    grid = fp.Grid.graded((-2.2, 2.2), lambda x: 0.03 + 0.01 * abs(x))
    known = spectrum().rates[1]
    assert spectrum(well(grid.centers[0]), grid).rates[1] == pytest.approx(known, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ({"friction": 0.0}, ValueError, "`friction` must be a positive number"),
        ({"temperature": -1.0}, ValueError, "`temperature` must be a positive number"),
        ({"grid": fp.Grid((-2, 2), 40, "absorbing")}, ValueError, "one-dimensional, reflecting or periodic"),
        ({"grid": fp.Grid([(-2, 2)] * 2, 8)}, ValueError, "one-dimensional, reflecting or periodic"),
        (
            {"potential": lambda x: 1e5 * x**2},
            ValueError,
            "`potential` must be such that it changes by less than 1000 T",
        ),
        ({"temperature": 0.004}, fp.ConvergenceError, "is that of rounding: take a larger temperature"),
        ({"friction": 1e7}, ValueError, "the mass plays no part: ask fp.spectrum"),
        ({"friction": 1e-4}, fp.ConvergenceError, "the friction is too weak for them"),
    ],
)
def test_refusals(arguments, kind, sentence):
    with pytest.raises(kind, match=sentence):
        spectrum(**({"grid": fp.Grid((-2.2, 2.2), 40)} | arguments), error=False)
