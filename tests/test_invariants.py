"""What holds for every drift, diffusion, grid and wall: columns, signs, mass, adjoint, current (hypothesis)."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fokkerplanck as fp
from fokkerplanck.solvers.evolution.exponential import propagate

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
WALLS = st.sampled_from(
    ["reflecting", "absorbing", "periodic", ("absorbing", "reflecting"), ("reflecting", "absorbing")]
)


@st.composite
def grids(draw, dims=(1, 2, 3)):
    dim = draw(st.sampled_from(dims))
    top = {1: 40, 2: 12, 3: 6}[dim]
    edges, walls = [], []
    for _ in range(dim):
        wall = draw(WALLS)
        n = draw(st.integers(3, top))
        grading = draw(st.sampled_from([0.0, 0.3, 2.0]))
        scale = 10.0 ** draw(st.integers(-3, 3))
        u = np.linspace(0.0, 1.0, n + 1)
        edges.append(scale * (u + grading * u**2) + draw(st.integers(-2000, 2000)) * 1e-3 * scale)
        walls.append(wall)
    return fp.Grid.from_edges(edges, boundary=walls)


@st.composite
def equations(draw, grid):
    """Random smooth or rough fields on the cells: drift, and noise from none to a full tensor."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = [e[-1] - e[0] for e in grid.edges]
    speed = draw(st.sampled_from([0.0, 1.0, 100.0]))
    drift = [speed * length * rng.normal(size=grid.shape) for length in lengths]
    kind = draw(st.sampled_from(["none", "number", "axes", "rough", "vanishing", "tensor", "rank one"]))
    units = np.array(lengths)
    if kind == "none":
        noise = {"diffusion": 0.0}
    elif kind == "number":
        noise = {"diffusion": float(min(lengths) ** 2 * rng.uniform(0.01, 1.0))}
    elif kind in ("tensor", "rank one") and grid.dim > 1:
        m = 1 if kind == "rank one" else grid.dim
        sigma = rng.normal(size=(grid.dim, m, *grid.shape)) * 0.5
        tensor = np.einsum("ik...,jk...->ij...", sigma, sigma) * np.multiply.outer(units, units).reshape(
            grid.dim, grid.dim, *[1] * grid.dim
        )
        noise = {"diffusion": tensor, "convention": draw(st.sampled_from(["ito", "klimontovich"]))}
    else:
        fields = [
            length**2 * 10.0 ** rng.uniform(-3 if kind == "rough" else -1, 0, size=grid.shape) for length in lengths
        ]
        if kind == "vanishing":
            for f in fields:
                f[rng.random(grid.shape) < 0.3] = 0.0
        noise = {
            "diffusion": fields if grid.dim > 1 else fields[0],
            "convention": draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        }
    return fp.FokkerPlanck(drift=drift, **noise)


@st.composite
def generators(draw, dims=(1, 2, 3)):
    grid = draw(grids(dims))
    return fp.generator(draw(equations(grid)), grid)


@FEW
@given(generators())
def test_columns_sum_to_minus_the_escape_and_rates_are_not_negative(q):
    matrix = q.matrix
    assert np.isfinite(matrix.data).all()
    size = max(q.outflow.max(), 1e-300)
    np.testing.assert_allclose(np.asarray(matrix.sum(axis=0)).ravel(), -q.escape, atol=1e-13 * size)
    off = matrix.tocoo()
    assert (off.data[off.row != off.col] >= 0.0).all()
    assert (off.data[off.row == off.col] <= 0.0).all()
    assert (q.escape >= 0.0).all()
    for link in q.links:
        assert (link.forward >= 0.0).all()
        assert (link.backward >= 0.0).all()
    if not q.grid.absorbs:
        assert not q.exits


@FEW
@given(generators(), st.integers(0, 2**32 - 1))
def test_action_matrix_adjoint_and_fluxes_are_one_operator(q, seed):
    rng = np.random.default_rng(seed)
    p, f = rng.random(q.grid.shape), rng.normal(size=q.grid.size)
    size = max(q.outflow.max(), 1e-300)
    change = q.apply(p)
    assert change.shape == q.grid.shape
    np.testing.assert_allclose(change.ravel(), q.matrix @ p.ravel(), atol=1e-12 * size)
    assert f @ change.ravel() == pytest.approx((q.adjoint @ f) @ p.ravel(), abs=1e-10 * size)
    by_flux = -q.escape * p.ravel()
    for link, flux in zip(q.links, q.flux(p), strict=True):
        np.subtract.at(by_flux, link.lower, flux)
        np.add.at(by_flux, link.upper, flux)
    np.testing.assert_allclose(by_flux, change.ravel(), atol=1e-12 * size)
    assert q.outflux(p) == pytest.approx(-change.sum(), abs=1e-10 * size)


