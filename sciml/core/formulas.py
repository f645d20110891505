"""Reading formulas that people type: a whitelist over Python's syntax tree, nothing is ever executed.

"-0.9*x*y"  ->  sympy          "x' = a*x; y' = -d*y"  ->  {"x": a*x, "y": -d*y}
"""

import ast
import keyword
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, cast

import sympy as sp

from sciml.core.errors import UserError, nearest

LONGEST = 2000
"""Most characters of a formula."""
LARGEST_POWER = 64
"""Largest exponent that is a number; beyond it a formula is a mistake, or an attack on memory."""


class FormulaError(UserError):
    """A formula that cannot be read."""


def realised(expr: Any) -> Any:  # Any: a sympy node; its stubs lose the type of what is replaced
    """The formula for real variables: sympy's real and imaginary parts of them, which |exp(x)| brings, undone."""
    if not expr.has(sp.re, sp.im, sp.conjugate):
        return expr
    rules = ((sp.re, lambda part: part), (sp.im, lambda part: sp.Integer(0)), (sp.conjugate, lambda part: part))
    for kind, rule in rules:
        expr = cast(sp.Expr, expr.replace(kind, rule))
    return expr


def _aq(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return a / sp.sqrt(1 + b**2)


FUNCTIONS = {
    "exp": sp.exp, "log": sp.log, "ln": sp.log, "sqrt": sp.sqrt, "sin": sp.sin, "cos": sp.cos, "tan": sp.tan,
    "sinh": sp.sinh, "cosh": sp.cosh, "tanh": sp.tanh, "abs": sp.Abs,
    "cbrt": lambda a: sp.sign(a) * sp.Abs(a) ** sp.Rational(1, 3),
    "square": lambda a: a**2, "cube": lambda a: a**3, "inv": lambda a: 1 / a, "neg": lambda a: -a,
    "log1p": lambda a: sp.log(1 + a), "logabs": lambda a: sp.log(sp.Abs(a)), "sqrtabs": lambda a: sp.sqrt(sp.Abs(a)),
}  # fmt: skip
"""Functions of one argument that a formula may call; the last ones are dialects of search engines."""
_TWO = {"aq": _aq, "pow": lambda a, b: _power(a, b), "powabs": lambda a, b: _power(sp.Abs(a), b)}
NAMES = frozenset({*FUNCTIONS, *_TWO, "max", "min", "fmax", "fmin"})
"""What cannot be the name of a quantity, since it is that of a function."""
_KEYWORDS = re.compile(rf"\b({'|'.join(sorted({*keyword.kwlist} - {'True', 'False', 'None'}))})\b")
_WORDS = re.compile(r"[^\W\d]\w*")
_STAND_IN = "KEYWORD_"
"""Before the words of Python in a formula, so that `lambda` may be a wavelength."""
_LOOKALIKES = str.maketrans({"−": "-", "·": "*", "×": "*", "⋅": "*"})


def unified(name: str) -> str:
    """A name as Python reads it, compatibility forms made one: the micro sign ``µ`` is the letter ``μ``."""
    return unicodedata.normalize("NFKC", name)


def spelt(name: str, names: Iterable[str]) -> str:
    """The one of some names that differs from `name` by compatibility forms at most, else `name`."""
    known = list(names)
    return name if name in known else next((one for one in known if unified(one) == unified(name)), name)


def parse_formula(text: str, names: Iterable[str] | None = None, spelling: Iterable[str] = ()) -> sp.Expr:
    """One expression; powers are ``**`` or ``^``.

    Arguments:
        text: the formula.
        names: symbols it may use, spelt as they are here; None for any.
        spelling: where any are allowed, names to be spelt as they are here; others stay as they are written.

    Raises: FormulaError for anything but numbers, names, + - * / ^, brackets and the `FUNCTIONS`.
    """
    if not isinstance(text, str) or not text.strip():
        raise FormulaError("a formula is empty", got=repr(text), expected="for example -0.9*x*y")
    allowed = [*spelling, *_WORDS.findall(text)] if names is None else list(names)
    if len(text) > LONGEST:
        raise FormulaError("a formula is too long", got=f"{len(text)} characters", expected=f"at most {LONGEST}")
    plain = _KEYWORDS.sub(rf"{_STAND_IN}\1", text.translate(_LOOKALIKES).replace("^", "**").strip())
    try:
        tree = ast.parse(plain, mode="eval")
        expr = _build(tree.body, None if names is None else {unified(name) for name in allowed}, text)
    except (SyntaxError, ValueError, MemoryError) as error:
        at = f" near character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise FormulaError(f"the formula {text!r} does not parse{at}",
                           expected="numbers, names, + - * / ^, brackets and functions; "
                           "products are written with *") from None  # fmt: skip
    except RecursionError:
        raise FormulaError("a formula is nested too deeply", got=f"{text[:40]}…") from None
    expr = realised(expr)
    spellings = {unified(name): name for name in reversed(allowed)}  # the first of several counts
    if renamed := {sp.Symbol(plain): sp.Symbol(name) for plain, name in spellings.items() if plain != name}:
        expr = cast(sp.Expr, expr.xreplace(renamed))
    if expr.has(sp.zoo, sp.oo, sp.nan, -sp.oo):
        raise FormulaError(f"the formula {text!r} has no finite value", got=expr)
    return expr


