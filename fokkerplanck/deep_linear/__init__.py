"""Deep linear networks: the equation of one singular mode, and the modes measured in whole networks."""

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
from .modes import ModeEquation

__all__ = [
    "ModeDistances",
    "ModeEquation",
    "crossing_steps",
    "fraction_before",
    "largest_noise_steps",
    "mode_distances",
    "mode_strengths",
    "off_diagonal_share",
    "over_runs",
    "realised_diffusion",
    "singular_values",
    "stable_rank",
]
