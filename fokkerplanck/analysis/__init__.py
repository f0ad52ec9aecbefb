"""What moves in a stationary state: correlations, power spectra, drift and diffusion of periodic systems."""

from .correlations import Correlation, PowerSpectrum, correlation, power_spectrum
from .transport import Transport, effective_transport

__all__ = ["Correlation", "PowerSpectrum", "Transport", "correlation", "effective_transport", "power_spectrum"]
