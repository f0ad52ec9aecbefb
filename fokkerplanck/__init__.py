"""The density of stochastic gradient descent: Fokker-Planck equations, solved by finite volumes.

>>> import fokkerplanck as fp
>>> eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
>>> grid = fp.Grid((-6, 6), 400)
>>> solution = fp.solve(eq, grid, fp.gaussian(2, 0.3), times=[0.5, 1.0])
>>> print(solution.mean().round(4).ravel())
[1.2131 0.7358]
"""

from .density import from_samples, gaussian, point, uniform
from .equation import FokkerPlanck
from .errors import ConvergenceError, ResolutionWarning
from .grid import Grid
from .problems import solve, stationary
from .results import Solution, Stationary
from .solvers.finite_volume import generator
from .solvers.generator import Generator

__version__ = "0.1.0"

__all__ = [
    "ConvergenceError",
    "FokkerPlanck",
    "Generator",
    "Grid",
    "ResolutionWarning",
    "Solution",
    "Stationary",
    "from_samples",
    "gaussian",
    "generator",
    "point",
    "solve",
    "stationary",
    "uniform",
]
