"""A classifier whose middle is a stochastic differential equation."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.models._neural_sde import Part
from sciml.models._regularise import RegulariseConfig
from sciml.models._sde_block import DiffuseConfig, SDEBlock
from sciml.nn import MLP, Activation, Network


class SDENet(Network):
    """z(0) = A x, dz = tanh-perceptron(z) dt + (B z + b) dW on t in [0, 1], logits = C z(1), affine maps A and C.

    Arguments:
        shape: of one sample.
        classes: how many.
        dim: components of z.
        width: hidden neurons of the drift.
        nonlinearity: of the drift.
        mean, std: numbers that standardise the inputs.
        paths: how many to average over when classifying, for callers of `forward`; training takes one.
        integrate: how paths are integrated; the tolerances are 0.14 if left out.
        regularise: what is penalised in training; the penalty waits in ``block.policy``.

    Reference: Pal, Ma, Shah, Rackauckas, ICML 2021, arXiv:2105.03918.
    """

    mean: Tensor
    std: Tensor
    times: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        dim: int = 16,
        width: int = 32,
        nonlinearity: Activation = "tanh",
        mean: Float[Tensor, ""] | float = 0.0,
        std: Float[Tensor, ""] | float = 1.0,
        paths: int = 10,
        integrate: DiffuseConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        self.paths = paths
        self.register_buffer("mean", torch.as_tensor(mean).clone())
        self.register_buffer("std", torch.as_tensor(std).clone())
        self.register_buffer("times", torch.tensor([0.0, 1.0]), persistent=False)
        self.stem = nn.Linear(math.prod(shape), dim)
        self.block = SDEBlock(
            Part(MLP(dim, dim, width=width, nonlinearity=nonlinearity)),
            Part(nn.Linear(dim, dim)),
            integrate=integrate or DiffuseConfig(rtol=0.14, atol=0.14),
            regularise=regularise,
        )
        self.head = nn.Linear(dim, classes)

    def forward(
        self, inputs: Float[Tensor, "batch *shape"], *, seed: int, paths: int = 1, tolerance: float | None = None
    ) -> tuple[Float[Tensor, "batch class"], ode.Solution]:
        """Logits averaged over `paths` paths per sample, and what the solve of all paths says (path by path)."""
        start = self.stem(((inputs - self.mean) / self.std).flatten(1)).repeat(paths, 1)
        states, solution = self.block(start, self.times, seed=seed, tolerance=tolerance)
        return self.head(states[:, -1]).unflatten(0, (paths, len(inputs))).mean(0), solution
