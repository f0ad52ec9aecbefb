"""SGD: losses given by samples, the algorithm, its diffusion approximations and its exact transfer operator."""

from . import landscapes
from .algorithm import SGD
from .critical_points import CriticalPoint, critical_points
from .loss import SampleLoss
from .phase_space import heavy_ball_covariance

__all__ = [
    "SGD",
    "CriticalPoint",
    "SampleLoss",
    "critical_points",
    "heavy_ball_covariance",
    "landscapes",
]
