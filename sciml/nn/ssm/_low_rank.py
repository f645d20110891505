"""The layer of S4: a state matrix that is normal but for one rank, and its kernel by Cauchy sums."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn.ssm._layer import StateMatrix
from sciml.nn.ssm._nplr import NPLR, nplr, nplr_kernel
from sciml.nn.ssm._shared import Learned, SharedStateSpace, trains_matrix


class NormalLowRankMatrix(StateMatrix):
    """A = Λ - P P* in pairs of conjugate modes, written for the real and imaginary parts of one of each pair:

        A = [[Re Λ, -Im Λ], [Im Λ, Re Λ]] - 2 q qᵀ,   q = (Re P, Im P)

    With Re Λ = -exp(·) the symmetric part of A is negative whatever is learned, and all states decay.

    Arguments:
        eigenvalues, low_rank: Λ and P, one of each pair.
        trainable: whether they are parameters; buffers otherwise.
    """

    log_decay: Tensor
    frequency: Tensor
    low_rank: Tensor

    def __init__(
        self, eigenvalues: Complex[Tensor, " mode"], low_rank: Complex[Tensor, " mode"], *, trainable: bool
    ) -> None:
        super().__init__()
        dtype = torch.get_default_dtype()
        parts = {
            "log_decay": (-eigenvalues.real).log(),
            "frequency": eigenvalues.imag,
            "low_rank": torch.cat((low_rank.real, low_rank.imag)),
        }
        for name, values in parts.items():
            if trainable:
                self.register_parameter(name, nn.Parameter(values.to(dtype)))
            else:
                self.register_buffer(name, values.to(dtype))

    def dense(self) -> Float[Tensor, "state state"]:
        """A itself."""
        decay, turn = torch.diag(self.log_decay.exp()), torch.diag(self.frequency)
        normal = torch.cat((torch.cat((-decay, -turn), 1), torch.cat((turn, -decay), 1)))
        return normal - 2 * self.low_rank[:, None] * self.low_rank

    def form(self, drive: Float[Tensor, " state"]) -> NPLR:
        """A and B of all modes in the basis that makes A normal but for one rank."""
        eigenvalues = torch.complex(-self.log_decay.exp(), self.frequency)
        size = 2 * len(eigenvalues)
        return NPLR(paired(eigenvalues), paired(joined(self.low_rank)), paired(joined(drive)), self._basis(size))

    def _basis(self, size: int) -> Complex[Tensor, "state state"]:
        """From modes to real and imaginary parts: s = Re + i Im, and its conjugate."""
        eye = torch.eye(size // 2, dtype=self.frequency.dtype, device=self.frequency.device)
        return torch.cat((torch.cat((eye, eye), 1), torch.cat((-1j * eye, 1j * eye), 1))) / 2


def joined(parts: Float[Tensor, "*batch state"]) -> Complex[Tensor, "*batch mode"]:
    """Complex numbers from their real parts, followed by their imaginary parts."""
    real, imaginary = parts.chunk(2, dim=-1)
    return torch.complex(real, imaginary)


def paired(modes: Complex[Tensor, "*batch mode"]) -> Complex[Tensor, "*batch state"]:
    """Modes and their conjugates."""
    return torch.cat((modes, modes.conj()), dim=-1)


class NormalLowRankStateSpace(SharedStateSpace):
    """The layer of S4: LegS as a normal matrix less one of rank one, and the kernel without its powers at every time.

        x_h' = A x_h + B u_h,   y_hm = C_hm x_h + D_hm u_h        (bilinear transform, a step of feature h lasts dt_h)

    The kernel is exact at any length and time step: `nplr_kernel`, with the one power Ā^L by squaring.

    Arguments:
        state: N, even.
        features, channels, learn, dt_range, mean_inputs: as for `LinearStateSpace`.

    Reference:
        Gu, Goel, Re, "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022, arXiv:2111.00396;
        the sign of P P* after Goel, Gu, Donahue, Re, "It's Raw! Audio Generation with State-Space Models",
        arXiv:2202.09729.
    """

    matrix: NormalLowRankMatrix

    def __init__(
        self,
        features: int,
        *,
        state: int = 64,
        channels: int = 1,
        learn: Learned = "all",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
    ) -> None:
        if state < 2 or state % 2:
            raise UserError("a state of S4 needs pairs of conjugate modes", got=f"state {state}", expected="2, 4, 6, …")
        form = nplr(state)
        chosen = form.eigenvalues.imag.argsort()[state // 2 :]
        matrix = NormalLowRankMatrix(form.eigenvalues[chosen], form.low_rank[chosen], trainable=trains_matrix(learn))
        drive = torch.cat((form.drive[chosen].real, form.drive[chosen].imag)).to(torch.get_default_dtype())
        super().__init__(
            features,
            channels,
            matrix,
            drive,
            learn=learn,
            method="bilinear",
            dt_range=dt_range,
            mean_inputs=mean_inputs,
        )

    def kernel(self, length: int, dt_scale: float = 1.0) -> Float[Tensor, "feature channel {length}"]:
        """(C B̄, C Ā B̄, …); the direct part D is apart."""
        system, form = self.system(dt_scale), self.matrix.form(self.drive)
        ended = self.output - self.output @ torch.linalg.matrix_power(system.matrix, length)
        dt = (dt_scale * self.log_dt.exp())[:, None]
        return nplr_kernel(form, ended.to(form.basis.dtype) @ form.basis, dt, length)
