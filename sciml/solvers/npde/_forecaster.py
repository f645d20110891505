"""A PDE network between standardised frames."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Params
from sciml.data import Statistics
from sciml.models.npde import NPDEConv
from sciml.nn import FieldNetwork
from sciml.solvers.npde._config import NPDEConfig


class Forecaster(FieldNetwork):
    """The last frame in physical units, one step of the equation, and back.

    Arguments:
        equation: the network, in float64.
        history: frames that come in, of which the last is used.
        statistics: mean and standard deviation of fields and parameters.
        names: of the parameters, in the order of the condition; only with parameters that the equation reads.
        settings: of its fit.
    """

    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor

    def __init__(
        self,
        equation: NPDEConv,
        *,
        history: int,
        statistics: Statistics,
        names: tuple[str, ...],
        settings: NPDEConfig,
    ) -> None:
        fields = len(equation.spec.fields)
        super().__init__(
            dims=len(equation.spec.axes),
            in_channels=history * fields,
            out_channels=fields,
            condition_channels=1 + len(names) if names else 0,
        )
        self.equation, self.names, self.settings = equation, names, settings
        self.register_buffer("field_mean", statistics.field_mean.double())
        self.register_buffer("field_std", statistics.field_std.double())
        self.register_buffer("parameter_mean", statistics.parameter_mean.double())
        self.register_buffer("parameter_std", statistics.parameter_std.double())

    def forward(
        self, x: Float[Tensor, "batch feature *space"], condition: Float[Tensor, "batch scalar"] | None = None
    ) -> Float[Tensor, "batch channel *space"]:
        """The next frame, standardised as the input is."""
        self.check(x, condition)
        fields: Params | None = None
        if condition is not None:
            values = condition[:, 1:].double() * self.parameter_std + self.parameter_mean
            fields = dict(zip(self.names, values.unbind(1), strict=True))
        shape = [-1] + [1] * self.dims
        mean, std = self.field_mean.view(shape), self.field_std.view(shape)
        state = x[:, -self.out_channels :].double() * std + mean
        following = self.equation(state, parameters=fields)
        return ((following - mean) / std).to(x.dtype)

    def given(self, parameters: Float[Tensor, "batch parameter"]) -> Params | None:
        """Physical parameters by name, where the equation reads them."""
        return dict(zip(self.names, parameters.double().unbind(1), strict=True)) if self.names else None

    @torch.no_grad()
    def weights(self) -> Float[Tensor, " channel"]:
        """What makes residuals of different fields comparable."""
        return 1 / self.field_std
