"""The density of stochastic gradient descent: Fokker-Planck equations, solved by finite volumes.

>>> import fokkerplanck as fp
>>> eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
>>> grid = fp.Grid((-6, 6), 400)
>>> solution = fp.solve(eq, grid, fp.gaussian(2, 0.3), times=[0.5, 1.0])
>>> print(solution.mean().round(3).ravel())
[1.213 0.736]

Start    `FokkerPlanck`, an equation of one's own; or `SampleLoss` and `SGD`, and of these `sgd.equation()`,
         `sgd.simulate()` and `sgd.transfer_operator(grid)`, the density of SGD itself
Ask      `solve` (the density at times), `stationary`, `first_passage` (how long), `committor` (which first), `spectrum`,
         `compare`
Box      `Grid`; to start from `gaussian`, `point`, `uniform`, `from_samples`
"""

import logging as _logging
from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import TYPE_CHECKING

# Where a checkout has no symbolic links, `solvers` is the folder beside this one.
__path__ = [
    *__path__,
    *(str(p) for p in [_Path(__file__).parent.parent] if not (_Path(__file__).parent / "solvers").is_dir()),
]

from .formulas import numba_cache as _numba_cache  # noqa: F401 - first: it finds a place for compiled code
from .version import __version__  # noqa: F401

_logging.getLogger(__name__).addHandler(_logging.NullHandler())  # silent until the caller's program configures logging

if TYPE_CHECKING:
    from . import deep_linear
    from .analysis import (
        Correlation,
        Derivative,
        PowerSpectrum,
        Response,
        TransitionPaths,
        Transport,
        UnderdampedSpectrum,
        correlation,
        derivative,
        effective_transport,
        lamperti,
        power_spectrum,
        response,
        transition_paths,
        underdamped_spectrum,
    )
    from .comparison import distances
    from .comparison.compare import compare
    from .energy_basins import basins
    from .errors import ConvergenceError, GridErrorWarning, ModelWarning, ResolutionWarning, SubcellWarning
    from .inference import (
        Fit,
        MarkovTest,
        PassageModel,
        PassageTimes,
        Paths,
        Ranking,
        fit,
        homogeneity_test,
        markov_test,
        rank,
        stays,
    )
    from .model.box import Box
    from .model.equation import FokkerPlanck, Swarm
    from .model.grid import Grid
    from .model.initial_density import from_samples, gaussian, point, uniform
    from .model.levy import LevyJumps
    from .model.mean_field import MeanField
    from .model.pair_force import PairForce
    from .model.poisson import PoissonJumps
    from .passages import committor, first_passage
    from .queries import public_generator as generator
    from .queries import solve, spectrum, stationary
    from .rare_events import LeastAction, Quasipotential, quasipotential
    from .results.distribution import Distribution
    from .results.exit_passage import ExitPassage
    from .results.first_passage import FirstPassage
    from .results.first_passage_in_time import FirstPassageInTime
    from .results.loading import load
    from .results.open_solution import OpenSolution
    from .results.open_stationary import OpenStationary, StationaryReset
    from .results.solution import Solution
    from .results.spectrum import Spectrum
    from .results.stationary import Stationary
    from .sgd import SGD, SampleLoss, landscapes
    from .simulation import Ensemble, simulate, simulate_waiting
    from .solvers.discretization.generator import Generator
    from .statistics.growth import time_order_from_growth
    from .statistics.tail_index import hill, stable_fit
    from .statistics.tail_test import tail_test
    from .statistics.two_sample import two_sample
    from .storage.tables import Comparison
    from .workflows.parameter_sweep import Sweep, sweep

