import pickle
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from fokkerplanck.formulas.parser import FUNCTIONS, parse, parse_condition

X = np.linspace(-2.0, 3.0, 41)


def test_values_equal_numpy():
    formula = parse("-exp(-(w-2)**2) - 3.5e-1*pit*exp(-100*(w-1)**2)\n + w/4 + +pi", ["w", "pit"])
    expected = -np.exp(-((X - 2) ** 2)) - 0.35 * 2 * np.exp(-100 * (X - 1) ** 2) + X / 4 + np.pi
    np.testing.assert_allclose(formula(X, 2.0), expected, rtol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivative_of_each_function_against_finite_differences(name):
    formula = parse(f"{name}(w/5 + 0.7)", ["w"])
    h = 1e-5
    slope = (formula(X + h) - formula(X - h)) / (2 * h)
    np.testing.assert_allclose(formula.derivative("w")(X), slope, rtol=1e-7, atol=1e-6)
    twice = formula.derivative("w").derivative("w")
    second = (formula.derivative("w")(X + h) - formula.derivative("w")(X - h)) / (2 * h)
    np.testing.assert_allclose(twice(X), second, rtol=1e-6, atol=1e-5)


def test_softplus_and_sigmoid_keep_relative_accuracy_at_large_arguments():
    x = np.array([-745.0, -50.0, 0.0, 50.0, 1000.0])
    np.testing.assert_allclose(parse("softplus(x)", ["x"])(x), np.logaddexp(0, x), rtol=1e-14)
    np.testing.assert_allclose(parse("sigmoid(x)", ["x"])(x), np.exp(-np.logaddexp(0, -x)), rtol=1e-13)
    slope = parse("sigmoid(x)", ["x"]).derivative("x")(x)  # s(x) s(-x), not s (1 - s), which is 0 at 50
    np.testing.assert_allclose(slope[3], np.exp(-50.0), rtol=1e-13)


def test_derivative_of_abs_is_the_sign_and_its_derivative_is_zero():
    formula = parse("abs(w) + sqrt(w**2)", ["w"])
    np.testing.assert_array_equal(formula.derivative("w")([-2.0, 0.0, 3.0]), [-2.0, 0.0, 2.0])
    np.testing.assert_array_equal(formula.derivative("w").derivative("w")([-2.0, 3.0]), [0.0, 0.0])


def test_constant_takes_the_shape_of_its_arguments():
    assert parse("3", ["x", "y"])(np.zeros((4, 1)), np.zeros(5)).shape == (4, 5)
    assert parse("1/3", []).evaluate() == 1 / 3
    assert parse_condition("1 < 2", ["x"])(np.zeros(3)).tolist() == [True] * 3


def test_whole_float_power_serves_negative_bases():
    assert parse("w**2.0", ["w"])(-3.0) == 9.0


def test_names_of_code_are_free_for_variables():
    formula = parse("np + theta*range", ["np", "theta", "range"])
    assert formula(1.0, 2.0, 3.0) == 7.0


def test_long_sums_are_not_deep():
    assert parse("+".join(["w"] * 900), ["w"])(1.0) == 900.0


def test_condition():
    condition = parse_condition("w > 1.3 and not 0 < v <= 2 or w < -3", ["w", "v"])
    w, v = np.array([2.0, 2.0, 0.0, -4.0, np.nan]), np.array([3.0, 1.0, 3.0, 1.0, 3.0])
    assert condition(w, v).tolist() == [True, False, False, True, False]
    assert not parse_condition("not w > 1", ["w"])(np.nan)


HOSTILE = {
    "9**9**9**9": "too large",
    "2**(2**(2**11))": "too large",
    "10**300*10**300": "too large",
    "exp(exp(exp(100)))": "too large",
    "exp(exp(1e300))": "too large",
    "1e999": "too large",
    "1/0": "undefined",
    "log(0)": "undefined",
    "sqrt(-1)": "undefined",
    "w/(w-w)": "divisions by zero",
    "sqrt(-w**2)": "real",
    "(-2)**w": "no integer",
    "w.real": "attribute at column 1",
    "__import__('os').system('true')": "column 1",
    "().__class__": "attribute",
    "_x": "'_x' at column 1",
    "1 + __name__": "'__name__' at column 5",
    "w^2": "Write \\*\\* for powers",
    "w if w else 1": "column 1",
    "lambda: 1": "lambda",
    "[w]": "list",
    "w > 1": "a comparison",
    "w // 2": "'//'",
    "w(1)": "functions",
    "exp(w, 2)": "one argument",
    "exp(*w)": "one argument",
    "exp(x=w)": "one argument",
    "(w := 1)": "column 2",
    "1j": "real numbers",
    "'a'": "real numbers",
    "True": "real numbers",
    "f'{w}'": "column 1",
    "w +": "unreadable",
    "": "unreadable",
    "w = 1": "unreadable",
    "w\x00": "a formula",
    "-" * 1900 + "w": "nested at most",
    "w*" * 1500 + "w": "characters long",
    "9" * 1999: "too large",
    "exp(" * 100 + "w" + ")" * 100: "nested at most",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(-2029)**(--5274*-181808)", 0.0),
        ("2**-999999999 + w", 0.5),
        ("(1000001/1000000)**1000000", 2.718280469095753),
        ("sqrt(2)**-999999999", 0.0),
        ("(2/3)**(1000000001/2)", 0.0),
        ("w**999999999", 0.0),
    ],
)
def test_exact_numbers_stay_small(text, value):
    """Found by fuzzing: the value is a harmless float, the exact number behind it has millions of digits."""
    start = time.process_time()
    assert parse(text, ["w"])(0.5) == pytest.approx(value, rel=1e-9)
    assert time.process_time() - start < 5.0


