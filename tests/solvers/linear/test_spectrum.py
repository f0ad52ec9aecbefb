"""Slow modes against known eigenvalues, biorthogonality, and the decay that they predict."""

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.solvers.linear import spectrum as spectrum_module
from fokkerplanck.solvers.linear.rates import Rates
from fokkerplanck.solvers.linear.spectrum_certificate import excessive_masses, spectral_parabola


def test_ornstein_uhlenbeck_eigenvalues_are_integers():
    spectrum = fp.spectrum(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-6, 6), 600), k=5)
    np.testing.assert_allclose(spectrum.eigenvalues, [0, -1, -2, -3, -4], atol=2e-3)
    np.testing.assert_allclose(spectrum.time_scales[1:], [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-3)
    assert spectrum.time_scales[0] == np.inf


@pytest.mark.parametrize(("d", "rates"), [(0.1, (0.03354528731, 0.9273721)), (0.05, (0.002776140635, 0.82224712))])
def test_kramers_rates_at_order_two(d, rates):
    """A6."""
    eq = fp.FokkerPlanck(drift=lambda x: x - x**3, diffusion=d)
    errors = [np.abs(-fp.spectrum(eq, fp.Grid((-3, 3), n), 3).eigenvalues[1:] / rates - 1) for n in (200, 400)]
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), 2.0, atol=0.1)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("n", [16, 40])  # dense and sparse
def test_two_dimensional_modes_are_sums_of_one_dimensional_ones(n):
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x, -2.5 * y), diffusion=0.3)
    one = [
        fp.spectrum(fp.FokkerPlanck(drift=f, diffusion=0.3), fp.Grid((-3, 3), n), 4).eigenvalues
        for f in (lambda x: -x, lambda y: -2.5 * y)
    ]
    sums = np.sort((one[0][:, None] + one[1]).ravel())[::-1][:5]
    spectrum = fp.spectrum(eq, fp.Grid([(-3, 3), (-3, 3)], n), 5)
    # two quadrature nodes a link in the plane, four on a line; the eigenvalues themselves are off by 0.02 and 0.004
    np.testing.assert_allclose(spectrum.eigenvalues, sums, rtol=200.0 / n**4)
    right, left = spectrum.modes
    product = np.einsum("ixy,jxy,xy->ij", left, right, spectrum.grid.volumes)
    np.testing.assert_allclose(product, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(left[0], 1.0, atol=1e-6)


def test_circle_has_complex_pairs():
    """exp(ikx): eigenvalues -D k^2 - i v k."""
    spectrum = fp.spectrum(fp.FokkerPlanck(drift=1.0, diffusion=0.1), fp.Grid((0, 1), 500, "periodic"), 3)
    k = 2 * np.pi
    np.testing.assert_allclose(
        np.sort_complex(spectrum.eigenvalues[1:]), [-0.1 * k**2 - 1j * k, -0.1 * k**2 + 1j * k], rtol=1e-3
    )


def test_escape_rate_is_the_decay_of_the_mass():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.3)
    grid = fp.Grid((-1, 1), 100, boundary="absorbing")
    spectrum = fp.spectrum(eq, grid, 3)
    solution = fp.solve(eq, grid, fp.point(0.2), [20.0, 21.0], rtol=1e-9)
    assert spectrum.escape_rate == pytest.approx(np.log(solution.mass[0] / solution.mass[1]), rel=1e-6)
    np.testing.assert_allclose(solution.density[1] / solution.mass[1], spectrum.quasi_stationary, rtol=1e-5)


@pytest.mark.parametrize("k", [0, 20, 2.5, True])
def test_bad_k(k):
    with pytest.raises((ValueError, TypeError), match="`k` must be a whole number from 1 to 19"):
        fp.spectrum(fp.FokkerPlanck(diffusion=1.0), fp.Grid((0, 1), 20), k)


@pytest.mark.parametrize(("d", "rate", "digits"), [(0.1, 0.0435394, 2e-5), (0.05, 0.00371984, 2e-4)])
def test_double_well_in_the_plane(d, rate, digits):
    """C3: V = (x^2 - 1)^2 / 4 + (1 + x^2) y^2 / 2; two grids, and their extrapolation against a third solver's value."""
    eq = fp.FokkerPlanck(potential=lambda x, y: (x * x - 1) ** 2 / 4 + (1 + x * x) * y * y / 2, diffusion=d)
    coarse, fine = (-fp.spectrum(eq, fp.Grid([(-2.5, 2.5)] * 2, n), 2).eigenvalues[1].real for n in (48, 96))
    assert np.log2((coarse - rate) / (fine - rate)) == pytest.approx(2.0, abs=0.2)
    assert (4 * fine - coarse) / 3 == pytest.approx(rate, rel=digits * 10)