_PLACES = {  # module: what it gives, read when it is first asked for
    "": "deep_linear",
    "analysis": "Correlation, Derivative, PowerSpectrum, Response, TransitionPaths, Transport, UnderdampedSpectrum, "
    "correlation, derivative, effective_transport, lamperti, power_spectrum, response, transition_paths, underdamped_spectrum",
    "comparison": "distances",
    "comparison.compare": "compare",
    "energy_basins": "basins",
    "errors": "ConvergenceError, GridErrorWarning, ModelWarning, ResolutionWarning, SubcellWarning",
    "inference": "Fit, MarkovTest, PassageModel, PassageTimes, Paths, Ranking, fit, homogeneity_test, markov_test, rank, "
    "stays",
    "model.box": "Box",
    "model.equation": "FokkerPlanck, Swarm",
    "model.grid": "Grid",
    "model.initial_density": "from_samples, gaussian, point, uniform",
    "model.levy": "LevyJumps",
    "model.mean_field": "MeanField",
    "model.pair_force": "PairForce",
    "model.poisson": "PoissonJumps",
    "passages": "committor, first_passage",
    "queries": "solve, spectrum, stationary, public_generator as generator",
    "rare_events": "LeastAction, Quasipotential, quasipotential",
    "results.distribution": "Distribution",
    "results.exit_passage": "ExitPassage",
    "results.first_passage": "FirstPassage",
    "results.first_passage_in_time": "FirstPassageInTime",
    "results.loading": "load",
    "results.open_solution": "OpenSolution",
    "results.open_stationary": "OpenStationary, StationaryReset",
    "results.solution": "Solution",
    "results.spectrum": "Spectrum",
    "results.stationary": "Stationary",
    "sgd": "SGD, SampleLoss, landscapes",
    "simulation": "Ensemble, simulate, simulate_waiting",
    "solvers.discretization.generator": "Generator",
    "statistics.growth": "time_order_from_growth",
    "statistics.tail_index": "hill, stable_fit",
    "statistics.tail_test": "tail_test",
    "statistics.two_sample": "two_sample",
    "storage.tables": "Comparison",
    "workflows.parameter_sweep": "Sweep, sweep",
}

_MODULES = ("deep_linear", "distances", "landscapes")  # names that are modules themselves


def __getattr__(name: str) -> object:
    """A public name, from its module; the command line would otherwise wait for all of them to say `--help`."""
    for place, names in _PLACES.items():
        for entry in names.split(", "):
            own, _, public = entry.partition(" as ")
            if name == (public or own):
                whole = f".{place}.{own}" if place else f".{own}"
                if name in _MODULES:
                    globals()[name] = _import_module(whole, __name__)
                else:
                    globals()[name] = getattr(_import_module(f".{place}", __name__), own)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]


__all__ = [
    "SGD",
    "Box",
    "Comparison",
    "ConvergenceError",
    "Correlation",
    "Derivative",
    "Distribution",
    "Ensemble",
    "ExitPassage",
    "FirstPassage",
    "FirstPassageInTime",
    "Fit",
    "FokkerPlanck",
    "Generator",
    "Grid",
    "GridErrorWarning",
    "LeastAction",
    "LevyJumps",
    "MarkovTest",
    "MeanField",
    "ModelWarning",
    "OpenSolution",
    "OpenStationary",
    "PairForce",
    "PassageModel",
    "PassageTimes",
    "Paths",
    "PoissonJumps",
    "PowerSpectrum",
    "Quasipotential",
    "Ranking",
    "ResolutionWarning",
    "Response",
    "SampleLoss",
    "Solution",
    "Spectrum",
    "Stationary",
    "StationaryReset",
    "SubcellWarning",
    "Swarm",
    "Sweep",
    "TransitionPaths",
    "Transport",
    "UnderdampedSpectrum",
    "basins",
    "committor",
    "compare",
    "correlation",
    "deep_linear",
    "derivative",
    "distances",
    "effective_transport",
    "first_passage",
    "fit",
    "from_samples",
    "gaussian",
    "generator",
    "hill",
    "homogeneity_test",
    "lamperti",
    "landscapes",
    "load",
    "markov_test",
    "point",
    "power_spectrum",
    "quasipotential",
    "rank",
    "response",
    "simulate",
    "simulate_waiting",
    "solve",
    "spectrum",
    "stable_fit",
    "stationary",
    "stays",
    "sweep",
    "tail_test",
    "time_order_from_growth",
    "transition_paths",
    "two_sample",
    "underdamped_spectrum",
    "uniform",
]