@FEW
@given(
    generators(),
    st.integers(0, 2**32 - 1),
    st.floats(0.1, 2000.0),
    st.sampled_from(["auto", "chebyshev", "uniformization"]),
)
def test_mass_and_sign_are_kept(q, seed, jumps, method):
    p = np.random.default_rng(seed).dirichlet(np.full(q.grid.size, 0.1))
    time = jumps / max(q.outflow.max(), 1e-300)
    time = time if np.isfinite(time) else 1.0
    previous = 1.0
    for got, estimate, chosen in propagate(q, p, np.array([0.1, 0.5, 1.0]) * time, method, 1e-6):
        assert got.sum() <= previous + max(estimate, 1e-12)
        if not q.exits:
            assert abs(got.sum() - 1.0) <= max(estimate, 1e-12)
        assert got.min() >= (
            0.0 if chosen.name == "uniformization" else -1e-6 * got.max() - 1e-14
        )  # rounding of a start of mass one
        previous = got.sum()


@FEW
@given(generators(dims=(1, 2)), st.integers(0, 2**32 - 1), st.floats(0.1, 300.0))
def test_methods_agree_within_their_estimates(q, seed, jumps):
    p = np.random.default_rng(seed).dirichlet(np.full(q.grid.size, 0.1))
    time = jumps / max(q.outflow.max(), 1e-300)
    time = time if np.isfinite(time) else 1.0
    runs = [list(propagate(q, p, np.array([0.2, 1.0]) * time, m, 1e-6))[-1] for m in ("chebyshev", "uniformization")]
    assert np.abs(runs[0][0] - runs[1][0]).sum() <= runs[0][1] + runs[1][1] + 1e-12


@pytest.mark.filterwarnings("ignore:the density at the reflecting wall")  # these walls belong to the problem
@settings(FEW, max_examples=40)
@given(grids(dims=(1,)), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.4, 0.5, 1.0]))
def test_a_closed_box_on_a_line_rests_without_current(grid, seed, alpha):
    rng = np.random.default_rng(seed)
    grid = fp.Grid.from_edges(grid.edges)
    length = grid.edges[0][-1] - grid.edges[0][0]
    eq = fp.FokkerPlanck(
        drift=3 * length * rng.normal(size=grid.shape),
        diffusion=length**2 * 10.0 ** rng.uniform(-2, 0, grid.shape),
        convention=alpha,
    )
    rest = fp.stationary(eq, grid)
    assert rest.is_equilibrium
    traffic = sum(float((link.forward * rest.masses[link.lower]).sum()) for link in rest.generator.links)
    assert sum(float(np.abs(f).sum()) for f in rest.generator.flux(rest.masses)) <= 1e-12 * traffic
    assert (rest.masses >= 0.0).all()
    assert rest.mass == pytest.approx(1.0, abs=1e-12)


@settings(FEW, max_examples=30)
@given(grids(dims=(1, 2)), st.data())
def test_survival_and_mean_time_are_dual(grid, data):
    # tau = integral of the survival: <tau, p> = int sum(exp(Qt) p) dt, by Q^T tau = -1
    walls = [("absorbing", "reflecting")] + ["reflecting"] * (grid.dim - 1)
    grid = fp.Grid.from_edges(list(grid.edges), boundary=walls)
    length = [e[-1] - e[0] for e in grid.edges]
    drift = data.draw(st.sampled_from([0.0, 1.0]))
    eq = fp.FokkerPlanck(drift=[-drift * x for x in length], diffusion=[0.3 * x**2 for x in length])
    q = fp.generator(eq, grid)
    tau = np.linalg.solve(q.adjoint.toarray(), -np.ones(grid.size))
    assert (tau > 0.0).all()
    p = np.full(grid.size, 1.0 / grid.size)
    times = np.linspace(0.0, 12.0 * tau.max(), 400)
    mass = [1.0] + [m.sum() for m, *_ in propagate(q, p, times[1:], "auto", 1e-7)]
    assert np.trapezoid(mass, times) == pytest.approx(float(tau @ p), rel=0.02)


@settings(FEW, max_examples=25)
@given(st.data(), grids(dims=(1, 2)))
def test_the_front_door_keeps_mass_and_sign(data, grid):
    eq = data.draw(equations(grid))
    middle = [0.5 * (e[0] + e[-1]) for e in grid.edges]
    time = min(200.0 / max(float(fp.generator(eq, grid).outflow.max()), 1e-12), 10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        s = fp.solve(eq, grid, fp.point(middle), [0.3 * time, time])
    if not grid.absorbs:
        assert np.abs(s.mass - 1.0).max() <= max(1e-12, s.stats["error_estimate"])
    assert s.density.min() >= -1e-6 * s.density.max()
