"""Whether two sets of samples were drawn independently: by the seeds of ensembles, or by how their rows go together."""

from __future__ import annotations

from typing import Any

import numpy as np

FALSE_ALARM = 1e-6
FEWEST = 20  # rows below which nothing can be said


def paired_by_seed(a: Any, b: Any) -> bool:
    """Whether two results are ensembles of one seed, or joined from as many paths of the same ones."""
    one, other = _seeds(a), _seeds(b)
    if len(one) == 1:
        return one.keys() == other.keys()
    return bool(one) and list(one.items()) == list(other.items())


def share_a_seed(a: Any, b: Any) -> set[int]:
    """Seeds of which both results have paths."""
    return _seeds(a).keys() & _seeds(b).keys()


def independent_by_seed(a: Any, b: Any) -> bool:
    """Whether two results are ensembles whose seeds are known, and differ."""
    return bool(_seeds(a)) and bool(_seeds(b)) and not share_a_seed(a, b)


def _seeds(result: Any) -> dict[int, int]:
    return getattr(result, "seeds", {})


def rows_go_together(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether row i of x (n, dim) is correlated with row i of y, by ranks and by their distances from the middle.

    Independent rows in random order are taken for paired in at most one of 10^6 cases (Bonferroni over the coordinates).
    """
    from scipy.stats import norm

    if x.shape != y.shape or len(x) < FEWEST:
        return False
    limit = norm.isf(FALSE_ALARM / (8.0 * x.shape[1])) / np.sqrt(len(x))
    features = [_features(points) for points in (x, y)]
    return any(np.abs((u * v).mean(axis=0)).max() > limit for u in features[0] for v in features[1])


def _features(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks, and their distances from the middle, each of mean 0 and variance 1 (0 where all are alike)."""
    from scipy.stats import rankdata

    ranks = rankdata(points, axis=0)
    around = np.abs(ranks - ranks.mean(axis=0))
    return _standard(ranks), _standard(around)


def _standard(values: np.ndarray) -> np.ndarray:
    away = values - values.mean(axis=0)
    spread = away.std(axis=0)
    return away / np.where(spread > 0.0, spread, np.inf)
