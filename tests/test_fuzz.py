"""Formulas and run files made of anything: an answer or our own sentence, soon, and nothing evaluated but arithmetic.

A few hundred cases run with the suite; `pytest -m fuzz` runs fifty thousand of each kind in about ten minutes.
"""

from __future__ import annotations

import builtins
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fokkerplanck.cli import TEMPLATE
from fokkerplanck.formulas.parser import FUNCTIONS, Formula, parse, parse_condition
from fokkerplanck.workflows.run import build
from fokkerplanck.workflows.runfile import read_run_file

FEW, MANY = 150, 50_000
SECONDS = 20.0  # of processor time for one string: far above the usual millisecond, far below never
OURS = re.compile(r"^`[\w.\[\]' -]+` must be .+, got ", re.S)

number = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(
        ["9**9**9", "1e999", "0", "1e-999", "0x1f", "1_000", "1j", "10" * 40, "00", "1.", ".5", "1e", "²", "٣"]
    ),
)
name = st.sampled_from(
    ["w", "v", "x", "pi", "e", "_w", "__class__", "w.real", "w[0]", "True", "None", "os", "exp", "ω", "𝐰"]
)
leaf = st.one_of(number, name)


def grown(part):
    binary = st.sampled_from(
        ["+", "-", "*", "/", "**", "//", "%", "@", "^", "<", ">=", " and ", " or ", ",", ":=", " if "]
    )
    function = st.sampled_from([*FUNCTIONS, "eval", "__import__", "lambda x:", "not ", "~", "max"])
    return st.one_of(
        st.tuples(part, binary, part).map("".join),
        st.tuples(function, part).map(lambda f: f"{f[0]}({f[1]})"),
        part.map(lambda p: f"({p})"),
        part.map(lambda p: f"-{p}"),
    )


formula_like = st.recursive(leaf, grown, max_leaves=12)
anything = st.one_of(
    formula_like,
    st.text(max_size=60),
    st.text(alphabet="wv+-*/().0123456789e_ <>=,\n\t\\'\"[]{}:;#!@", max_size=80),
    st.tuples(st.sampled_from(["(", "-", "w**", "exp(", "w+", "[", "not "]), st.integers(1, 3000)).map(
        lambda p: p[0] * p[1] + "w"
    ),
)


def answer(call, text):
    """What a call gives, or the sentence in which it refuses; anything else comes through."""
    try:
        return call()
    except (ValueError, TypeError) as error:
        sentence = str(error)
    assert OURS.match(sentence), (text, sentence)
    return sentence


def check_formula(text, read):
    """An answer made of numbers, or a ValueError of ours; in time."""
    begun = time.process_time()
    formula = answer(lambda: read(text, ["w", "v", "x"]), text)
    if isinstance(formula, Formula):
        values = formula(np.array([0.3, -2.0]), 1.0, 2.0)
        assert values.shape == (2,)
        assert values.dtype in (np.float64, np.bool_)
    assert time.process_time() - begun < SECONDS, text


@pytest.fixture
def no_code(monkeypatch):
    """eval, exec and import of what a formula names would show."""

    def refuse(*arguments, **named):
        raise AssertionError(f"called with {arguments!r}")

    monkeypatch.setattr(builtins, "input", refuse)
    monkeypatch.setattr("os.system", refuse)
    monkeypatch.setattr("sympy.sympify", refuse)
    monkeypatch.setattr("sympy.parsing.sympy_parser.eval_expr", refuse)


def fuzz(count):
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=count, deadline=None, suppress_health_check=quiet, derandomize=count == FEW, database=None
    )


@fuzz(FEW)
@given(text=anything)
def test_any_string_is_a_formula_or_refused(text, no_code):
    check_formula(text, parse)
    check_formula(text, parse_condition)


@pytest.mark.fuzz
@fuzz(MANY)
@given(text=anything)
def test_fifty_thousand_strings(text, no_code):
    check_formula(text, parse)
    check_formula(text, parse_condition)


# Run files: the template with one value or one line replaced, or whole tables of anything

word = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=("Cs", "Cc")), max_size=12
)
scalar = st.one_of(
    st.sampled_from(
        ["true", "nan", "inf", "-inf", "[]", "{}", "[[]]", "1979-05-27", "''", "1e400", "-1", "0", "9" * 30]
    ),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    formula_like.filter(lambda t: "'" not in t and "\n" not in t).map(lambda t: f"'{t}'"),
    word.filter(lambda t: "'" not in t).map(lambda t: f"'{t}'"),
)
value = st.recursive(
    scalar,
    lambda part: st.one_of(
        st.lists(part, max_size=3).map(lambda p: "[" + ", ".join(p) + "]"),
        st.dictionaries(st.sampled_from(["w", "pit", "x", "a b"]), part, max_size=2).map(
            lambda d: "{" + ", ".join(f'"{k}" = {v}' for k, v in d.items()) + "}"
        ),
    ),
    max_leaves=6,
)
LINES = [line for line in TEMPLATE.splitlines() if line and not line.startswith("#")]
KEYS = [i for i, line in enumerate(LINES) if "=" in line and not line.startswith("[")]


@st.composite
def run_file(draw):
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(KEYS))
        what = draw(st.integers(0, 9))
        if what < 6:
            lines[place] = lines[place].split("=")[0] + "= " + draw(value)
        elif what == 6:
            lines[place] = draw(word) + " = 1"
        elif what == 7:
            lines[place] = ""
        elif what == 8:
            lines[place] = draw(st.sampled_from(["[equation]", "[study]", "[[grid]]", "[grid.cells]", "[", "= 3"]))
        else:
            lines[place] = draw(st.text(max_size=30))
    return "\n".join(lines)


def check_run_file(text, folder):
    begun = time.process_time()
    file = Path(folder) / "run.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    answer(lambda: build(read_run_file(file)), text)
    assert time.process_time() - begun < SECONDS, text


@fuzz(FEW)
@given(text=run_file())
def test_any_run_file_is_built_or_refused(text, tmp_path, no_code):
    check_run_file(text, tmp_path)


@pytest.mark.fuzz
@fuzz(MANY)
@given(text=run_file())
def test_fifty_thousand_run_files(text, tmp_path, no_code):
    check_run_file(text, tmp_path)
