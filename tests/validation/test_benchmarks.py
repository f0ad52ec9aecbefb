"""The studies behind `python -m validation.benchmarks`, at coarse levels: errors, ratios and counts, never seconds."""

import numpy as np
import pytest

from validation.benchmarks import (
    asked,
    chebyshev,
    driven,
    kernels,
    landscape,
    networks,
    propagation,
    report,
    targets,
    volume,
)
from validation.benchmarks.cases import CASES, DOUBLE_WELL, OU, well_modes
from validation.benchmarks.figures import work_precision
from validation.benchmarks.measure import job, medians
from validation.benchmarks.peers import ours, scipy_expm


@pytest.fixture(autouse=True)
def no_layout_surprises(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def test_reference_of_the_double_well_is_converged_and_normalised():
    coarse, fine = well_modes(80), DOUBLE_WELL.values(80)
    assert np.abs(coarse - fine).sum() * DOUBLE_WELL.spacing(80) ** 2 < 1e-5
    assert DOUBLE_WELL.judge(DOUBLE_WELL.values(64))["mass_error"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")  # of the coarse grids
@pytest.mark.parametrize(
    ("case", "levels", "limit"), [("ou", (100, 200, 400), 3.2e-4), ("double_well", (32, 64, 128), 9.7e-4)]
)
def test_errors_of_ours_fall_with_order_two_to_what_was_called_for(case, levels, limit):
    problem = CASES[case]
    judged = [problem.judge(ours.prepare(problem, n)()) for n in levels]
    errors = np.array([j["error"] for j in judged])
    orders = np.log2(errors[:-1] / errors[1:])
    assert orders == pytest.approx(2.0, abs=0.15)
    assert errors[-1] <= limit
    assert min(j["smallest"] for j in judged) >= -1e-6
    assert max(abs(j["mass_error"]) for j in judged) < 1e-6


def test_scipy_on_the_same_matrix_gives_the_same_density_for_more_work():
    run, peer = ours.prepare(DOUBLE_WELL, 64), scipy_expm.prepare(DOUBLE_WELL, 64)
    run(), peer()
    mine, theirs = medians(run, least=3, budget=0.2), medians(peer, least=3, budget=0.2)
    assert np.abs(mine["result"] - theirs["result"]).sum() * DOUBLE_WELL.spacing(64) ** 2 < 1e-6
    assert theirs["processor"] > 5.0 * mine["processor"]  # 25 to 30 is usual


@pytest.mark.parametrize(
    ("peer", "limit", "options"), [("fplanck_matrix", 2e-3, {}), ("fipy_implicit", 2e-2, {"steps": 40})]
)
@pytest.mark.filterwarnings("ignore")
def test_peers_solve_the_same_problem(peer, limit, options):
    pytest.importorskip("fplanck" if peer == "fplanck_matrix" else "fipy")
    module = __import__(f"validation.benchmarks.peers.{peer}", fromlist=["prepare"])
    judged = OU.judge(module.prepare(OU, 200, **options)())
    assert judged["error"] < limit
    assert abs(judged["mass_error"]) < 1e-3


def test_a_job_reports_from_a_process_of_its_own():
    row = job(propagation.run_one, case="ou", peer="ours", n=50)
    assert row["error"] == pytest.approx(1.39e-2, rel=0.1)
    assert row["first_call"] > row["wall"]
    assert row["repeats"] >= 3


def test_a_missing_peer_is_skipped_with_a_line():
    row = job(propagation.run_one, case="ou", peer="no_such_program", n=50)
    assert "no_such_program" in row["skipped"]
    assert "skipped: " in report.markdown("t", [{"label": "peer", "n": 3} | row, {"label": "a", "n": 3, "wall": 1.0}])


def test_threads_compute_the_same_product():
    n = 24
    eq, grid, _ = ours.problem(DOUBLE_WELL, n)
    q = kernels.generator(eq, grid)
    operator, x = q.operator, np.random.default_rng(1).random(n * n)
    order = [operator.strides.tolist().index(s) for s in (0, -1, 1, -n, n)]
    y = np.zeros(n * n)
    kernels.apply_threads(n, np.ascontiguousarray(operator.bands[order]), x, y)
    inner = slice(n, n * (n - 1))
    assert y[inner] == pytest.approx((q.matrix @ x)[inner], rel=1e-12, abs=1e-12 * np.abs(q.matrix).max())


def test_three_dimensions_without_factorisation():
    row = volume.run_3d(0.0, 32)
    assert row["method"] == "chebyshev"
    finer = volume.run_3d(0.0, 48)
    assert np.log(row["error"] / finer["error"]) / np.log(1.5) == pytest.approx(2.0, abs=0.25)
    assert finer["mass_error"] < 1e-6


def test_landscape_runs_to_a_thousand_steps():
    row = landscape.run_density(0.0)
    assert row["mass_error"] < 1e-6
    assert row["method"] in ("rational", "chebyshev")


def test_chebyshev_collocation_converges_spectrally_on_both_cases():
    """Errors fall by more with each few points, and a differentiation matrix is exact for polynomials."""
    x, d = chebyshev.differentiation(12)
    assert d @ x**11 == pytest.approx(11 * x**10, abs=1e-10)
    for case, sizes, cells in ((OU, (24, 32, 40), 400), (DOUBLE_WELL, (20, 28, 36), 96)):
        errors = [
            case.judge(chebyshev.at_centers(case, n, chebyshev.prepare(case, n, 1e-6)(), cells))["error"] for n in sizes
        ]
        rates = np.log(np.array(errors[:-1]) / errors[1:]) / np.log(np.array(sizes[1:]) / sizes[:-1])
        assert rates[1] > rates[0] > 2.0
    assert errors[-1] < 0.1


def test_polynomials_that_measure_their_error_meet_what_is_asked_for():
    case = CASES["ou"]
    for tol in (1e-2, 1e-4):
        n, density = chebyshev.asked(case, tol)()
        assert case.judge(chebyshev.at_centers(case, n, density, 400))["error"] <= tol
        assert density.shape == (n - 1,)


@pytest.mark.filterwarnings("ignore")
def test_what_is_asked_for_is_met_and_costs_less_than_the_peers_in_two_dimensions():
    rows = asked.run_case(0.0, "double_well", True)["rows"]
    ours = [row for row in rows if row["peer"] == "asked"]
    assert len(ours) == 2
    assert all(row["error"] <= float(row["tolerance"]) for row in ours)
    assert all(row["n"] > 0 and row["case"] == "asked_double_well" for row in ours)
    spectral = next(row for row in rows if row["peer"] == "chebyshev")
    assert spectral["error"] > ours[-1]["error"]
    assert spectral["processor"] > 5.0 * ours[-1]["processor"]  # some 60 times is usual


def test_tables_figures_and_verdicts(tmp_path):
    table = [
        {"case": "ou", "peer": p, "label": p, "n": n, "processor": f * n, "setup": 0.0, "error": n**-2.0}
        for p, f in (("ours", 1e-6), ("fplanck_matrix", 1e-4))
        for n in (200, 400)
    ]
    lines = list(targets.propagation_targets(table))
    assert [line["verdict"] for line in lines] == ["met", "met"]
    assert targets.verdict("w", 10.0, 20.0)["verdict"] == "missed by 2.00"
    assert targets.verdict("w", 1.5, 1.2, least=False)["verdict"] == "missed by 1.25"
    work_precision(table, "ou", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    report.write_csv(tmp_path / "t.csv", table)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 5


def test_scipy_follows_a_drive_to_the_same_density():
    mine, theirs = driven.ours("switch-on of D", 1e-4), driven.scipy_radau("switch-on of D", 1e-6)
    assert np.abs(mine - theirs).sum() < 1e-5


def test_the_plain_loop_trains_as_the_package_does():
    """What steps of a network are compared with; means of 48 runs, at 5 standard errors of each."""
    pytest.importorskip("jax")
    import jax

    net, steps = networks.toy("superposition"), 60
    plain = np.array([net.loss(net.flat(one)) for one in _unstacked(networks.plain(net, 0.1, 32)(steps), jax)])
    ours = net.train([0, steps], networks.RUNS, 0.1, 32).loss
    error = 5.0 * np.hypot(plain.std(), ours[-1].std()) / np.sqrt(networks.RUNS)
    assert abs(plain.mean() - ours[-1].mean()) < error < 0.5 * (ours[0].mean() - ours[-1].mean())


def _unstacked(params, jax):
    return [jax.tree.map(lambda leaf, k=k: leaf[k], params) for k in range(networks.RUNS)]
