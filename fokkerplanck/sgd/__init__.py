"""SGD: losses given by samples, the algorithm, and its diffusion approximations."""

from .loss import SampleLoss
from .sgd import SGD

__all__ = ["SGD", "SampleLoss"]
