"""From a problem and its data to a specification."""

from __future__ import annotations

import itertools
import math

from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import ConfigError
from sciml.core.expressions import Evaluator
from sciml.core.problem import Parameter
from sciml.models.npde import Advection, Given, NPDESpec, Term, library, read_terms
from sciml.solvers.npde._config import NPDEConfig
from sciml.tasks.forecast import ForecastContext

_WIDTH = 3.0  # standard deviations within which fields are taken to stay


def specification(problem: HasTrajectories, config: NPDEConfig, context: ForecastContext) -> NPDESpec:
    """The equation with the terms of the configuration on the grid of the data.

    Raises: UserError for a term that cannot be read, or has no place in a network.
    """
    axes = tuple(
        axis if axis.boundary == "periodic" else axis.model_copy(update={"boundary": config.wall})
        for axis in NPDESpec.axes_of_grid(context.grid)
    )
    fields, names = tuple(f.name for f in problem.fields), tuple(axis.name for axis in axes)
    parameters = tuple(p.name for p in problem.parameters)
    if clash := set(fields) & set(parameters) or {"t"} & set(names):
        raise ConfigError("a formula could not tell these apart", got=", ".join(clash))
    texts = config.terms or library(fields, names, parameters)
    terms, coefficients = read_terms(texts, fields, names, parameters)
    read = {name for name in parameters if any(_mentions(text, name) for text in texts)}
    numbers = tuple(_given(p) for p in problem.parameters) if read else ()
    return NPDESpec(
        axes=axes,
        fields=fields,
        terms=tuple(_with_speed(term, config, context, fields, numbers) for term in terms),
        coefficients=(*coefficients, *numbers),
        dt=context.dt,
        substeps=config.substeps,
        scheme=config.scheme,
        accuracy=config.accuracy,
        field_units=tuple(field.units for field in problem.fields),
        time_units=context.time_units,
    )


def parameter_names(spec: NPDESpec) -> tuple[str, ...]:
    """Names of the numbers that come with the samples."""
    return tuple(entry.name for entry in spec.coefficients if isinstance(entry, Given))


def _mentions(text: str, name: str) -> bool:
    import sympy

    from sciml.core.formulas import parse_formula

    return sympy.Symbol(name) in parse_formula(text.rpartition(":")[2].replace("lap(", "(")).free_symbols


def _given(parameter: Parameter) -> Given:
    return Given(name=parameter.name, lower=parameter.low, upper=parameter.high, units=parameter.units)


def _with_speed(
    term: Term, config: NPDEConfig, context: ForecastContext, fields: tuple[str, ...], numbers: tuple[Given, ...]
) -> Term:
    """An advection with the largest velocity that the data let one expect, and the scheme that was asked for."""
    if not isinstance(term, Advection):
        return term
    scheme = "upwind" if config.upwind else "central"
    if not term.velocity:
        return term.model_copy(update={"scheme": scheme})
    if context.statistics.field_mean.is_meta:  # the data is not made yet, and nobody knows how fast it is
        return term.model_copy(update={"scheme": scheme})
    from sciml.core.formulas import parse_formula

    formula = Evaluator([parse_formula(term.velocity)])
    mean, std = context.statistics.field_mean.tolist(), context.statistics.field_std.tolist()
    ends = {name: (m - _WIDTH * s, m, m + _WIDTH * s) for name, m, s in zip(fields, mean, std, strict=True)}
    ends |= {entry.name: (entry.lower, (entry.lower + entry.upper) / 2, entry.upper) for entry in numbers}
    ends |= {axis.name: (axis.lower, (axis.lower + axis.upper) / 2, axis.upper) for axis in context.grid.axes}
    used = sorted(formula.symbols)
    corners = itertools.product(*(ends.get(name, (0.0, context.dt * context.steps)) for name in used))
    speeds = [abs(float(formula.numbers(dict(zip(used, corner, strict=True)))[0])) for corner in corners]
    largest = max((speed for speed in speeds if math.isfinite(speed)), default=0.0)
    return term.model_copy(update={"scheme": scheme, "speed": largest or None})
