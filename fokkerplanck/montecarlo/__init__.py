"""Simulation of paths: the reference against which every density is compared."""

from ..results.ensemble import Ensemble, Share
from .paths import simulate
from .waiting import simulate_waiting

__all__ = ["Ensemble", "Share", "simulate", "simulate_waiting"]
