"""The formula language: a string such as ``"-exp(-(w-2)**2)"`` read as data, never run as code.

A formula is numbers, declared names, ``+ - * / **``, parentheses, the constant ``pi`` and the functions `FUNCTIONS`
and `WRITTEN_OUT`. A condition compares formulas with ``< <= > >=`` and joins the comparisons by ``and``, ``or`` and
``not``. The string is parsed into Python's syntax tree, the tree is checked node by node against this list, and a
sympy expression is built from it by hand; neither ``eval`` nor ``sympify`` ever sees the string.
"""

from __future__ import annotations

import ast
import functools
import keyword
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import did_you_mean, reals
from ..errors import bad_type, bad_value

FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "softplus", "sigmoid")
WRITTEN_OUT = ("logistic", "relu", "max", "min")  # by others; columns of data may have these names too
CONSTANTS = ("pi",)
MAX_LENGTH = 2000
MAX_DEPTH = 60
MAX_POWER = 1000  # of anything but a plain name
MAX_BITS = 4000  # of an exact number

_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type, Callable] = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
_SIGNS: dict[type, str] = {
    ast.BitXor: "^", ast.BitAnd: "&", ast.BitOr: "|", ast.Mod: "%", ast.FloorDiv: "//", ast.MatMult: "@",
    ast.LShift: "<<", ast.RShift: ">>", ast.Invert: "~",
}  # fmt: skip
_NODES: dict[type, str] = {ast.IfExp: "'if'", ast.Compare: "a comparison"}
_PLAIN = "Write ** for powers and * for products."
_UNREADABLE = {
    "&&": "Write `and` for &&.",
    "||": "Write `or` for ||.",
    "!": "Write `not`.",
    "=": "Compare by < <= > >=.",
}
_MISSED = {  # functions that others have
    "fabs": "abs is the absolute value.",
    "maximum": "max(a, b) is the larger one.",
    "minimum": "min(a, b) is the smaller one.",
    "ln": "log is the natural logarithm.",
}
_FLOAT: dict[str, Callable[[float], float]] = {
    **{name: getattr(math, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "abs": abs,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "sigmoid": lambda x: 0.5 * (1.0 + math.tanh(0.5 * x)),
    "logistic": lambda x: 0.5 * (1.0 + math.tanh(0.5 * x)),
    "relu": lambda x: max(x, 0.0),
}
_OF_SEVERAL = ("max", "min")


@dataclass(frozen=True)
class Formula:
    """A parsed formula in named real variables.

    Attributes
    ----------
    text : str
        The string it was read from.
    names : tuple of str
        The variables, in the order in which `evaluate` takes them.
    expression : sympy expression
        Its meaning.
    """

    text: str
    names: tuple[str, ...]
    expression: Any

    def derivative(self, name: str) -> Formula:
        """The exact derivative with respect to one variable."""
        from . import symbolic as _symbolic

        if not isinstance(name, str) or name not in self.names:
            raise bad_value("name", f"one of {', '.join(self.names)}", name, _closest(str(name), self.names))
        slope = _symbolic.clean(self.expression.diff(*_symbolic.symbols([name])))
        if not _symbolic.is_real(slope):
            raise bad_value("formula", "differentiable in real numbers", self.text, "Write it with real functions.")
        return Formula(f"d({self.text})/d{name}", self.names, slope)

    def evaluate(self, *arrays) -> np.ndarray:
        """Values at arrays that broadcast against each other, in their common shape; inf or NaN where it has none."""
        values = _broadcast(self.names, arrays)
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(self._function(*values), values[0].shape if values else ()), dtype=float)

    __call__ = evaluate

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled function, which no other process can read: it is made again."""
        return {key: value for key, value in self.__dict__.items() if key != "_function"}

    @functools.cached_property
    def _function(self) -> Callable:
        from . import symbolic as _symbolic

        return _symbolic.numpy_function(self.names, self.expression)


@dataclass(frozen=True)
class Condition(Formula):
    """A parsed condition: as `Formula`, with truth values for values, and without derivatives."""

    def derivative(self, name: str) -> Formula:
        """Refuse: a condition has none."""
        raise bad_type("formula", "a formula with number values", self.text)

    def evaluate(self, *arrays) -> np.ndarray:
        """Boolean array in the common shape of the arrays; false where a comparison meets NaN."""
        values = _broadcast(self.names, arrays)
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(self._function(*values), values[0].shape if values else ()), dtype=bool)

    __call__ = evaluate


def parse(text: str, names: Sequence[str], *, name: str = "formula") -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        At most 2000 characters.
    names : sequence of str
        The variables it may use.
    name : str
        What error messages call it: the argument or the key of a run file it came from.

    Returns
    -------
    Formula

    Raises
    ------
    ValueError
        With the column, where `text` is anything but a formula in `names`.
    """
    names = checked_names(names)
    reader = _Reader(text, names, name)
    return Formula(text, names, reader.finish(reader.number(reader.tree.body, 0)))


def parse_condition(text: str, names: Sequence[str], *, name: str = "formula") -> Condition:
    """Read a condition, such as ``"w > 1.3 and abs(v) < 2"``; otherwise as `parse`."""
    names = checked_names(names)
    reader = _Reader(text, names, name)
    return Condition(text, names, reader.finish(reader.truth(reader.tree.body, 0)))


def checked_names(names: Sequence[str], name: str = "names") -> tuple[str, ...]:
    """The names as a tuple, if they may be variables of a formula; raises otherwise."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(n, str) for n in names):
        raise bad_type(name, "a sequence of strings", names)
    for n in names:
        if not may_be_variable(n):
            raise bad_value(name, "identifiers other than functions, constants and _underscored names", n)
    if len(set(names)) < len(names):
        raise bad_value(name, "distinct", tuple(names))
    return tuple(names)


def may_be_variable(name: str) -> bool:
    """Whether a name can stand for a variable in a formula."""
    return name.isidentifier() and not keyword.iskeyword(name) and name[0] != "_" and name not in FUNCTIONS + CONSTANTS


def _broadcast(names: tuple[str, ...], arrays: tuple) -> list[np.ndarray]:
    if len(arrays) != len(names):
        raise bad_type("arrays", f"one for each of {', '.join(names) or 'no variables'}", f"{len(arrays)} arrays")
    numbers = [reals(name, a, "a number or an array of numbers") for name, a in zip(names, arrays, strict=True)]
    try:
        return [np.asarray(a) for a in np.broadcast_arrays(*numbers)]
    except ValueError:
        raise bad_value("arrays", "of shapes that fit each other", [a.shape for a in numbers]) from None


def _closest(word: str, known: Sequence[str]) -> str:
    return did_you_mean(word, known) or f"Known are {', '.join(known)}."


class _Reader:
    """Walks the syntax tree of one string and builds its sympy expression."""

    def __init__(self, text: str, names: tuple[str, ...], name: str):
        if not isinstance(text, str):
            raise bad_type(name, "a formula (a string)", text)
        self.name, self.text, self.names = name, text, names
        if len(text) > MAX_LENGTH:
            raise bad_value(name, f"at most {MAX_LENGTH} characters long", f"{len(text)} characters")
        self.line = text.replace("\n", " ").replace("\r", " ")
        try:
            self.tree = ast.parse(self.line, mode="eval")
        except SyntaxError as error:
            then = next((word for sign, word in _UNREADABLE.items() if sign in self.line), _PLAIN)
            raise bad_value(name, "a formula", f"{text} (unreadable at column {error.offset or 1})", then) from None
        except (RecursionError, MemoryError, ValueError):
            raise bad_value(name, "a formula", "a string the parser gives up on", "Nest it less.") from None
        from . import symbolic as _symbolic

        self.symbolic = _symbolic
        self.values = dict(zip(names, _symbolic.symbols(names), strict=True))

    def refuse(self, node: ast.expr, rule: str, what: str, then: str = "") -> ValueError:
        return bad_value(self.name, rule, f"{what} at column {node.col_offset + 1}", then)

    def finish(self, expression: Any) -> Any:
        expression = self.symbolic.clean(expression)
        if not self.symbolic.is_real(expression):
            raise bad_value(self.name, "real and finite", self.text, "Its value is complex or infinite everywhere.")
        import sympy

        large = [number for number in expression.atoms(sympy.Number) if not self.symbolic.fits_float(number)]
        if large:
            then = "Products of its constants exceed double precision: change units."
            raise bad_value(self.name, "made of finite constants", f"{large[0].evalf(3)}", then)
        return expression

    def truth(self, node: ast.expr, depth: int) -> Any:
        import sympy

        if depth > MAX_DEPTH:
            raise self.refuse(node, f"nested at most {MAX_DEPTH} levels deep", "more")
        if isinstance(node, ast.BoolOp):
            join = sympy.And if isinstance(node.op, ast.And) else sympy.Or
            return join(*(self.truth(part, depth + 1) for part in node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            # negations move into the comparisons, so that NaN stays outside whatever is asked
            return sympy.to_nnf(sympy.Not(self.truth(node.operand, depth + 1)), simplify=False)
        if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
            sides = [self.number(side, depth + 1) for side in (node.left, *node.comparators)]
            pairs = zip(node.ops, sides[:-1], sides[1:], strict=True)
            return sympy.And(*(_COMPARE[type(op)](low, high) for op, low, high in pairs))
        raise self.refuse(node, "comparisons (< <= > >=) joined by and, or, not", _kind(node))

    def number(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.refuse(node, f"nested at most {MAX_DEPTH} levels deep", "more")
        if isinstance(node, ast.Constant):
            result = self.constant(node)
        elif isinstance(node, ast.Name):
            result = self.variable(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = self.number(node.operand, depth + 1)
            result = -value if isinstance(node.op, ast.USub) else value
        elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            result = self.binary(node, depth)
        elif isinstance(node, ast.Call):
            result = self.call(node, depth)
        else:
            then = "Write ** for powers." if isinstance(getattr(node, "op", None), ast.BitXor) else ""
            if isinstance(node, ast.IfExp | ast.Compare):
                then = "Write max(a, b), min(a, b), relu or abs for kinks, and sigmoid(x/0.01) for a step at 0."
            raise self.refuse(node, "numbers, names, + - * / **, parentheses and functions", _kind(node), then)
        if result.is_number:
            self.check_constant(node, lambda: float(result))
        return result

    def check_constant(self, node: ast.expr, compute: Callable[[], Any]) -> None:
        """Refuse a constant that is not a finite float, computed in floats before sympy builds a giant from it."""
        try:
            value = compute()
            fine = not isinstance(value, complex) and math.isfinite(value)
        except (ArithmeticError, ValueError, TypeError):
            fine = False
        if not fine:
            raise self.refuse(node, "made of finite real constants", "a constant that is too large or undefined")

    def constant(self, node: ast.Constant) -> Any:
        import sympy

        if type(node.value) is int and abs(node.value) <= 2**53:
            return sympy.Integer(node.value)
        if type(node.value) in (int, float):
            self.check_constant(node, lambda: float(node.value))  # type: ignore[arg-type]
            return sympy.Float(float(node.value))  # type: ignore[arg-type]
        raise self.refuse(node, "made of real numbers", repr(node.value))

    def variable(self, node: ast.Name) -> Any:
        import sympy

        if node.id == "pi":
            return sympy.pi
        if node.id not in self.values:
            known = (*self.names, *CONSTANTS, *FUNCTIONS, *WRITTEN_OUT)
            rule = f"in the names {', '.join(self.names) or '(none)'} and pi"
            then = f"Write {node.id}(...)." if node.id in FUNCTIONS else _closest(node.id, known)
            raise self.refuse(node, rule, f"{node.id!r}", then)
        return self.values[node.id]

    def binary(self, node: ast.BinOp, depth: int) -> Any:
        chain = [node]  # a + b + c + ... nests to the left: a long sum is not a deep formula
        while isinstance(chain[-1].left, ast.BinOp) and type(chain[-1].left.op) in _BINARY:
            chain.append(chain[-1].left)
        value = self.number(chain[-1].left, depth + 1)
        for part in reversed(chain):
            value = self.combine(part, value, self.number(part.right, depth + 1))
        return value

    def combine(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        function = _BINARY[type(node.op)]
        if left.is_number and right.is_number:
            self.check_constant(node, lambda: function(float(left), float(right)))
        if isinstance(node.op, ast.Div) and right.is_zero:
            raise self.refuse(node, "free of divisions by zero", "one")
        if isinstance(node.op, ast.Pow):
            if right.is_Float and float(right).is_integer():
                right = _integer(right)  # w**2.0 is w*w, also for w < 0
            if left.is_number and left.is_negative and not right.is_integer:
                raise self.refuse(node, "real", "a negative number to a power that is no integer")
            if right.is_number and not left.is_Symbol:
                return self.bounded_power(node, left, right)
        return function(left, right)

    def bounded_power(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        """left ** right where sympy would write out every digit of an exact number: 2**-999999999 is 0.0 in floats."""
        import sympy

        coefficient = left if left.is_number else left.as_coeff_Mul()[0]
        digits = max(coefficient.p.bit_length(), coefficient.q.bit_length()) if coefficient.is_Rational else 4
        size = abs(float(right))
        if size * digits <= MAX_BITS:
            return left**right
        if left.is_number:
            return sympy.Float(float(left) ** float(right))
        if coefficient in (1, -1) and size <= MAX_POWER:
            return left**right
        raise self.refuse(node, f"made of powers up to {MAX_POWER}, and of finite constants", "more")

    def call(self, node: ast.Call, depth: int) -> Any:
        known = [*FUNCTIONS, *(word for word in WRITTEN_OUT if word not in self.names)]
        if not isinstance(node.func, ast.Name) or node.func.id not in known:
            word = ast.get_source_segment(self.line, node.func) or _kind(node.func)
            rule = f"made of the functions {', '.join(known)}"
            raise self.refuse(node, rule, f"{word!r}", self.no_function(node.func, word))
        if node.func.id in _OF_SEVERAL:
            return self.extreme(node, node.func.id, depth)
        if node.keywords or len(node.args) != 1 or isinstance(node.args[0], ast.Starred):
            raise self.refuse(node, "made of functions of one argument", f"{node.func.id} called otherwise")
        argument = self.number(node.args[0], depth + 1)
        if argument.is_number:
            self.check_constant(node, lambda: _FLOAT[node.func.id](float(argument)))  # type: ignore[attr-defined]
        return self.symbolic.FUNCTIONS[node.func.id](argument)

    def extreme(self, node: ast.Call, word: str, depth: int) -> Any:
        """max or min of two or more, by max(a, b) = (a + b + |a - b|) / 2, whose kink compiled code and derivatives know."""
        if node.keywords or len(node.args) < 2 or any(isinstance(a, ast.Starred) for a in node.args):
            raise self.refuse(node, f"made of {word} of two or more arguments", f"{word} called otherwise")
        first, *others = [self.number(argument, depth + 1) for argument in node.args]
        for other in others:
            first = self.symbolic.FUNCTIONS[word](first, other)
        return first

    def no_function(self, called: ast.expr, word: str) -> str:
        """What to write for a call of something else: mostly a product without its sign."""
        if isinstance(called, ast.BinOp):
            return "It is no function; write * between the factors of a product."
        if isinstance(called, ast.Constant) or word in (*self.names, *CONSTANTS):
            return f"It is no function; write {word}*( for a product."
        return _MISSED.get(word) or did_you_mean(word, FUNCTIONS)


def _integer(value: Any) -> Any:
    import sympy

    return sympy.Integer(int(value))


def _kind(node: ast.AST) -> str:
    """A readable name for a syntax node that has no place in a formula."""
    kind = type(getattr(node, "op", node))
    if kind in _SIGNS:
        return f"{_SIGNS[kind]!r}"
    if kind in _NODES:
        return _NODES[kind]
    shown = kind.__name__
    return "".join(" " + c.lower() if c.isupper() else c for c in shown).strip()
