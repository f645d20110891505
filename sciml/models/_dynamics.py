"""A learned equation of motion."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml import ode
from sciml.models._ode_block import IntegrateConfig, ODEBlock, check_unpenalised
from sciml.models._regularise import RegulariseConfig
from sciml.nn import MLP, Activation, Moments, Network, Units

Features = Literal["state", "cube"]
"""What a learned right-hand side sees of a state: its components, or their cubes."""


class StateField(Network):
    """dz/dt = r N(φ(z) / s, p, t / t_end) with φ(z) = z or z³, component by component, the time only where asked for.

    r, s and t_end are one until they are set; the added components have those of the mean over the others.

    Arguments:
        channels: of the state, those it is augmented by not counted.
        parameters: how many parameters p, one row per sample.
        width, layers: of the perceptron N; without layers the equation is linear.
        nonlinearity: between its layers.
        features: φ.
        augment: components beside those of the state.
        clock: whether N sees the time.
        rate: r.
    """

    rate: Tensor
    scale: Tensor
    end: Tensor

    def __init__(
        self,
        channels: int,
        *,
        parameters: int = 0,
        width: int = 50,
        layers: int = 1,
        nonlinearity: Activation = "tanh",
        features: Features = "state",
        augment: int = 0,
        clock: bool = False,
        rate: float | None = None,
    ) -> None:
        super().__init__()
        size = channels + augment
        self.network = MLP(size + parameters + clock, size, width=width, layers=layers, nonlinearity=nonlinearity)
        self.cube, self.channels, self.clock = features == "cube", channels, clock
        self.register_buffer("rate", torch.full((size,), rate or 1.0))
        self.register_buffer("scale", torch.ones(size))
        if clock:
            self.register_buffer("end", torch.ones(()))

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


class Dynamics(Network):
    """A neural ODE: trajectories from a first state.

        z = ((u - μ) / σ, 0),   dz/dt = r N(φ(z) / s, p̃, t / t_end),   u(t) = μ + σ z(t), the added components dropped

    With the features ``cube`` states are scaled but not shifted, so that the cubes are those of u up to a factor per
    component.

    Arguments:
        channels: of the state u.
        parameters: how many parameters p go with every trajectory.
        width, layers: of the perceptron N; without layers the equation is linear.
        nonlinearity: between its layers.
        features: what N sees of the state, its components or their cubes.
        augment: components beside those of the state, zero at the start.
        clock: whether N also sees the time.
        rate: r, one over a time; None leaves it to be measured (`measure`), and 1 until then.
        units: μ and σ of states and parameters; none if left out.
        integrate: how it is integrated; the tolerances are 1e-5 if left out.
        regularise: what is penalised in training; the penalty waits in ``block.policy``.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018, arXiv:1806.07366.
        Dupont, Doucet, Teh, "Augmented Neural ODEs", NeurIPS 2019, arXiv:1904.01681 (the added components).
    """

    field_mean: Tensor
    field_std: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor
    forcing: Callable[[Tensor], Tensor | None] | None = None
    times: tuple[float, ...] = ()  # of the data, at which an exported program answers

    def __init__(
        self,
        channels: int,
        *,
        parameters: int = 0,
        width: int = 50,
        layers: int = 1,
        nonlinearity: Activation = "tanh",
        features: Features = "state",
        augment: int = 0,
        clock: bool = False,
        rate: float | None = None,
        units: Moments | None = None,
        integrate: IntegrateConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        units = units or Units.plain(channels, parameters)
        self.channels, self.augment, self.num_parameters = channels, augment, parameters
        self.clock, self.rate_given = clock, rate is not None
        field = StateField(
            channels,
            parameters=parameters,
            width=width,
            layers=layers,
            nonlinearity=nonlinearity,
            features=features,
            augment=augment,
            clock=clock,
            rate=rate,
        )
        integrate = integrate or IntegrateConfig(rtol=1e-5, atol=1e-5)
        self.block = ODEBlock(field, integrate=integrate, regularise=regularise)
        mean = torch.zeros_like(units.field_mean) if features == "cube" else units.field_mean.clone()
        self.register_buffer("field_mean", mean)
        self.register_buffer("field_std", units.field_std.clone())
        self.register_buffer("parameter_mean", units.parameter_mean.clone())
        self.register_buffer("parameter_std", units.parameter_std.clone())

    def force(self, forcing: Callable[[Tensor], Tensor | None]) -> None:
        """Let no step cross a time at which something begins or ends that the clock tells.

        Arguments:
            forcing: physical parameters ``batch parameter`` to these times, ``batch break``; None for none.

        Raises: UnsupportedError where steps are penalised: breaks bound them, not errors.
        """
        check_unpenalised(self.block.policy.config)
        self.forcing = forcing

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

    @property
    def fixed_step(self) -> float | None:
        """The step of an integration that a program can hold (`ode.fixed_steps`); None where errors choose the steps,
        or where equations are solved in each of them."""
        method = self.block.method
        return self.block.integrate.step if isinstance(method, ode.Explicit) and not method.lands else None

    def fixed(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Sequence[float],
    ) -> Float[Tensor, "batch time channel"]:
        """As `forward`, by steps of `fixed_step`, whose places do not depend on the times asked for."""
        assert self.fixed_step is not None, "a step was given"
        field = self.block.field

        def slope(time: Tensor, z: Tensor, *known: Tensor) -> Tensor:
            return field(time, z.to(state.dtype), *known).double()

        return ode.fixed_steps(
            slope, self.start(state).double(), times, step=self.fixed_step, breaks=self._breaks(parameters),
            args=self._known(parameters), method=self.block.method,
        )[..., : self.channels].to(state.dtype)  # fmt: skip

    def count_fixed(self, span: float) -> int:
        """How often `fixed` asks for the right-hand side over a span of time without breaks."""
        assert self.fixed_step is not None, "a step was given"
        return ode.count_steps(self.fixed_step, span) * ode.check_fixed(self.block.method, self.fixed_step, span).stages

    def _known(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """Standardised parameters, where there are any."""
        return ((parameters - self.parameter_mean) / self.parameter_std,) if self.num_parameters else ()

    def _breaks(self, parameters: Tensor) -> Tensor | None:
        return self.forcing(parameters) if self.clock and self.forcing is not None else None

    def forward(
        self,
        state: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Float[Tensor, "*batch time"],
        *,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "batch time channel"], ode.Solution]:
        """Standardised states at `times`, the first of which is that of `state`, and what the solve says.

        Arguments:
            state: the first states, in physical units.
            parameters: of every trajectory, in physical units; no columns where there are none.
            times: strictly monotone, common to all samples or one row each.
            tolerance: replaces both tolerances.
        """
        states, solution = self.block(
            self.start(state), times, self._known(parameters), tolerance=tolerance, breaks=self._breaks(parameters)
        )
        return states[..., : self.channels], solution
