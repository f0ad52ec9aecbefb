"""One function a question: solve, stationary, spectrum; passages are asked for in `passages`."""

from .checks import autonomous, check_question, public_generator
from .density_in_time import solve
from .modes import spectrum
from .stationary_density import stationary

__all__ = ["autonomous", "check_question", "public_generator", "solve", "spectrum", "stationary"]
