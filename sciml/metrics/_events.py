"""When something happens on a trajectory."""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


def first_crossing(
    times: Float[Tensor, " time"], values: Float[Tensor, "batch time"], level: float
) -> Float[Tensor, " batch"]:
    """When a signal first exceeds `level`, between two samples by linear interpolation; NaN where it never does.

        t = t_i + (t_{i+1} − t_i) (level − v_i)/(v_{i+1} − v_i),   v_i <= level < v_{i+1},  i the first such

    A signal that begins above the level crosses it at the first of `times`. What is not finite exceeds nothing.

    Raises:
        UserError: `values` are not ``batch time`` for these times.
    """
    if values.ndim != 2 or times.shape != values.shape[1:]:
        raise UserError("signals do not fit their times", got=f"values {tuple(values.shape)}, times "
                        f"{tuple(times.shape)}", expected="values `batch time`, times `time`")  # fmt: skip
    above = values > level
    last = above.to(torch.int8).argmax(1).clamp_min(1)
    rows = torch.arange(len(values), device=values.device)
    before, after = values[rows, last - 1], values[rows, last]
    share = ((level - before) / (after - before)).clamp(0.0, 1.0)
    crossed = times[last - 1] + (times[last] - times[last - 1]) * share
    crossed = torch.where(above[:, 0], times[0], crossed)
    return torch.where(above.any(1), crossed, torch.nan)
