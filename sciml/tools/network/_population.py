"""Many networks of one shape, trained side by side and looked at."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from sciml.core.errors import UserError
from sciml.tools.network._activity import neuron_activity
from sciml.tools.network._links import trace
from sciml.tools.network._signature import signature


class Member(NamedTuple):
    """One network of a population after its training.

    Fields:
        signature: moments by kind and name, as `signature` gives them.
        loss: mean squared error on its training samples in its last step.
    """

    signature: dict[str, dict[str, float]]
    loss: float

    @property
    def row(self) -> dict[str, float]:
        """The inverse hyperbolic sine of every moment, named ``neurons_first_activation_mean``; ln of the loss.

        A logarithm of either sign: networks that were spoiled have moments of any size.
        """
        moments = {
            f"{kind}_{name.replace('/', '_')}": math.asinh(value)
            for kind, values in self.signature.items()
            for name, value in values.items()
        }
        return {**moments, "training_loss": math.log(max(self.loss, 1e-30))}


def train_population(
    networks: Sequence[nn.Module],
    inputs: Float[Tensor, "network sample *input"],
    targets: Float[Tensor, "network sample *output"],
    *,
    steps: int,
    learning_rate: float,
) -> list[Member]:
    """Train every network on its own samples by Adam, all samples in every step, and look at it on them.

    The networks are trained in place. They share no number: their losses are added, and Adam works entry by entry, so
    that each of them is what it would be alone, at a fraction of the time.

    Arguments:
        networks: of one shape, without buffers that training changes.
        inputs, targets: of each.
        steps: of Adam.
        learning_rate: its rate, constant.

    Raises: UserError for no networks, no steps, or another number of networks than of sets of samples.
    """
    if not networks or not len(networks) == len(inputs) == len(targets) or steps < 1:
        raise UserError(
            "a population is trained on one set of samples for each network, for at least one step",
            got=f"{len(networks)} networks, {len(inputs)} sets of inputs, {len(targets)} of targets, {steps} steps",
        )
    parameters, buffers = stack_module_state(list(networks))
    answer = vmap(lambda weights, fixed, x: functional_call(networks[0], (weights, fixed), (x,)))
    optimiser = torch.optim.Adam(parameters.values(), lr=learning_rate)
    losses = torch.zeros(len(networks))
    with torch.enable_grad():
        for _ in range(steps):
            optimiser.zero_grad()
            losses = (answer(parameters, buffers, inputs) - targets).square().flatten(1).mean(1)
            losses.sum().backward()
            optimiser.step()
    members = []
    for place, (network, x) in enumerate(zip(networks, inputs, strict=True)):
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(parameters[name][place])
        kinds = signature(
            trace(network, lambda network=network, x=x: network(x[:2])),
            neuron_activity(network, lambda network=network, x=x: network(x)),
        )
        members.append(Member(kinds, float(losses[place].detach())))
    return members
