"""Predictions by fixed steps as a program."""

import copy

from jaxtyping import Float
from torch import Tensor, nn

from sciml.solvers.pnode._network import PNODE


class PNODEProgram(nn.Module):
    """Start and parameters to the fields at the times of the data, the first of which is the start's, by fixed steps.

    Arguments:
        module: with times.
        step: fixed.
    """

    def __init__(self, module: PNODE, step: float) -> None:
        super().__init__()
        self.step = step
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    def forward(
        self, state: Float[Tensor, "batch channel"], parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch time channel"]:
        """Fields in physical units."""
        return self.module.fixed(state, parameters, self.module.times, self.step)[0].float()


def program_of(module: PNODE) -> PNODEProgram | None:
    """None where steps are chosen by their error."""
    step = module.config.integrate.step
    return None if step is None or not module.times else PNODEProgram(module, step)
