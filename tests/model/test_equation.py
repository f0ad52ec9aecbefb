"""FokkerPlanck: the forms in which coefficients come, and the sentences in which bad ones are refused."""

import dataclasses
import functools
import inspect
import math
import warnings

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.model.coefficients import Points

LINE = fp.Grid((-2, 2), 24)
PLANE = fp.Grid([(-2, 2), (-1, 1)], [12, 9])


class Spring:
    def __call__(self, x):
        return -2.0 * x


def same_generator(first, second, grid):
    a, b = fp.generator(first, grid).matrix, fp.generator(second, grid).matrix
    assert a.nnz > 0
    np.testing.assert_allclose(a.toarray(), b.toarray(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "drift",
    [
        Spring(),
        functools.partial(lambda k, x: -k * x, 2.0),
        np.poly1d([-2.0, 0.0]),
        [lambda x: -2.0 * x],
        lambda x: (-2.0 * x,),
        lambda x: (-2.0 * x)[None],
        -2.0 * LINE.centers[0],
        (-2.0 * LINE.centers[0]).tolist(),
    ],
    ids=["object", "partial", "poly1d", "list", "tuple", "stacked", "array", "numbers"],
)
def test_forms_of_a_drift_on_a_line(drift):
    same_generator(
        fp.FokkerPlanck(drift=drift, diffusion=0.5), fp.FokkerPlanck(drift=lambda x: -2.0 * x, diffusion=0.5), LINE
    )


@pytest.mark.parametrize(
    "drift",
    [
        [1.5, lambda x, y: x * y],
        (np.full(PLANE.shape, 1.5), lambda x, y: x * y),
        lambda x, y: np.array([1.5 + 0 * x, x * y]),
        lambda x, y: [1.5 + 0 * x, x * y],
        pytest.param(lambda x, y: (1.5, x * y)),
    ],
    ids=["entries", "array entry", "stack", "list", "number entry"],
)
def test_forms_of_a_drift_in_the_plane(drift):
    same_generator(
        fp.FokkerPlanck(drift=drift, diffusion=0.5),
        fp.FokkerPlanck(drift=lambda x, y: (1.5 + 0 * x, x * y), diffusion=0.5),
        PLANE,
    )


@pytest.mark.parametrize(
    "diffusion",
    [
        [0.5, 0.25],
        [0.5, lambda x, y: 0.25 + 0 * x],
        [[0.5, 0.0], [0.0, 0.25]],
        np.array([[0.5, 0.0], [0.0, 0.25]]),
        lambda x, y: [0.5 + 0 * x, 0.25 + 0 * x],
        lambda x, y: [[0.5, 0], [0, 0.25]],
        pytest.param(lambda x, y: (0.5, 0.25 + 0 * x)),
        np.stack([np.full(PLANE.shape, 0.5), np.full(PLANE.shape, 0.25)]),
    ],
    ids=["entries", "entry", "nested", "matrix", "function", "nested function", "numbers", "arrays"],
)
def test_forms_of_a_diagonal_diffusion(diffusion):
    same_generator(
        fp.FokkerPlanck(diffusion=diffusion),
        fp.FokkerPlanck(diffusion=lambda x, y: np.array([0.5 + 0 * x, 0.25 + 0 * x])),
        PLANE,
    )


@pytest.mark.parametrize("kind", [np.float32, int, bool])
def test_coefficient_arrays_of_other_types_are_read_as_numbers(kind):
    ones = np.ones(LINE.shape, dtype=kind)
    same_generator(fp.FokkerPlanck(drift=ones, diffusion=ones), fp.FokkerPlanck(drift=1.0, diffusion=1.0), LINE)


def test_a_ufunc_is_a_coefficient():
    same_generator(
        fp.FokkerPlanck(drift=np.negative, diffusion=np.exp),
        fp.FokkerPlanck(drift=lambda x: -x, diffusion=lambda x: np.exp(x)),
        LINE,
    )


def test_noise_means_half_its_square():
    sigma = [[1.0, 0.5], [0.0, lambda x, y: 1.0 + x**2]]
    d = fp.FokkerPlanck(noise=sigma).diffusion_at(Points.centers(PLANE))
    x = np.broadcast_to(PLANE.coordinates()[0], PLANE.shape)
    s = 1.0 + x**2
    np.testing.assert_allclose(d, 0.5 * np.array([[1.25 + 0 * x, 0.5 * s], [0.5 * s, s**2]]), rtol=1e-14)


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(lambda x: 1.0 + 0.1 * x),
        [[lambda x: 1.0 + 0.1 * x]],
    ],
    ids=["function", "nested"],
)
def test_noise_on_a_line(noise):
    same_generator(fp.FokkerPlanck(noise=noise), fp.FokkerPlanck(diffusion=lambda x: 0.5 * (1.0 + 0.1 * x) ** 2), LINE)