@pytest.mark.parametrize("d", [0.03, 0.01, 0.004])
def test_escape_behind_a_high_barrier_is_right_to_its_own_digits(d):
    # rates of 6e-15 and less came out as -1.46e-14, twice; the time to the middle is that to the other well, halved
    eq = fp.FokkerPlanck(potential=lambda x: (x * x - 1) ** 2, diffusion=d)
    grid = fp.Grid((-2, 2), 200)
    spectrum = fp.spectrum(eq, grid, 4, error=False)  # those of the cells, which are coarse for the colder ones
    time = fp.first_passage(eq, grid, target=lambda x: x > 0).at(-1.0)
    assert spectrum.eigenvalues[0] == 0.0
    assert spectrum.time_scales[1] == pytest.approx(time, rel=1e-5)
    np.testing.assert_allclose(spectrum.right[0], fp.stationary(eq, grid).density, rtol=1e-6, atol=1e-12)
    shape = spectrum.left[1] / spectrum.left[1][50]
    np.testing.assert_allclose(shape[[40, 60, 140, 160]], [1, 1, -1, -1], atol=1e-6)


@pytest.mark.parametrize("boundary", [("absorbing", "reflecting"), ("reflecting", "absorbing"), "absorbing"])
def test_chain_modes_with_absorbing_walls_are_those_of_the_matrix(boundary):
    eq = fp.FokkerPlanck(drift=lambda x: 1 - x, diffusion=lambda x: 0.3 + 0.1 * x)
    grid = fp.Grid((-1, 1), 30, boundary=boundary)
    spectrum = fp.spectrum(eq, grid, 29, error=False)  # all of them: of the matrix, not of the equation
    q = fp.generator(eq, grid).matrix.toarray()
    want = np.sort(np.linalg.eigvals(q).real)[::-1][:29]
    np.testing.assert_allclose(spectrum.eigenvalues, want, rtol=1e-10)
    right = (spectrum.right * grid.volumes).T
    np.testing.assert_allclose(q @ right, right * want, atol=1e-8)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("n", [18, 40])  # dense and sparse
def test_modes_lost_in_rounding_are_refused_and_the_others_handed_over(n):
    eq = fp.FokkerPlanck(potential=lambda x, y: (x * x - 1) ** 2 + y * y / 2, diffusion=0.02)
    with pytest.raises(
        fp.ConvergenceError, match=r"1 of the eigenvalues lie below .* the rounding of the fast"
    ) as caught:
        fp.spectrum(eq, fp.Grid([(-1.8, 1.8)] * 2, n), 3)
    across = fp.spectrum(fp.FokkerPlanck(drift=lambda y: -y, diffusion=0.02), fp.Grid((-1.8, 1.8), n), 2)
    assert caught.value.partial.eigenvalues[2].real == pytest.approx(across.eigenvalues[1], rel=0.02)


TURNING = fp.FokkerPlanck(drift=lambda x, y: (-x - 10 * y, 10 * x - y), diffusion=0.5)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("n", [18, 40])  # dense and sparse
def test_the_slowest_modes_are_those_of_largest_real_part(n):
    """A turning well, -m +- 10 i l with l = m, m - 2, ...: the pair at -1 +- 10 i lies further from 0 than real modes."""
    grid = fp.Grid([(-3.5, 3.5)] * 2, n)
    spectrum = fp.spectrum(TURNING, grid, 3)
    every = np.linalg.eigvals(fp.generator(TURNING, grid).matrix.toarray())
    np.testing.assert_allclose(spectrum.eigenvalues.real, np.sort(every.real)[::-1][:3], atol=1e-7)
    np.testing.assert_allclose(spectrum.eigenvalues[1:].imag, [-10, 10], rtol=0.03)
    assert spectrum.is_complete
    for i, z in enumerate(spectrum.eigenvalues):
        mass = (spectrum.right[i] * grid.volumes).ravel()
        np.testing.assert_allclose(fp.generator(TURNING, grid).matrix @ mass, z * mass, atol=1e-8)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_the_turning_well_converges_to_its_known_spectrum():
    turning = fp.FokkerPlanck(drift=lambda x, y: (-x - 4 * y, 4 * x - y), diffusion=0.5)
    errors = []
    for n in (75, 150):  # at 50 cells a cell's Peclet number is 4, and the order is 1.86 from there to 100
        z = fp.spectrum(turning, fp.Grid([(-3.5, 3.5)] * 2, n), 3, error=False).eigenvalues
        errors.append(abs(z[2] - (-1 + 4j)))
    assert errors[1] < 0.002
    assert np.log2(errors[0] / errors[1]) > 1.9


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_conjugate_pairs_are_whole():
    spectrum = fp.spectrum(TURNING, fp.Grid([(-3, 3)] * 2, 30), 2)
    assert spectrum.eigenvalues.size == spectrum.rates.size == len(spectrum.right) == len(spectrum.left) == 3
    assert spectrum.eigenvalues[1] == spectrum.eigenvalues[2].conj()


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize(
    ("drift", "diffusion", "boundary"),
    [
        (lambda x, v: (v, -v - np.sin(x)), [0.0, 0.4], "reflecting"),
        (lambda x, y: (x - x**3 + 4 * y, -2 * y - 2 * (x**3 - x)), 0.1, "reflecting"),
        (lambda x, y: (-x - 6 * y, 6 * x - y), 0.4, "absorbing"),
        (lambda x, y: (2.0 + np.cos(y), np.sin(x) - y), [0.05, 0.2], ["periodic", "reflecting"]),
    ],
    ids=["underdamped", "turning double well", "absorbing", "half periodic"],
)
def test_no_mode_is_missed(drift, diffusion, boundary):
    """Against all eigenvalues of the same matrix."""
    grid = fp.Grid([(-2, 2), (-2, 2)], [27, 24], boundary=boundary)
    eq = fp.FokkerPlanck(drift=drift, diffusion=diffusion)
    every = np.sort(np.linalg.eigvals(fp.generator(eq, grid).matrix.toarray()).real)[::-1]
    for k in (1, 4, 7):
        spectrum = fp.spectrum(eq, grid, k)
        assert spectrum.is_complete
        np.testing.assert_allclose(spectrum.eigenvalues.real[:k], every[:k], atol=1e-7 * abs(every[-1]) ** 0.5)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_eigenvalues_lie_in_the_parabola():
    for eq in (TURNING, fp.FokkerPlanck(drift=lambda x, v: (v, -v - x), diffusion=[0.0, 0.4])):
        q = fp.generator(eq, fp.Grid([(-3, 3)] * 2, 16))
        rates = Rates.of_generator(q)
        width, slack = spectral_parabola(rates, excessive_masses(rates))
        z = np.linalg.eigvals(q.matrix.toarray())
        assert (np.abs(z.imag) <= width * np.sqrt(slack + np.maximum(-z.real, 0.0)) + 1e-9).all()
        assert width < 200


