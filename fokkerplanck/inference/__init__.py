"""From trajectories to an equation: likelihoods of transitions, rankings of models, and tests of what they assume."""

from .fit_result import Fit
from .maximum_likelihood import fit
from .paths import Paths
from .ranking import Ranking, rank

__all__ = ["Fit", "Paths", "Ranking", "fit", "rank"]
