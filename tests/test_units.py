"""Units: an axis measured in other units changes no answer but by those units."""

import numpy as np
import pytest

import fokkerplanck as fp

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")

SHAPE = [14, 12]


KINDS = ["axes", "turning axes", "tensor", "turning tensor", "fast tensor", "variable tensor"]


def problem(rng, kind):
    """A random double well that may turn, its D and its box, as a function of the units of the two axes."""
    a, angle, full = rng.uniform(0.5, 2.0, 3), rng.uniform(0.2, 1.3), "tensor" in kind
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    thin = 0.01 if kind == "fast tensor" else rng.uniform(0.1, 0.6)
    d = turn @ np.diag([1.0, thin]) @ turn.T if full else np.diag(rng.uniform(0.3, 1.0, 2))
    omega = {"turning": 1.5, "fast": 15.0, "variable": 1.0}.get(kind.split()[0], 0.0)
    bounds = np.array([[-1.6, 1.7], [-1.5, 1.4]]) * rng.uniform(0.8, 1.2, (2, 1))

    def strength(x, y):
        return 1.0 + (0.4 * np.sin(x + 2.0 * y) if kind == "variable tensor" else 0.0 * x * y)

    def drift(x, y):
        f = a[0] * (x - x**3), -a[1] * y - 0.3 * a[2] * y**3
        return d[0, 0] * f[0] + d[0, 1] * f[1] + omega * y, d[1, 0] * f[0] + d[1, 1] * f[1] - omega * x

    def scaled(s):
        def moved(x, y):
            u, v = drift(x / s[0], y / s[1])
            return s[0] * u, s[1] * v

        def entry(i, j):
            return lambda x, y: d[i, j] * s[i] * s[j] * strength(x / s[0], y / s[1])

        tensor = [[entry(i, j) for j in (0, 1)] for i in (0, 1)] if full else [entry(i, i) for i in (0, 1)]
        eq = fp.FokkerPlanck(drift=moved, diffusion=tensor, convention="klimontovich" if "turning" in kind else "ito")
        return eq, fp.Grid((bounds * s[:, None]).tolist(), SHAPE)

    return scaled


def answers(eq, grid, s):
    """What is asked, in units that take the scales out again."""
    st = fp.stationary(eq, grid)
    if st.is_equilibrium:
        assert (np.abs(st.current).max(axis=(1, 2)) <= st.irreversibility.current_rounding).all()
    passage = fp.first_passage(eq, grid, target=lambda x, y: x > 0.7 * s[0])
    later = fp.solve(eq, grid, fp.gaussian([-0.5 * s[0], 0.2 * s[1]], (0.3 * s).tolist()), [0.3], rtol=1e-9)
    spectrum = fp.spectrum(eq, grid, 4)
    committed = fp.committor(eq, grid, lambda x, y: x < -1.0 * s[0], lambda x, y: x > 0.9 * s[0])
    return {
        "masses": st.masses,
        "mean": st.mean() / s,
        "covariance": st.covariance() / np.outer(s, s),
        "current": st.current * s[::-1, None, None] * (not st.is_equilibrium),
        "entropy production": st.entropy_production,
        "equilibrium": st.is_equilibrium,
        "numerical diffusion": st.stats["numerical_diffusion"] > 0.1 * st.stats["diffusion"],
        "order": st.stats["order"],
        "passage": passage.mean,
        "spread": passage.second_moment,
        "committor": committed,
        "eigenvalues": np.sort_complex(spectrum.eigenvalues),
        "later": later.masses,
    }


@pytest.mark.parametrize("scales", [(1e-9, 1.0), (1.0, 1e9), (1e-9, 1e9), (3e7, 2e-5)])
@pytest.mark.parametrize("kind", KINDS)
def test_units_of_the_axes_change_no_answer(kind, scales):
    """A full tensor with x in units of 1e-9 of y had the entropy production 6.19 for 22.2."""
    rng = np.random.default_rng([KINDS.index(kind), 7])
    scaled = problem(rng, kind)
    one, s = np.ones(2), np.array(scales)
    want, got = answers(*scaled(one), one), answers(*scaled(s), s)
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-7, atol=1e-7 * np.abs(value).max(), err_msg=name)
    assert want["equilibrium"] == (kind in ("axes", "tensor"))


def test_a_nearly_degenerate_tensor_lets_its_drift_go_along_the_axes():
    """So that the case "fast tensor" above tries the other formula for the entropy production."""
    eq, grid = problem(np.random.default_rng([4, 7]), "fast tensor")(np.ones(2))
    assert not fp.generator(eq, grid).force_on_links


@pytest.mark.parametrize("unit", [1e-9, 1e9])
@pytest.mark.parametrize("kind", ["potential", "noise"])
def test_simulated_forces_in_any_unit(unit, kind):
    """A quartic potential, and the drift of noise that depends on the place, by derivatives over lengths in its units."""

    def equation(u):
        if kind == "potential":
            return fp.FokkerPlanck(potential=lambda x: u**2 * (x / u) ** 4 / 4, diffusion=u**2)
        wavy = lambda x: u**2 * (1.5 + np.sin(3 * x / u))  # noqa: E731
        return fp.FokkerPlanck(drift=lambda x: -x, diffusion=wavy, convention="klimontovich")

    found = [
        fp.simulate(equation(u), fp.point(0.0), [1.0], 0.02, n_paths=500, seed=1, step_error=False).positions[-1] / u
        for u in (1.0, unit)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-4)
