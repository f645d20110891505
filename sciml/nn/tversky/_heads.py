"""Tversky similarity where networks multiply: along channels of fields, and between a branch and a trunk."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn.tversky._layers import TverskyProjection, TverskySimilarity


class TverskyPointwise(nn.Module):
    """A projection of the channels at every point, in the place of a convolution with a kernel of one point.

    Arguments:
        projection: of the channels.
    """

    def __init__(self, projection: TverskyProjection) -> None:
        super().__init__()
        self.projection = projection

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space"]:
        """The similarities of every point to all prototypes."""
        return self.projection(x.movedim(1, -1)).movedim(-1, 1)


class TverskyContraction(nn.Module):
    """S(b(u), t(y)) for every field, in the place of Σ_k b_k t_k: α weighs features of the function, β of the query.

    Arguments:
        similarity: S, of coefficients and basis; all fields share its bank.
        shift: added to all answers, learned.
    """

    def __init__(self, similarity: TverskySimilarity, shift: float = 0.0) -> None:
        super().__init__()
        self.similarity = similarity
        self.shift = nn.Parameter(torch.tensor(float(shift)))

    def forward(
        self, coefficients: Float[Tensor, "batch group mode"], basis: Float[Tensor, "*point other mode"]
    ) -> Float[Tensor, "batch query field"]:
        """The fields: all pairs of functions and queries, or queries of each function."""
        fields = max(coefficients.shape[1], basis.shape[-2])
        if basis.ndim == 4:
            return self.similarity(coefficients[:, None].expand(-1, 1, fields, -1), basis) + self.shift
        columns = [
            self.similarity.matrix(coefficients[:, f % coefficients.shape[1]], basis[:, f % basis.shape[1]])
            for f in range(fields)
        ]
        return torch.stack(columns, dim=-1) + self.shift
