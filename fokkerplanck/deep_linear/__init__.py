"""Deep linear networks: training from saddle to saddle at full size, and what noise does on the way."""

from .gradient_noise import GradientNoise, NoiseTail, gradient_noise, noise_sizes, noise_tail
from .hessian import Eigenpairs, Index, dense_hessian, extreme_eigenpairs, hessian_operator, saddle_index
from .initial import AlignedStart, RandomStart, large_start, small_start
from .network import DeepLinear
from .noise import moment_covariance, noise_trace
from .plateaus import Plateaus, learned_modes, plateaus, stays
from .training import Training, train

__all__ = [
    "AlignedStart",
    "DeepLinear",
    "Eigenpairs",
    "GradientNoise",
    "Index",
    "NoiseTail",
    "Plateaus",
    "RandomStart",
    "Training",
    "dense_hessian",
    "extreme_eigenpairs",
    "gradient_noise",
    "hessian_operator",
    "large_start",
    "learned_modes",
    "moment_covariance",
    "noise_sizes",
    "noise_tail",
    "noise_trace",
    "plateaus",
    "saddle_index",
    "small_start",
    "stays",
    "train",
]
