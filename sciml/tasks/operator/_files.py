"""Functions and queries in files: as they are written for people, and as people's files are read.

NetCDF: every input function is a variable ``u(sample, u_sensor)``, the coordinates of its sensors are
``u_x(u_sensor)``; queries are ``x(query)``, or ``x(sample, query)`` where every sample has its own. A table has one
column per coordinate and one per function (``u``, or ``u_1``, ``u_2``, ... for several samples); a row with values is a
sensor, a row with coordinates alone a query.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import MapsFunctions
from sciml.core.domain import Domain
from sciml.core.errors import DataError
from sciml.data.tables import MISSING, TABLE_ENDINGS, RawTable, decimal_mark, read_raw, to_number
from sciml.tasks._inputs import check_finite, checked_inputs, numbers, open_inputs, shape_words
from sciml.tasks._labels import Labelled
from sciml.tasks.operator._data import OperatorContext, Questions
from sciml.tasks.operator._module import TOLERANCE


def sensor_dim(name: str) -> str:
    """The dimension of a function's sensors."""
    return f"{name}_sensor"


def sensor_axis(name: str, axis: str) -> str:
    """The variable that holds one coordinate of a function's sensors."""
    return f"{name}_{axis}"


def labelled_inputs(
    problem: MapsFunctions, context: OperatorContext, functions: Float[Tensor, "sample sensor"]
) -> tuple[Labelled, Labelled]:
    """Variables and coordinates of functions at their sensors."""
    variables: Labelled = {}
    coordinates: Labelled = {}
    parts = functions.split(context.sizes, dim=1)
    for entry, values, points in zip(problem.inputs, parts, context.sensors, strict=True):
        dim, words = sensor_dim(entry.name), {"units": entry.units, "long_name": entry.long_name}
        variables[entry.name] = (("sample", dim), values.cpu().numpy(), words)
        for axis, column in zip(entry.domain.axes, points.unbind(1), strict=True):
            words = {"units": axis.units, "long_name": f"sensors of {entry.name}: {axis.long_name or axis.name}"}
            coordinates[sensor_axis(entry.name, axis.name)] = (dim, column.numpy(), words)
    return variables, coordinates


def labelled_queries(
    problem: MapsFunctions, queries: Float[Tensor, "query dim"] | Float[Tensor, "sample query dim"]
) -> Labelled:
    """Coordinates of queries."""
    dims = ("query",) if queries.ndim == 2 else ("sample", "query")
    return {
        axis.name: (dims, column.cpu().numpy(), {"units": axis.units, "long_name": axis.long_name or axis.name})
        for axis, column in zip(problem.domain.axes, queries.unbind(-1), strict=True)
    }


def labelled_fields(
    problem: MapsFunctions,
    values: Float[Tensor, "sample query field"],
    spread: Float[Tensor, "sample query field"] | None = None,
) -> Labelled:
    """One variable ``sample query`` per field, and its stated standard deviation as ``sigma_<field>``."""
    arrays: Labelled = {}
    for i, field in enumerate(problem.fields):
        words = {"units": field.units, "long_name": field.long_name}
        arrays[field.name] = (("sample", "query"), values[..., i].cpu().numpy(), words)
        if spread is not None:
            words = words | {"long_name": f"stated standard deviation of {field.long_name}"}
            arrays[f"sigma_{field.name}"] = (("sample", "query"), spread[..., i].cpu().numpy(), words)
    return arrays


def read_questions(path: Path, problem: MapsFunctions, context: OperatorContext) -> Questions:
    """Functions and queries from a user's file.

    Sensors are compared by value; those in another order are sorted. A file without queries asks at those of the
    training, if all functions shared them.

    Raises: DataError for a file that cannot be read or does not fit: other sensors, queries outside of the domain,
        values that are not finite.
    """
    if path.suffix.lower() in TABLE_ENDINGS:
        return _of_dataset(path, _from_table(path, problem), problem, context)
    return _of_dataset(path, _from_netcdf(path, problem), problem, context)


def _from_netcdf(path: Path, problem: MapsFunctions) -> xarray.Dataset:
    names, units = _expected(problem)
    return open_inputs(path, problem, "functions at their sensors, and queries", names, also=units)


def _expected(problem: MapsFunctions) -> tuple[list[str], dict[str, str | None]]:
    """Variables that a file must have, and units of these and of the queries."""
    units: dict[str, str | None] = {axis.name: axis.units for axis in problem.domain.axes}
    names = []
    for entry in problem.inputs:
        names.append(entry.name)
        units[entry.name] = entry.units
        for axis in entry.domain.axes:
            names.append(sensor_axis(entry.name, axis.name))
            units[names[-1]] = axis.units
    return names, units