@pytest.mark.parametrize("text", ["(2*w)**999999999", "(2*w)**-999999999", "(2*w + 4)**999999999", "((2*w)**900)**900"])
def test_powers_that_would_write_out_millions_of_digits_are_refused(text):
    start = time.process_time()
    with pytest.raises(ValueError, match="`formula` must be made of powers up to 1000"):
        parse(text, ["w"])
    assert time.process_time() - start < 5.0


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: t[:20])
def test_hostile_strings_are_refused_fast(text):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=f"^`landscape` must be .*{HOSTILE[text]}"):
        parse(text, ["w"], name="landscape")
    assert time.perf_counter() - start < 1.0


def test_close_matches_are_suggested():
    with pytest.raises(ValueError, match=r"got 'wigth' at column 3\. Did you mean 'width'\?"):
        parse("1+wigth", ["width"])
    with pytest.raises(ValueError, match="Did you mean 'exp'"):
        parse("exq(w)", ["w"])
    with pytest.raises(ValueError, match=r"Write sin\(\.\.\.\)"):
        parse("sin", ["w"])
    with pytest.raises(ValueError, match="Did you mean 'width'"):
        parse("width", ["width"]).derivative("with")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x*w(1 + x)", "got 'w' at column 3. It is no function; write w*( for a product."),
        ("2(x + 1)", "got '2' at column 1. It is no function; write 2*( for a product."),
        ("x +\n(x+1)(x-1)", "got 'x+1' at column 5. It is no function; write * between the factors of a product."),
        ("maximum(x, 1)", "got 'maximum' at column 1. max(a, b) is the larger one."),
        ("foo(x)", "relu, max, min, got 'foo' at column 1."),
        ("x^2", "got '^' at column 1. Write ** for powers."),
        ("x % 2", "functions, got '%' at column 1."),
    ],
)
def test_what_is_meant_is_said_once(text, words):
    with pytest.raises(ValueError, match=re.escape(words) + "$"):
        parse(text, ["x", "w"])


def test_names_and_types_are_checked():
    for names in (["exp"], ["_w"], ["a b"], ["lambda"], ["w", "w"]):
        with pytest.raises(ValueError, match="`names` must be"):
            parse("1", names)
    for bad in ("w", [1]):
        with pytest.raises(TypeError, match="`names` must be a sequence of strings"):
            parse("1", bad)
    with pytest.raises(TypeError, match="`formula` must be a formula"):
        parse(3, ["w"])
    with pytest.raises(TypeError, match="`arrays` must be one for each of w, v"):
        parse("w + v", ["w", "v"])(1.0)
    with pytest.raises(TypeError, match="number values"):
        parse_condition("w > 1", ["w"]).derivative("w")
    with pytest.raises(ValueError, match="comparisons"):
        parse_condition("w + 1", ["w"])


def test_sympy_is_imported_only_when_a_formula_is():
    code = "import sys, fokkerplanck.formulas.parser, fokkerplanck.sgd; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("text", ["2**1000*w*2**1000*w", "1e300*w*1e300*x", "10**300*w*(10**300*x)", "1e200*w/1e-200"])
def test_products_of_constants_beyond_floats_are_refused(text):
    with pytest.raises(ValueError, match=r"`loss` must be made of (finite|finite real) constants, got .* change units"):
        parse(text, ["w", "x"], name="loss")


def test_a_derivative_beyond_floats_is_refused():
    slope = parse("1e308*w**2 + 0*x", ["w", "x"]).derivative("w")
    with pytest.raises(ValueError, match=r"`formula` must be made of constants within double precision, got '2\.00E"):
        slope(1.0, 2.0)


def test_no_name_of_a_variable_hides_a_function():
    names = ["magnitude", "signum", "a0", "a1", "numpy"]
    values = [-2.0, 3.0, 0.5, 0.25, 2.0]
    formula = parse("abs(magnitude*signum) + sqrt(a1)*numpy + sigmoid(a0)", names)
    expected = 6.0 + 0.5 * 2.0 + 1.0 / (1.0 + np.exp(-0.5))
    assert formula(*values) == pytest.approx(expected, rel=1e-14)
    assert formula.derivative("magnitude")(*values) == pytest.approx(-3.0)  # of |m s|: s sign(m s)


def test_a_formula_that_was_used_can_be_pickled():
    formula = parse("w**2 + softplus(w)", ["w"])
    value = formula(0.3)
    assert pickle.loads(pickle.dumps(formula))(0.3) == value
