"""Rare events: the exponents of mean escape times, and the most likely paths, by least action."""

from .diffusion import quasipotential
from .result import LeastAction, Prediction, Quasipotential

__all__ = ["LeastAction", "Prediction", "Quasipotential", "quasipotential"]
