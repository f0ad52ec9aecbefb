"""Deep linear networks: training from saddle to saddle at full size, and the equation of one singular mode."""

from .batch_noise import moment_covariance, noise_trace
from .gradient_noise import GradientNoise, NoiseTail, gradient_noise, noise_sizes, noise_tail
from .hessian import Eigenpairs, Index, dense_hessian, extreme_eigenpairs, hessian_operator, saddle_index
from .initial_weights import AlignedStart, RandomStart, large_start, small_start
from .mode_equation import ModeEquation
from .mode_statistics import (
    ModeDistances,
    crossing_steps,
    fraction_before,
    largest_noise_steps,
    mode_distances,
    mode_strengths,
    off_diagonal_share,
    over_runs,
    realised_diffusion,
    singular_values,
    stable_rank,
)
from .network import DeepLinear, TeacherModes
from .plateaus import Plateaus, learned_modes, plateaus, stays
from .small_noise import SmallNoise, small_noise_modes
from .training import Training, train

__all__ = [
    "AlignedStart",
    "DeepLinear",
    "Eigenpairs",
    "GradientNoise",
    "Index",
    "ModeDistances",
    "ModeEquation",
    "NoiseTail",
    "Plateaus",
    "RandomStart",
    "SmallNoise",
    "TeacherModes",
    "Training",
    "crossing_steps",
    "dense_hessian",
    "extreme_eigenpairs",
    "fraction_before",
    "gradient_noise",
    "hessian_operator",
    "large_start",
    "largest_noise_steps",
    "learned_modes",
    "mode_distances",
    "mode_strengths",
    "moment_covariance",
    "noise_sizes",
    "noise_tail",
    "noise_trace",
    "off_diagonal_share",
    "over_runs",
    "plateaus",
    "realised_diffusion",
    "saddle_index",
    "singular_values",
    "small_noise_modes",
    "small_start",
    "stable_rank",
    "stays",
    "train",
]
