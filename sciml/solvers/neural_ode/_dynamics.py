"""A learned equation of motion for the states of a problem."""

from typing import Literal

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.core.config import Config
from sciml.data import Statistics
from sciml.nn import MLP, Activation
from sciml.solvers.neural_ode._block import IntegrateConfig, ODEBlock
from sciml.solvers.neural_ode._regularise import RegulariseConfig

Features = Literal["state", "cube"]


class DynamicsConfig(Config):
    """A perceptron as the right-hand side."""

    width: int = pydantic.Field(50, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(1, ge=0)
    """Hidden layers; none gives a linear equation."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""
    features: Features = "state"
    """What the network sees of the state: its components, or their cubes."""
    augment: int = pydantic.Field(0, ge=0)
    """Components beside those of the state, zero at the start."""
    clock: bool | None = None
    """Whether the network also sees the time; None where the problem's reduced model has a source, which acts by the
    clock."""
    rate: float | None = pydantic.Field(None, gt=0)
    """Factor on the network's output, one over a time in the problem's units; None measures how fast each field changes
    (and how large its cubes are) in the training data."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-5, atol=1e-5)
    """How it is integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the error."""


class StateField(nn.Module):
    """dz/dt = r N(φ(z) / s, p, t / t_end) with φ(z) = z or z³, component by component, the time only where asked for.

    r, s and t_end are one until they are set; the added components have those of the mean over the others.

    Arguments:
        config: hyper-parameters.
        channels: of the state, those it is augmented by not counted.
        num_parameters: physical parameters p.
    """

    rate: Tensor
    scale: Tensor
    end: Tensor

    def __init__(self, config: DynamicsConfig, *, channels: int, num_parameters: int) -> None:
        super().__init__()
        size = channels + config.augment
        self.network = MLP(
            size + num_parameters + bool(config.clock),
            size,
            width=config.width,
            layers=config.layers,
            nonlinearity=config.nonlinearity,
        )
        self.cube, self.channels = config.features == "cube", channels
        self.register_buffer("rate", torch.full((size,), config.rate or 1.0))
        self.register_buffer("scale", torch.ones(size))
        if config.clock:
            self.register_buffer("end", torch.ones(()))
        self.clock = bool(config.clock)

    def forward(
        self, time: Float[Tensor, " row"], state: Float[Tensor, "row component"], *parameters: Tensor
    ) -> Float[Tensor, "row component"]:
        """The slope; it depends on the time only with a clock."""
        features = state**3 / self.scale if self.cube else state
        seen = (*parameters, (time / self.end).to(state.dtype)[:, None]) if self.clock else parameters
        return self.network(torch.cat((features, *seen), dim=1) if seen else features) * self.rate

    @torch.no_grad()
    def measure(self, states: Float[Tensor, "sample time channel"], times: Float[Tensor, " time"]) -> None:
        """Set r to the RMS of the slopes between neighbouring states and s to that of the cubes."""
        slopes = states.diff(dim=1) / times.diff()[:, None]
        self._set(self.rate, slopes.square().mean((0, 1)).sqrt())
        if self.cube:
            self._set(self.scale, (states**3).square().mean((0, 1)).sqrt())

    def _set(self, buffer: Tensor, values: Float[Tensor, " channel"]) -> None:
        values = torch.where(values > 0, values, 1.0)
        buffer[: self.channels] = values
        buffer[self.channels :] = values.mean()


class Dynamics(nn.Module):
    """Trajectories from a first state, in physical units.

        z = ((u - μ) / σ, 0),   dz/dt = f_θ(z, p̃),   u(t) = μ + σ z(t), the added components dropped

    With the features ``cube`` states are scaled but not shifted, so that the cubes are those of u up to a factor per
    component.

    Arguments:
        config: hyper-parameters.
        statistics: of fields and parameters.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018, arXiv:1806.07366.
        Dupont, Doucet, Teh, "Augmented Neural ODEs", NeurIPS 2019, arXiv:1904.01681 (the added components).
    """

    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor

    def __init__(self, config: DynamicsConfig, statistics: Statistics) -> None:
        super().__init__()
        mean, std = statistics.field_mean, statistics.field_std
        self.config, self.channels, self.augment = config, len(mean), config.augment
        self.num_parameters = len(statistics.parameter_mean)
        field = StateField(config, channels=self.channels, num_parameters=self.num_parameters)
        self.block = ODEBlock(field, integrate=config.integrate, regularise=config.regularise)
        self.register_buffer("field_mean", torch.zeros_like(mean) if config.features == "cube" else mean.clone())
        self.register_buffer("field_std", std.clone())
        self.register_buffer("parameter_mean", statistics.parameter_mean.clone())
        self.register_buffer("parameter_std", statistics.parameter_std.clone())

    def standardise(self, states: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """(u - μ) / σ."""
        return (states - self.field_mean) / self.field_std

    def restore(self, states: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """μ + σ z, the inverse of `standardise`."""
        return states * self.field_std + self.field_mean

    def start(self, state: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch component"]:
        """The standardised first state, with zeros for the added components."""
        z = self.standardise(state)
        return torch.cat((z, z.new_zeros(len(z), self.augment)), dim=1) if self.augment else z

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Float[Tensor, "*batch time"],
        *,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "batch time channel"], ode.Solution]:
        """Standardised states at `times`, the first of which is that of `state`, and what the solve says."""
        known = ((parameters - self.parameter_mean) / self.parameter_std,) if self.num_parameters else ()
        states, solution = self.block(self.start(state), times, known, tolerance=tolerance)
        return states[..., : self.channels], solution
