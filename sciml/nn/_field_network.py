"""What all networks of fields have in common: their shapes and the check of what they are given."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn._network import Network


class FieldNetwork(Network):
    """Base of the networks that map fields on a grid to fields on the same grid.

    Arguments:
        dims: axes of the grid.
        in_channels, out_channels: fields in and out.
        condition_channels: scalar inputs per sample beside the fields; 0 for none.

    Raises:
        UserError: there is no channel in or out, or fewer scalars than none.
    """

    def __init__(self, *, dims: int, in_channels: int, out_channels: int, condition_channels: int = 0) -> None:
        super().__init__()
        if min(in_channels, out_channels) < 1 or condition_channels < 0:
            raise UserError(
                f"{type(self).__name__} cannot have so few channels",
                got=f"in_channels={in_channels}, out_channels={out_channels}, condition_channels={condition_channels}",
                expected="at least one channel in and one out, and no negative number",
            )
        self.dims, self.in_channels, self.out_channels = dims, in_channels, out_channels
        self.condition_channels = condition_channels

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "batch in_channel *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch out_channel *space"]:
        """The fields that come out, on the grid of those that go in."""

    def check(self, x: Tensor, condition: Tensor | None) -> None:
        """Refuse inputs of a wrong shape.

        Raises:
            UserError: naming the input, the shape it has and the shape it must have.
        """
        if torch.compiler.is_compiling():
            return
        name = type(self).__name__
        if x.ndim != self.dims + 2 or x.shape[1] != self.in_channels:
            space = ", ".join("zyx"[-self.dims :])
            raise UserError(
                f"{name} cannot take these fields",
                got=f"shape {tuple(x.shape)}",
                expected=f"(batch, {self.in_channels}, {space})",
                fix="Fold frames of the past into channels, or build the network with other dims or in_channels.",
            )
        scalars = self.condition_channels
        if condition is None and scalars:
            raise UserError(
                f"{name} was built with a condition and was given none", expected=f"shape ({len(x)}, {scalars})"
            )
        if condition is not None and not scalars:
            raise UserError(
                f"{name} was built without a condition and would ignore this one",
                got=f"shape {tuple(condition.shape)}",
                fix="Leave the condition out, or build the network with condition_channels.",
            )
        if condition is not None and tuple(condition.shape) != (x.shape[0], scalars):
            raise UserError(
                f"{name} cannot take this condition",
                got=f"shape {tuple(condition.shape)}",
                expected=f"({len(x)}, {scalars})",
            )
