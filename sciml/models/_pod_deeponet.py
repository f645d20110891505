"""A deep operator network whose trunk is made of the data."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.models._branches import GlorotMLP
from sciml.nn import Activation, Network


class PODDeepONet(Network):
    """G(u)(y_q) = φ_0(y_q) + Σ_{k≤r} b_k(u) φ_k(y_q) on a fixed set of query points.

    φ_0 is the mean of the training outputs, φ_k their leading modes (proper orthogonal decomposition), each scaled by
    the standard deviation of its coefficient, so that the branch learns numbers of order one. `fit` computes them from
    training outputs; before that, all are zero.

    Arguments:
        sensors: values in.
        queries: points of the set.
        fields: that come out.
        modes: r, over all fields together.
        width, branch_layers, nonlinearity: of the branch.
        branch: a net of your own from sensors to coefficients instead.

    Raises: UserError in `fit` and `forward` for shapes that do not fit.

    Reference: L. Lu, X. Meng, S. Cai, Z. Mao, S. Goswami, Z. Zhang, G. E. Karniadakis, Comput. Methods Appl. Mech.
        Eng. 393 (2022), arXiv:2111.05512.
    """

    basis: Tensor
    mean: Tensor
    tail: Tensor

    def __init__(
        self,
        *,
        sensors: int,
        queries: int,
        fields: int = 1,
        modes: int = 20,
        width: int = 64,
        branch_layers: int = 3,
        nonlinearity: Activation = "relu",
        branch: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.queries, self.fields, self.modes = queries, fields, modes
        sizes = (sensors, *(width,) * (branch_layers - 1), modes)
        self.branch = GlorotMLP(sizes, nonlinearity=nonlinearity) if branch is None else branch
        self.register_buffer("basis", torch.zeros(modes, queries, fields))
        self.register_buffer("mean", torch.zeros(queries, fields))
        self.register_buffer("tail", torch.ones(()))  # relative to the training outputs, see `fit`

    @torch.no_grad()
    def fit(self, outputs: Float[Tensor, "sample query field"]) -> Float[Tensor, "sample mode"]:
        """Compute mean and modes from training outputs, by the singular values of what deviates from the mean.

        The buffer `tail` is then √(Σ_{k>r} σ_k²) / ‖outputs‖: no answer of the network can be nearer to the training
        outputs than that. Modes beyond the rank of the data stay zero.

        Returns: the coefficients that the outputs have, of unit variance.
        """
        if outputs.shape[1:] != self.mean.shape:
            raise UserError("the training outputs do not lie on the points of the network",
                            got=tuple(outputs.shape[1:]), expected=tuple(self.mean.shape))  # fmt: skip
        flat = outputs.double().flatten(1)
        mean = flat.mean(0)
        u, s, v = torch.linalg.svd(flat - mean, full_matrices=False)
        rank = min(self.modes, int((s > 1e-12 * s[0]).sum())) if len(s) else 0
        scale = len(flat) ** 0.5
        self.mean.copy_(mean.view_as(self.mean))
        self.basis.zero_()
        self.basis[:rank] = (s[:rank, None] / scale * v[:rank]).to(self.basis).view(rank, *self.mean.shape)
        self.tail.copy_(s[rank:].norm() / flat.norm())
        coefficients = outputs.new_zeros(len(flat), self.modes)
        coefficients[:, :rank] = (scale * u[:, :rank]).to(coefficients)
        return coefficients

    def reconstruct(self, coefficients: Float[Tensor, "batch mode"]) -> Float[Tensor, "batch query field"]:
        """The fields of given coefficients."""
        return self.mean + torch.einsum("bk,kqf->bqf", coefficients, self.basis)

    def forward(self, functions: Float[Tensor, "batch sensor"]) -> Float[Tensor, "batch query field"]:
        """The fields at all points of the set."""
        return self.reconstruct(self.branch(functions))