def parse_equations(text: str, names: Iterable[str] = (), spelling: Iterable[str] = ()) -> dict[str, sp.Expr]:
    """Right-hand sides by name of the left: ``"x' = a*x; y' = -d*y"``, also ``dx/dt = …``, one per ``;`` or line.

    Arguments:
        text: the equations.
        names: variables that may stand on the left, all of them required; empty for any.
        spelling: other names that are to be spelt as they are here.

    Raises: FormulaError for what is not of this form, an equation twice, or one that is missing.
    """
    known, equations = list(names), {}
    spelling = [*known, *spelling]
    for part in filter(None, (piece.strip() for piece in re.split(r"[;\n]", text))):
        left, sign, right = part.partition("=")
        match = re.fullmatch(r"([^\W\d]\w*)\s*['′]|d\s*([^\W\d]\w*)\s*/\s*dt", left.strip())
        if not sign or not match or "=" in right:
            raise FormulaError(f"{part!r} is not an equation", expected="the form x' = a*x (or dx/dt = a*x)")
        name = spelt(match[1] or match[2], known)
        if known and name not in known:
            hint = nearest(name, known)
            raise FormulaError(f"there is no variable {name!r} for the equation {part!r}",
                               expected=f"one of: {', '.join(known)}",
                               fix=f"Did you mean {hint!r}?" if hint else "")  # fmt: skip
        if name in equations:
            raise FormulaError(f"two equations for {name!r}", got=text)
        equations[name] = parse_formula(right, spelling=spelling)
    missing = [name for name in known if name not in equations]
    if missing or not equations:
        raise FormulaError(
            "the known part lacks an equation" + (f" for {', '.join(missing)}" if missing else ""),
            got=repr(text),
            fix=f"Write {missing[0]}' = 0 if nothing is known of it, or name it an input (--inputs {missing[0]}) if it "
            "only drives the others."
            if missing
            else "",
        )
    return equations


def _bounded(expr: sp.Expr) -> sp.Expr:
    """The expression, unless it is a number that is too large to compute with."""
    if expr.is_Float and not abs(expr) < 1e300:
        raise FormulaError("a number in a formula is too large", expected="below 1e300")
    return expr


def _build(node: ast.expr, names: set[str] | None, text: str) -> sp.Expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return _number(node.value, text)
    if isinstance(node, ast.Name):
        node.id = node.id.removeprefix(_STAND_IN)
        if names is not None and node.id not in names:
            hint = nearest(node.id, names)
            raise FormulaError(f"unknown name {node.id!r} in the formula {text!r}",
                               expected=f"one of: {', '.join(sorted(names))}",
                               fix=f"Did you mean {hint!r}?" if hint else "")  # fmt: skip
        if names is None and node.id in NAMES:
            raise FormulaError(f"{node.id!r} in the formula {text.strip()!r} is a function", expected=f"{node.id}(…)",
                               fix="A scalar needs another name.")  # fmt: skip
        return sp.Symbol(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        inner = _build(node.operand, names, text)
        return inner if isinstance(node.op, ast.UAdd) else -inner
    if isinstance(node, ast.BinOp):
        return _operate(node, names, text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, [_build(entry, names, text) for entry in node.args], text)
    raise FormulaError(f"the formula {text!r} holds something that is not allowed", got=f"a {type(node).__name__}",
                       expected="numbers, names, + - * / ^, brackets and functions")  # fmt: skip


def _number(value: int | float, text: str) -> sp.Expr:
    if abs(value) > 1e300 or value != value:
        raise FormulaError(f"a number in the formula {text!r} is too large")
    return sp.Integer(value) if isinstance(value, int) and abs(value) < 10**15 else sp.Float(value)


def _operate(node: ast.BinOp, names: set[str] | None, text: str) -> sp.Expr:
    left, right = _build(node.left, names, text), _build(node.right, names, text)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        if right.is_zero:
            raise FormulaError(f"division by zero in the formula {text!r}")
        return left / right
    if isinstance(node.op, ast.Pow):
        return _power(left, right)
    raise FormulaError(f"the formula {text!r} uses an operator that is not allowed", got=type(node.op).__name__,
                       expected="+ - * / ^")  # fmt: skip


def _power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    if exponent.is_number:
        if not exponent.is_real or abs(float(exponent)) > LARGEST_POWER:
            raise FormulaError("an exponent is too large", got=str(exponent)[:40],
                               expected=f"at most {LARGEST_POWER}")  # fmt: skip
        if base.is_number:
            base = sp.Float(base)  # an integer power of an integer may have any number of digits
    return _bounded(base**exponent)


def _call(name: str, arguments: list[sp.Expr], text: str) -> sp.Expr:
    if name in ("max", "min", "fmax", "fmin") and len(arguments) == 2:
        return (sp.Max if name.endswith("max") else sp.Min)(*arguments)
    if name in _TWO and len(arguments) == 2:
        return _TWO[name](*arguments)
    if name not in FUNCTIONS:
        hint = nearest(name, FUNCTIONS)
        raise FormulaError(f"unknown function {name!r} in the formula {text!r}",
                           expected=f"one of: {', '.join(sorted(FUNCTIONS))}",
                           fix=f"Did you mean {hint!r}?" if hint else "")  # fmt: skip
    if len(arguments) != 1:
        raise FormulaError(f"{name} takes one argument in the formula {text!r}", got=len(arguments))
    argument = sp.Float(arguments[0]) if arguments[0].is_number and arguments[0].is_real else arguments[0]
    return _bounded(FUNCTIONS[name](argument))
