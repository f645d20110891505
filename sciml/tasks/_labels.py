"""Values as named variables with units."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.status import status_attributes
from sciml.core.types import Grid

Labelled = dict[str, Any]  # Any: what xarray.Dataset takes for a variable
"""Variables by name: dimensions, values, attributes."""

NO_ATTRS: Mapping[str, str] = MappingProxyType({})


def labelled_frames(problem: Problem, grid: Grid, states: Float[Tensor, "sample time channel *space"]) -> Labelled:
    """One variable ``sample time *space`` per field."""
    dims = ("sample", "time", *grid.dims)
    return {
        field.name: (dims, states[:, :, i].numpy(), {"units": field.units, "long_name": field.long_name})
        for i, field in enumerate(problem.fields)
    }


def labelled_status(status: Int[Tensor, " sample"]) -> Labelled:
    """``status``: how the prediction of every sample ended, with the meaning of its codes."""
    words = status_attributes("how the prediction of the sample ended")
    return {"status": ("sample", status.to(torch.int8).cpu().numpy(), words)}


def labelled_parameters(problem: Problem, parameters: Float[Tensor, "sample parameter"]) -> Labelled:
    """One variable ``sample`` per parameter, with units."""
    return {
        entry.name: ("sample", parameters[:, i].numpy(), {"units": entry.units, "long_name": entry.long_name})
        for i, entry in enumerate(problem.parameters)
    }


def labelled_forcings(
    problem: Problem, forcing: Float[Tensor, "sample moment forcing"], dim: str, attrs: Mapping[str, str] = NO_ATTRS
) -> Labelled:
    """One variable on ``sample`` and `dim` per forcing, with units and further attributes."""
    return {
        entry.name: (
            ("sample", dim),
            forcing[:, :, i].numpy(),
            {"units": entry.units, "long_name": entry.long_name, **attrs},
        )
        for i, entry in enumerate(problem.forcings)
    }
