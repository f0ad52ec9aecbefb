"""The names users import, their signatures, and what importing costs."""

import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT

import fokkerplanck as fp

NAMES = (
    "Grid FokkerPlanck gaussian uniform point from_samples solve stationary generator first_passage committor spectrum "
    "Swarm SampleLoss SGD compare Solution Stationary ConvergenceError ResolutionWarning"
)


def test_all_names_exist_and_are_documented():
    assert set(NAMES.split()) <= set(fp.__all__)
    assert len(fp.__all__) == len(set(fp.__all__))
    for name in fp.__all__:
        assert inspect.getdoc(getattr(fp, name)), name


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (fp.Grid, ["bounds", "cells", "boundary"]),
        (fp.Grid.from_edges, ["edges", "boundary"]),
        (fp.FokkerPlanck, ["drift", "diffusion", "noise", "potential", "convention"]),
        (fp.gaussian, ["mean", "std_or_cov"]),
        (fp.uniform, ["low", "high"]),
        (fp.point, ["x"]),
        (fp.from_samples, ["samples"]),
        (fp.solve, ["eq", "grid", "p0", "times", "method", "rtol", "progress", "observe"]),
        (fp.stationary, ["eq", "grid"]),
        (fp.generator, ["eq", "grid", "t"]),
        (fp.first_passage, ["eq", "grid", "target"]),
        (fp.committor, ["eq", "grid", "source", "target"]),
        (fp.spectrum, ["eq", "grid", "k"]),
    ],
)
def test_leading_parameters_keep_their_order(function, parameters):
    assert list(inspect.signature(function).parameters)[: len(parameters)] == parameters


def test_defaults_are_those_that_are_documented():
    defaults = {n: p.default for n, p in inspect.signature(fp.solve).parameters.items()}
    assert (defaults["method"], defaults["rtol"], defaults["progress"], defaults["observe"]) == (
        "auto",
        1e-6,
        False,
        None,
    )
    assert inspect.signature(fp.FokkerPlanck).parameters["convention"].default == "ito"
    assert inspect.signature(fp.Grid).parameters["boundary"].default == "reflecting"
    assert inspect.signature(fp.generator).parameters["t"].default == 0.0


def test_attributes_of_the_generator():
    q = fp.generator(fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-1, 1), 8))
    assert isinstance(q, fp.Generator)
    p = np.full(8, 0.125)
    np.testing.assert_allclose(q.matrix @ p, q.apply(p))
    np.testing.assert_allclose((q.adjoint.T - q.matrix).toarray(), 0.0)
    assert [f.shape for f in q.flux(p)] == [(7,)]


def test_importing_leaves_the_slow_packages_alone():
    slow = ("sympy", "xarray", "matplotlib", "rich", "pydantic", "typer", "h5py")
    code = f"import sys, json, fokkerplanck; print(json.dumps([m for m in {slow} if m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(out.stdout) == []


def test_no_package_called_solvers_is_installed():
    import importlib.util

    spec = importlib.util.find_spec("fokkerplanck.solvers.evolution.exponential")
    assert spec is not None
    assert fp.solvers.__name__ == "fokkerplanck.solvers"


CLIENT = """
import fokkerplanck as fp
eq, grid = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5), fp.Grid((-4, 4), 60)
solution = fp.solve(eq, grid, fp.gaussian(0.0, 1.0), [1.0])
peclet: {kind} = solution.stats.peclet
production: {kind} = fp.stationary(eq, grid).entropy_production
rate: {kind} = float(fp.spectrum(eq, grid).rates[1])
times: fp.Ensemble = fp.simulate(eq, fp.gaussian(0.0, 1.0), [1.0], dt=0.1)
"""


def test_a_client_under_strict_types_sees_those_of_results(tmp_path):
    """A script of a user that mypy --strict accepts, and one with wrong types that it does not."""
    paths = os.environ | {"MYPYPATH": str(ROOT)}
    for kind, wrong in (("float", 0), ("str", 3)):
        (tmp_path / "client.py").write_text(CLIENT.format(kind=kind))
        words = [
            "--strict",
            "--follow-imports=silent",
            "--cache-dir",
            str(tmp_path / "cache"),
            str(tmp_path / "client.py"),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *words], capture_output=True, text=True, cwd=tmp_path, env=paths
        )
        assert done.stdout.count("error: ") == wrong, done.stdout + done.stderr