def _of_dataset(path: Path, source: xarray.Dataset, problem: MapsFunctions, context: OperatorContext) -> Questions:
    parts = []
    for number, entry in enumerate(problem.inputs):
        array, dim = source[entry.name], sensor_dim(entry.name)
        if set(array.dims) != {"sample", dim}:
            raise DataError(f"function {entry.name!r} in {path} has the wrong dimensions", got=shape_words(array),
                            expected=f"sample (any number), {dim} {context.sizes[number]}")  # fmt: skip
        values = numbers(path, array.transpose("sample", dim))
        points = torch.stack(
            [_line(path, source[sensor_axis(entry.name, axis.name)], dim) for axis in entry.domain.axes], dim=1
        )
        order = _matched(path, entry.name, entry.domain, points, context.sensors[number])
        check_finite(path, entry.name, values)
        parts.append(values[:, order])
    return Questions(torch.cat(parts, dim=1), _queries(path, source, problem, context, len(parts[0])))


def _queries(
    path: Path, source: xarray.Dataset, problem: MapsFunctions, context: OperatorContext, samples: int
) -> Float[Tensor, "query dim"] | Float[Tensor, "sample query dim"]:
    names = problem.domain.names
    in_file = [name for name in names if name in source.variables]
    if not in_file and context.queries is not None:
        return context.queries
    if len(in_file) < len(names):
        raise DataError(f"{path} does not say where the fields are asked for", got=", ".join(in_file) or "no queries",
                        expected=", ".join(names))  # fmt: skip
    columns = []
    per_sample = any("sample" in source[name].dims for name in names)
    for name in names:
        array = source[name]
        if set(array.dims) not in ({"query"}, {"sample", "query"}):
            raise DataError(f"the queries {name!r} in {path} have the wrong dimensions", got=shape_words(array),
                            expected="query, or sample and query")  # fmt: skip
        if per_sample:
            array = array.expand_dims(sample=samples) if "sample" not in array.dims else array
            array = array.transpose("sample", "query")
        columns.append(numbers(path, array, "float64"))
        check_finite(path, name, columns[-1])
    queries = torch.stack(columns, dim=-1)
    if not queries.shape[-2]:
        raise DataError(f"{path} asks for no point", got="a dimension query of length 0", expected="one query or more",
                        fix="Leave the queries out to be answered at those of the run.")  # fmt: skip
    _check_inside(path, problem.domain, queries)
    return queries


def _check_inside(path: Path, domain: Domain, queries: Tensor) -> None:
    flat = queries.reshape(-1, queries.shape[-1])
    unit = (flat - domain.lower) / domain.extent
    for i, axis in enumerate(domain.axes):
        outside = (unit[:, i] < -TOLERANCE) | (unit[:, i] > 1 + TOLERANCE)
        if outside.any():
            first, units = int(outside.nonzero()[0]), "" if axis.units == "1" else f" {axis.units}"
            raise DataError(
                f"{path} asks for fields outside of the domain",
                got=f"{axis.name} = {float(flat[first, i]):.6g}{units} in query {first % queries.shape[-2]}"
                + (f" and {int(outside.sum()) - 1} more" if outside.sum() > 1 else ""),
                expected=f"{axis.name} in [{axis.lower:g}, {axis.upper:g}]{units}",
            )
        between = (flat[:, i] - flat[:, i].round()).abs() > TOLERANCE
        if axis.whole and between.any():
            first = int(between.nonzero()[0])
            raise DataError(
                f"{path} asks for fields between the whole numbers of {axis.name}",
                got=f"{axis.name} = {float(flat[first, i]):.6g} in query {first % queries.shape[-2]}",
                expected=f"whole numbers from {axis.lower:g} to {axis.upper:g}",
            )


def _matched(
    path: Path, name: str, domain: Domain, points: Float[Tensor, "given dim"], sensors: Float[Tensor, "sensor dim"]
) -> Tensor:
    """Where in the file every sensor of the run is."""
    unit, unit_sensors = ((part - domain.lower) / domain.extent for part in (points, sensors))
    distance, order = (
        torch.cdist(unit_sensors, unit).min(dim=1) if len(points) else (torch.ones(len(unit_sensors)), torch.zeros(0))
    )
    worst, is_known = int(distance.argmax()), distance <= TOLERANCE
    missing = ", ".join(f"{axis.name} = {x:.6g}" for axis, x in zip(domain.axes, sensors[worst].tolist(), strict=True))
    if len(points) != len(sensors):
        is_part = int(is_known.sum()) == len(points)  # the run's sensors without some of them, as where cells are NaN
        raise DataError(
            f"function {name!r} in {path} has another number of sensors than the run",
            got=f"{len(points)}, none at {missing}" if is_part else len(points),
            expected=len(sensors),
            fix="Give its values at the sensors of the run; `sciml predict RUN --example` writes a file with them.",
        )
    if len(set(order.tolist())) == len(unit_sensors) and bool(is_known.all()):
        return order
    raise DataError(
        f"function {name!r} in {path} is not known at the sensors of the run",
        got=f"no value at {missing}",
        expected="the coordinates of the run's sensors, in any order",
        fix="Interpolate the function to them; `sciml predict RUN --example` writes a file with them.",
    )


