"""First guesses of numbers that enter the known part of a table's equations, from slopes of smoothing splines."""

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp
from jaxtyping import Float
from torch import Tensor

from sciml.discovery._smooth import FEWEST, smoothing_spline
from sciml.discovery._tree import evaluate


def guess_scalars(
    rows: Sequence[Float[Tensor, "row column"]], columns: Sequence[str], fields: Sequence[str],
    formulas: Sequence[sp.Expr], shared: Sequence[str], own: Sequence[str], library: Mapping[str, Sequence[sp.Expr]],
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:  # fmt: skip
    """Numbers of the known part by least squares of the slopes of smoothing splines, hidden parts as sums of terms.

    A number that does not enter as a factor is guessed to be one.

    Arguments:
        rows: time and columns per trajectory.
        columns: their names.
        fields: those that have a rate.
        formulas: of the known part, one per field.
        shared: numbers that are the same on all trajectories.
        own: numbers with a value per trajectory.
        library: terms of the hidden part by field; fields whose equation is complete are left out.
    """
    guesses = dict.fromkeys(shared, 1.0)
    factors = [name for name in (*shared, *own) if not any(f.diff(sp.Symbol(name), 2) != 0 for f in formulas)]
    fixed = [(sp.Symbol(name), sp.Float(1.0)) for name in shared if name not in factors]
    plain = [formula.subs(fixed) for formula in formulas]
    lefts, rights, width = [], [], len(factors) + len(own) * (len(rows) - 1) + sum(map(len, library.values()))
    places = {(name, k): j for j, (name, k) in enumerate(_keys(factors, own, len(rows)))}
    first = {name: len(places) + sum(len(library[f]) for f in list(library)[:i]) for i, name in enumerate(library)}
    for k, table in enumerate(rows):
        values, slopes = _smoothed(table, columns)
        for name, formula in zip(fields, plain, strict=True):
            zero = formula.subs([(sp.Symbol(factor), sp.Integer(0)) for factor in factors])
            block = np.zeros((len(values["t"]), width))
            for factor in factors:
                shape = formula.diff(sp.Symbol(factor)).subs([(sp.Symbol(other), sp.Integer(0)) for other in factors])
                block[:, places[factor, k if factor in own else 0]] = evaluate(shape, values, values["t"])
            for j, term in enumerate(library.get(name, ())):
                block[:, first[name] + j] = evaluate(term, values, values["t"])
            lefts.append(block)
            rights.append(slopes[name] - evaluate(zero, values, values["t"]))
    left, right = np.concatenate(lefts), np.concatenate(rights)
    norms = np.linalg.norm(left, axis=0)
    solved = np.linalg.lstsq(left / np.where(norms > 0, norms, 1.0), right, rcond=None)[0] / np.where(
        norms > 0, norms, 1.0
    )
    guesses |= {name: float(solved[places[name, 0]]) for name in shared if name in factors}
    each = {name: tuple(float(solved[places[name, k]]) for k in range(len(rows))) for name in own}
    return guesses, each


def _keys(factors: Sequence[str], own: Sequence[str], count: int) -> list[tuple[str, int]]:
    return [(name, k) for name in factors for k in range(count if name in own else 1)]


def _smoothed(table: Tensor, columns: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Values and slopes of every column at sixty-one times."""
    times = table[:, 0].numpy()
    span = times[-1] - times[0]
    dense = np.linspace(0.0, 1.0, 61)
    values, slopes = {"t": times[0] + span * dense}, {}
    for i, name in enumerate(columns, start=1):
        column = table[:, i].numpy()
        here = np.isfinite(column)
        if here.sum() >= FEWEST:
            curve = smoothing_spline((times[here] - times[0]) / span, column[here], None, np.zeros(here.sum(), bool))
            values[name], slopes[name] = curve(dense), curve(dense, 1) / span
        else:
            values[name] = np.interp(values["t"], times[here], column[here])
            slopes[name] = np.gradient(values[name], values["t"])
    return values, slopes
