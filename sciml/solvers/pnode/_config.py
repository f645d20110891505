"""Settings of physics-based parameterised neural ODEs."""

from typing import Literal

import pydantic

from sciml.core.config import Config
from sciml.nn import Activation


class SourceConfig(Config):
    """How a source that depends on time is made."""

    form: Literal["network", "hypernetwork", "shape", "guess"] = "network"
    """A network of time and parameters; a small network of time whose weights a network of the parameters gives; a
    pulse with a centre, a rise and a tail; the course the problem guesses, of which only the energy is learned."""
    hyper_width: int = pydantic.Field(default=8, ge=1)
    """Neurons of the two hidden layers of the network of time alone, for ``hypernetwork``."""
    nodes: int = pydantic.Field(default=128, ge=4)
    """Points of the Gauss-Legendre rule that makes the integral of a source what it is meant to be."""


class StiffConfig(Config):
    """How the reduced model is integrated."""

    method: str = "rodas4"
    """Key of the integration method; the model may be stiff, so an implicit one."""
    rtol: float = pydantic.Field(default=1e-3, gt=0)
    """Relative tolerance in training. On the combustor's laser pulse 1e-2 and 1e-3 leave 0.014 % of its heat, for steps
    follow the pulse whatever the tolerance; across an ignition they leave percents of the temperature."""
    atol: float = pydantic.Field(default=1e-4, gt=0)
    """Absolute tolerance in training, in units of the typical size of each component."""
    predict_rtol: float = pydantic.Field(default=1e-5, gt=0)
    """Relative tolerance of predictions, where it is the smaller one; the absolute one is a tenth of it."""
    step: float | None = pydantic.Field(default=None, gt=0)
    """Fixed step of predictions, in the problem's unit of time; None chooses steps by their error. A run that predicts
    with fixed steps can be exported. Samples that twice the step answers otherwise, by a tenth of a field's standard
    deviation anywhere, get the status of what has not converged; a program does not say so."""
    step_method: str = "rk4"
    """Key of the explicit method that takes the fixed steps."""
    gradient: Literal["discrete", "checkpointed"] = "discrete"
    """Backpropagation through the steps, or the same with checkpoints, for less memory."""
    max_steps: int = pydantic.Field(default=3000, ge=1)
    """Attempted steps per sample before it is given up."""
    share: float = pydantic.Field(default=0.5, gt=0, le=1)
    """Longest step as a share of the distance of two times at which a source begins, peaks or ends, so that none is
    stepped over."""


class MisfitConfig(Config):
    """What is minimised."""

    weights: dict[str, float] = {}
    """Weight of a field, by name; 1 for the others."""
    huber: float | None = pydantic.Field(default=1.0, gt=0)
    """Deviation, in standard deviations of the field, beyond which the error counts linearly; None for squares."""
    emphasis: float = pydantic.Field(default=1.0, ge=0)
    """Times are weighted by 1 + emphasis · (rate of change of the true fields / its mean over time), so that a fast
    passage is not drowned by what follows it."""
    outcome: float = pydantic.Field(default=0.0, ge=0)
    """Weight of the cross-entropy of the outcome, where the problem has one."""


class CurriculumConfig(Config):
    """How far training looks ahead: short horizons first, for gradients through an explosion are large."""

    start: float = pydantic.Field(default=1.0, gt=0, le=1)
    """Share of the horizon at the beginning."""
    until: float = pydantic.Field(default=0.5, gt=0, le=1)
    """Share of the training after which it is all of the horizon; between the two it grows linearly."""

    def horizon(self, along: float) -> float:
        """Share of the horizon when the share `along` of the training is done."""
        return min(1.0, self.start + (1 - self.start) * along / self.until)


class CalibrationConfig(Config):
    """The search that training starts from: one value of every learned closure for all samples.

    A guess that never ignites has no gradient to learn from. The closures are then looked for at Sobol points between
    their bounds, and round after round more closely around the best.
    """

    points: int = pydantic.Field(default=0, ge=0)
    """Points tried in a round; 0 to start at the problem's guess."""
    rounds: int = pydantic.Field(default=4, ge=1, le=1_000_000)
    """Rounds, each in a box of 0.4 times the width of the one before."""
    samples: int = pydantic.Field(default=24, ge=1)
    """Training samples looked at, the first ones."""


class PNODEConfig(Config):
    """Networks of the parameters inside of a reduced model."""

    width: int = pydantic.Field(default=64, ge=1)
    """Neurons of a hidden layer of the source's networks; those of the coefficients have half of them."""
    layers: int = pydantic.Field(default=3, ge=1, le=1000)
    """Hidden layers of the source's networks; those of the coefficients have one fewer."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""
    learn: Literal["all", "sources", "coefficients"] | tuple[str, ...] = "all"
    """The closures that are learned, by kind or by name; the others stay what the problem guesses."""
    constants: tuple[str, ...] = ()
    """Coefficients among the learned ones that are the same number for all samples."""
    reach: float = pydantic.Field(default=1.0, gt=0)
    """Scale of what a coefficient's network adds, in units of its bound: the wider a bound, the less of it samples
    should differ by."""
    source: SourceConfig = SourceConfig()
    """The sources."""
    calibration: CalibrationConfig = CalibrationConfig()
    """Where training starts."""
    integrate: StiffConfig = StiffConfig()
    """The integration."""
    misfit: MisfitConfig = MisfitConfig()
    """The loss."""
    curriculum: CurriculumConfig = CurriculumConfig()
    """The horizon while training."""