def _line(path: Path, array: xarray.DataArray, dim: str) -> Float[Tensor, " sensor"]:
    """A coordinate of sensors, the same for all samples."""
    if array.dims != (dim,):
        raise DataError(f"{array.name!r} in {path} has the wrong dimensions", got=shape_words(array), expected=dim)
    values = numbers(path, array, "float64")
    check_finite(path, str(array.name), values)
    return values


def _from_table(path: Path, problem: MapsFunctions) -> xarray.Dataset:
    """The variables of a table, as a NetCDF file would have them."""
    raw = read_raw(path)
    if not raw.header:
        raise DataError(f"{path} has no names of columns", expected="a coordinate per column, then functions")
    named = [_name_and_units(cell) for cell in raw.header]
    values = _cells(path, raw)
    axes = {axis.name for axis in problem.domain.axes} | {a.name for e in problem.inputs for a in e.domain.axes}
    coordinates = {name: values[:, i] for i, (name, _) in enumerate(named) if name in axes}
    columns = _columns(path, problem, [name for name, _ in named], values, axes)
    counts = {name: len(group) for name, group in columns.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"{path} does not have every input function as often",
                        got=", ".join(f"{name} {n} times" for name, n in counts.items()))  # fmt: skip
    units = {name: text for name, text in named if text}
    variables: Labelled = {}
    is_sensor = np.zeros(len(values), dtype=bool)
    for entry in problem.inputs:
        group = np.stack(columns[entry.name])
        rows = (~np.isnan(group)).any(0)  # an infinite value is no missing one, and is refused later
        is_sensor |= rows
        first = next(name for name, _ in named if name == entry.name or name.startswith(f"{entry.name}_"))
        dim = sensor_dim(entry.name)
        variables[entry.name] = (("sample", dim), group[:, rows], _attributes(units.get(first)))
        for axis in entry.domain.axes:
            if axis.name not in coordinates:
                raise DataError(f"{path} lacks the coordinate {axis.name!r} of the sensors", got=", ".join(raw.header))
            column = coordinates[axis.name][rows]
            variables[sensor_axis(entry.name, axis.name)] = (dim, column, _attributes(units.get(axis.name)))
    asked = {axis.name: coordinates[axis.name] for axis in problem.domain.axes if axis.name in coordinates}
    if (is_empty := ~is_sensor & np.all([np.isnan(column) for column in asked.values()], axis=0)).any():
        raise DataError(f"{path}, {raw.where} {raw.lines[int(is_empty.argmax())]}: a row says nothing",
                        got="no value of a function, and no coordinate of a query",
                        expected=f"a value of {' or '.join(columns)} at a sensor, or {', '.join(problem.domain.names)}",
                        fix="Fill or drop the row.")  # fmt: skip
    for name, column in asked.items() if (~is_sensor).any() else ():
        variables[name] = ("query", column[~is_sensor], _attributes(units.get(name)))
    names, units_of = _expected(problem)
    return checked_inputs(path, xarray.Dataset(variables), problem, names, also=units_of)


def _columns(
    path: Path, problem: MapsFunctions, names: list[str], values: np.ndarray, axes: set[str]
) -> Mapping[str, list[np.ndarray]]:
    """The columns of every input function, in order."""
    columns: dict[str, list[np.ndarray]] = {entry.name: [] for entry in problem.inputs}
    for i, name in enumerate(names):
        if name in axes:
            continue
        match = re.fullmatch(r"(.+?)_\d+", name)
        owner = name if name in columns else match[1] if match else name
        if owner not in columns:
            raise DataError(
                f"{path} holds a column that nothing is predicted from",
                got=repr(name),
                expected=f"coordinates {', '.join(sorted(axes))} and functions "
                + ", ".join(f"{entry} (or {entry}_1, {entry}_2, ...)" for entry in columns),
            )
        columns[owner].append(values[:, i])
    if missing := [name for name, group in columns.items() if not group]:
        raise DataError(f"{path} lacks {', '.join(missing)}", got=", ".join(names))
    return columns


def _cells(path: Path, raw: RawTable) -> np.ndarray:
    """All cells as numbers, missing ones NaN."""
    columns = list(zip(*raw.rows, strict=True))
    decimal, thousands, _ = decimal_mark(path, columns)
    values = np.full((len(raw.rows), len(raw.header)), np.nan)
    for i, (row, line) in enumerate(zip(raw.rows, raw.lines, strict=True)):
        for j, cell in enumerate(row):
            if cell.lower() in MISSING:
                continue
            try:
                values[i, j] = to_number(cell, decimal, thousands)
            except ValueError:
                raise DataError(f"{path}, {raw.where} {line}: column {raw.header[j]!r} does not hold a number",
                                got=repr(cell)) from None  # fmt: skip
    return values


def _name_and_units(cell: str) -> tuple[str, str]:
    """``T (K)`` and ``T [K]`` as a name and units; no units where there are none."""
    match = re.fullmatch(r"(.+?)\s*[(\[]\s*([^()\[\]]*?)\s*[)\]]", cell)
    return (match[1], match[2]) if match else (cell, "")


def _attributes(units: str | None) -> dict[str, str]:
    return {"units": units} if units else {}
