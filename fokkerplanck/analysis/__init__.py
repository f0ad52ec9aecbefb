"""What moves in a stationary state: correlations, spectra, response, transport along periodic axes, transition paths."""

from .correlations import Correlation, PowerSpectrum, correlation, power_spectrum
from .derivative import Derivative, derivative
from .response import Response, response
from .transition_paths import TransitionPaths, transition_paths
from .transport import Transport, effective_transport
from .underdamped import UnderdampedSpectrum, underdamped_spectrum
from .uniform_noise import lamperti

__all__ = [
    "Correlation",
    "Derivative",
    "PowerSpectrum",
    "Response",
    "TransitionPaths",
    "Transport",
    "UnderdampedSpectrum",
    "correlation",
    "derivative",
    "effective_transport",
    "lamperti",
    "power_spectrum",
    "response",
    "transition_paths",
    "underdamped_spectrum",
]
