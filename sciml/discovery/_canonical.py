"""One way to write a formula of many that say the same: no constant that another one makes up for.

    a C/(b C + c)  →  (a/b) C/(C + c/b),      exp(a + b T)  →  exp(a) exp(b T)
"""

import sympy as sp

from sciml.discovery._algebra import parts


def canonical(expr: sp.Expr) -> sp.Expr:
    """The formula with the constants that stand before a power of a sum, or inside an exponential, taken out of it."""
    if not parts(expr) or not expr.has(sp.Float):
        return expr
    inner = [canonical(part) for part in parts(expr)]
    if isinstance(expr, sp.Pow) and isinstance(inner[0], sp.Add):
        return _power_of_sum(inner[0], inner[1])
    if isinstance(expr, sp.exp) and isinstance(inner[0], sp.Add):
        constant = sp.Add(*(term for term in sp.Add.make_args(inner[0]) if term.is_number))
        if constant.has(sp.Float):
            return sp.Float(float(sp.exp(constant))) * sp.exp(inner[0] - constant)
    return expr.func(*inner)


def _power_of_sum(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """(b C + c)^n as b^n (C + c/b)^n, for the first term of the sum that is no constant."""
    terms = sorted(sp.Add.make_args(base), key=lambda term: sp.default_sort_key(term.as_coeff_Mul()[1]))
    pivot = next((term for term in terms if not term.is_number), None)
    if pivot is None:
        return sp.Pow(base, exponent)
    number = float(pivot.as_coeff_Mul()[0])
    usable = isinstance(exponent, sp.Integer) or (number > 0 and exponent.is_number)
    if not pivot.has(sp.Float) or not number or not usable:
        return sp.Pow(base, exponent)
    rest = []
    for term in terms:
        factor, core = term.as_coeff_Mul()
        rest.append(core if term is pivot else sp.Float(float(factor) / number) * core)
    factor = number ** float(exponent)
    return sp.Float(factor) * sp.Pow(sp.Add(*rest), exponent)
