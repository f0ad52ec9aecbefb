"""Bad values at every public call: each is taken for what it is, or refused in one sentence that names it."""

from __future__ import annotations

import functools
import re
import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.comparison import distances
from fokkerplanck.errors import NotFiniteError
from fokkerplanck.formulas.parser import parse, parse_condition
from fokkerplanck.sgd import landscapes
from fokkerplanck.sgd.critical_points import critical_points

SENTENCE = re.compile(r"^`[^`]+` must be .+, got .+", re.S)
FOREIGN = ("numpy", "broadcast", "ufunc", "dtype object", "array must not", "operands", "scipy", "numba", "sympy")

BAD_VALUES = {
    "None": None,
    "text": "a",
    "empty text": "",
    "nan": float("nan"),
    "inf": float("inf"),
    "-1": -1,
    "0": 0,
    "-0.5": -0.5,
    "complex": 1 + 2j,
    "complex array": np.array([1j, 2.0]),
    "True": True,
    "huge int": 10**400,
    "large int": 10**15,
    "huge float": 1e300,
    "object": object(),
    "class": dict,
    "bytes": b"a",
    "ragged": [[1, 2], [3]],
    "list of text": ["a", "b"],
    "number as text": "1",
    "empty list": [],
    "empty array": np.empty((0, 3)),
    "nan array": np.array([1.0, np.nan]),
    "7 x 5 array": np.ones((7, 5)),
    "2 x 2 x 2 x 2 array": np.ones((2, 2, 2, 2)),
    "array of None": np.array([None, 1]),
    "dictionary": {"a": 1},
    "set": {1, 2},
    "no arguments": lambda: 1.0,
    "many arguments": lambda *a: np.ones(3),
    "returns text": lambda *a, **k: "x",
    "returns None": lambda *a, **k: None,
    "returns ragged": lambda *a, **k: [[1, 2], [3]],
    "returns complex": lambda *a, **k: np.full(np.shape(a[0]) if a else (), 1j),
    "returns nan": lambda *a, **k: np.nan * a[0] if a and isinstance(a[0], np.ndarray) else np.nan,
}


RUNS = np.random.default_rng(0).normal(size=(6, 60))
for _step in range(1, 60):
    RUNS[:, _step] += 0.7 * RUNS[:, _step - 1]


def pull(k, D):
    return fp.FokkerPlanck(drift=lambda x: -k * x, diffusion=D)


@functools.cache
def made():
    """What the calls are tried with."""
    line, plane = fp.Grid((-3, 3), 24), fp.Grid([(-2, 2), (-2, 2)], [6, 7])
    absorbing = fp.Grid((-3, 3), 24, "absorbing")
    ou = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    spiral = fp.FokkerPlanck(drift=lambda x, y: [-x + y, -y - x], diffusion=0.5)
    loss = fp.SampleLoss("(w - x)**2/2", ["w"], {"x": [0.0, 1.0, 2.0]})
    by_hand = fp.SampleLoss.from_gradient(lambda w, s: w - s["x"], {"x": [0.0, 1.0, 2.0]}, ["w"])
    sgd = fp.SGD(loss, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "line": line, "plane": plane, "absorbing": absorbing, "ou": ou, "spiral": spiral, "loss": loss, "sgd": sgd,
            "by_hand": by_hand, "start": fp.gaussian(0.5, 0.5),
            "sol": fp.solve(ou, line, fp.gaussian(0.5, 0.5), [0.5, 1.0]),
            "sol2": fp.solve(spiral, plane, fp.gaussian([0, 0], 0.6), [0.5, 1.0]),
            "st": fp.stationary(ou, line), "st2": fp.stationary(spiral, plane), "fpt": fp.first_passage(ou, absorbing),
            "ways": fp.transition_paths(ou, line, lambda x: x < -1, lambda x: x > 1, error=False),
            "gen": fp.generator(ou, line), "mc": fp.simulate(ou, 0.5, [0.5, 1.0], 0.1, n_paths=600),
            "formula": parse("x**2", ["x"]), "T": sgd.transfer_operator(line),
            "fit": fp.fit(RUNS, pull, start=[1.0, 1.0], method="gaussian"),
            "sp": fp.spectrum(ou, line, 3), "tab": fp.compare({"a": fp.solve(ou, line, fp.gaussian(0, 1), [1.0])}),
        }  # fmt: skip


@functools.cache
def drawn_from():
    """Results of `made` that are drawn."""
    ou, line = made()["ou"], made()["line"]
    wells = fp.FokkerPlanck(potential=lambda x: (x**2 - 1) ** 2, diffusion=0.3)
    return {
        "q": fp.committor(ou, line, lambda x: x < -1, lambda x: x > 1),
        "corr": fp.correlation(ou, line, lambda x: x, [0.1, 1.0]),
        "response": fp.response(lambda k: pull(k, 0.5), 1.0, line, lambda x: x**2, [0.1, 1.0]),
        "v": fp.quasipotential(wells, -1.0, fp.Grid((-1.5, 1.5), 60)),
    }


def heavy():
    """Paths with a tail of index 1.5."""
    return fp.Ensemble(np.array([0.5]), np.random.default_rng(0).random((1, 2000, 1)) ** (-1 / 1.5))


def on_line(**coefficients):
    return fp.generator(fp.FokkerPlanck(**{"diffusion": 0.5} | coefficients), made()["line"])


def on_plane(**coefficients):
    return fp.generator(fp.FokkerPlanck(**{"diffusion": 0.5} | coefficients), made()["plane"])


def noisy(noise):
    return fp.generator(fp.FokkerPlanck(noise=noise), made()["plane"])


def jumping(plane=False, **arguments):
    eq = fp.FokkerPlanck(jumps=fp.LevyJumps(**{"stability": 1.5} | arguments))
    return fp.generator(eq, made()["plane" if plane else "line"])


