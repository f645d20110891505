"""How soft trees are built: splits, leaves, and the share of a sample that reaches each leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError

TreeKind = Literal["oblivious", "perfect", "list", "modified_list"]
"""Forms by name; see `TreeForm`."""
Gate = Literal["sigmoid", "entmoid"]
"""What makes a share of a split's value z; g(−z) = 1 − g(z) holds for both."""
_KINDS = ("oblivious", "perfect", "list", "modified_list")
_DEEPEST = 12  # a tree of 4096 leaves; lists may be longer


def entmoid(z: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """g(z) = ((a + √(2 − a²)) / 2)² with a = z/2 cut to [−1, 1]: exactly 0 and 1 outside of |z| < 2.

    It is the first entry of the 1.5-entmax of (z, 0): p_i = max(z_i/2 − τ, 0)² with τ such that they add up to 1.

    Reference: Peters, Niculae, Martins, Sparse sequence-to-sequence models, ACL 2019, arXiv:1905.05702.
    """
    a = (0.5 * z).clamp(-1, 1)
    return (0.5 * (a + (2 - a.square()).sqrt())).square()


def gate(name: Gate, z: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The share that goes left."""
    return torch.sigmoid(z) if name == "sigmoid" else entmoid(z)


@dataclass(frozen=True)
class TreeForm:
    """What a soft tree of a kind and a depth D looks like.

    ``oblivious``: one split per depth, shared by all nodes there, 2^D leaves. ``perfect``: a split at each of the 2^D −
    1 nodes, numbered level by level, 2^D leaves. ``list``: a chain of D splits, each of which ends one leaf, the last
    one two. ``modified_list``: the same without the last leaf, whose value is zero for good.

    Leaves are numbered by their path, left before right, the first split first.

    Arguments:
        kind: of tree.
        depth: D.

    Raises: ConfigError for a kind that does not exist and a depth that cannot be.
    """

    kind: TreeKind
    depth: int

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ConfigError("no such kind of soft tree", got=repr(self.kind), expected="one of: " + ", ".join(_KINDS))
        if self.depth < 1 or (not self.chain and self.depth > _DEEPEST):
            raise ConfigError(f"a tree of kind {self.kind!r} cannot have this depth", got=self.depth,
                              expected="1 or more" if self.chain else f"1 to {_DEEPEST}",
                              fix="" if self.depth < 1 else "Deeper trees are decision lists: kind list.")  # fmt: skip

    @property
    def chain(self) -> bool:
        """Whether it is a decision list."""
        return self.kind in ("list", "modified_list")

    @property
    def splits(self) -> int:
        """N, splits with parameters."""
        return 2**self.depth - 1 if self.kind == "perfect" else self.depth

    @property
    def leaves(self) -> int:
        """L, leaves with parameters."""
        if self.chain:
            return self.depth + (self.kind == "list")
        return 2**self.depth

    def shares(self, left: Float[Tensor, "*batch split"]) -> Float[Tensor, "*batch leaf"]:
        """μ_l = Π_n s_n^[l left of n] (1 − s_n)^[l right of n], what reaches every leaf.

        They add up to 1 but for a modified list, where the rest reaches the leaf that is zero.

        Arguments:
            left: s_n, the share that goes left at every split.
        """
        if self.chain:
            passed = torch.cumprod(1 - left, dim=-1)
            reaching = torch.cat((torch.ones_like(left[..., :1]), passed[..., :-1]), dim=-1)
            ended = reaching * left
            return ended if self.kind == "modified_list" else torch.cat((ended, passed[..., -1:]), dim=-1)
        shares = torch.ones_like(left[..., :1])
        for level in range(self.depth):
            first = 2**level - 1
            s = left[..., level : level + 1] if self.kind == "oblivious" else left[..., first : first + 2**level]
            shares = torch.stack((shares * s, shares * (1 - s)), dim=-1).flatten(-2)
        return shares

    def below(self) -> tuple[int, ...]:
        """Leaves that every split has a say in, over all of its nodes: its weight when trees are compared."""
        if self.kind == "oblivious":
            return (2**self.depth,) * self.depth
        if self.kind == "perfect":
            return tuple(2 ** (self.depth - level) for level in range(self.depth) for _ in range(2**level))
        return tuple(self.depth + 1 - n for n in range(self.depth))
