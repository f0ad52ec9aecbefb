"""From trajectories to an equation: likelihoods of transitions, rankings of models, and tests of what they assume."""

from .fit_result import Fit
from .homogeneity import Homogeneity, homogeneity_test
from .markov import MarkovTest, markov_test
from .maximum_likelihood import fit
from .passage_fit import PassageFit
from .passage_times import PassageModel, PassageTimes
from .paths import Paths
from .ranking import Ranking, rank
from .stays import Stays, stays

__all__ = [
    "Fit",
    "Homogeneity",
    "MarkovTest",
    "PassageFit",
    "PassageModel",
    "PassageTimes",
    "Paths",
    "Ranking",
    "Stays",
    "fit",
    "homogeneity_test",
    "markov_test",
    "rank",
    "stays",
]