def test_time_dependence_is_a_parameter_called_t():
    assert fp.FokkerPlanck(drift=lambda x, t: -x, diffusion=1.0).time_dependent
    assert fp.FokkerPlanck(diffusion=[1.0, lambda x, y, t=0.0: 1.0]).time_dependent
    assert not fp.FokkerPlanck(drift=lambda x: -x, diffusion=np.abs).time_dependent
    eq = fp.FokkerPlanck(drift=lambda x, t: -t * x, diffusion=1.0)
    np.testing.assert_allclose(eq.drift_at(Points.centers(LINE), t=3.0)[0], -3.0 * LINE.centers[0])


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_noise_induced_drift_is_minus_the_divergence_of_d(alpha):
    eq = fp.FokkerPlanck(diffusion=lambda x: 0.1 + 0.4 * x**2, convention=alpha)
    np.testing.assert_allclose(eq.noise_induced_drift(LINE)[0], -(1.0 - alpha) * 0.8 * LINE.centers[0], atol=1e-12)


def test_noise_induced_drift_of_a_tensor():
    eq = fp.FokkerPlanck(diffusion=lambda x, y: [[2 + x**2, x * y], [x * y, 3 + y**2]])
    x, y = np.broadcast_arrays(*PLANE.coordinates())
    np.testing.assert_allclose(eq.noise_induced_drift(PLANE), [-(2 * x + x), -(y + 2 * y)], atol=1e-12)


