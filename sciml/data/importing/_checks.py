"""What is checked before anything is written: that files belong together, and that their values can be used."""

from collections.abc import Sequence

import numpy as np

from sciml.core.errors import DataError
from sciml.core.recorded import RecordedAxis
from sciml.data.importing._fields import Roles
from sciml.data.importing._source import Source


def check_alike(sources: Sequence[Source], roles: Sequence[Roles]) -> None:
    """All files must have the same fields on the same grid, step and all."""
    first = roles[0]
    sizes = {dim: size for dim, size in next(iter(first.fields.values())).sizes.items() if dim != "sample"}
    for source, entry in zip(sources[1:], roles[1:], strict=True):
        if set(entry.fields) != set(first.fields):
            raise DataError(
                f"{source.label} has other fields than {sources[0].label}",
                got=", ".join(entry.fields),
                expected=", ".join(first.fields),
                fix="Choose common ones with --fields.",
            )
        other = {dim: size for dim, size in next(iter(entry.fields.values())).sizes.items() if dim != "sample"}
        if other != sizes:
            raise DataError(f"{source.label} has another size than {sources[0].label}", got=other, expected=sizes)
        for dim in sizes:
            one, two = sources[0].coordinates.get(dim), source.coordinates.get(dim)
            if dim == "time" and one is not None and two is not None:
                continue  # another time step is a condition, which `time_steps` sees to
            if (one is None) != (two is None) or (one and two and not _close(one.values(), two.values())):
                raise DataError(
                    f"the coordinate {dim!r} of {source.label} is not that of {sources[0].label}",
                    expected="the same points in all files, and times in all or none",
                )
        for name, field in entry.fields.items():
            if field.units != first.fields[name].units:
                raise DataError(
                    f"{name!r} in {source.label} has other units than in {sources[0].label}",
                    got=field.units,
                    expected=first.fields[name].units,
                )


def _close(one: np.ndarray, two: np.ndarray) -> bool:
    if one.dtype.kind not in "fiu" or two.dtype.kind not in "fiu":
        return bool(np.array_equal(one, two))
    steps = np.abs(np.diff(one.astype(np.float64)))
    step = float(steps.min()) if steps.size else 1.0
    return one.shape == two.shape and bool(np.allclose(one, two, rtol=1e-6, atol=1e-3 * step))


def check_values(
    ends: Sequence[np.ndarray], names: Sequence[str], axes: Sequence[RecordedAxis], active: np.ndarray | None
) -> None:
    """Refuse fields that hold nothing in the first and the last sample, and ends of periodic axes stored twice."""
    for channel, name in enumerate(names):
        inside = [states[:, channel] if active is None else states[:, channel][:, active] for states in ends]
        if not any(np.isfinite(values).any() for values in inside):
            raise DataError(
                f"field {name!r} has no finite value",
                got="NaN in the first and the last trajectory",
                fix="Leave it out with --fields.",
            )
    for place, axis in enumerate(axes, start=2):
        varied = any(
            not np.array_equal(states, np.broadcast_to(states.take([0], place), states.shape)) for states in ends
        )
        slices = [(states.take(0, place), states.take(-1, place)) for states in ends]
        if active is not None:
            both = active.take(0, place - 2) & active.take(-1, place - 2)
            slices = [(one[..., both], two[..., both]) for one, two in slices]
        same = all(one.size and np.allclose(one, two, rtol=1e-6, atol=0) for one, two in slices)
        if axis.boundary == "periodic" and varied and same:
            raise DataError(
                f"the first and the last point of the periodic axis {axis.name!r} hold the same values",
                got=f"{axis.size} points, the end point stored twice",
                expected="a periodic axis without its right end point",
                fix="Drop the last point along this axis before importing.",
            )
