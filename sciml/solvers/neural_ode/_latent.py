"""A latent equation behind sparsely observed series."""

import math
from typing import Literal

import pydantic
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml import ode
from sciml.core.config import Config
from sciml.data import Statistics
from sciml.nn import MLP, GatedUnit
from sciml.solvers.neural_ode._block import IntegrateConfig, ODEBlock
from sciml.solvers.neural_ode._regularise import RegulariseConfig


class LatentConfig(Config):
    """Recognition, latent dynamics and decoder."""

    latent: int = pydantic.Field(8, ge=1)
    """Components of the latent state."""
    units: int = pydantic.Field(32, ge=1)
    """Hidden neurons of a block of the dynamics."""
    blocks: int = pydantic.Field(1, ge=1)
    """Blocks latent -> units -> latent of the dynamics, one after another."""
    bounded: bool = False
    """Whether the last block too ends with tanh, so that no component is faster than `rate`."""
    rate: float | None = pydantic.Field(None, gt=0)
    """Factor on the dynamics, one over a time in the problem's units; None measures how fast series change."""
    reads: Literal["times", "observations"] = "times"
    """Where the recurrent unit steps: at every time from the last observation back, or at the observations only."""
    recognition: int = pydantic.Field(32, ge=1)
    """Means (and as many spreads) that the recurrent unit carries."""
    gates: int = pydantic.Field(32, ge=1)
    """Hidden neurons of its gates."""
    posterior: int = pydantic.Field(32, ge=1)
    """Hidden neurons between its last state and mean and log-variance of z(t_0)."""
    decoder: int = pydantic.Field(0, ge=0)
    """Hidden ReLU neurons of the decoder; 0 for an affine one."""
    sigma: float = pydantic.Field(0.1, gt=0)
    """Standard deviation of the likelihood, in standard deviations of the field."""
    kl_delay: float = pydantic.Field(0.05, ge=0, le=1)
    """Share of the training before the prior counts."""
    kl_rate: float = pydantic.Field(3.0, ge=0)
    """How fast its weight then rises, 1 - exp(-kl_rate (along - kl_delay))."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-4, atol=1e-4)
    """How it is integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the evidence bound."""

    def prior_weight(self, along: float) -> float:
        """β, the weight of the divergence from the prior."""
        return 1 - math.exp(-self.kl_rate * max(0.0, along - self.kl_delay))


class LatentField(nn.Module):
    """dz/dt = rate · B_n(… B_1(tanh z)), B(z) = tanh(W' tanh(W z + b) + b'), the last tanh only if `bounded`.

    Arguments:
        config: hyper-parameters.
    """

    rate: Tensor

    def __init__(self, config: LatentConfig) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Tanh()]
        for _ in range(config.blocks):
            parts += [nn.Linear(config.latent, config.units), nn.Tanh()]
            parts += [nn.Linear(config.units, config.latent), nn.Tanh()]
        self.layers = nn.Sequential(*(parts if config.bounded else parts[:-1]))
        self.register_buffer("rate", torch.tensor(config.rate or 1.0))

    def forward(self, time: Float[Tensor, " row"], state: Float[Tensor, "row latent"]) -> Float[Tensor, "row latent"]:
        """The slope; it does not depend on the time."""
        return self.layers(state) * self.rate


class LatentODE(nn.Module):
    """q(z(t_0) | observations) by a recurrent unit running backward in time, dz/dt = f_θ(z), x(t) = D(z(t)).

    The unit sees the standardised values, zero where nothing was observed, whether something was, and the time to its
    next reading. Physical parameters are not used: what differs between series must show in the observations.

    Arguments:
        config: hyper-parameters.
        statistics: of the fields.

    References:
        Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, arXiv:1806.07366. Rubanova, Chen, Duvenaud, "Latent
        Ordinary Differential Equations for Irregularly-Sampled Time Series", NeurIPS 2019, arXiv:1907.03907.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: LatentConfig, statistics: Statistics) -> None:
        super().__init__()
        self.config, channels = config, len(statistics.field_mean)
        self.register_buffer("mean", statistics.field_mean.clone())
        self.register_buffer("std", statistics.field_std.clone())
        self.recognise = GatedUnit(config.recognition, channels + 2, width=config.gates)
        self.posterior = MLP(2 * config.recognition, 2 * config.latent, width=config.posterior)
        self.block = ODEBlock(LatentField(config), integrate=config.integrate, regularise=config.regularise)
        self.decode: nn.Module = (
            MLP(config.latent, channels, width=config.decoder, nonlinearity="relu")
            if config.decoder
            else nn.Linear(config.latent, channels)
        )

    @property
    def rate(self) -> Tensor:
        """One over the time in which series change."""
        field = self.block.field
        assert isinstance(field, LatentField)
        return field.rate

    @torch.no_grad()
    def measure(self, series: Float[Tensor, "sample time channel"], times: Float[Tensor, " time"]) -> None:
        """Set the rate to the RMS of the slopes of standardised series."""
        slopes = self.standardise(series).diff(dim=1) / times.diff()[:, None]
        self.rate.fill_(float(slopes.square().mean().sqrt()) or 1.0)

    def standardise(self, values: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """(x - μ) / σ."""
        return (values - self.mean) / self.std

    def encode(
        self,
        times: Float[Tensor, " time"],
        values: Float[Tensor, "batch time channel"],
        mask: Bool[Tensor, "batch time"],
    ) -> tuple[Float[Tensor, "batch latent"], Float[Tensor, "batch latent"]]:
        """Mean and log-variance of the latent state at the first time, given what was observed."""
        seen = torch.where(mask[:, :, None], self.standardise(values), 0.0)
        read = mask if self.config.reads == "observations" else mask.flip(1).cumsum(1).flip(1) > 0
        state = self.recognise.start(seen[:, 0])
        after = torch.full_like(seen[:, 0, 0], torch.nan)
        for i in read.any(0).nonzero().flatten().flip(0).tolist():
            gap = (after - times[i]).nan_to_num(nan=0.0) * self.rate
            inputs = torch.cat((seen[:, i], mask[:, i, None].to(seen), gap[:, None]), dim=1)
            state = self.recognise(state, inputs, read[:, i])
            after = torch.where(read[:, i], times[i], after)
        mean, log_variance = self.posterior(state).to(state.dtype).chunk(2, dim=1)
        return mean, log_variance

    def forward(
        self,
        latent: Float[Tensor, "batch latent"],
        times: Float[Tensor, " time"],
        *,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "batch time channel"], ode.Solution]:
        """Standardised series at `times` from the latent state at the first of them, and what the solve says."""
        states, solution = self.block(latent, times, tolerance=tolerance)
        return self.decode(states), solution

    def restore(self, values: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """μ + σ x, the inverse of `standardise`."""
        return values * self.std + self.mean


def divergence(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    """KL(N(m, s²) ‖ N(0, 1)) = Σ (s² + m² - 1 - log s²) / 2, per sample."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(1)
