"""Deep linear networks: training from saddle to saddle at full size, and what noise does on the way."""

from .initial import AlignedStart, RandomStart, large_start, small_start
from .network import DeepLinear
from .training import Training, train

__all__ = [
    "AlignedStart",
    "DeepLinear",
    "RandomStart",
    "Training",
    "large_start",
    "small_start",
    "train",
]
