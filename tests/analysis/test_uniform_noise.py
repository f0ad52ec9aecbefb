"""Lamperti coordinates: geometric noise, polar coordinates, images of the plane, conventions, and metrics that are curved."""

import numpy as np
import pytest

import fokkerplanck as fp

BOX = fp.Grid([(1, 2), (0.5, 2)], 24)
X, Y = np.meshgrid(*BOX.centers, indexing="ij")


def test_lamperti_of_geometric_noise():
    """D = x^2 / 2: y = sqrt(2) ln x, and the Ito drift of y is (mu - x / 2) sqrt(2) / x."""
    grid = fp.Grid((1, 2), 100)
    eq = fp.FokkerPlanck(drift=lambda x: 0.3 * x, diffusion=lambda x: 0.5 * x * x)
    y, drift = fp.lamperti(eq, grid)
    np.testing.assert_allclose(y, np.sqrt(2) * np.log(grid.centers[0]), atol=1e-7)
    np.testing.assert_allclose(drift, (0.3 - 0.5) * np.sqrt(2), rtol=1e-9)
    with pytest.raises(ValueError, match="`diffusion` must be positive everywhere"):
        fp.lamperti(fp.FokkerPlanck(diffusion=lambda x: x), fp.Grid((0, 1), 10))


def apart(found, exact):
    """The largest distance between two images of the cells, moved and turned onto each other."""
    one, other = (np.reshape(image, (2, -1)) for image in (found, exact))
    one, other = one - one[:, :1], other - other[:, :1]
    u, _, v = np.linalg.svd(one @ other.T)
    return np.abs((u @ v).T @ one - other).max()


def test_a_constant_tensor():
    d = np.array([[0.5, 0.2], [0.2, 0.3]])
    y, drift = fp.lamperti(fp.FokkerPlanck(drift=[1.0, -2.0], diffusion=d.tolist()), BOX)
    root = np.linalg.cholesky(np.linalg.inv(d)).T
    assert apart(y, np.einsum("ij,jkl->ikl", root, np.stack([X, Y]))) < 1e-12
    np.testing.assert_allclose((drift**2).sum(axis=0), np.array([1, -2]) @ np.linalg.inv(d) @ [1, -2], rtol=1e-12)


def test_geometric_noise_along_both_axes():
    eq = fp.FokkerPlanck(drift=lambda x, y: [0.3 * x, 0.1 * y], diffusion=lambda x, y: [0.5 * x * x, 0.5 * y * y])
    y, drift = fp.lamperti(eq, BOX)
    assert apart(y, np.sqrt(2) * np.log([X, Y])) < 1e-6
    np.testing.assert_allclose(drift[0], (0.3 - 0.5) * np.sqrt(2), atol=1e-9)
    np.testing.assert_allclose(drift[1], (0.1 - 0.5) * np.sqrt(2), atol=1e-9)


def test_free_diffusion_in_polar_coordinates_is_found_to_be_free():
    """The frame turns with the angle; the drift D / r of the radius is that of the coordinates alone."""
    off = []
    for n in (20, 40):
        grid = fp.Grid([(0.5, 2), (0, 6)], n)
        r, a = np.meshgrid(*grid.centers, indexing="ij")
        eq = fp.FokkerPlanck(drift=lambda r, a: [0.7 / r, 0 * a], diffusion=lambda r, a: [0.7 + 0 * r, 0.7 / r**2])
        y, drift = fp.lamperti(eq, grid)
        assert np.abs(drift).max() < 1e-8
        off.append(apart(y, np.stack([r * np.cos(a), r * np.sin(a)]) / np.sqrt(0.7)))
    assert off[0] / off[1] == pytest.approx(16.0, rel=0.2)
    assert off[1] < 2e-6


def test_an_image_of_the_plane_with_a_full_tensor():
    """(x, y) = (u + v^2, v), in the conventions that say the same of it: the Ito drift is (2, 0), and div D is too."""
    tensor = lambda x, y: [[1 + 4 * y**2, 2 * y], [2 * y, 1 + 0 * x]]  # noqa: E731
    matrix = lambda x, y: [[1.0 + 0 * x, 2 * y], [0 * x, 1.0 + 0 * y]]  # noqa: E731
    ito = fp.FokkerPlanck(drift=[2.0, 0.0], diffusion=tensor)
    klimontovich = fp.FokkerPlanck(diffusion=tensor, convention="klimontovich")
    root = lambda x, y: [[np.sqrt(2) * s for s in row] for row in matrix(x, y)]  # noqa: E731
    stratonovich = fp.FokkerPlanck(noise=root, convention="stratonovich")
    for eq in (ito, klimontovich, stratonovich):
        y, drift = fp.lamperti(eq, BOX)
        assert apart(y, [X - Y**2, Y]) < 1e-9
        assert np.abs(drift).max() < 1e-8


def test_a_potential_pulls_along_its_slope():
    """V = u^2 / 2 in the plane above: du = -u + (what the coordinates drift by, nothing)."""
    eq = fp.FokkerPlanck(drift=[2.0, 0.0], diffusion=lambda x, y: [[1 + 4 * y**2, 2 * y], [2 * y, 1 + 0 * x]])
    pulled = fp.FokkerPlanck(
        drift=lambda x, y: [2 + 0 * x, 0 * y], potential=lambda x, y: x + 0 * y, diffusion=eq.diffusion
    )
    (_, free), (_, drift) = fp.lamperti(eq, BOX), fp.lamperti(pulled, BOX)
    np.testing.assert_allclose(((drift - free) ** 2).sum(axis=0), 1.0, atol=1e-8)  # |grad V|^2 in D^-1: (-1, 0)


def test_a_conformal_map():
    """D = exp(-2 x): the plane by the exponential of x + i y."""
    y, drift = fp.lamperti(fp.FokkerPlanck(diffusion=lambda x, y: np.exp(-2 * x) + 0 * y), BOX)
    assert apart(y, [np.exp(X) * np.cos(Y), np.exp(X) * np.sin(Y)]) < 1e-6
    assert np.abs(drift).max() < 1e-8


@pytest.mark.parametrize(
    ("diffusion", "curvature"),
    [
        (lambda x, y: y**2 + 0 * x, "-1"),  # Poincare's half plane
        (lambda x, y: [1 + 0 * x, 1 / np.sin(x) ** 2], "1"),  # the sphere, by its angles
        (lambda x, y: [4 + 0 * x, 4 / np.sin(x) ** 2], "4"),
    ],
    ids=["half plane", "sphere", "smaller sphere"],
)
def test_curved_metrics_are_refused_with_their_curvature(diffusion, curvature):
    with pytest.raises(
        ValueError, match=rf"got a Gaussian curvature of {curvature} at \(.*\)\. No coordinates make this"
    ):
        fp.lamperti(fp.FokkerPlanck(diffusion=diffusion), BOX)


def test_other_refusals():
    with pytest.raises(ValueError, match=r"positive definite everywhere for Lamperti .* a determinant of"):
        fp.lamperti(fp.FokkerPlanck(diffusion=[0.5, 0.0]), BOX)
    with pytest.raises(ValueError, match="of functions of the coordinates alone"):
        fp.lamperti(fp.FokkerPlanck(diffusion=0.5 + 0 * X), BOX)
    with pytest.raises(ValueError, match="of one or two dimensions"):
        fp.lamperti(fp.FokkerPlanck(diffusion=0.5), fp.Grid([(0, 1)] * 3, 8))
