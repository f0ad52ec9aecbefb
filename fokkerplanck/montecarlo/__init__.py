"""Simulation of paths: the reference against which every density is compared."""

from .ensemble import Ensemble, Share

__all__ = ["Ensemble", "Share"]