def in_a_field(**arguments):
    field = fp.MeanField(**{"observe": lambda x: x, "force": lambda x, m: -x} | arguments)
    return fp.solve(fp.FokkerPlanck(diffusion=0.5, interaction=field), made()["line"], made()["start"], 0.01)


def in_pairs(**arguments):
    pair = fp.PairForce(**{"force": lambda z: -z} | arguments)
    return fp.solve(fp.FokkerPlanck(diffusion=0.5, interaction=pair), made()["line"], made()["start"], 0.01)


def in_pairs_of_the_plane(**arguments):
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=fp.PairForce(**arguments))
    return fp.solve(eq, made()["plane"], lambda x, y: 1.0 + 0.0 * x, 0.001, error=False)


def leaping(plane=False, **arguments):
    eq = fp.FokkerPlanck(jumps=fp.PoissonJumps(**{"rate": 1.5, "law": 0.3} | arguments))
    return fp.generator(eq, made()["plane" if plane else "line"])


def swarming(strength):
    eq = fp.FokkerPlanck(diffusion=0.5, interaction=fp.Swarm(strength))
    return fp.solve(eq, made()["line"], made()["start"], 0.01)


def by_gradient(**arguments):
    loss = fp.SampleLoss.from_gradient(
        **{"grad": lambda w, s: w - s["x"], "data": {"x": [0.0, 1.0]}, "parameters": ["w"]} | arguments
    )
    return loss.gradient(0.5), loss.covariance(0.5)


def started(p0):
    return fp.solve(made()["ou"], made()["line"], p0, 0.1)


class Door:
    """A call with good arguments, of which one is replaced at a time."""

    def __init__(self, call, **good):
        self.call, self.good = call, good


FUNCTIONS = {
    "no arguments",
    "many arguments",
    "returns text",
    "returns None",
    "returns ragged",
    "returns complex",
    "returns nan",
}


