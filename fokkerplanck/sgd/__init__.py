"""SGD: losses given by samples, the algorithm, its diffusion approximations and its exact transfer operator."""

from . import landscapes
from .loss import SampleLoss
from .phase_space import heavy_ball_covariance, phase_space_limit
from .saddles import CriticalPoint, critical_points
from .sgd import SGD

__all__ = [
    "SGD",
    "CriticalPoint",
    "SampleLoss",
    "critical_points",
    "heavy_ball_covariance",
    "landscapes",
    "phase_space_limit",
]
