"""The order that is believed of answers from three grids."""

import numpy as np
import pytest

import fokkerplanck as fp


@pytest.mark.filterwarnings("ignore::fokkerplanck.GridErrorWarning", "ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("cells", [96, 192])
def test_noise_of_rank_one_is_of_first_order_and_not_extrapolated_beyond(cells):
    """Covariance by hand: S_ij = 2 D / (k_i + k_j) with k = (1, 3); extrapolated, it was 8 times its error off at 192."""
    eq = fp.FokkerPlanck(drift=lambda x, y: (-x, -3 * y), diffusion=[[0.2, 0.2], [0.2, 0.2]])
    plain = fp.stationary(eq, fp.Grid([(-2.5, 2.5), (-2, 2)], cells))
    assert plain.error.cap == 1.0
    for found in (plain, plain.extrapolated()):
        off = np.abs(found.covariance() - [[0.2, 0.1], [0.1, 1 / 15]])
        assert (off < 1.2 * found.error["covariance"]).all()
        assert (off > 0.1 * found.error["covariance"]).all()
