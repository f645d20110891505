"""BLAST matrices: blocks that share their bases along rows and columns."""

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn.structured._monarch import check_blocks
from sciml.nn.structured._operator import Products, Shape, StructuredLinear, draw, with_width

_SWEEPS, _RIDGE = 20, 1e-9


class BlastMatrix(StructuredLinear):
    """W_ij = U_iᵀ diag(s_ij) V_j for b x b blocks; it costs r (m + n) + r b².

    Sides that b does not divide are filled with zeros.

    Arguments:
        shape: of W.
        blocks: b.
        rank: r.

    Raises:
        UserError: more blocks than rows or columns, or a rank that is not positive.

    Reference:
        C. Lee, S. M. Kwon, Q. Qu, H.-S. Kim, BLAST: Block-Level Adaptive Structured Matrices for Efficient Deep Neural
        Network Inference, NeurIPS 2024, arXiv:2410.21262.
    """

    contents = ("right", "coupling", "left")

    def __init__(self, shape: Shape, *, blocks: int, rank: int) -> None:
        super().__init__(shape)
        self.blocks, self.rank = blocks, rank
        check_blocks(shape, blocks)
        if not 1 <= rank <= min(shape.rows, shape.width):
            raise UserError("a BLAST matrix cannot have this rank", got=f"rank {rank}",
                            expected=f"1 to {min(shape.rows, shape.width)}")  # fmt: skip
        self.height, self.inputs = -(-shape.rows // blocks), -(-shape.columns // blocks)
        self.right = self.empty(blocks, rank, self.inputs * shape.taps)
        self.coupling = self.empty(blocks, blocks, rank)
        self.left = self.empty(blocks, rank, self.height)
        pairs = 2 if shape.is_complex else 1
        for parameter, fan_in in (
            (self.right, self.inputs * shape.taps),
            (self.coupling, blocks),
            (self.left, 3 * rank),
        ):
            draw(parameter, fan_in * pairs)

    def apply_with(self, x: Tensor, products: Products) -> Tensor:
        """Bases of the columns, couplings, bases of the rows."""
        x = with_width(x, products.axis, self.blocks * self.inputs * products.taps)
        z = products.mix(products.first(x, self.numbers(self.right), self.blocks), self.numbers(self.coupling))
        return with_width(products.second(z, self.numbers(self.left), self.blocks), products.axis, self.shape.rows)

    def to_dense(self) -> Tensor:
        """The blocks at their places."""
        left, coupling, right = (self.numbers(p) for p in (self.left, self.coupling, self.right))
        rows = torch.einsum("...ira,...ijr,...jrp->...iajp", left, coupling, right).flatten(-4, -3).flatten(-2)
        return rows[..., : self.shape.rows, : self.shape.width]

    @property
    def multiplications(self) -> int:
        """r (m + n) + r b², with sides filled up."""
        b = self.blocks
        return self.rank * (b * (self.height + self.inputs * self.shape.taps) + b * b)

    def fit(self, dense: Tensor) -> None:
        """Alternating least squares for U, s and V, from a truncated singular value decomposition of all of W."""
        b, rank = self.blocks, self.rank
        filled = with_width(with_width(dense, 1, b * self.height), 2, b * self.inputs * self.shape.taps)
        left, sigma, right = torch.linalg.svd(filled, full_matrices=False)
        root = sigma[:, :rank].sqrt()
        count = root.shape[1]
        u = dense.new_zeros(len(dense), b, rank, self.height)
        v = dense.new_zeros(len(dense), b, rank, self.inputs * self.shape.taps)
        u[:, :, :count] = (left[:, :, :count] * root[:, None]).unflatten(1, (b, -1)).transpose(2, 3)
        v[:, :, :count] = (right[:, :count] * root[:, :, None]).unflatten(2, (b, -1)).transpose(1, 2)
        s = dense.new_ones(len(dense), b, b, rank)
        w = filled.unflatten(1, (b, -1)).unflatten(3, (b, -1)).transpose(2, 3)  # matrix i j row width
        for _ in range(_SWEEPS if b > 1 else 1):
            u = _least_squares(torch.einsum("mijr,mjrp->mirjp", s, v).flatten(3), w.transpose(2, 3).flatten(3))
            s = _couplings(u, v, w)
            v = _least_squares(torch.einsum("mijr,mira->mjria", s, u).flatten(3), w.permute(0, 2, 4, 1, 3).flatten(3))
            s = _couplings(u, v, w)
        self.store(self.left, u)
        self.store(self.coupling, s)
        self.store(self.right, v)


def _least_squares(basis: Tensor, target: Tensor) -> Tensor:
    """X ``… r a`` with Xᵀ B close to the target ``… a n`` for a basis ``… r n``."""
    gram = basis.conj() @ basis.mT
    return torch.linalg.solve(_with_ridge(gram), basis.conj() @ target.mT)


def _couplings(u: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """The diagonals s_ij for which Uᵢᵀ diag(s_ij) V_j is closest to W_ij."""
    gram = (u.conj() @ u.mT)[:, :, None] * (v.conj() @ v.mT)[:, None]
    target = torch.einsum("mira,mijap,mjrp->mijr", u.conj(), w, v.conj())
    return torch.linalg.solve(_with_ridge(gram), target[..., None])[..., 0]


def _with_ridge(gram: Tensor) -> Tensor:
    """With a little on the diagonal, so that a basis vector that nothing needs does not break the solve."""
    scale = gram.diagonal(dim1=-2, dim2=-1).real.mean(-1).clamp(min=1e-30)
    return gram + _RIDGE * scale[..., None, None] * torch.eye(gram.shape[-1], dtype=gram.dtype)
