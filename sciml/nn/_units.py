"""From physical to standardised units and back, for modules without a grid."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class Moments(Protocol):
    """Means and standard deviations of fields and physical parameters, one each per channel."""

    @property
    def field_mean(self) -> Float[Tensor, " channel"]:
        """Of the fields."""
        ...

    @property
    def field_std(self) -> Float[Tensor, " channel"]:
        """Of the fields."""
        ...

    @property
    def parameter_mean(self) -> Float[Tensor, " parameter"]:
        """Of the parameters."""
        ...

    @property
    def parameter_std(self) -> Float[Tensor, " parameter"]:
        """Of the parameters."""
        ...


class _Plain(NamedTuple):
    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor


class Units(nn.Module):
    """x̃ = (x - μ) / σ, channel by channel, the channels being the last axis.

    The constants are buffers, so that weights files are complete.

    Arguments:
        statistics: of fields and parameters.
    """

    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor

    def __init__(self, statistics: Moments) -> None:
        super().__init__()
        self.register_buffer("field_mean", statistics.field_mean.clone())
        self.register_buffer("field_std", statistics.field_std.clone())
        self.register_buffer("parameter_mean", statistics.parameter_mean.clone())
        self.register_buffer("parameter_std", statistics.parameter_std.clone())

    @classmethod
    def plain(cls, channels: int, parameters: int = 0) -> "Units":
        """Units that change nothing, for numbers that are of order one as they are."""
        zeros, ones = torch.zeros, torch.ones
        return cls(_Plain(zeros(channels), ones(channels), zeros(parameters), ones(parameters)))

    @property
    def channels(self) -> int:
        """Fields."""
        return len(self.field_mean)

    @property
    def num_parameters(self) -> int:
        """Physical parameters."""
        return len(self.parameter_mean)

    def standardise(self, values: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """(x - μ) / σ."""
        return (values - self.field_mean) / self.field_std

    def restore(self, values: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """μ + σ x̃, the inverse of `standardise`."""
        return values * self.field_std + self.field_mean

    def known(self, parameters: Float[Tensor, "*batch parameter"]) -> Float[Tensor, "*batch parameter"]:
        """The standardised parameters."""
        return (parameters - self.parameter_mean) / self.parameter_std

    def log_volume(self) -> Float[Tensor, ""]:
        """log |dx / dx̃|, what turns a density of x̃ into one of x."""
        return torch.log(self.field_std.double()).sum().to(self.field_std.dtype)


# From Python 3.12 on buffers, which a module looks up, do not make it one. A protocol's class is an ABCMeta.
Moments.register(Units)  # pyright: ignore[reportAttributeAccessIssue]
