"""What was observed of the fields of a statement, from a table or made up from the reference."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.capabilities import HasResidual
from sciml.core.errors import ConfigError, DataError
from sciml.core.statement import Statement
from sciml.tasks._inputs import same_units
from sciml.tasks.collocation._table import ObservedTable
from sciml.tasks.collocation._unit_points import unit_points

_SIGMA = "sigma"


class Observed(NamedTuple):
    """Measured values of fields at points, in physical units.

    Fields:
        names: the observed fields.
        points: where.
        values: one column per observed field; NaN where it was not measured.
        sigma: standard deviation of every value; None if nobody knows it.
    """

    names: tuple[str, ...]
    points: Float[Tensor, "observation dim"]
    values: Float[Tensor, "observation field"]
    sigma: Float[Tensor, "observation field"] | None = None

    @property
    def present(self) -> Bool[Tensor, "observation field"]:
        """Which values were measured."""
        return ~self.values.isnan()

    def largest(self) -> dict[str, float]:
        """The largest size of every observed field."""
        return dict(zip(self.names, self.values.nan_to_num(0.0).abs().amax(0).tolist(), strict=True))


def observed_in(table: ObservedTable, statement: Statement, units: Mapping[str, str], sigma: float | None) -> Observed:
    """A table's observations of a statement's fields.

    Columns have the names of the axes and of fields; ``sigma_u`` is the standard deviation of u, ``sigma`` that of the
    only field. Nothing goes unread.

    Arguments:
        table: the columns.
        statement: says which names they have.
        units: of the fields.
        sigma: standard deviation where the table has none.

    Raises: DataError, naming the column and where possible the line, for what is missing, not understood, in other
        units, outside of the domain, or no standard deviation.
    """
    names = tuple(name for name in statement.fields if name in table.columns)
    deviations = {name: column for name in names if (column := _deviation_of(table, name, alone=len(names) == 1))}
    _check_columns(table, statement, names, deviations)
    _check_units(table, statement, dict(units), deviations)
    points = torch.stack([_without_gaps(table, name) for name in statement.names], dim=1)
    inside = statement.domain.contains(points)
    if not inside.all():
        row = int((~inside).nonzero()[0])
        place = ", ".join(f"{n} = {value:g}" for n, value in zip(statement.names, points[row].tolist(), strict=True))
        raise DataError(f"{table.place(row)} lies outside of the domain", got=place, expected=str(statement.domain))
    values = torch.stack([table.column(name) for name in names], dim=1)
    if not (~values.isnan()).any(0).all():
        empty = names[int(values.isnan().all(0).nonzero()[0])]
        raise DataError(f"{table.name} has a column without any number", got=repr(empty), fix="Leave it out.")
    return Observed(names, points, values, _sigma(table, names, values, deviations, sigma))


def made_up(problem: HasResidual, case: str, count: int, noise: float, generator: torch.Generator) -> Observed:
    """Values of the reference at random points, with Gaussian errors.

    Raises: ConfigError for a problem without a reference.
    """
    statement = problem.statement(case)
    points = statement.domain.fill(count, partial(unit_points, "uniform", generator=generator))
    reference = problem.reference(points, case)
    if reference is None:
        raise ConfigError(
            f"the card of problem {problem.name!r} asks for made-up observations, but nobody knows the solution",
            got=f"observations = {count}", expected="measurements",
            fix="Name a CSV file there, or run with --set task.observations=FILE.",
        )  # fmt: skip
    values = reference[:, [statement.fields.index(name) for name in statement.observed]]
    errors = noise * torch.randn(values.shape, generator=generator, dtype=torch.float64)
    return Observed(statement.observed, points, values + errors, torch.full_like(values, noise) if noise else None)


def _deviation_of(table: ObservedTable, name: str, *, alone: bool) -> str:
    """The column with the standard deviations of a field; empty if there is none."""
    candidates = (f"{_SIGMA}_{name}", f"{name}_{_SIGMA}", *((_SIGMA,) if alone else ()))
    return next((column for column in candidates if column in table.columns), "")


def _check_columns(
    table: ObservedTable, statement: Statement, names: tuple[str, ...], deviations: Mapping[str, str]
) -> None:
    wanted = [*statement.names, *statement.observed] if statement.observed else list(statement.names)
    missing = [name for name in wanted if name not in table.columns]
    if missing or not names:
        what = ", ".join(missing) or f"a column of a field ({', '.join(statement.fields)})"
        raise DataError(f"{table.name} lacks {what}", got="columns " + ", ".join(table.columns),
                        expected=", ".join([*wanted, *(() if statement.observed else statement.fields)]),
                        fix="Columns are found by their names in the header.")  # fmt: skip
    known = {*statement.names, *names, *deviations.values()}
    if strays := [column for column in table.columns if column not in known]:
        deviation = f"{_SIGMA}_{names[0]}"
        raise DataError(f"{table.name} has columns that nothing is read from", got=", ".join(strays),
                        expected=f"axes ({', '.join(statement.names)}), fields ({', '.join(statement.fields)}), "
                        f"standard deviations ({deviation})", fix="Rename or drop them.")  # fmt: skip


def _check_units(
    table: ObservedTable, statement: Statement, units: dict[str, str], deviations: Mapping[str, str]
) -> None:
    """Raise DataError for a header with other units than the statement's; numbers are never converted."""
    expected = {axis.name: axis.units for axis in statement.domain.axes} | units
    expected |= {column: units[name] for name, column in deviations.items() if name in units}
    for column, stated in table.units.items():
        if column in expected and not same_units(stated, expected[column]):
            raise DataError(f"{table.name}: the column {column!r} has other units than the problem", got=repr(stated),
                            expected=repr(expected[column]),
                            fix="Convert them, or give the problem's axis or field these units.")  # fmt: skip


def _without_gaps(table: ObservedTable, name: str) -> Float[Tensor, " row"]:
    values = table.column(name)
    if values.isnan().any():
        raise DataError(f"{table.place(int(values.isnan().nonzero()[0]))}, column {name!r} has a gap",
                        expected="a coordinate", fix="Drop the row.")  # fmt: skip
    return values


def _sigma(
    table: ObservedTable,
    names: tuple[str, ...],
    values: Float[Tensor, "row field"],
    deviations: Mapping[str, str],
    sigma: float | None,
) -> Float[Tensor, "row field"] | None:
    """Standard deviations, in gaps a usual one; None unless they are known of all fields."""
    columns = []
    for i, name in enumerate(names):
        if name not in deviations:
            if sigma is None:
                return None
            columns.append(torch.full_like(values[:, i], sigma))
            continue
        deviation = table.column(deviations[name])
        bad = ~values[:, i].isnan() & ~(deviation > 0)
        if bad.any():
            row = int(bad.nonzero()[0])
            raise DataError(f"{table.place(row)}, column {deviations[name]!r} is no standard deviation",
                            got=f"{float(deviation[row]):g}", expected="a positive number")  # fmt: skip
        columns.append(deviation.where(~values[:, i].isnan(), deviation[~values[:, i].isnan()].median()))
    return torch.stack(columns, dim=1)