def test_an_equation_is_frozen_and_conventions_have_names_and_numbers():
    eq = fp.FokkerPlanck(diffusion=1.0, convention="klimontovich")
    assert eq.alpha == 1.0
    assert fp.FokkerPlanck(diffusion=1.0, convention=np.float64(0.3)).alpha == 0.3
    with pytest.raises(AttributeError):
        eq.convention = "ito"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({}, ValueError, "`diffusion` must be given, or `noise` instead of it, got 'neither'.*diffusion=0"),
        (
            {"diffusion": 1.0, "noise": 1.0},
            ValueError,
            "`diffusion` must be given, or `noise` instead of it, got 'both'",
        ),
        ({"drift": "-x", "diffusion": 1.0}, TypeError, "`drift` must be a number, a function or an array, got '-x'"),
        ({"diffusion": "x"}, TypeError, "`diffusion` must be a number, a function or an array, got 'x'"),
        ({"potential": 2.0, "diffusion": 1.0}, TypeError, r"`potential` must be .*a function or an array, got 2\.0"),
        ({"diffusion": 1.0, "convention": "strato"}, ValueError, "`convention` must be .*got 'strato'.*'stratonovich'"),
        ({"diffusion": 1.0, "convention": 1.5}, ValueError, r"`convention` must be .*a number in \[0, 1\], got 1\.5"),
        ({"diffusion": 1.0, "convention": True}, TypeError, "`convention` must be .*got True"),
        ({"diffusion": 1.0, "interaction": 3.0}, TypeError, r"`interaction` must be None or fp\.Swarm.*, got 3\.0"),
    ],
)
def test_bad_equations_are_refused_when_made(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        fp.FokkerPlanck(**arguments)


def hole(x):
    return np.where(np.abs(x - 1.0) < 0.1, np.nan, 1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"drift": hole, "diffusion": 1.0},
            ValueError,
            r"`drift` must be finite everywhere on the grid, got nan at \((0\.9|1\.0)",
        ),
        (
            {"diffusion": hole},
            ValueError,
            r"`diffusion` must be finite everywhere on the grid, got nan at \((0\.9|1\.0)",
        ),
        (
            {"potential": lambda x: x / 0.0, "diffusion": 1.0},
            ValueError,
            "`potential` must be finite everywhere .*got -?inf",
        ),
        ({"drift": lambda x: 1j * x, "diffusion": 1.0}, TypeError, "`drift` must be real, got dtype complex128"),
        ({"diffusion": 1j}, TypeError, "`diffusion` must be real, got dtype complex128"),
        ({"diffusion": -0.5}, ValueError, r"`diffusion` must be at least 0, got -0\.5\. It is D"),
        (
            {"diffusion": lambda x: x},
            ValueError,
            r"`diffusion` must be positive semidefinite everywhere, got -1\.9.* at \(-1\.9",
        ),
        (
            {"drift": np.ones(23), "diffusion": 1.0},
            ValueError,
            r"`drift` must be an array with the grid's shape, got shape \(23,\)",
        ),
        ({"diffusion": np.ones(23)}, ValueError, r"`diffusion` must be .*got shape \(23,\)"),
        ({"diffusion": np.ones((24, 2))}, ValueError, r"`diffusion` must be .*got shape \(24, 2\)"),
        (
            {"drift": lambda x: x[:3], "diffusion": 1.0},
            ValueError,
            r"`drift` must be a field that fits .*got shape \(3,",
        ),
        ({"drift": lambda x, y: x, "diffusion": 1.0}, TypeError, r"`drift` must be a function of 1 coordinate\(s\)"),
        (
            {"drift": lambda x: (x, x), "diffusion": 1.0},
            ValueError,
            "`drift` must be 1 arrays, one per dimension, got '?2",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_bad_coefficients_are_refused_before_any_work(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        fp.generator(fp.FokkerPlanck(**arguments), LINE)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"drift": lambda x: x, "diffusion": 1.0}, TypeError, r"`drift` must be a function of 2 coordinate\(s\)"),
        (
            {"drift": lambda x, y: (x, y, x), "diffusion": 1.0},
            ValueError,
            "`drift` must be 2 arrays, one per dimension, got '?3",
        ),
        pytest.param(
            {"drift": lambda x, y: x + y, "diffusion": 1.0},
            ValueError,
            "`drift` must be 2 arrays, one per dimension",
        ),
        (
            {"drift": [1.0, 2.0, 3.0], "diffusion": 1.0},
            ValueError,
            "`drift` must be 2 entries, one per dimension, got '?3",
        ),
        ({"diffusion": [1.0, 2.0, 3.0]}, ValueError, "`diffusion` must be a number, 2 entries .* got '?3 entries"),
        (
            {"diffusion": [[1.0, 2.0], [2.0, 1.0]]},
            ValueError,
            "`diffusion` must be positive semidefinite everywhere, got -1 at",
        ),
        ({"diffusion": [[1.0, 0.5], [0.4, 1.0]]}, ValueError, "`diffusion` must be symmetric"),
        (
            {"diffusion": lambda x, y: [[x, 0], [0, 1]]},
            ValueError,
            r"`diffusion` must be positive semidefinite .*got -1\.8",
        ),
        ({"noise": [[1.0, 2.0], [1.0]]}, ValueError, "`noise` must be a matrix of 2 rows of equal length"),
        pytest.param({"noise": 1.0}, ValueError, "`noise` must be a matrix of 2 rows"),
        (
            {"diffusion": [[1, 0.5], [0.5, 1]], "convention": 0.3},
            ValueError,
            "`convention` must be .*full diffusion tensor, got 0.3",
        ),
        (
            {"diffusion": [[1, 0.5], [0.5, 1]], "convention": "stratonovich"},
            ValueError,
            "`convention` must be .*`noise`",
        ),
    ],
)
def test_bad_coefficients_in_the_plane_are_refused_before_any_work(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        fp.generator(fp.FokkerPlanck(**arguments), PLANE)


def test_an_error_inside_a_coefficient_is_the_users_own():
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fp.generator(fp.FokkerPlanck(drift=broken, diffusion=1.0), LINE)


def test_repr_names_what_was_given():
    def slope(x):
        return -x

    eq = fp.FokkerPlanck(drift=slope, diffusion=[[0.1, 0.0], [0.0, np.ones((2, 2))]], convention="klimontovich")
    assert repr(eq) == (
        "FokkerPlanck(drift=test_repr_names_what_was_given.<locals>.slope, "
        "diffusion=[[0.1, 0.0], [0.0, array of shape (2, 2)]], convention='klimontovich')"
    )


def test_a_negative_diffusion_is_refused_at_once():
    with pytest.raises(ValueError, match=r"`diffusion` must be at least 0, got -0.1. It is D in sqrt\(2 D\) dW."):
        fp.FokkerPlanck(diffusion=-0.1)


@pytest.mark.parametrize(
    ("function", "then"),
    [
        (lambda x: math.sin(x), "Write np.sin for math.sin"),
        (lambda x: max(x, 0.0), "Write np.where(x > 0, a, b) for `if`, np.maximum(a, b) for `max`"),
        (lambda x: 1.0 if x > 0 else -1.0, "Write np.where(x > 0, a, b) for `if`"),
        (lambda x: float(x > 0 and x < 1), "& and | for `and` and `or`"),
    ],
)
@pytest.mark.parametrize("name", ["drift", "diffusion", "potential"])
def test_functions_of_single_numbers_are_recognised(function, then, name):
    eq = fp.FokkerPlanck(**({"diffusion": 0.5} | {name: function}))
    with pytest.raises(TypeError) as caught:
        fp.solve(eq, fp.Grid((-2, 2), 20), fp.gaussian(0, 0.5), [0.1])
    said = str(caught.value)
    assert said.startswith(f"`{name}` must be a function of whole arrays, got ")
    assert then in said
    assert caught.value.__cause__ is not None


def test_a_function_of_arrays_may_refuse_points_with_words_of_its_own():
    def drift(x):
        if np.any(x > 1.0):
            raise ValueError("no drift is known above 1")
        return -x

    with pytest.raises(ValueError, match="no drift is known above 1"):
        fp.solve(fp.FokkerPlanck(drift=drift, diffusion=0.5), fp.Grid((-2, 2), 20), fp.gaussian(0, 0.5), [0.1])


def test_other_errors_of_a_function_are_its_own():
    def drift(x):
        return x + np.zeros(7)

    with pytest.raises(ValueError, match="could not be broadcast"):
        fp.solve(fp.FokkerPlanck(drift=drift, diffusion=0.5), fp.Grid((-2, 2), 20), fp.gaussian(0, 0.5), [0.1])


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("sigma", "noise=sigma"),
        ("D", "diffusion=D"),
        ("V", "potential=V"),
        ("source", "fp.solve(..., source=s) or fp.stationary(..., source=s)"),
        ("reset", "fp.solve(..., reset=density) or fp.stationary(..., reset=density)"),
        ("dfift", "drift="),
    ],
)
def test_unknown_keywords_name_the_right_one(word, meant):
    with pytest.raises(TypeError) as caught:
        fp.FokkerPlanck(**{word: 0.3})
    assert str(caught.value).startswith(f"`{word}` must be one of the keywords drift, diffusion, noise, ")
    assert f"Did you mean {meant}" in str(caught.value)


