"""The order that is believed of answers from three grids."""

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

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


@pytest.mark.filterwarnings("ignore::fokkerplanck.GridErrorWarning")
@pytest.mark.parametrize(
    ("a", "s"),
    [
        ([[1.1545, -1.5543], [0.9797, 0.4894]], [[0.2442, -0.2378], [-0.2378, 0.2790]]),
        ([[1.1315, -2.0746], [2.1171, 0.3470]], [[0.0578, 0.1293], [0.1293, 0.4622]]),
        ([[1.0, 3.0], [-3.0, 1.5]], [[0.3, -0.28], [-0.28, 0.3]]),
    ],
)
def test_errors_hold_where_the_drift_across_weak_noise_is_upwinded(a, s):
    """The change from grid to grid is small for a while, and larger again once the links carry the drift."""
    a, s = np.array(a), np.array(s)
    exact = solve_continuous_lyapunov(a, 2 * s)
    eq = fp.FokkerPlanck(drift=lambda x, y: [-(r[0] * x + r[1] * y) for r in a], diffusion=s)
    wide = 6 * np.sqrt(exact.diagonal())
    st = fp.stationary(eq, fp.Grid(np.stack([-wide, wide], axis=1).tolist(), [72, 72]))
    off = np.abs(st.covariance() - exact).max()
    assert 0.25 * st.error["covariance"].max() < off < 2.0 * st.error["covariance"].max()
    assert st.error.cap == 1.0
    with pytest.raises(ValueError, match="of a known order"):
        st.extrapolated()


@pytest.mark.filterwarnings("ignore::fokkerplanck.ResolutionWarning")
@pytest.mark.parametrize("cells", [64, 80, 96])
def test_errors_hold_where_only_the_next_grid_upwinds(cells):
    """The difference to it was taken for one of order 2: at 80 cells the covariance was five times its error off."""
    a, d = np.array([[-0.745, 1.185], [-0.76, 0.007]]), np.array([[0.743, -0.45], [-0.45, 0.405]])
    exact = solve_continuous_lyapunov(a, -2.0 * d)
    box = [(-6.0 * s, 6.0 * s) for s in np.sqrt(np.diag(exact))]
    eq = fp.FokkerPlanck(drift=lambda x, y: (a[0, 0] * x + a[0, 1] * y, a[1, 0] * x + a[1, 1] * y), diffusion=d)
    state = fp.stationary(eq, fp.Grid(box, (cells, cells)))
    off = np.abs(np.asarray(state.covariance()) - exact)
    assert (off < 1.5 * np.asarray(state.error["covariance"])).all()
