"""First states that training examples have, and questions that begin far from all of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.capabilities import HasTrajectories
from sciml.core.errors import UserError
from sciml.tasks._no_space import good_states
from sciml.tasks.trajectories._data import Start, TrajectoriesConfig, TrajectoriesContext

_ROOM = 0.25
"""Share of what was seen that a first state may lie beyond it: a few dozen draws do not reach the ends of a range."""
_SMALL = 1e-2
"""The same in standard deviations of the field over the whole trajectories, for one that always begins alike."""


def seen_starts(dataset: data.Dataset, settings: TrajectoriesConfig) -> Float[Tensor, "2 channel"]:
    """Lowest and highest values at all frames that training windows begin with."""
    states = good_states(dataset, "train")
    window = states.shape[1] if settings.window is None else settings.window
    starts = states[:, : max(1, states.shape[1] - window + 1)].flatten(0, 1)
    return torch.stack((starts.amin(0), starts.amax(0)))


def unseen_starts(inputs: Start, problem: HasTrajectories, context: TrajectoriesContext) -> list[UserError]:
    """An error for every field that begins, in some sample, far from all values it began with in training."""
    if context.seen is None:
        return []
    low, high = context.seen.double()
    room = _ROOM * (high - low) + _SMALL * context.statistics.field_std.double()
    state = inputs.state.double().cpu()
    outside = (state < low - room) | (state > high + room)
    errors = []
    for i, field in enumerate(problem.fields):
        rows = outside[:, i].nonzero().flatten().tolist()
        if rows:
            units = "" if field.units == "1" else f" {field.units}"
            more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
            errors.append(
                UserError(
                    f"field {field.name!r} begins far from all that the run was trained on",
                    got=f"{float(state[rows[0], i]):.6g}{units} (sample {rows[0]}{more})",
                    expected=f"about [{float(low[i]):g}, {float(high[i]):g}]{units}",
                    fix="Change it, or allow such starts with --extrapolate (extrapolate=True in Python): nothing says "
                    "how wrong a prediction is there.",
                )
            )
    return errors
