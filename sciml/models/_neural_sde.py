"""A neural SDE: drift and diffusion learned from paths."""

from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.models._dynamics import Features
from sciml.models._regularise import RegulariseConfig
from sciml.models._sde_block import DiffuseConfig, SDEBlock
from sciml.nn import MLP, Activation, Network


class Part(nn.Module):
    """A network of the state, or of its cubes, as a right-hand side that does not depend on the time.

    Arguments:
        network: ``row dim`` to ``row dim``.
        cube: whether it sees cubes.
    """

    def __init__(self, network: nn.Module, *, cube: bool = False) -> None:
        super().__init__()
        self.network, self.cube = network, cube

    def forward(self, time: Tensor, state: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
        """The network's output."""
        return self.network(state**3 if self.cube else state)


class NeuralSDE(Network):
    """Paths of dx = N(x³) dt + (W x + b) dB, every component with its own noise, in the problem's units.

    Arguments:
        channels: components of x.
        width: hidden neurons of the drift N.
        nonlinearity: of the drift.
        features: what the drift sees of the state, its components or their cubes.
        integrate: how paths are integrated.
        regularise: what is penalised in training; the penalty waits in ``block.policy``.

    Reference: Pal, Ma, Shah, Rackauckas, ICML 2021, arXiv:2105.03918 (the sizes).
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 50,
        nonlinearity: Activation = "tanh",
        features: Features = "cube",
        integrate: DiffuseConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        drift = MLP(channels, channels, width=width, nonlinearity=nonlinearity)
        self.block = SDEBlock(
            Part(drift, cube=features == "cube"),
            Part(nn.Linear(channels, channels)),
            integrate=integrate,
            regularise=regularise,
        )

    def forward(
        self,
        start: Float[Tensor, "path channel"],
        times: Float[Tensor, " time"],
        *,
        seed: int,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "path time channel"], ode.Solution]:
        """One path per row of `start` at `times`, and what the solve says.

        Arguments:
            start: states at the first time.
            times: strictly increasing.
            seed: of the Brownian paths.
            tolerance: replaces both tolerances.
        """
        return self.block(start, times, seed=seed, tolerance=tolerance)
