"""From a network on standardised tensors to a time stepper in physical units."""

from typing import Generic, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._field_network import FieldNetwork

N = TypeVar("N", bound=nn.Module)


class Stepper(nn.Module, Generic[N]):
    """One step in physical units around a network in standardised ones.

    With x̃ = (x - μ) / σ per channel and the condition c = (stride, p̃):

        ũ(t+1) = network(ũ(t-h+1 … t), c),    u(t+1) = μ + σ ũ(t+1)

    or, where it is told how much fields change in a step, δ per channel:

        ũ(t+1) = ũ(t) + δ/σ network(Δ(t-h+2) … Δ(t), ũ(t), c),    Δ(t) = (u(t) - u(t-1)) / δ

    so that waves which are small beside the field are seen, and not lost in the error of repeating it.

    The frames of the history are folded into the channels of the network, oldest first. A `FieldNetwork` that was built
    without a condition is not given one; any other module is.

    The constants are buffers, so weights files and exported programs are complete. A rollout feeds standardised
    predictions back without leaving standardised units.

    Forcings f enter the condition at both ends of the step, c = (stride, p̃, f̃(t), f̃(t+1)).

    On a masked grid the network sees 0, the mean, at cells that are not active, whatever stands there, and the mask as
    its last channel if it asks for it. What it answers there is dropped, so that neither values nor gradients come from
    these cells. In physical units they are NaN.

    Arguments:
        network: maps ``batch history*channel *space`` and ``batch condition`` to ``batch channel *space``.
        field_mean, field_std: per channel.
        parameter_mean, parameter_std: per physical parameter.
        forcing_mean, forcing_std: per forcing; None for none.
        active: which cells are part of the domain; None for all.
        mask_channel: whether the network takes the mask as a last channel, 1 where a cell is active.
        band_steps: steps of a rollout whose errors will be calibrated; 0 for none.
        band_stride: stored frames per step that they are calibrated for.
        field_change: root mean square δ of the change in a step, per channel; None for a network of whole frames.
        constant: which channels have one value in all data, which they keep; None for none.

    Attributes:
        band: by step and field, half the width of the band around a rollout, in physical units; infinite before it is
            calibrated. None without `band_steps`.
    """

    network: N
    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor
    forcing_mean: Tensor | None
    forcing_std: Tensor | None
    active: Tensor | None
    band: Tensor | None
    change: Tensor | None
    varying: Tensor | None

    def __init__(
        self,
        network: N,
        *,
        field_mean: Float[Tensor, " channel"],
        field_std: Float[Tensor, " channel"],
        parameter_mean: Float[Tensor, " parameter"],
        parameter_std: Float[Tensor, " parameter"],
        forcing_mean: Float[Tensor, " forcing"] | None = None,
        forcing_std: Float[Tensor, " forcing"] | None = None,
        active: Bool[Tensor, "*space"] | None = None,
        mask_channel: bool = False,
        band_steps: int = 0,
        band_stride: int = 1,
        field_change: Float[Tensor, " channel"] | None = None,
        constant: Bool[Tensor, " channel"] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.told = not isinstance(network, FieldNetwork) or network.condition_channels > 0
        self.register_buffer("field_mean", field_mean.clone())
        self.register_buffer("field_std", field_std.clone())
        self.register_buffer("parameter_mean", parameter_mean.clone())
        self.register_buffer("parameter_std", parameter_std.clone())
        self.register_buffer("forcing_mean", None if forcing_mean is None else forcing_mean.clone())
        self.register_buffer("forcing_std", None if forcing_std is None else forcing_std.clone())
        self.register_buffer("active", None if active is None else active.clone())
        blank = torch.full((band_steps, len(field_mean)), torch.inf) if band_steps else None
        self.register_buffer("band", blank)
        self.band_stride = band_stride
        self.register_buffer("change", None if field_change is None else field_change / field_std)
        self.register_buffer("varying", None if constant is None else ~constant)
        self.mask_channel = mask_channel and active is not None

    def standardise(self, states: Float[Tensor, "batch time channel *space"]) -> Float[Tensor, "..."]:
        """(u - μ) / σ, channel by channel; 0 at cells that are not active."""
        scaled = (states - self._wide(self.field_mean, states)) / self._wide(self.field_std, states)
        return scaled if self.active is None else torch.where(self.active, scaled, 0.0)

    def restore(self, states: Float[Tensor, "batch time channel *space"]) -> Float[Tensor, "..."]:
        """μ + σ ũ, the inverse of `standardise`; NaN at cells that are not active."""
        values = states * self._wide(self.field_std, states) + self._wide(self.field_mean, states)
        return values if self.active is None else torch.where(self.active, values, torch.nan)

    def condition(
        self,
        parameters: Float[Tensor, "batch parameter"],
        stride: Float[Tensor, " batch"],
        forcing: Float[Tensor, "batch 2 forcing"] | None = None,
    ) -> Float[Tensor, "batch condition"]:
        """The network's second input: the step in stored frames, the standardised parameters, the forcings at the
        beginning of the step and at its end."""
        parts = [stride[:, None], (parameters - self.parameter_mean) / self.parameter_std]
        if self.forcing_mean is not None and self.forcing_std is not None:
            if forcing is None:
                raise UserError("a step needs its forcing", got="none", expected=f"{len(self.forcing_mean)} numbers")
            parts += ((forcing - self.forcing_mean) / self.forcing_std).unbind(1)
        return torch.cat(parts, dim=1)

    def forward(
        self,
        states: Float[Tensor, "batch history channel *space"],
        parameters: Float[Tensor, "batch parameter"],
        stride: Float[Tensor, " batch"],
        forcing: Float[Tensor, "batch 2 forcing"] | None = None,
    ) -> Float[Tensor, "batch 1 channel *space"]:
        """The next state in physical units."""
        return self.restore(self.advance(self.standardise(states), self.condition(parameters, stride, forcing)))

    def advance(
        self, window: Float[Tensor, "batch history channel *space"], condition: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, "batch 1 channel *space"]:
        """The next state from states that are standardised, and standardised like them."""
        seen = window
        if self.change is not None:
            seen = torch.cat([window.diff(dim=1) / self._wide(self.change, window), window[:, -1:]], dim=1)
        x = seen.flatten(1, 2)
        if self.mask_channel and self.active is not None:
            x = torch.cat([x, self.active.to(x).expand_as(x[:, :1])], dim=1)
        answer = self.network(x, condition if self.told else None)[:, None]
        if self.change is not None:
            answer = window[:, -1:] + self._wide(self.change, window) * answer
        if self.varying is not None:
            answer = torch.where(self._wide(self.varying, answer), answer, 0.0)
        return answer if self.active is None else torch.where(self.active, answer, 0.0)

    def rollout(
        self,
        states: Float[Tensor, "batch history channel *space"],
        parameters: Float[Tensor, "batch parameter"],
        stride: Float[Tensor, " batch"],
        steps: int,
        forcing: Float[Tensor, "batch moment forcing"] | None = None,
    ) -> Float[Tensor, "batch steps channel *space"]:
        """`steps` states in physical units, each predicted from the ones before it.

        `forcing` is known at the last frame of `states` and after every step.
        """
        window, predicted = self.standardise(states), []
        condition = self.condition(parameters, stride) if forcing is None else None
        for step in range(steps):
            if forcing is not None:
                condition = self.condition(parameters, stride, forcing[:, step : step + 2])
            assert condition is not None
            following = self.advance(window, condition)
            predicted.append(following)
            window = torch.cat([window[:, 1:], following], dim=1)
        return self.restore(torch.cat(predicted, dim=1))

    @staticmethod
    def _wide(constants: Tensor, states: Tensor) -> Tensor:
        return constants.view(-1, *[1] * (states.ndim - 3))
