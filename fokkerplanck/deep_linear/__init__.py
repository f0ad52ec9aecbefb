"""Deep linear networks: the equation of one singular mode, and the modes measured in whole networks."""

from .modes import ModeEquation

__all__ = ["ModeEquation"]
