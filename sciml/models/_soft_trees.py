"""An ensemble of soft trees, which gradients train and whose parameters can be matched and averaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError, UserError
from sciml.nn import Network
from sciml.nn.soft_tree import Gate, Symmetry, TreeForm, TreeKind, gate


class SoftTrees(Network):
    """f(x) = Σ_m Σ_l π_ml μ_ml(x), μ_ml the share of x that reaches leaf l of tree m; oblique splits.

        s_mn = g(w_mn · x + b_mn)  goes left at split n,    μ_ml = Π_n s_mn^[l left of n] (1 − s_mn)^[l right of n]

    See `sciml.nn.soft_tree.TreeForm` for the kinds. Trees of depth 1 are a network with one hidden layer of sigmoids.
    Inputs should be standardised. Good values: 64 to 256 oblivious trees of depth 2.

    Arguments:
        in_channels, out_channels: features F and outputs C.
        trees: M.
        depth: D.
        kind: of the trees.
        gate: g, ``sigmoid`` or ``entmoid``, which is exactly 0 or 1 away from the split.

    Reference: Kanoh, Sugiyama, Linear mode connectivity in differentiable tree ensembles, ICLR 2025, arXiv:2405.14596.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        trees: int = 64,
        depth: int = 2,
        kind: TreeKind = "oblivious",
        gate: Gate = "sigmoid",
    ) -> None:
        super().__init__()
        if gate not in ("sigmoid", "entmoid"):
            raise ConfigError("no such gate of soft trees", got=repr(gate), expected="sigmoid or entmoid")
        if trees < 1:
            raise ConfigError("an ensemble has trees", got=trees, expected="1 or more")
        self.form, self.trees = TreeForm(kind, depth), trees
        self.gate: Gate = gate
        self.splits = nn.Linear(in_channels, trees * self.form.splits)
        self.leaves = nn.Linear(trees * self.form.leaves, out_channels, bias=False)

    def forward(self, x: Float[Tensor, "*batch in_channel"]) -> Float[Tensor, "*batch out_channel"]:
        """The sum over the trees."""
        return self.leaves(self.shares(x).flatten(-2))

    def shares(self, x: Float[Tensor, "*batch in_channel"]) -> Float[Tensor, "*batch tree leaf"]:
        """μ, what reaches every leaf that has parameters."""
        left = gate(self.gate, self.splits(x).unflatten(-1, (self.trees, self.form.splits)))
        return self.form.shares(left)

    def outputs(self, x: Float[Tensor, "*batch in_channel"]) -> Float[Tensor, "*batch tree out_channel"]:
        """What every tree adds."""
        return torch.einsum("...ml,mlc->...mc", self.shares(x), self.tables()[1])

    def tables(self) -> tuple[Float[Tensor, "tree split feature"], Float[Tensor, "tree leaf out_channel"]]:
        """Parameters tree by tree: (w, b) of every split, the bias last, and π of every leaf."""
        splits = torch.cat((self.splits.weight, self.splits.bias[:, None]), dim=1)
        leaves = self.leaves.weight.T
        return splits.unflatten(0, (self.trees, self.form.splits)), leaves.unflatten(0, (self.trees, self.form.leaves))

    @torch.no_grad()
    def write(
        self, splits: Float[Tensor, "tree split feature"], leaves: Float[Tensor, "tree leaf out_channel"]
    ) -> None:
        """Take parameters in the form of `tables`."""
        flat = splits.flatten(0, 1)
        self.splits.weight.copy_(flat[:, :-1])
        self.splits.bias.copy_(flat[:, -1])
        self.leaves.weight.copy_(leaves.flatten(0, 1).T)

    @torch.no_grad()
    def rearrange(self, order: Sequence[int], symmetries: Sequence[Symmetry]) -> None:
        """Put the trees in another order, each under a symmetry of its own; the function stays the same.

        Arguments:
            order: which tree is the m-th from now on.
            symmetries: of the m-th tree from now on.

        Raises: UserError for an order that is none.
        """
        if sorted(order) != list(range(self.trees)) or len(symmetries) != self.trees:
            raise UserError("the trees cannot be put in this order", got=f"{len(order)} numbers",
                            expected=f"a permutation of 0 to {self.trees - 1} and a symmetry for each")  # fmt: skip
        splits, leaves = (table[list(order)] for table in self.tables())
        index = {name: torch.tensor([getattr(s, name) for s in symmetries], device=splits.device)
                 for name in ("order", "signs", "leaves")}  # fmt: skip
        tree = torch.arange(self.trees, device=splits.device)[:, None]
        self.write(splits[tree, index["order"]] * index["signs"][..., None].to(splits), leaves[tree, index["leaves"]])