PUBLIC_CALLS = {
    "Grid": Door(fp.Grid, bounds=(-1, 1), cells=4, boundary="reflecting"),
    "Grid 2D": Door(fp.Grid, bounds=[(-1, 1), (0, 1)], cells=[4, 3], boundary=["reflecting", "periodic"]),
    "Box": Door(fp.Box, bounds=[(-1, 1), (0, 1)], boundary=["reflecting", "periodic"]),
    "from_edges": Door(fp.Grid.from_edges, edges=[0.0, 1.0, 2.0], boundary="absorbing"),
    "graded": Door(fp.Grid.graded, bounds=(0, 1), width=lambda x: 0.1 + 0 * x, boundary="reflecting"),
    "locate": Door(lambda **a: made()["line"].locate(**a), point=0.3),
    "named": Door(lambda **a: made()["plane"].named(**a), names=["w", "b"]),
    "with_edges": Door(lambda **a: made()["line"].with_edges(**a), edges=[np.linspace(-3, 3, 4)]),
    "interpolate": Door(lambda **a: made()["line"].interpolate(**a), values=np.ones(24), point=0.3),
    "periodic": Door(lambda **a: made()["plane"].periodic(**a), axis=0),
    "equation": Door(
        on_line,
        drift=lambda x: -x,
        diffusion=0.5,
        potential=lambda x: x**2,
        convention="ito",
        time_order=1.0,
        jumps=None,
        interaction=None,
        killing=None,
        reactivity=None,
        names=["w"],
    ),
    "equation 2D": Door(
        on_plane,
        drift=lambda x, y: [-x, -y],
        diffusion=[0.5, 0.2],
        potential=lambda x, y: x**2 + y**2,
        convention="klimontovich",
    ),
    "noise": Door(noisy, noise=[[1.0, 0.0], [0.3, 0.5]]),
    "Swarm": Door(swarming, strength=0.5),
    "LevyJumps": Door(jumping, stability=1.5, scale=0.5, kind="isotropic"),
    "LevyJumps 2D": Door(lambda **a: jumping(True, **a), stability=1.5, scale=(0.5, 0.5), kind="axes"),
    "MeanField": Door(in_a_field, observe=lambda x: x**2, force=lambda x, m: -m[0] * x),
    "MeanField of the diffusion": Door(
        lambda **a: in_a_field(force=None, **a), observe=lambda x: x**2, diffusion=lambda x, m: m[0]
    ),
    "PairForce": Door(in_pairs, force=lambda z: -z, strength=0.5),
    "PairForce 2D": Door(in_pairs_of_the_plane, force=lambda x, y: (-x, -y), strength=0.5),
    "PairForce by a potential": Door(lambda **a: in_pairs(force=None, **a), potential=lambda z: z**2),
    "PoissonJumps": Door(leaping, rate=1.5, law=0.3),
    "PoissonJumps 2D": Door(lambda **a: leaping(True, **a), rate=lambda x, y: 1.0 + x**2, law=[[0.3, 0.1], [0.1, 0.2]]),
    "noise_induced_drift": Door(lambda **a: made()["ou"].noise_induced_drift(**a), grid=fp.Grid((-1, 1), 4), t=0.0),
    "stratonovich_drift": Door(
        lambda **a: fp.FokkerPlanck(noise=[[1.0]]).stratonovich_drift(**a), grid=fp.Grid((-1, 1), 4), t=0.0
    ),
    "gaussian": Door(fp.gaussian, mean=0.5, std_or_cov=0.5),
    "gaussian 2D": Door(fp.gaussian, mean=[0.5, 0.1], std_or_cov=[[1.0, 0.1], [0.1, 1.0]]),
    "uniform": Door(fp.uniform, low=0.0, high=0.5),
    "point": Door(fp.point, x=0.5),
    "from_samples": Door(fp.from_samples, samples=[0.5, 0.7]),
    "p0": Door(started, p0=fp.gaussian(0, 1)),
    "solve": Door(
        lambda **a: fp.solve(**a),
        eq=None,
        grid=None,
        p0=None,
        times=[0.1],
        method="auto",
        rtol=1e-6,
        progress=False,
        observe=None,
    ),
    "stationary": Door(fp.stationary, eq=None, grid=None, p0=None),
    "stationary with a period": Door(
        lambda **a: fp.stationary(
            fp.FokkerPlanck(drift=lambda x, t: -x + np.cos(2 * np.pi * t), diffusion=0.5),
            fp.Grid((-4, 4), 16),
            **{"period": 1.0, "error": False} | a,
        ),
        period=1.0,
        breaks=[0.5],
        max_step=0.1,
    ),
    "stationary with resets": Door(
        lambda **a: fp.stationary(made()["ou"], made()["absorbing"], **{"reset": fp.point(0.0)} | a),
        reset=fp.point(0.5),
        delay=0.1,
    ),
    "stationary with a source": Door(
        lambda **a: fp.stationary(made()["ou"], made()["absorbing"], **a), source=(2.0, fp.point(0.5))
    ),
    "open in time": Door(
        lambda **a: fp.solve(made()["ou"], made()["absorbing"], **{"p0": fp.point(0.5), "times": [0.1]} | a),
        reset=fp.point(0.5),
        source=(2.0, fp.point(0.5)),
    ),
    "delayed": Door(
        lambda **a: fp.solve(made()["ou"], made()["absorbing"], fp.point(0.5), [0.1], **{"reset": fp.point(0.5)} | a),
        delay=0.05,
    ),
    "resets of paths": Door(
        lambda **a: fp.simulate(
            made()["ou"], fp.point(0.5), [0.1], 0.1, n_paths=4, grid=made()["absorbing"], **{"reset": fp.point(0.5)} | a
        ),
        reset=fp.point(0.5),
        delay=0.05,
    ),
    "way out": Door(
        lambda **a: made()["fpt"].ways_out["x high"].density(**a), times=[0.1], p0=fp.gaussian(0, 1), rtol=1e-6
    ),
    "way out at": Door(lambda **a: made()["fpt"].ways_out["x high"].probability_at(**a), x=0.5),
    "correlation": Door(
        lambda **a: fp.correlation(**{"lags": [0.1], "observe": lambda x: x} | a),
        eq=None,
        grid=None,
        observe=lambda x: x,
        lags=[0.1],
        rtol=1e-6,
    ),
    "power_spectrum": Door(
        lambda **a: fp.power_spectrum(made()["ou"], made()["line"], **{"observe": lambda x: x, "frequencies": 1.0} | a),
        observe=lambda x: x,
        frequencies=[0.1],
        error=True,
    ),
    "response": Door(
        lambda **a: fp.response(grid=made()["line"], **{"family": lambda k: pull(k, 0.5), "frequencies": 1.0} | a),
        family=lambda k: pull(k, 0.5),
        at=1.5,
        observe=lambda x: x,
        frequencies=[0.0, 0.1],
    ),
    "derivative": Door(
        lambda **a: fp.derivative(grid=made()["line"], **{"family": lambda k: pull(k, 0.5), "error": False} | a),
        family=lambda k: pull(k, 0.5),
        at=1.5,
        observe=lambda x: x,
    ),
    "derivative of a passage": Door(
        lambda **a: fp.derivative(lambda k: pull(k, 0.5), 1.5, made()["line"], **{"error": False} | a),
        start=fp.gaussian(0, 0.5),
        source=lambda x: x < -1,
        target=lambda x: x > 1,
    ),
    "derivative of an eigenvalue": Door(
        lambda **a: fp.derivative(lambda k: pull(k, 0.5), 1.5, made()["line"], **{"error": False} | a),
        mode=1,
    ),
    "derivative at a time": Door(
        lambda **a: fp.derivative(lambda k: pull(k, 0.5), 1.5, made()["line"], **{"error": False} | a),
        start=fp.gaussian(0, 0.5),
        time=0.5,
        quantile=0.4,
    ),
    "derivative of a firing rate": Door(
        lambda **a: fp.derivative(
            lambda k: pull(k, 0.5), 1.5, fp.Grid((-1, 1), 20, "absorbing"), **{"error": False} | a
        ),
        reset=fp.gaussian(0, 0.2),
        delay=0.1,
    ),
    "effective_transport": Door(
        lambda **a: fp.effective_transport(made()["ou"], **{"grid": fp.Grid((0, 1), 8, "periodic")} | a),
        grid=fp.Grid((0, 1), 16, "periodic"),
        error=False,
    ),
    "underdamped_spectrum": Door(
        lambda **a: fp.underdamped_spectrum(
            **{"potential": lambda x: x**2, "grid": fp.Grid((-3, 3), 20), "friction": 1.0, "temperature": 1.0} | a
        ),
        potential=lambda x: x**2,
        grid=fp.Grid((-3, 3), 20),
        friction=1.0,
        temperature=1.0,
        k=2,
        error=False,
    ),
    "transition_paths": Door(
        fp.transition_paths, eq=None, grid=None, source=lambda x: x < -1, target=lambda x: x > 1, error=False
    ),
    "TransitionPaths.plot": Door(lambda **a: made()["ways"].plot(**a), ax=None),
    "first_passage": Door(fp.first_passage, eq=None, grid=None, target=lambda x: x > 1),
    "committor": Door(fp.committor, eq=None, grid=None, source=lambda x: x < -1, target=lambda x: x > 1),
    "quasipotential": Door(fp.quasipotential, eq=None, a=0.25, b=1.25, points=24),
    "spectrum": Door(fp.spectrum, eq=None, grid=None, k=3),
    "solve to a tolerance": Door(
        lambda **a: fp.solve(made()["ou"], **{"p0": fp.gaussian(0.5, 0.5), "times": [0.1]} | a),
        grid=fp.Box((-3, 3)),
        p0=fp.gaussian(0.5, 0.5),
        times=[0.1],
        tol=0.1,
    ),
    "stationary to a tolerance": Door(
        lambda **a: fp.stationary(made()["ou"], **a), grid=fp.Box((-3, 3)), p0=None, tol=0.1, error=True
    ),
    "first_passage to a tolerance": Door(
        lambda **a: fp.first_passage(made()["ou"], **{"grid": fp.Box((-3, 3))} | a), target=lambda x: x > 1, tol=0.1
    ),
    "committor to a tolerance": Door(
        lambda **a: fp.committor(made()["ou"], fp.Box((-3, 3)), **a),
        source=lambda x: x < -1,
        target=lambda x: x > 1,
        tol=0.1,
    ),
    "spectrum to a tolerance": Door(lambda **a: fp.spectrum(made()["ou"], fp.Box((-3, 3)), **a), k=3, tol=0.1),
    "generator": Door(fp.generator, eq=None, grid=None, t=0.0),
    "Generator.apply": Door(lambda **a: made()["gen"].apply(**a), masses=np.ones(24)),
    "Generator.flux": Door(lambda **a: made()["gen"].flux(**a), masses=np.ones(24)),
    "Generator.current": Door(lambda **a: made()["gen"].current(**a), masses=np.ones(24)),
    "Generator.outflux": Door(lambda **a: made()["gen"].outflux(**a), masses=np.ones(24)),
    "Solution.current": Door(lambda **a: made()["sol"].current(**a), index=-1),
    "Solution.at": Door(lambda **a: made()["sol"].at(**a), t=0.5),
    "Solution.index": Door(lambda **a: made()["sol"].index(**a), t=0.5),
    "Solution.moment": Door(lambda **a: made()["sol"].moment(**a), k=2),
    "Solution.marginal": Door(lambda **a: made()["sol2"].marginal(**a), axis=0),
    "Ensemble.marginal": Door(lambda **a: made()["mc"].marginal(**a), axis=0),
    "Ensemble.cdf": Door(lambda **a: made()["mc"].cdf(**a), x=0.5, t=1.0),
    "Ensemble.quantile": Door(lambda **a: made()["mc"].quantile(**a), q=0.5, t=1.0),
    "Ensemble.interval": Door(lambda **a: made()["mc"].interval(**a), level=0.9),
    "Ensemble.probability": Door(lambda **a: made()["mc"].probability(**a), condition=lambda x: x > 0),
    "Ensemble.plot": Door(lambda **a: made()["mc"].plot(**a), times=[0.5], log=False, ax=None),
    "Committor.plot": Door(lambda **a: drawn_from()["q"].plot(**a), ax=None, log=False, error=False),
    "FirstPassage.plot_survival": Door(
        lambda **a: made()["fpt"].plot_survival(**{"p0": made()["start"], "times": [0.1, 0.2]} | a), ax=None, log=False
    ),
    "Correlation.plot": Door(lambda **a: drawn_from()["corr"].plot(**a), ax=None, log=False, error=False),
    "Response.plot": Door(lambda **a: drawn_from()["response"].plot(**a), ax=None, log=False, error=False),
    "Quasipotential.plot": Door(lambda **a: drawn_from()["v"].plot(**a), ax=None, log=False),
    "Spectrum.plot": Door(lambda **a: made()["sp"].plot(**a), ax=None),
    "Solution.pdf": Door(lambda **a: made()["sol"].pdf(**a), x=0.5, t=1.0),
    "Solution.survival": Door(lambda **a: made()["sol"].survival(**a), x=0.3),
    "Stationary.to_csv": Door(lambda **a: made()["st"].to_csv(**a), path="a.csv"),
    "Ensemble.to_csv": Door(lambda **a: made()["mc"].to_csv(**a), path="a.csv"),
    "Solution.cdf": Door(lambda **a: made()["sol2"].cdf(**a), x=[0.5, 0.2]),
    "Solution.quantile": Door(lambda **a: made()["sol"].quantile(**a), q=0.5),
    "Solution.interval": Door(lambda **a: made()["sol"].interval(**a), level=0.9),
    "Solution.sample": Door(lambda **a: made()["sol"].sample(**a), n=3, seed=0),
    "Solution.probability": Door(lambda **a: made()["sol"].probability(**a), condition=lambda x: x > 0),
    "Solution.conditional": Door(lambda **a: made()["sol2"].conditional(**a), y=0.5),
    "Distribution.plot": Door(lambda **a: made()["st"].distribution().plot(**a), ax=None, log=False),
    "Solution.plot": Door(lambda **a: made()["sol"].plot(**a), times=[0.5], error=False, log=False, ax=None),
    "Solution.animate": Door(lambda **a: made()["sol"].animate(**a), path="a.gif", fps=5.0, between=1),
    "Solution.save": Door(lambda **a: made()["sol"].save(**a), path="a.nc", current=True),
    "load": Door(fp.load, path="a.nc"),
    "Stationary.circulation": Door(lambda **a: made()["st2"].circulation(**a), center=[0, 0], radius=1.0, points=40),
    "Stationary.energy": Door(lambda **a: made()["st"].energy(**a), invariant=False),
    "Stationary.moment": Door(lambda **a: made()["st"].moment(**a), k=2),
    "Stationary.plot": Door(lambda **a: made()["st2"].plot(**a), landscape=None, ensemble=None),
    "way out.plot": Door(lambda **a: made()["fpt"].ways_out["x high"].plot(**a), ax=None, log=False),
    "FirstPassage.plot": Door(lambda **a: made()["fpt"].plot(**a), ax=None, log=False),
    "Spectrum.shares": Door(lambda **a: made()["sp"].shares(**a), observe=lambda x: x),
    "FirstPassage.at": Door(lambda **a: made()["fpt"].at(**a), x=0.5),
    "FirstPassage.survival": Door(
        lambda **a: made()["fpt"].survival(**a), times=[0.1], p0=fp.gaussian(0, 1), rtol=1e-6
    ),
    "FirstPassage.density": Door(lambda **a: made()["fpt"].density(**a), times=[0.1], p0=fp.gaussian(0, 1), rtol=1e-6),
    "simulate": Door(fp.simulate, eq=None, p0=0.5, times=[0.1], dt=0.05, n_paths=5, seed=0, grid=None, target=None),
    "simulate_waiting": Door(
        fp.simulate_waiting, sgd=None, p0=0.5, times=[1.0], time_order=0.8, n_paths=5, seed=0, scale=1.0
    ),
    "Ensemble.density": Door(lambda **a: made()["mc"].density(**a), grid=fp.Grid((-1, 1), 4)),
    "Ensemble.fraction": Door(lambda **a: made()["mc"].fraction(**a), inside=lambda x: x > 0),
    "Ensemble.hill": Door(lambda **a: heavy().hill(**a), t=0.5),
    "Ensemble.at": Door(lambda **a: made()["mc"].at(**a), t=0.5),
    "compare": Door(fp.compare, results=None, reference="a", times=[0.5], distances=["W2"]),
    "Comparison.column": Door(lambda **a: made()["tab"].column(**a), name="mean"),
    "Comparison.save_csv": Door(lambda **a: made()["tab"].save_csv(**a), path="a.csv"),
    "wasserstein": Door(distances.wasserstein, a=None, b=None, order=1, t=0.5, seed=0, period=7.0),
    "mmd": Door(distances.mmd, a=None, b=None, bandwidth=0.5, t=0.5, seed=0, period=7.0),
    "energy": Door(distances.energy, a=None, b=None, t=0.5, seed=0, period=7.0),
    "kullback_leibler": Door(distances.kullback_leibler, a=None, b=None, method="histogram", t=0.5, seed=0, period=7.0),
    "distances.moments": Door(distances.moments, result=None, t=0.5),
    "two_time_covariance": Door(distances.two_time_covariance, ensemble=None, s=0.5, t=1.0),
    "tail_index": Door(distances.tail_index, samples=np.arange(100.0), share=0.02),
    "along": Door(lambda **a: distances.along(distances.law(made()["sol2"]), **a), axis=0),
    "hill": Door(fp.hill, samples=heavy().positions[0]),
    "stable_fit": Door(fp.stable_fit, samples=np.arange(300.0), resamples=3, seed=0),
    "tail_test": Door(fp.tail_test, increments=np.arange(300.0), sums=[1, 3]),
    "two_sample": Door(
        fp.two_sample,
        a=np.arange(9.0),
        b=np.arange(9.0),
        paired=False,
        kernel="energy",
        permutations=100,
        seed=0,
        period=9.0,
    ),
    "Paths": Door(fp.Paths, data=RUNS, dt=0.5, observable=None),
    "Paths.thin": Door(lambda **a: fp.Paths(RUNS).thin(**a), lag=2),
    "Paths.transitions": Door(lambda **a: fp.Paths(RUNS).transitions(**a), lag=2),
    "fit": Door(
        lambda **a: fp.fit(**{"data": RUNS, "method": "gaussian"} | a), data=RUNS, model=pull, start=[1.0, 1.0], lag=1
    ),
    "fit on a grid": Door(
        lambda **a: fp.fit(**{"data": RUNS, "model": pull, "start": [1.0, 1.0]} | a),
        walls=None,
        cells=40,
        method="grid",
    ),
    "rank": Door(lambda **a: fp.rank(**{"models": {"a": made()["ou"]}, "data": RUNS} | a), lag=1, cells=30, level=0.99),
    "rank data": Door(lambda data: fp.rank({"a": made()["ou"]}, data), data=RUNS),
    "markov_test": Door(fp.markov_test, data=RUNS, lags=(1, 2), seed=0),
    "homogeneity_test": Door(fp.homogeneity_test, data=RUNS, lag=1),
    "PassageTimes": Door(lambda **a: fp.PassageTimes(**{"times": [0.5, 1.0]} | a), choices=[1, 0], until=2.0),
    "PassageTimes alone": Door(fp.PassageTimes, times=[0.5, 1.0]),
    "PassageModel": Door(
        lambda **a: fp.PassageModel(**{"equation": made()["ou"]} | a), bounds=(-1, 1), start=0.0, delay=0.1, lapse=0.0
    ),
    "Fit.interval": Door(lambda **a: made()["fit"].interval(**a), x=0.5, level=0.9),
    "Fit.profile": Door(lambda **a: made()["fit"].profile(**a), name="k", level=0.9),
    "Fit.propagate": Door(lambda **a: made()["fit"].propagate(**a), f=lambda eq: 1.0, level=0.9),
    "time_order_from_growth": Door(
        fp.time_order_from_growth, times=[1.0, 2.0], mean_square=[1.0, 2.0], standard_error=[0.1, 0.1]
    ),
    "basins": Door(fp.basins, landscape=lambda x: x**2, grid=None),
    "lamperti": Door(fp.lamperti, eq=None, grid=None),
    "SampleLoss": Door(fp.SampleLoss, formula="(w-x)**2", parameters=["w"], data={"x": [0, 1]}, columns=None),
    "SampleLoss, array": Door(fp.SampleLoss, formula="(w-x)**2", parameters=["w"], data=np.ones((3, 1)), columns=["x"]),
    "from_gradient": Door(
        by_gradient,
        grad=lambda w, s: w - s["x"],
        data={"x": [0.0, 1.0]},
        parameters=["w"],
        loss=None,
        hessian=None,
        columns=None,
    ),
    "loss.value": Door(lambda theta: made()["loss"].value(theta), theta=0.5),
    "loss.gradient": Door(lambda theta: made()["by_hand"].gradient(theta), theta=0.5),
    "loss.curvature": Door(lambda theta: made()["loss"].curvature(theta), theta=0.5),
    "SGD": Door(
        fp.SGD,
        loss=None,
        learning_rate=0.1,
        batch_size=1,
        replacement=True,
        shuffle=False,
        momentum=0.0,
        weight_decay=0.1,
        schedule="1/(1 + t)",
        langevin_temperature=0.1,
    ),
    "SGD.equation": Door(
        lambda **a: made()["sgd"].equation(**a),
        model="first-order",
        convention="ito",
        temperature=None,
        stability=None,
        scale=None,
        time_order=1.0,
        strength=None,
        box=None,
    ),
    "SGD.equation langevin": Door(
        lambda **a: fp.generator(made()["sgd"].equation(model="langevin", **a), made()["line"]),
        temperature=None,
        box=fp.Grid((-1, 1), 4),
    ),
    "SGD.equation levy": Door(
        lambda **a: fp.generator(made()["sgd"].equation(model="levy", **a), made()["line"]),
        stability=1.5,
        scale=0.5,
    ),
    "SGD.equation subdiffusive": Door(lambda **a: made()["sgd"].equation(model="subdiffusive", **a), time_order=0.5),
    "SGD.equation refined": Door(
        lambda **a: made()["sgd"].equation(model="refined", **a),
        drift="second-order",
        time_order=0.8,
        central_flow=True,
    ),
    "SGD.equation swarm": Door(lambda **a: made()["sgd"].equation(model="swarm", **a), strength=0.5),
    "SGD.check": Door(lambda **a: made()["sgd"].check(**a), result=None, model="first-order"),
    "central_flow": Door(lambda **a: made()["sgd"].central_flow(**a), start=[0.5], steps=[1], rtol=1e-6),
    "transfer_operator": Door(
        lambda **a: made()["sgd"].transfer_operator(**a),
        grid=None,
        model="exact",
        kind="sampled",
        n_batches=3,
        seed=0,
    ),
    "SGD.simulate": Door(
        lambda **a: made()["sgd"].simulate(**a),
        p0=0.5,
        steps=[1, 2],
        n_paths=5,
        seed=0,
        target="w > 1",
        max_steps=3,
        threads=1,
    ),
    "SGD.measure": Door(lambda **a: made()["sgd"].measure(**a), p0=0.5, steps=120, n_paths=2, seed=0),
    "SGD.quasipotential": Door(lambda **a: made()["sgd"].quasipotential(**a), a=1.0, b=1.5, model="exact", points=24),
    "LeastAction.extrapolate": Door(
        lambda **a: fp.quasipotential(made()["ou"], 0.0, 1.0).extrapolate(**a),
        noise=0.1,
        at=[0.3, 0.4, 0.5],
        times=[3.0, 2.0, 1.0],
    ),
    "SGD.drift": Door(lambda theta: made()["sgd"].drift(theta), theta=0.5),
    "T.evolve": Door(lambda **a: made()["T"].evolve(**a), p0=None, steps=[1, 2]),
    "T.evolve_waiting": Door(
        lambda **a: made()["T"].evolve_waiting(**a), p0=None, times=[1.0], time_order=0.8, scale=1.0, rtol=1e-6
    ),
    "T.stationary": Door(lambda **a: made()["T"].stationary(**a), p0=None),
    "T.first_passage": Door(lambda **a: made()["T"].first_passage(**a), target=lambda w: w > 1.2),
    "T.spectrum": Door(lambda **a: made()["T"].spectrum(**a), k=3),
    "Passage in steps.at": Door(lambda **a: made()["T"].first_passage(lambda w: w > 1.2).at(**a), x=0.5),
    "Passage in steps.survival": Door(
        lambda **a: made()["T"].first_passage(lambda w: w > 1.2).survival(**a), times=[1], p0=None
    ),
    "two_datapoints": Door(landscapes.two_datapoints, pit=100.0),
    "wide_and_narrow": Door(landscapes.wide_and_narrow, width=2.0, depth=0.1, noise=1.0, joint=0.02),
    "degenerate": Door(landscapes.degenerate, order=4, noise=0.5),
    "scalar_net": Door(landscapes.scalar_net, target=1.0, noise=0.5),
    "scalar_chain": Door(landscapes.scalar_chain, depth=3, target=1.0, noise=0.5),
    "chain_equation": Door(landscapes.chain_equation, depth=3, target=1.0, noise=0.5, learning_rate=0.1, batch_size=1),
    "linear_regression": Door(landscapes.linear_regression, x=[1.0, 2.0], y=[1.0, 2.0]),
    "logistic_regression": Door(landscapes.logistic_regression, x=[1.0, 2.0], y=[1.0, -1.0]),
    "stationary_ratio": Door(
        lambda **a: landscapes.stationary_ratio(landscapes.wide_and_narrow(), **a), sgd=None, split=0.0, alpha=0.0
    ),
    "critical_points": Door(critical_points, loss=None, box=[(-1, 1)], starts=10, tolerance=1e-9),
    "parse": Door(parse, text="x", names=["x"]),
    "parse_condition": Door(parse_condition, text="x > 1", names=["x"]),
    "Formula.evaluate": Door(lambda x: made()["formula"].evaluate(x), x=0.5),
    "Formula.derivative": Door(lambda **a: made()["formula"].derivative(**a), name="x"),
}


