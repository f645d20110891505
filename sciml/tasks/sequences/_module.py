"""A network of sequences with what the task knows of its data."""

import copy
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sciml.core.capabilities import HasSequences
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.nn import Units
from sciml.nn.ssm import TimeScale
from sciml.tasks.sequences._data import SequenceBatch, SequencesContext, Signals, step_of


@runtime_checkable
class StateSpaces(Protocol):
    """A network of state-space layers, such as those of `sciml.models`."""

    @property
    def irregular(self) -> bool:
        """Whether every time may have a step of its own."""
        ...

    def fixed(self, length: int, dt_scale: float = 1.0) -> nn.Module:
        """The network for signals of one length and step, as plain convolutions."""
        ...

    def spectral_radius(self, dt_scale: float = 1.0) -> float:
        """Largest magnitude of an eigenvalue of its steps; training is in danger from 1 on."""
        ...


class SequenceModel(nn.Module):
    """A network ``(signals, dt_scale) -> answers`` in physical units, and the step it was trained with.

    Called with signals alone it answers at that step, as exported programs do: logits where classes are the target.

    Arguments:
        network: maps ``batch time signal`` and a time step in units of that of the training.
        problem: what is asked for.
        context: the step and the statistics.
    """

    dt: Tensor
    target_std: Tensor

    def __init__(self, network: nn.Module, problem: HasSequences, context: SequencesContext) -> None:
        super().__init__()
        self.network, self.classifies = network, problem.target == "class"
        self.register_buffer("dt", torch.tensor(context.dt, dtype=torch.float64))
        self.register_buffer("target_std", context.targets.field_std.float().clone())

    def forward(self, signals: Float[Tensor, "batch time signal"], dt_scale: TimeScale = 1.0) -> Tensor:
        """Answers: ``batch time field``, ``batch field`` or logits ``batch class``."""
        return self.network(signals, dt_scale)

    @property
    def irregular(self) -> bool:
        """Whether the network reads a step of its own for every time."""
        return isinstance(self.network, StateSpaces) and self.network.irregular

    def ask(self, inputs: Signals) -> Tensor:
        """Answers at the step of the inputs, or for each of its steps if the network reads irregular times.

        The time before the first one is then taken to be a step of the training earlier.

        Raises: UserError for times that are not equidistant, where they must be.
        """
        if self.irregular:
            steps = inputs.times.double().diff() / self.dt.to(inputs.times.device)
            return self(inputs.signals, torch.cat((torch.ones_like(steps[:1]), steps)))
        return self(inputs.signals, step_of(inputs, float(self.dt)))

    def program(self, *arguments: Tensor) -> nn.Module:
        """The same answers to signals of one length: networks of state-space layers with constant filters."""
        if not isinstance(self.network, StateSpaces):
            return self
        twin = copy.deepcopy(self)
        twin.network = self.network.fixed(arguments[0].shape[1])
        return twin

    def loss(self, batch: SequenceBatch) -> Tensor:
        """Cross-entropy, or mean squared error in variances of each target."""
        answers = self.ask(Signals(batch.signals, batch.times)).float()
        if self.classifies:
            return cross_entropy(answers, batch.targets)
        return ((answers - batch.targets) / self.target_std).square().mean()

    @torch.no_grad()
    def predict(self, inputs: Signals) -> Prediction:
        """Values in physical units, or probabilities of the classes."""
        self.eval()
        answers = self.ask(inputs).float()
        finite = answers.isfinite().flatten(1).all(1)
        status = torch.where(finite, int(Status.OK), int(Status.DIVERGED))
        return Prediction(answers.softmax(dim=1) if self.classifies else answers, None, status)


def units_of(context: SequencesContext) -> tuple[Units, Units]:
    """What standardises signals and restores answers."""
    return Units(context.signals), Units(context.targets)
