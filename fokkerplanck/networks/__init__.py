"""Any differentiable loss: training by SGD and its surrogates; curvature and noise. JAX is the extra `[networks]`.

>>> import fokkerplanck.networks as fn
>>> import numpy as np
>>> x, y = np.array([-1.0, 0.0, 2.0]), np.array([-1.0, 0.5, 2.5])
>>> net = fn.Network.from_functions(lambda w, p: np.array([p @ ((w[0] * x - y) * x)]), lambda w: (w[0] * x - y) ** 2 / 2,
...                                 params=[0.0])
>>> runs = net.train(200, n_runs=20, learning_rate=0.1, batch_size=1, seed=0)
>>> print(f"{runs.final.mean():.1f}")
1.2
"""

from .central_flow import central_flow
from .curvature import SaddleIndex, extreme_eigenpairs, gradient_noise, saddle_index, top_hessian
from .learning_coefficient import (
    ExactCoefficient,
    LearningCoefficient,
    deep_linear_coefficient,
    learning_coefficient,
)
from .lines import LossLine, loss_along
from .loss_functions import FunctionNetwork, LossFunctions
from .network import Network
from .plateaus import LevelPlateaus, plateaus
from .slices import Slice, SliceVerdict
from .stationary import Closure, StationaryCovariance, closure, discrete_lyapunov, stationary_covariance
from .toys import classifier, digits, linear, modular, parity, superposition
from .training import Runs

__all__ = [
    "Closure",
    "ExactCoefficient",
    "FunctionNetwork",
    "LearningCoefficient",
    "LevelPlateaus",
    "LossFunctions",
    "LossLine",
    "Network",
    "Runs",
    "SaddleIndex",
    "Slice",
    "SliceVerdict",
    "StationaryCovariance",
    "central_flow",
    "classifier",
    "closure",
    "deep_linear_coefficient",
    "digits",
    "discrete_lyapunov",
    "extreme_eigenpairs",
    "gradient_noise",
    "learning_coefficient",
    "linear",
    "loss_along",
    "modular",
    "parity",
    "plateaus",
    "saddle_index",
    "stationary_covariance",
    "superposition",
    "top_hessian",
]