def good(name):
    """The good arguments of a call; None where one stands for what `made` holds."""
    m = made()
    plain = {"eq": m["ou"], "grid": m["line"], "sgd": m["sgd"], "loss": m["loss"], "a": m["sol"], "b": m["mc"],
             "ensemble": m["mc"], "result": m["sol"], "results": {"a": m["sol"], "b": m["mc"]}}  # fmt: skip
    if name in ("from_gradient", "Stationary.plot"):
        return PUBLIC_CALLS[name].good
    if name in ("solve", "T.evolve", "T.evolve_waiting", "Passage in steps.survival"):
        plain["p0"] = m["start"]
    return {k: plain[k] if (v is None and k in plain and name != "simulate") or (v is None and k == "eq") else v
            for k, v in PUBLIC_CALLS[name].good.items()}  # fmt: skip


def attempt(name, argument, value):
    """None if the call went through, else the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in (fp.ResolutionWarning, fp.ModelWarning, UserWarning):
            warnings.simplefilter("ignore", kind)
        warnings.filterwarnings("ignore", "None of|.* paths diverged", RuntimeWarning)
        try:
            PUBLIC_CALLS[name].call(**good(name) | {argument: value})
        except Exception as error:
            return error
    return None


TAKES = {
    "None, -1, 0, -0.5, large int, huge float, empty list": ["stationary with a period.breaks"],  # times of any period
    "0": [
        "delayed.delay",
        "Solution.animate.between",
        "derivative of an eigenvalue.mode",
        "derivative of a firing rate.delay",
        "periodic.axis",
        "equation.convention",
        "equation 2D.convention",
        "Swarm.strength",
        "Solution.moment.k",
        "Solution.marginal.axis",
        "Ensemble.marginal.axis",
        "Stationary.moment.k",
        "simulate.times",
        "simulate_waiting.times",
        "along.axis",
        "SGD.momentum",
        "SGD.equation.convention",
        "transfer_operator.seed",
        "stationary_ratio.alpha",
        "PassageModel.lapse",
    ],
    "None": [
        "open in time.reset",
        "open in time.source",
        "derivative of a passage.source",
        "equation.reactivity",
        "SGD.equation langevin.box",
        "Solution.pdf.t",
        "Ensemble.cdf.t",
        "Ensemble.quantile.t",
        "Ensemble.plot.ax",
        "Ensemble.plot.times",
        "Spectrum.plot.ax",
        "Committor.plot.ax",
        "FirstPassage.plot_survival.ax",
        "Correlation.plot.ax",
        "Response.plot.ax",
        "Quasipotential.plot.ax",
        "Distribution.plot.ax",
        "FirstPassage.plot.ax",
        "way out.plot.ax",
        "Solution.plot.ax",
        "equation.names",
        "TransitionPaths.plot.ax",
        "equation.potential",
        "equation.jumps",
        "equation.interaction",
        "equation 2D.drift",
        "equation 2D.potential",
        "solve.observe",
        "stationary.p0",
        "solve to a tolerance.grid",
        "stationary to a tolerance.p0",
        "Solution.plot.times",
        "Stationary.plot.landscape",
        "Stationary.plot.ensemble",
        "simulate.grid",
        "simulate.target",
        "Ensemble.hill.t",
        "compare.times",
        "wasserstein.t",
        "mmd.t",
        "energy.t",
        "kullback_leibler.t",
        "distances.moments.t",
        "time_order_from_growth.standard_error",
        "SampleLoss.columns",
        "from_gradient.columns",
        "SGD.batch_size",
        "SGD.equation.temperature",
        "SGD.equation.stability",
        "SGD.equation.scale",
        "SGD.equation.strength",
        "SGD.equation.box",
        "SGD.simulate.threads",
        "T.stationary.p0",
        "Paths.observable",
        "fit.start",
        "fit on a grid.walls",
        "fit on a grid.cells",
        "rank.cells",
        "PassageTimes.choices",
    ],
    "True": [
        "SGD.equation refined.central_flow",
        "stationary to a tolerance.error",
        "Solution.save.current",
        "Stationary.energy.invariant",
        "Distribution.plot.log",
        "FirstPassage.plot.log",
        "way out.plot.log",
        "Solution.plot.log",
        "Ensemble.plot.log",
        "Committor.plot.log",
        "Committor.plot.error",
        "FirstPassage.plot_survival.log",
        "Correlation.plot.log",
        "Correlation.plot.error",
        "Response.plot.log",
        "Response.plot.error",
        "Quasipotential.plot.log",
        "Solution.plot.error",
        "power_spectrum.error",
        "effective_transport.error",
        "underdamped_spectrum.error",
        "transition_paths.error",
        "SGD.replacement",
        "SGD.shuffle",
        "two_sample.paired",
    ],
    "ragged, nan array, 7 x 5 array": ["Paths.data"],
    "None, large int": [
        "stationary with a period.max_step",
        "PassageTimes.until",
        "mmd.bandwidth",
        "SGD.simulate.max_steps",
        "wasserstein.period",
        "mmd.period",
        "energy.period",
        "kullback_leibler.period",
        "two_sample.period",
    ],
    "0, -0.5": ["PassageModel.start"],
    "-1, 0, -0.5, large int, empty list, empty array, 7 x 5 array, 2 x 2 x 2 x 2 array": ["Fit.interval.x"],
    "-1, 0": ["Solution.current.index"],
    "0, 7 x 5 array, 2 x 2 x 2 x 2 array": ["Solution.quantile.q", "Ensemble.quantile.q"],
    "inf, -1, 0, -0.5, large int, huge float, 7 x 5 array, 2 x 2 x 2 x 2 array": [
        "Solution.pdf.x",
        "Solution.survival.x",
        "Ensemble.cdf.x",
    ],
    "None, 0": ["SGD.simulate.steps"],
    "large int": [
        "delayed.delay",
        "derivative of a firing rate.delay",
        "open in time.source",
        "stationary with a source.source",
        "underdamped_spectrum.temperature",
        "gaussian.std_or_cov",
        "gaussian 2D.std_or_cov",
        "T.evolve_waiting.scale",
        "Paths.dt",
        "uniform.high",
        "simulate_waiting.scale",
        "SGD.learning_rate",
        "two_datapoints.pit",
        "wide_and_narrow.width",
        "wide_and_narrow.depth",
        "wide_and_narrow.noise",
        "wide_and_narrow.joint",
        "degenerate.noise",
        "chain_equation.learning_rate",
    ],
    "None, text": ["compare.reference"],
    "empty list": ["compare.distances"],
    "-1, 0, -0.5": [
        "PairForce.strength",
        "PairForce 2D.strength",
        "Solution.conditional.y",
        "locate.point",
        "interpolate.point",
        "uniform.low",
        "FirstPassage.at.x",
        "way out at.x",
        "Passage in steps.at.x",
        "stationary_ratio.split",
    ],
    "7 x 5 array": ["from_samples.samples", "distances.moments.result"],
    "returns nan": ["from_gradient.grad"],
    "0, large int": [
        "SGD.langevin_temperature",
        "LevyJumps.scale",
        "LevyJumps 2D.scale",
        "PoissonJumps.rate",
        "PoissonJumps.law",
        "PoissonJumps 2D.rate",
        "T.evolve.steps",
        "T.evolve_waiting.times",
        "Passage in steps.survival.times",
        "PassageModel.delay",
        "equation.diffusion",
        "equation 2D.diffusion",
        "solve.times",
        "solve to a tolerance.times",
        "FirstPassage.survival.times",
        "FirstPassage.density.times",
        "correlation.lags",
        "response.frequencies",
        "power_spectrum.frequencies",
        "way out.times",
        "stationary with resets.delay",
        "resets of paths.delay",
        "SGD.equation swarm.strength",
        "central_flow.steps",
    ],
    "many arguments": ["SampleLoss, array.data", "Fit.propagate.f"],
    "None, number as text": ["SGD.schedule"],
    "number as text": ["SampleLoss.formula", "SampleLoss, array.formula", "parse.text"],
    "None, 0, large int": [
        "equation.killing",
        "SGD.equation levy.scale",
        "SGD.equation langevin.temperature",
        "SGD.weight_decay",
    ],
    "list of text": ["named.names"],
    "text, number as text": [
        "Solution.save.path",
        "load.path",
        "Comparison.save_csv.path",
        "Stationary.to_csv.path",
        "Ensemble.to_csv.path",
    ],
    "large int, huge float": ["PassageTimes alone.times"],
    "0, huge int, large int": [
        "markov_test.seed",
        "wasserstein.seed",
        "mmd.seed",
        "energy.seed",
        "kullback_leibler.seed",
        "stable_fit.seed",
        "two_sample.seed",
    ],
    "None, 0, huge int, large int": [
        "Solution.sample.seed",
        "simulate.seed",
        "simulate_waiting.seed",
        "SGD.measure.seed",
        "SGD.simulate.seed",
    ],
    "text, empty text, number as text": ["SGD.check.model"],
    "-1, 0, -0.5, large int, huge float": ["central_flow.start"],
    "-1, 0, -0.5, large int": [
        "quasipotential.a",
        "quasipotential.b",
        "SGD.quasipotential.a",
        "SGD.quasipotential.b",
        "response.at",
        "derivative.at",
        "noise_induced_drift.t",
        "stratonovich_drift.t",
        "gaussian.mean",
        "point.x",
        "generator.t",
        "simulate.p0",
        "simulate_waiting.p0",
        "SGD.measure.p0",
        "SGD.simulate.p0",
        "scalar_net.target",
        "scalar_net.noise",
        "scalar_chain.target",
        "scalar_chain.noise",
        "chain_equation.target",
        "chain_equation.noise",
    ],
    "None, -1, 0, -0.5, large int": ["equation.drift"],
    "None, many arguments, returns text, returns None, returns ragged, returns complex, returns nan": [
        "from_gradient.loss",
        "from_gradient.hessian",
    ],
    "True, many arguments, returns text, returns None, returns ragged, returns complex, returns nan": [
        "solve.progress"
    ],
    "nan, inf, -1, 0, -0.5, large int, huge float, empty list, empty array, nan array, 7 x 5 array, 2 x 2 x 2 x 2 array": [
        "loss.value.theta",
        "loss.gradient.theta",
        "loss.curvature.theta",
        "SGD.drift.theta",
        "Formula.evaluate.x",
    ],
}

SAYS = {  # where the sentence speaks of another argument, since the two do not fit together
    "SampleLoss.parameters": "formula", "SampleLoss, array.parameters": "formula", "SampleLoss.data": "columns",
    "SampleLoss, array.data": "columns", "from_gradient.parameters": "theta", "SGD.simulate.steps": "max_steps",
    "SGD.simulate.target": "max_steps", "parse.text": "formula", "parse.names": "formula",
    "stationary with a source.source": "grid",
    "parse_condition.text": "formula", "parse_condition.names": "formula",
    **{f"{name} to a tolerance.tol": "grid" for name in ("solve", "stationary", "first_passage", "committor", "spectrum")},
}  # fmt: skip
THEIRS = {
    ("from_gradient.data", "7 x 5 array"),
    ("from_gradient.data", "2 x 2 x 2 x 2 array"),
    ("from_gradient.data", "many arguments"),
}  # the user's own function stumbles
SLOW = {
    ("Swarm.strength", "large int"),
    ("PairForce.strength", "large int"),
    ("PairForce 2D.strength", "large int"),
}  # honest work, for hours


def taken(place):
    return {key for keys, places in TAKES.items() if place in places for key in keys.split(", ")}


@pytest.mark.parametrize("name", PUBLIC_CALLS)
def test_good_values_go_through(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = next(iter(PUBLIC_CALLS[name].good))
    error = attempt(name, first, good(name)[first])
    assert error is None or name == "load", error


@pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name in PUBLIC_CALLS for argument in PUBLIC_CALLS[name].good]
)
def test_bad_values_are_refused_in_a_sentence_that_names_them(name, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = f"{name}.{argument}"
    names = {argument, SAYS.get(place, argument)}
    for key, value in BAD_VALUES.items():
        if (place, key) in THEIRS | SLOW:
            continue
        error = attempt(name, argument, value)
        if error is None:
            assert key in taken(place), f"{place} takes {key}"
            continue
        text = str(error)
        assert key not in taken(place) or name == "load", f"{place} refuses {key}: {text}"
        assert type(error) in (ValueError, TypeError, NotFiniteError), f"{place}, {key}: {error!r}"
        assert SENTENCE.match(text), f"{place}, {key}: {text}"
        assert any(f"`{name}" in text for name in names), f"{place}, {key}: {text}"
        assert not any(word in text for word in FOREIGN), f"{place}, {key}: {text}"
