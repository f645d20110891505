"""Integrals along a solution that are penalised: carried as one more component of the state."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn import Network


class WithIntegral(Network):
    """The field of a flattened state followed by the integrand of a penalty.

        rnode     d/dt = (‖f‖² + w ‖εᵀ ∂f/∂z‖²) / d
        taynode   d/dt = ‖∂f/∂t + (∂f/∂z) f‖² / d = ‖d²z/dt²‖² / d

    Arguments:
        field: f, ``(time, state, *args)``.
        shape: of one sample's state.
        kind: which integrand.
        watched: leading components of the flattened state it looks at, d of them.
        jacobian: w.
    """

    def __init__(
        self,
        field: nn.Module,
        shape: torch.Size,
        *,
        kind: Literal["rnode", "taynode"],
        watched: int,
        jacobian: float,
    ) -> None:
        super().__init__()
        self.field, self.shape, self.kind, self.watched, self.jacobian = field, shape, kind, watched, jacobian

    def forward(
        self, time: Float[Tensor, " row"], packed: Float[Tensor, "row entry"], signs: Tensor, *args: Tensor
    ) -> Float[Tensor, "row entry"]:
        """The slope of the state and of the integral.

        Arguments:
            time, packed: t, and the flattened state with the integral so far.
            signs: ε, -1 or 1 for every entry of the state, zero beyond the watched ones.
        """
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            state, time = _tracked(packed[:, :-1]), _tracked(time)
            slope = self.field(time, state.view(-1, *self.shape), *args).flatten(1)
            if self.kind == "rnode":
                change = _gradient(slope, state, signs.to(slope.dtype), wanted)
                value = slope[:, : self.watched].square().sum(1)
                value = value + self.jacobian * change[:, : self.watched].square().sum(1)
            else:
                value = _acceleration(slope, time, state, wanted)[:, : self.watched].square().sum(1)
        whole = torch.cat((slope, value[:, None] / self.watched), dim=1)
        return whole if wanted else whole.detach()


def _tracked(value: Tensor) -> Tensor:
    return value if value.requires_grad else value.detach().requires_grad_()


def _gradient(output: Tensor, source: Tensor, weights: Tensor, wanted: bool) -> Tensor:
    """weightsᵀ ∂output/∂source; zero where there is no dependence."""
    if not output.requires_grad:
        return torch.zeros_like(source)
    (gradient,) = torch.autograd.grad(
        output, source, weights, create_graph=wanted, retain_graph=True, materialize_grads=True
    )
    return gradient


def _acceleration(slope: Tensor, time: Tensor, state: Tensor, wanted: bool) -> Tensor:
    """d²z/dt² as a product of the Jacobian with (f, 1): the derivative of vᵀ ∂f/∂(z, t) by v (any v will do)."""
    weights = torch.zeros_like(slope).requires_grad_()
    by_state = _gradient(slope, state, weights, True)
    by_time = _gradient(slope, time, weights, True)
    return _gradient((by_state * slope).sum() + by_time.sum(), weights, torch.ones(()).to(slope), wanted)


def random_signs(like: Float[Tensor, "batch entry"], watched: int) -> Float[Tensor, "batch entry"]:
    """Rademacher noise for the watched entries, zero beyond, from torch's global generator."""
    signs = 2 * torch.randint(0, 2, like.shape, device=like.device) - 1
    signs[:, watched:] = 0
    return signs.to(like.dtype)
