"""The part of the formula language that needs sympy: its own functions, and the printer of numpy and numba code.

Imported only once a formula is used, since sympy takes a third of a second to import.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import sympy
from sympy.printing.pycode import PythonCodePrinter

from ..errors import bad_value


class softplus(sympy.Function):
    """log(1 + exp(x)); its derivative is `sigmoid`."""

    @classmethod
    def eval(cls, x):
        """Fold a constant argument."""
        return sympy.log(1 + sympy.exp(x)) if x.is_number else None

    def fdiff(self, argindex=1):
        """Derivative."""
        return sigmoid(self.args[0])


class sigmoid(sympy.Function):
    """1 / (1 + exp(-x))."""

    @classmethod
    def eval(cls, x):
        """Fold a constant argument."""
        return 1 / (1 + sympy.exp(-x)) if x.is_number else None

    def fdiff(self, argindex=1):
        """Derivative, written s(x) s(-x): 1 - s(x) would cancel for large x."""
        return self * sigmoid(-self.args[0])


class magnitude(sympy.Function):
    """|x| for real x. Sympy's own Abs has a Dirac delta as second derivative, which no kernel could evaluate."""

    @classmethod
    def eval(cls, x):
        """Fold a constant argument."""
        return sympy.Abs(x) if x.is_number else None

    def fdiff(self, argindex=1):
        """Derivative."""
        return signum(self.args[0])


class signum(sympy.Function):
    """Sign of a real number, 0 at 0; its derivative counts as 0 everywhere."""

    @classmethod
    def eval(cls, x):
        """Fold a constant argument."""
        return sympy.sign(x) if x.is_number else None

    def fdiff(self, argindex=1):
        """Derivative."""
        return sympy.S.Zero


FUNCTIONS = {
    **{name: getattr(sympy, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "abs": magnitude,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "logistic": sigmoid,
    "relu": lambda x: (x + magnitude(x)) / 2,
    "max": lambda a, b: (a + b + magnitude(a - b)) / 2,
    "min": lambda a, b: (a + b - magnitude(a - b)) / 2,
}
ONE = sympy.S.One
NUMPY_NAMES = ("cos", "cosh", "exp", "log", "sin", "sinh", "sqrt", "tan", "tanh")


class Printer(PythonCodePrinter):
    """Print an expression as code that means the same for numpy arrays and for numbers inside a numba kernel."""

    def __init__(self):
        super().__init__({"fully_qualified_modules": False})

    def _print_Integer(self, expr):
        return str(expr.p) if abs(expr.p) < 2**31 else _constant(expr)  # numba's integers overflow silently

    def _print_Rational(self, expr):
        return _constant(expr)

    def _print_Float(self, expr):
        return _constant(expr)

    def _print_Pi(self, expr):
        return repr(float(np.pi))

    def _print_Exp1(self, expr):
        return repr(float(np.e))

    def _print_Pow(self, expr, rational=False):
        return self._hprint_Pow(expr, rational=rational, sqrt="sqrt")

    def _print_cot(self, expr):
        return f"(1/tan({self._print(expr.args[0])}))"  # sympy turns tan(pi/2 - x) into cot(x)

    def _print_And(self, expr):
        return "(" + " & ".join(f"({self._print(a)})" for a in expr.args) + ")"

    def _print_Or(self, expr):
        return "(" + " | ".join(f"({self._print(a)})" for a in expr.args) + ")"

    def _own(self, expr):
        return f"{type(expr).__name__}({self._print(expr.args[0])})"

    _print_softplus = _print_sigmoid = _print_magnitude = _print_signum = _own


def _constant(number: sympy.Number) -> str:
    """A number as a literal; those that no float holds come from products and derivatives of large ones."""
    if not fits_float(number):
        raise bad_value("formula", "made of constants within double precision", f"{number.evalf(3)}", "Change units.")
    return repr(float(number))


PRINTER = Printer()


def to_code(expression: sympy.Basic) -> str:
    """Python code of an expression, in the functions `NUMPY_NAMES` and the four above."""
    return PRINTER.doprint(expression)


def symbols(names: Sequence[str]) -> list[sympy.Symbol]:
    """Real symbols with these names."""
    return [sympy.Symbol(name, real=True) for name in names]


def clean(expression: sympy.Basic) -> sympy.Basic:
    """Replace what sympy's automatic simplification introduces by functions which the kernels know."""
    return expression.replace(sympy.Abs, magnitude).replace(sympy.sign, signum)


def tidy(expression: sympy.Basic) -> sympy.Basic:
    """Pull number factors out of sums: 200*w - 200, as sympy writes it, loses digits that 200*(w - 1) keeps."""
    return expression.replace(lambda e: e.is_Add, _without_content)


def _without_content(total: sympy.Add) -> sympy.Expr:
    content, rest = total.primitive()
    return total if content == 1 else sympy.Mul(content, rest, evaluate=False)  # evaluated, it would multiply out again


def is_real(expression: sympy.Basic) -> bool:
    """Whether an expression is free of imaginary and infinite parts."""
    return not expression.has(sympy.I, sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


def fits_float(number: sympy.Number) -> bool:
    """Whether a real number is a finite float."""
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _numpy_softplus(x):
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _numpy_sigmoid(x):
    small = np.exp(-np.abs(x))  # never overflows
    return np.where(np.asarray(x) >= 0, 1.0, small) / (1.0 + small)


_NUMPY = {
    "softplus": _numpy_softplus,
    "sigmoid": _numpy_sigmoid,
    "magnitude": np.abs,
    "signum": np.sign,
    **{name: getattr(np, name) for name in NUMPY_NAMES},
}


def numpy_function(names: Sequence[str], expression: sympy.Basic):
    """A vectorised function of the named arrays, made from the sympy expression and never from the user's string.

    The variables have names of their own in its code, where a parameter called `signum` would hide the function.
    """
    inner = symbols([f"a{k}" for k in range(len(names))])
    renamed = expression.xreplace(dict(zip(symbols(names), inner, strict=True)))
    return sympy.lambdify(inner, renamed, modules=[_NUMPY, "numpy"], printer=PRINTER, cse=True)
