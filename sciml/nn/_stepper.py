"""From a network on standardised tensors to a time stepper in physical units."""

from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn._field_network import FieldNetwork

N = TypeVar("N", bound=nn.Module)


class Stepper(nn.Module, Generic[N]):
    """One step in physical units around a network in standardised ones.

    With x̃ = (x - μ) / σ per channel and the condition c = (stride, p̃):

        ũ(t+1) = network(ũ(t-h+1 … t), c),    u(t+1) = μ + σ ũ(t+1)

    The frames of the history are folded into the channels of the network, oldest first. A `FieldNetwork` that was built
    without a condition is not given one; any other module is.

    The constants are buffers, so weights files and exported programs are complete. A rollout feeds standardised
    predictions back without leaving standardised units.

    Arguments:
        network: maps ``batch history*channel *space`` and ``batch condition`` to ``batch channel *space``.
        field_mean, field_std: per channel.
        parameter_mean, parameter_std: per physical parameter.
    """

    network: N
    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor

    def __init__(
        self,
        network: N,
        *,
        field_mean: Float[Tensor, " channel"],
        field_std: Float[Tensor, " channel"],
        parameter_mean: Float[Tensor, " parameter"],
        parameter_std: Float[Tensor, " parameter"],
    ) -> None:
        super().__init__()
        self.network = network
        self.told = not isinstance(network, FieldNetwork) or network.condition_channels > 0
        self.register_buffer("field_mean", field_mean.clone())
        self.register_buffer("field_std", field_std.clone())
        self.register_buffer("parameter_mean", parameter_mean.clone())
        self.register_buffer("parameter_std", parameter_std.clone())

    def standardise(self, states: Float[Tensor, "batch time channel *space"]) -> Float[Tensor, "..."]:
        """(u - μ) / σ, channel by channel."""
        return (states - self._wide(self.field_mean, states)) / self._wide(self.field_std, states)

    def restore(self, states: Float[Tensor, "batch time channel *space"]) -> Float[Tensor, "..."]:
        """μ + σ ũ, the inverse of `standardise`."""
        return states * self._wide(self.field_std, states) + self._wide(self.field_mean, states)

    def condition(
        self, parameters: Float[Tensor, "batch parameter"], stride: Float[Tensor, " batch"]
    ) -> Float[Tensor, "batch condition"]:
        """The network's second input: the step in stored frames, then the standardised parameters."""
        return torch.cat([stride[:, None], (parameters - self.parameter_mean) / self.parameter_std], dim=1)

    def forward(
        self,
        states: Float[Tensor, "batch history channel *space"],
        parameters: Float[Tensor, "batch parameter"],
        stride: Float[Tensor, " batch"],
    ) -> Float[Tensor, "batch 1 channel *space"]:
        """The next state in physical units."""
        return self.restore(self.advance(self.standardise(states), self.condition(parameters, stride)))

    def advance(
        self, window: Float[Tensor, "batch history channel *space"], condition: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, "batch 1 channel *space"]:
        """The next state from states that are standardised, and standardised like them."""
        return self.network(window.flatten(1, 2), condition if self.told else None)[:, None]

    def rollout(
        self,
        states: Float[Tensor, "batch history channel *space"],
        parameters: Float[Tensor, "batch parameter"],
        stride: Float[Tensor, " batch"],
        steps: int,
    ) -> Float[Tensor, "batch steps channel *space"]:
        """`steps` states in physical units, each predicted from the ones before it."""
        window, condition, predicted = self.standardise(states), self.condition(parameters, stride), []
        for _ in range(steps):
            following = self.advance(window, condition)
            predicted.append(following)
            window = torch.cat([window[:, 1:], following], dim=1)
        return self.restore(torch.cat(predicted, dim=1))

    @staticmethod
    def _wide(constants: Tensor, states: Tensor) -> Tensor:
        return constants.view(-1, *[1] * (states.ndim - 3))
