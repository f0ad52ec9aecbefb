"""SGD: losses given by samples, the algorithm, its diffusion approximations and its exact transfer operator."""

from . import landscapes
from .loss import SampleLoss
from .saddles import CriticalPoint, critical_points
from .sgd import SGD

__all__ = ["SGD", "CriticalPoint", "SampleLoss", "critical_points", "landscapes"]
