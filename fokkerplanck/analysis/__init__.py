"""What moves in a stationary state: correlations, power spectra, response, drift and diffusion of periodic systems."""

from .correlations import Correlation, PowerSpectrum, correlation, power_spectrum
from .response import Response, response
from .transport import Transport, effective_transport

__all__ = [
    "Correlation",
    "PowerSpectrum",
    "Response",
    "Transport",
    "correlation",
    "effective_transport",
    "power_spectrum",
    "response",
]
