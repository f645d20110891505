"""A latent equation behind sparsely observed series."""

import copy
import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sciml import ode
from sciml.models._ode_block import IntegrateConfig, ODEBlock
from sciml.models._regularise import RegulariseConfig
from sciml.models._stepping import moments_of
from sciml.nn import MLP, GatedUnit, Network


class LatentField(Network):
    """dz/dt = rate · B_n(… B_1(tanh z)), B(z) = tanh(W' tanh(W z + b) + b'), the last tanh only if `bounded`.

    Arguments:
        latent: components of z.
        units: hidden neurons of a block.
        blocks: n.
        bounded: whether no component is faster than the rate.
        rate: one over a time.
    """

    rate: Tensor

    def __init__(
        self, latent: int, *, units: int = 32, blocks: int = 1, bounded: bool = False, rate: float | None = None
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Tanh()]
        for _ in range(blocks):
            parts += [nn.Linear(latent, units), nn.Tanh(), nn.Linear(units, latent), nn.Tanh()]
        self.layers = nn.Sequential(*(parts if bounded else parts[:-1]))
        self.register_buffer("rate", torch.tensor(rate or 1.0))

    def forward(self, time: Float[Tensor, " row"], state: Float[Tensor, "row latent"]) -> Float[Tensor, "row latent"]:
        """The slope; it does not depend on the time."""
        return self.layers(state) * self.rate


class LatentODE(Network):
    """q(z(t_0) | observations) by a recurrent unit running backward in time, dz/dt = f_θ(z), x(t) = D(z(t)).

    The unit sees the standardised values, zero where nothing was observed, whether something was, and the time to its
    next reading. Physical parameters are not used: what differs between series must show in the observations.

    Arguments:
        channels: of the series x.
        latent: components of the latent state z.
        units, blocks: of the dynamics, blocks latent -> units -> latent one after another.
        bounded: whether the last block too ends with tanh, so that no component is faster than the rate.
        rate: factor on the dynamics, one over a time; None leaves it to be measured (`measure`), and 1 until then.
        reads: where the unit steps: at times and observations from the last one back, or at the observations only, and
            at the first time.
        step: between these times, from the first on; None: they are those given, and the code depends on which.
        recognition: means (and as many spreads) that the unit carries.
        gates: hidden neurons of its gates.
        posterior: hidden neurons between its last state and mean and log-variance of z(t_0).
        decoder: hidden ReLU neurons of D; 0 for an affine one.
        sigma: standard deviation of the likelihood, in standard deviations of x.
        kl_delay: share of the training before the prior counts.
        kl_rate: how fast its weight then rises, β = 1 - exp(-kl_rate (along - kl_delay)).
        mean, std: what standardises x, one per channel; 0 and 1 if left out.
        integrate: how it is integrated; the tolerances are 1e-4 if left out.
        regularise: what is penalised in training; the penalty waits in ``block.policy``.

    References:
        Chen, Rubanova, Bettencourt, Duvenaud, NeurIPS 2018, arXiv:1806.07366. Rubanova, Chen, Duvenaud, "Latent
        Ordinary Differential Equations for Irregularly-Sampled Time Series", NeurIPS 2019, arXiv:1907.03907.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        channels: int,
        *,
        latent: int = 8,
        units: int = 32,
        blocks: int = 1,
        bounded: bool = False,
        rate: float | None = None,
        reads: Literal["times", "observations"] = "times",
        step: float | None = None,
        recognition: int = 32,
        gates: int = 32,
        posterior: int = 32,
        decoder: int = 0,
        sigma: float = 0.1,
        kl_delay: float = 0.05,
        kl_rate: float = 3.0,
        mean: Float[Tensor, " channel"] | None = None,
        std: Float[Tensor, " channel"] | None = None,
        integrate: IntegrateConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        self.reads, self.step, self.rate_given = reads, step, rate is not None
        self.sigma, self.kl_delay, self.kl_rate = sigma, kl_delay, kl_rate
        self.register_buffer("mean", torch.zeros(channels) if mean is None else mean.clone())
        self.register_buffer("std", torch.ones(channels) if std is None else std.clone())
        self.recognise = GatedUnit(recognition, channels + 2, width=gates)
        self.posterior = MLP(2 * recognition, 2 * latent, width=posterior)
        field = LatentField(latent, units=units, blocks=blocks, bounded=bounded, rate=rate)
        self.block = ODEBlock(field, integrate=integrate, regularise=regularise)
        self.decode: nn.Module = (
            MLP(latent, channels, width=decoder, nonlinearity="relu") if decoder else nn.Linear(latent, channels)
        )

    @property
    def rate(self) -> Tensor:
        """One over the time in which series change."""
        return self.block.field.rate

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
        if self.reads == "times":
            times, values, mask, steps, *_ = moments_of(times, values, mask, self.step)
            read = (mask.flip(1).cumsum(1).flip(1) > 0) & steps
        else:
            read = mask.clone()
            read[:, 0] |= mask.any(1)  # how long after the first time a series was seen first
        seen = torch.where(mask[:, :, None], self.standardise(values), 0.0)
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

    def solve_in_double(
        self,
        latent: Float[Tensor, "batch latent"],
        times: Float[Tensor, " time"],
        *,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "batch time channel"], ode.Solution]:
        """As `forward` with the same weights, but for the solve, which is in double precision.

        Sums of a few rows round otherwise than those of many. In single precision that moves the estimated errors, by
        them the steps, and the answer by a share of the tolerance: it would depend on the other rows of a batch.
        """
        block = copy.deepcopy(self.block).double()
        states, solution = block(latent.double(), times, tolerance=tolerance)
        return self.decode(states.to(latent.dtype)), solution

    def negative_bound(
        self,
        times: Float[Tensor, " time"],
        values: Float[Tensor, "batch time channel"],
        mask: Bool[Tensor, "batch time"],
        targets: Float[Tensor, "batch time channel"],
        along: float = 1.0,
    ) -> Float[Tensor, ""]:
        """The negative evidence bound per value, (Σ (x - x̂)² / 2σ² + β KL) / values: what training makes small.

        The latent state is drawn from the posterior with torch's global generator. x runs over the targets at all
        times, observed or not, in standard deviations of each channel. The constant of the likelihood is left out.

        Arguments:
            times, values, mask: when, what and where was observed, as in `encode`.
            targets: what the series really were.
            along: share of the training that is done, on which β depends.
        """
        mean, log_variance = self.encode(times, values, mask)
        latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        series, _ = self(latent, times)
        squares = (series - self.standardise(targets)).square().sum((1, 2))
        prior = self.prior_weight(along) * divergence(mean, log_variance)
        return (squares / (2 * self.sigma**2) + prior).mean() / targets[0].numel()

    def prior_weight(self, along: float) -> float:
        """β, the weight of the divergence from the prior."""
        return 1 - math.exp(-self.kl_rate * max(0.0, along - self.kl_delay))

    def restore(self, values: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """μ + σ x, the inverse of `standardise`."""
        return values * self.std + self.mean


def divergence(
    mean: Float[Tensor, "batch latent"], log_variance: Float[Tensor, "batch latent"]
) -> Float[Tensor, " batch"]:
    """KL(N(m, s²) ‖ N(0, 1)) = Σ (s² + m² - 1 - log s²) / 2, per sample."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(1)
