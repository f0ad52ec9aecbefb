import os
import subprocess
import sys

import numpy as np
import pytest

from fokkerplanck.formulas import compiled as codegen
from fokkerplanck.sgd import SampleLoss

PIT = "-exp(-(w-2)**2) - pit*exp(-100*(w-1)**2)"
RNG = np.random.default_rng(3)
DATA = {"x": RNG.normal(size=7), "y": RNG.normal(size=7)}
MIXED = "(v*x-y)**2/2 + abs(u)*softplus(3*v*x) + 3*exp(u*v)*(1+x) - u**3*y"


@pytest.fixture(scope="module")
def pit():
    return SampleLoss(PIT, parameters=["w"], data={"pit": [0, 1]})


@pytest.fixture(scope="module")
def mixed():
    return SampleLoss(MIXED, parameters=["v", "u"], data=DATA)


def per_sample(v, u, x, y):
    """The mixed loss, sample by sample, in plain numpy."""
    return (v * x - y) ** 2 / 2 + abs(u) * np.logaddexp(0, 3 * v * x) + 3 * np.exp(u * v) * (1 + x) - u**3 * y


def per_sample_gradient(v, u, x, y):
    """Its gradient by hand."""
    s = 1 / (1 + np.exp(-3 * v * x))
    e = 3 * np.exp(u * v) * (1 + x)
    return np.array(
        [(v * x - y) * x + abs(u) * 3 * x * s + u * e, np.sign(u) * np.logaddexp(0, 3 * v * x) + v * e - 3 * u**2 * y]
    )


POINTS = (np.linspace(-1, 1, 5)[:, None], np.linspace(-0.7, 1.3, 4))


def samples():
    return [(DATA["x"][i], DATA["y"][i]) for i in range(7)]