@pytest.mark.filterwarnings("ignore:the grid adds")
def test_what_may_have_been_missed_is_said(monkeypatch):
    monkeypatch.setattr("fokkerplanck.solvers.linear.spectrum.MOST_SHIFTS", 0)
    with pytest.warns(fp.ResolutionWarning, match="not certain that these are the slowest modes: oscillating modes"):
        spectrum = fp.spectrum(TURNING, fp.Grid([(-3, 3)] * 2, 60), 3)
    assert not spectrum.is_complete
    assert "not certain" in repr(spectrum)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_equal_eigenvalues_are_all_found_and_counted():
    """A round well: -m with m + 1 modes each; the count of pivots knows how many there are."""
    grid = fp.Grid([(-3.2, 3.2)] * 2, 24)
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x, -y), diffusion=0.4)
    want = np.sort(np.linalg.eigvals(fp.generator(eq, grid).matrix.toarray()).real)[::-1]
    for k in (2, 5, 8):
        spectrum = fp.spectrum(eq, grid, k)
        assert spectrum.is_complete
        np.testing.assert_allclose(spectrum.eigenvalues, want[:k], atol=1e-8)
        product = np.einsum("ixy,jxy,xy->ij", *spectrum.modes[::-1], grid.volumes)
        np.testing.assert_allclose(product, np.eye(k), atol=1e-6)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_the_count_finds_modes_that_the_iteration_missed(monkeypatch):
    complete = spectrum_module._symmetric_nearest
    asked = []

    def forgetful(q, shift, count):
        asked.append(count)
        values, vectors = complete(q, shift, count)
        keep = np.argsort(-values)
        keep = np.delete(keep, 1) if len(asked) == 1 else keep
        return values[keep], vectors[:, keep]

    monkeypatch.setattr(spectrum_module, "_symmetric_nearest", forgetful)
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x, -2.3 * y), diffusion=0.4)
    spectrum = fp.spectrum(eq, fp.Grid([(-3.2, 3.2)] * 2, 30), 3)
    assert len(asked) == 2
    np.testing.assert_allclose(spectrum.eigenvalues, [0, -1, -2], atol=0.05)
    assert spectrum.is_complete


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
def test_a_strong_flow_to_an_absorbing_wall_leaves_eigenvalues_their_digits():
    """mu = (v, -y), D: -v^2/4D - D q^2 - m, with tan(q L) = -2 D q / v between a reflecting and an absorbing wall."""
    v, d, length = 3.0, 0.2, 4.0
    grid = fp.Grid([(0, length), (-2.5, 2.5)], [60, 40], [("reflecting", "absorbing"), "reflecting"])
    eq = fp.FokkerPlanck(drift=lambda x, y: (v + 1e-6 * y, -y + 0 * x), diffusion=d)
    spectrum = fp.spectrum(eq, grid, 3)
    line = fp.spectrum(fp.FokkerPlanck(drift=v, diffusion=d), fp.Grid((0, length), 60, ("reflecting", "absorbing")), 3)
    across = fp.spectrum(fp.FokkerPlanck(drift=lambda y: -y, diffusion=d), fp.Grid((-2.5, 2.5), 40), 3)
    want = np.sort((line.eigenvalues[:, None] + across.eigenvalues).ravel())[::-1][:3]
    np.testing.assert_allclose(spectrum.eigenvalues.real, want, rtol=2e-4)
    assert spectrum.is_complete


def test_nothing_moves():
    spectrum = fp.spectrum(fp.FokkerPlanck(diffusion=0.0), fp.Grid([(0, 1)] * 2, 25), 3)
    assert spectrum.eigenvalues.tolist() == [0.0, 0.0, 0.0]
    assert np.isinf(spectrum.time_scales).all()
