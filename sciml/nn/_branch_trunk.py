"""The product of a branch and a trunk."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class BranchTrunkProduct(nn.Module):
    """Σ_k b_k t_k, as a layer that another similarity of branch and trunk can stand in for; see `contract`."""

    def forward(
        self, coefficients: Float[Tensor, "batch group mode"], basis: Float[Tensor, "*point other mode"]
    ) -> Float[Tensor, "batch query field"]:
        """The fields."""
        return contract(coefficients, basis)


def contract(
    coefficients: Float[Tensor, "batch group mode"], basis: Float[Tensor, "*point other mode"]
) -> Float[Tensor, "batch query field"]:
    """Σ_k b_k t_k by field: for all pairs of functions and queries, or for queries of each function.

    Arguments:
        coefficients: of the functions; one group serves all fields.
        basis: at queries, ``query group mode`` or ``batch query group mode``.
    """
    fields = max(coefficients.shape[1], basis.shape[-2])
    if basis.ndim == 3:
        if fields == 1:  # one matrix product, without the permutations of einsum
            return (coefficients[:, 0] @ basis[:, 0].T)[..., None]
        return torch.einsum("bfk,qfk->bqf", coefficients.expand(-1, fields, -1), basis.expand(-1, fields, -1))
    if not torch.compiler.is_compiling() and basis.shape[1] == 1:  # else a product of tiny matrices per function
        return (coefficients[:, None] * basis).sum(-1)
    coefficients = coefficients.expand(-1, fields, -1)
    return torch.einsum("bfk,bqfk->bqf", coefficients, basis.expand(-1, -1, fields, -1))
