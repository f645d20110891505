"""Equations with their exact solutions, and rooted trees, for the tests of the integrators."""

from functools import cache

import numpy as np
import torch
from scipy.integrate import solve_ivp


def coupled(time, state):
    """A nonlinear system that depends on time, solved by (exp(sin t), 1 / (1 + t)) from (1, 1)."""
    first, second = state.unbind(1)
    rise = torch.sin(time)
    return torch.stack(
        [torch.cos(time) * first**2 * torch.exp(-rise), -(second**3) * (1 + time) + torch.log(first) - rise], dim=1
    )


def coupled_exact(time):
    """The solution of `coupled`."""
    time = torch.as_tensor(time, dtype=torch.float64)
    return torch.stack([torch.exp(torch.sin(time)), 1 / (1 + time)], dim=-1)


def harmonic(time, state):
    """A harmonic oscillator of frequency 2."""
    return torch.stack([state[:, 1], -4 * state[:, 0]], dim=1)


def van_der_pol(time, state):
    """Van der Pol's oscillator, mu = 5."""
    x, v = state.unbind(1)
    return torch.stack([v, 5 * (1 - x**2) * v - x], dim=1)


def lotka_volterra(time, state):
    """Predators and prey."""
    x, y = state.unbind(1)
    return torch.stack([1.5 * x - x * y, -3 * y + x * y], dim=1)


OSCILLATORS = {
    "harmonic": (harmonic, (1.0, 0.5)),
    "van_der_pol": (van_der_pol, (2.0, 0.0)),
    "lotka_volterra": (lotka_volterra, (1.0, 1.0)),
}


@cache
def reference(name, end):
    """The solution of one of `OSCILLATORS` up to `end` by SciPy's DOP853: a function of times, ``time -> time dim``."""
    f, start = OSCILLATORS[name]

    def rhs(time, state):
        return f(torch.tensor([time], dtype=torch.float64), torch.tensor(state[None])).numpy()[0]

    how = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13, "dense_output": True}
    curve = solve_ivp(rhs, (0.0, end), np.array(start), **how).sol
    return lambda times: torch.tensor(curve(times.numpy()).T)


@cache
def trees(order):
    """All rooted trees of a number of nodes, each the sorted tuple of its branches."""
    return {1: ((),)}.get(order) or tuple(sorted(set(_grow(order))))


def _grow(order):
    for smaller in trees(order - 1):
        yield from _with_leaf(smaller)


def _with_leaf(tree):
    """Every tree that comes from adding one leaf."""
    yield tuple(sorted((*tree, ())))
    for i, branch in enumerate(tree):
        for grown in _with_leaf(branch):
            yield tuple(sorted((*tree[:i], grown, *tree[i + 1 :])))


def nodes_of(tree):
    """How many nodes a tree has."""
    return 1 + sum(map(nodes_of, tree))


def density(tree):
    """γ of a tree: the product over its nodes of the sizes of the subtrees they carry."""
    product = nodes_of(tree)
    for branch in tree:
        product *= density(branch)
    return product


def stage_weights(tree, a):
    """What each stage contributes for this tree: the product over its branches of a @ (what the branch contributes)."""
    product = np.ones(len(a))
    for branch in tree:
        product = product * (a @ stage_weights(branch, a))
    return product


def matrix(tableau):
    """The coefficients of a tableau as a square matrix."""
    a = np.zeros((tableau.stages, tableau.stages))
    for i, row in enumerate(tableau.a):
        a[i, : len(row)] = row
    return a


def slope_of(sizes, errors):
    """The slope of log error over log size."""
    return float(np.polyfit(np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(errors, dtype=float)), 1)[0])
