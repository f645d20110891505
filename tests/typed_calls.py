"""Types checked at the first calls of a function in every test: checking all of thousands takes as long as the tests.

jaxtyping's import hook (``--jaxtyping-packages``) puts its decorator on every function. Importing this module, before
anything of the package, puts one in its place that asks it for the first calls only.
"""

import functools
import inspect

import jaxtyping

CHECKED = 8
"""Calls of a function that are checked in one test."""

_decorate = jaxtyping.jaxtyped
_test = 0


class _Budget:
    """Calls of one function that are still to be checked in a test. A function inside another one is made anew at every
    call of that, and decorating it takes milliseconds, but it is the same code with the same annotations."""

    def __init__(self, code):
        self.code, self.test, self.left = code, -1, 0


_budgets = {}
"""By identity of the code, which equal code of two classes does not share."""


def begin_test():
    """All functions have their first calls before them again."""
    global _test
    _test += 1


def jaxtyped(decorated=None, *, typechecker=None):
    """As jaxtyping's own, for the first calls of a function, and of the constructor of a dataclass."""
    if decorated is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if not inspect.isclass(decorated):
        return _first_calls(decorated, lambda: _decorate(decorated, typechecker=typechecker))
    plain = decorated.__init__
    _decorate(decorated, typechecker=typechecker)
    if (checked := decorated.__init__) is not plain:
        decorated.__init__ = _first_calls(plain, lambda: checked)
    return decorated


def _first_calls(plain, make_checked):
    code = getattr(plain, "__code__", plain)
    checked, budget = None, _budgets.setdefault(id(code), _Budget(code))

    @functools.wraps(plain)
    def either(*args, **kwargs):
        nonlocal checked
        if budget.test != _test:
            budget.test, budget.left = _test, CHECKED
        if not budget.left:
            return plain(*args, **kwargs)
        budget.left -= 1
        checked = checked or make_checked()
        return checked(*args, **kwargs)

    return either


jaxtyping.jaxtyped = jaxtyped