def test_compiled_fields_equal_their_numpy_twins(mixed):
    v, u = np.broadcast_arrays(*POINTS)
    values = np.array([per_sample(v, u, x, y) for x, y in samples()])
    gradients = np.array([per_sample_gradient(v, u, x, y) for x, y in samples()])
    deviations = gradients - gradients.mean(axis=0)
    np.testing.assert_allclose(mixed.value(*POINTS), values.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(mixed.gradient(*POINTS), gradients.mean(axis=0), rtol=1e-12, atol=1e-14)
    covariance = np.einsum("nk...,nm...->km...", deviations, deviations) / 7
    np.testing.assert_allclose(mixed.covariance(*POINTS), covariance, rtol=1e-11, atol=1e-13)


def test_hessian_and_curvature_against_finite_differences(mixed):
    v, u = np.broadcast_arrays(*POINTS)
    h = 1e-5
    columns = [(mixed.gradient(v + h, u) - mixed.gradient(v - h, u)) / (2 * h)]
    columns += [(mixed.gradient(v, u + h) - mixed.gradient(v, u - h)) / (2 * h)]
    hessian = np.array(columns)
    np.testing.assert_allclose(mixed.hessian(v, u), hessian, rtol=1e-7, atol=1e-7)
    top = np.linalg.eigvalsh(np.moveaxis(hessian, (0, 1), (-2, -1)))[..., -1]
    np.testing.assert_allclose(mixed.curvature(v, u), top, rtol=1e-6, atol=1e-7)


def test_two_datapoint_landscape(pit):
    """Reference case B: the covariance is exactly 0 at w = 1, 1.4e-83 at w = 2, and stays accurate beyond."""
    w = np.array([0.5, 0.93, 1 + 1e-9, 1.2, 2.0, 2.5, 2.8])
    b = 200 * (w - 1) * np.exp(-100 * (w - 1) ** 2)
    a = 2 * (w - 2) * np.exp(-((w - 2) ** 2))
    np.testing.assert_allclose(pit.covariance(w)[0, 0], b**2 / 4, rtol=1e-10)
    np.testing.assert_allclose(pit.gradient(w)[0], a + b / 2, rtol=1e-12)
    assert pit.covariance(2.0)[0, 0] == pytest.approx(1.383896e-83, rel=1e-6)
    assert pit.covariance(1.0)[0, 0] == 0.0
    assert pit.gradient(1.0)[0] != 0.0
    assert pit.curvature(1.00745330) == pytest.approx(97.6166, rel=1e-6)


def test_covariance_survives_an_offset_in_the_data():
    """x = 1e8 +- 1 has variance 1; the mean of squares minus the square of the mean would give 0 or 2."""
    loss = SampleLoss("(w - x)**2/2", ["w"], {"x": [1e8 - 1, 1e8 + 1]})
    assert loss.covariance(0.0)[0, 0] == 1.0
    same = SampleLoss("(w - x)**2/2", ["w"], {"x": [0.1, 0.1, 0.1]})
    assert same.covariance(0.3)[0, 0] == 0.0


def test_split_leaves_no_data_in_the_common_part():
    import sympy

    w, x = sympy.symbols("w x", real=True)
    common, rest = codegen.split(sympy.exp(w) * (w - x) + x * (w - x) + w**2, [x])
    assert common == w * sympy.exp(w) + w**2
    assert sympy.expand(rest + x * sympy.exp(w) - x * (w - x)) == 0


def gradient_function(theta, sample):
    return per_sample_gradient(theta[0], theta[1], sample["x"], sample["y"])


def test_python_gradient_equals_formula(mixed, monkeypatch):
    def loss(theta, sample):
        return per_sample(theta[0], theta[1], sample["x"], sample["y"])

    python = SampleLoss.from_gradient(gradient_function, DATA, ["v", "u"], loss=loss)
    for pairs in (2**17, 3):  # 3: fewer than there are samples, so points and samples both go in chunks
        monkeypatch.setattr("fokkerplanck.sgd.loss.PAIRS", pairs)
        for name in ("value", "gradient", "covariance"):
            expected = getattr(mixed, name)(*POINTS)
            np.testing.assert_allclose(getattr(python, name)(*POINTS), expected, rtol=1e-11, atol=1e-13)


def test_rows_of_an_array_as_samples():
    rows = np.arange(12.0).reshape(4, 3)
    loss = SampleLoss.from_gradient(
        lambda theta, row: theta[0] * row.sum(axis=1), rows, ["w"], hessian=lambda theta, row: row.sum(axis=1)
    )
    np.testing.assert_allclose(loss.gradient([2.0, 3.0]), [[2 * 16.5, 3 * 16.5]])
    np.testing.assert_allclose(loss.covariance(2.0), 4 * rows.sum(axis=1).var() * np.ones((1, 1)))
    assert loss.curvature(1.0) == 16.5


def test_array_with_columns_equals_dictionary(pit):
    other = SampleLoss(PIT, ["w"], np.array([0, 1]), columns=["pit"])
    assert other.gradient(0.7) == pit.gradient(0.7)


def refused(error, text, *args, **kwargs):
    with pytest.raises(error, match=text):
        SampleLoss(*args, **kwargs)


def test_bad_input_is_refused_at_the_door():
    refused(ValueError, "`formula` must be .*'v'", "v + x", ["w"], {"x": [1.0]})
    refused(TypeError, "`parameters` must be a list", "w", "w", {"x": [1.0]})
    refused(ValueError, "`parameters` must be at least one", "x", [], {"x": [1.0]})
    refused(ValueError, "`names` must be identifiers", "w", ["w"], {"_x": [1.0]})
    refused(ValueError, "`data` must be columns of one and the same length", "w", ["w"], {"x": [1, 2], "y": [1]})
    refused(ValueError, "`data` must be columns", "w", ["w"], {"x": []})
    refused(ValueError, "`data` must be columns", "w", ["w"], {"x": 3.0})
    refused(ValueError, "`data` must be in columns that are not parameters", "w", ["w"], {"w": [1.0]})
    refused(ValueError, r"`data\['x'\]` must be finite", "w", ["w"], {"x": [1.0, np.nan]})
    refused(TypeError, r"`data\['x'\]` must be real numbers", "w", ["w"], {"x": ["a"]})
    refused(TypeError, "must be real numbers", "w", ["w"], {"x": [1j]})
    refused(ValueError, "`data` must be a mapping", "w", ["w"], 3.0)
    refused(ValueError, "`columns` must be one name", "w", ["w"], np.ones((3, 2)))
    refused(ValueError, "`columns` must be one name", "w", ["w"], np.ones((3, 2)), columns=["a"])
    refused(ValueError, "`columns` must be None", "w", ["w"], {"x": [1.0]}, columns=["x"])


def test_bad_gradient_functions_are_refused():
    with pytest.raises(TypeError, match="`grad` must be a function"):
        SampleLoss.from_gradient(None, DATA, ["v", "u"])
    with pytest.raises(TypeError, match="`hessian` must be a function"):
        SampleLoss.from_gradient(gradient_function, DATA, ["v", "u"], hessian=3)
    python = SampleLoss.from_gradient(gradient_function, DATA, ["v", "u"])
    with pytest.raises(ValueError, match=r"`hessian` must be given.*from_gradient\(\.\.\., hessian="):
        python.curvature(0.0, 0.0)
    with pytest.raises(ValueError, match="`loss` must be given"):
        python.value(0.0, 0.0)
    with pytest.raises(TypeError, match="`theta` must be one array for each of v, u"):
        python.gradient(0.0)
    for answer in (np.ones(3), np.ones(7), np.ones((2, 7)) * 1j):
        wrong = SampleLoss.from_gradient(lambda theta, sample, answer=answer: answer, DATA, ["v", "u"])
        with pytest.raises(
            (ValueError, TypeError), match=r"`grad` must be (real|a function .* real numbers of shape \(2, 7\))"
        ):
            wrong.gradient(0.0, 0.0)


CHILD = """
from fokkerplanck.sgd import SampleLoss
loss = SampleLoss("(w - x)**4", ["w"], {"x": [0.0, 2.0]})
loss.gradient([1.5])
stats = loss._kernels.gradient.stats
print(loss._kernels.__file__, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def child(cache):
    environment = {**os.environ, "FOKKERPLANCK_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True)
    path, hits, misses = done.stdout.split()
    return path, int(hits), int(misses)


def test_second_process_finds_the_compiled_code(tmp_path):
    path, hits, misses = child(tmp_path)
    assert path.startswith(str(tmp_path))
    assert (hits, misses) == (0, 1)
    assert child(tmp_path) == (path, 1, 0)


def test_cache_falls_back_to_a_temporary_folder_and_repairs_damage(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("FOKKERPLANCK_CACHE", str(blocked / "below"))
    assert codegen._cache_file("a.py", "x = 1\n").read_text() == "x = 1\n"
    monkeypatch.setenv("FOKKERPLANCK_CACHE", str(tmp_path))
    (tmp_path / "a.py").write_text("damaged")
    assert codegen._cache_file("a.py", "x = 1\n").read_text() == "x = 1\n"
    assert [f.name for f in tmp_path.glob("*.tmp")] == []


def test_a_sampler_stands_for_an_endless_stream():
    """Kesten noise (reference case F6): A = x^2, c = x e with x, e normal; E A = 1, and Sigma = 1 at w = 0 (E x^2 e^2).

    20,000 draws with a fixed seed: standard errors 0.010 and 0.02, tolerances five times that.
    """
    loss = SampleLoss("(x*w - e)**2/2", ["w"], lambda rng, n: {"x": rng.normal(size=n), "e": rng.normal(size=n)})
    assert loss.n_samples == 20_000
    w = np.array([0.0, 1.0])
    slope = np.diff(loss.gradient(w)[0])[0]
    assert slope == pytest.approx(1.0, abs=0.05)
    assert loss.covariance(w)[0, 0, 0] == pytest.approx(1.0, abs=0.1)


def test_second_derivatives_too_long_to_compile_are_refused_before_the_work():
    """Fifty factors: first derivatives are compiled in seconds, second ones would take minutes."""
    factors = "*".join(f"(w+v*x+{k}/50)" for k in range(50))
    loss = SampleLoss(factors, ["w", "v"], {"x": [0.1, 0.2]})
    w, v, x = 0.3, 0.4, np.array([0.1, 0.2])
    terms = w + v * x + np.arange(50)[:, None] / 50.0
    assert loss.value(w, v) == pytest.approx(terms.prod(axis=0).mean(), rel=1e-12)
    with pytest.raises(
        ValueError, match="`formula` must be one whose second derivatives take at most 500000 operations"
    ):
        loss.hessian(w, v)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_data(library):
    """Of their columns those in the formula; others may hold text or have names that no formula can."""
    frame = pytest.importorskip(library).DataFrame({"name": ["a", "b"], "x": [0.0, 1.0], "petal width": [1, 2]})
    loss = SampleLoss("(w - x)**2", ["w"], frame)
    assert loss.n_samples == 2
    assert loss.value(0.0) == pytest.approx(0.5)
    gradient = SampleLoss.from_gradient(lambda theta, s: 2 * (theta - s["x"]), frame[["x"]], ["w"])
    assert gradient.gradient(0.0)[0] == pytest.approx(-1.0)
    with pytest.raises(ValueError, match="`formula` must be in the names w"):
        SampleLoss("(w - height)**2", ["w"], frame[["x"]])


def test_text_that_the_formula_does_not_need(tmp_path):
    """The same loss from a mapping, a frame's columns and a file, whatever else stands beside."""
    columns = {"species": ["a", "b"], "x": [0.0, 1.0], "petal width": [1, 2], "gaps": [np.nan, 1.0]}
    (tmp_path / "d.csv").write_text("species;x;petal width;gaps\na;0,0;1;\nb;1,0;2;1\n")
    for data in (columns, tmp_path / "d.csv", str(tmp_path / "d.csv")):
        loss = SampleLoss("(w - x)**2", ["w"], data)
        assert (loss.n_samples, float(loss.value(0.0))) == (2, 0.5)
    with pytest.raises(
        TypeError, match=r"`data\['species'\]` must be real numbers, got .*Code words as numbers, or leave"
    ):
        SampleLoss("(w - species)**2", ["w"], columns)
    with pytest.raises(
        ValueError, match=r"`data` must be finite numbers throughout, got 'a' in the column 'species', line 2"
    ):
        SampleLoss("(w - species)**2", ["w"], tmp_path / "d.csv")
    with pytest.raises(ValueError, match=r"`data` must be the name of an existing file, got 'none\.csv'"):
        SampleLoss("(w - x)**2", ["w"], "none.csv")


@pytest.mark.parametrize("formula", ["(w - heigth)**2", "x*(w - heigth)**2"])
def test_a_mistyped_column_is_named_beside_text(formula):
    data = {"species": ["a", "b"], "x": [0.0, 1.0], "height": [1, 2]}
    with pytest.raises(ValueError, match=r"`formula` must be in the names w, x, height and pi, got 'heigth'"):
        SampleLoss(formula, ["w"], data)
