"""Simulation of paths: the reference against which every density is compared."""

from ..results.ensemble import Ensemble, Share
from .euler_maruyama import simulate
from .waiting_times import simulate_waiting

__all__ = ["Ensemble", "Share", "simulate", "simulate_waiting"]