def test_an_equation_is_still_a_dataclass():
    eq = fp.FokkerPlanck(drift=lambda x: -x, diffusion=0.5)
    assert dataclasses.replace(eq, diffusion=0.25).diffusion == 0.25
    assert list(inspect.signature(fp.FokkerPlanck).parameters)[:3] == ["drift", "diffusion", "noise"]


def test_the_error_estimate_covers_the_mass_error():
    """3.6e-11 of the mass was refused against rtol = 1e-6, since the estimate of the time step alone was smaller."""
    eq = fp.FokkerPlanck(drift=lambda y: 1 - 1.28 - np.exp(y), diffusion=1.28)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.ResolutionWarning)
        solution = fp.solve(eq, fp.Grid((-80, 3), 4000), fp.gaussian(0, 0.3), [50.0])
    assert solution.stats["mass_error"] <= solution.stats["error_estimate"] <= 1e-6


def test_long_doubles_are_numbers():
    grid = fp.Grid((-3, 3), 30)
    start = np.exp(-(np.linspace(-3, 3, 30).astype(np.longdouble) ** 2))
    start /= (start * grid.volumes).sum()
    eq = fp.FokkerPlanck(drift=lambda x: -x.astype(np.longdouble), diffusion=np.longdouble(0.5))
    assert fp.solve(eq, grid, start, [0.1]).density.dtype == np.float64


def test_a_repr_names_functions_whatever_holds_them():
    eq = fp.FokkerPlanck(
        drift=np.sin, diffusion=1, jumps=fp.LevyJumps(1.5, scale=(0.1, np.cos), kind="axes"), interaction=fp.PairForce(np.sinh)
    )  # fmt: skip
    jumps = "LevyJumps(stability=1.5, scale=(0.1, cos), kind='axes')"
    assert repr(eq) == f"FokkerPlanck(drift=sin, diffusion=1, jumps={jumps}, interaction=PairForce(force=sinh))"
    assert repr(fp.from_samples(np.zeros((1000, 2)))) == "Samples(positions=array of shape (1000, 2))"
