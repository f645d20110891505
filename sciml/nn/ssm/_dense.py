"""The linear state-space layer with a dense or quasi-separable state matrix."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn.ssm._convolve import KrylovFactors, krylov_factors, krylov_kernel
from sciml.nn.ssm._discretise import Method
from sciml.nn.ssm._hippo import Hippo, hippo
from sciml.nn.ssm._layer import Memo, StateMatrix
from sciml.nn.ssm._shared import Learned, SharedStateSpace, trains_matrix
from sciml.nn.ssm._structured import StructuredMatrix


class DenseMatrix(StateMatrix):
    """A state matrix without structure: R / √N - I with Gaussian R, whose spectrum fills the unit disc around -1.

    What a HiPPO matrix is compared with; it knows nothing of memory.
    """

    values: Tensor

    def __init__(self, size: int, *, trainable: bool) -> None:
        super().__init__()
        values = torch.randn(size, size) / size**0.5 - torch.eye(size)
        if trainable:
            self.values = nn.Parameter(values)
        else:
            self.register_buffer("values", values)

    def dense(self) -> Float[Tensor, "state state"]:
        """A itself."""
        return self.values


class LinearStateSpace(SharedStateSpace):
    """The layer of LSSL: H features, each with M outputs, its own dt, C and D, and one pair (A, B) for all.

        x_h' = A x_h + B u_h,   y_hm = C_hm x_h + D_hm u_h        (a step of feature h lasts dt_h)

    One B is no loss: with a controllable pair (A, B) the C alone reach every transfer function over the poles of A. The
    kernel is made by `krylov_kernel`; what it is made of is kept while A, B and dt stay the same.

    Arguments:
        features: H.
        state: N.
        channels: M; the outputs of feature h are h M to h M + M - 1.
        matrix: a HiPPO matrix, or ``random`` to compare with.
        learn: what is trained beside C and D.
        method: discretisation.
        dt_range: between which log dt is drawn, uniformly; brackets 1 / length.
        mean_inputs: drive the system by means over steps, (u_k + u_{k-1}) / 2, as a sampled physical signal asks for.

    Reference:
        Gu, Johnson, Goel, Saab, Dao, Rudra, Re, "Combining Recurrent, Convolutional, and Continuous-time Models with
        Linear State-Space Layers", NeurIPS 2021, arXiv:2110.13985.
    """

    def __init__(
        self,
        features: int,
        *,
        state: int = 64,
        channels: int = 1,
        matrix: Hippo | Literal["random"] = "legs",
        learn: Learned = "all",
        method: Method = "bilinear",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
    ) -> None:
        if state < 1:
            raise UserError("a state-space layer needs sizes of at least one", got=f"state {state}")
        made: StateMatrix
        if matrix == "random":
            made = DenseMatrix(state, trainable=trains_matrix(learn))
            drive = torch.randn(state)
        else:
            made = StructuredMatrix.hippo(matrix, state, trainable=trains_matrix(learn))
            drive = hippo(matrix, state)[1].to(torch.get_default_dtype())
        super().__init__(
            features,
            channels,
            made,
            drive,
            learn=learn,
            method=method,
            dt_range=dt_range,
            mean_inputs=mean_inputs,
        )
        self._factors = Memo()

    def kernel(self, length: int, dt_scale: float = 1.0) -> Float[Tensor, "feature channel {length}"]:
        """(C B̄, C Ā B̄, …); the direct part D is apart."""
        sources = self._sources()
        factors = self._factors.recall(sources, (length, dt_scale))
        if factors is None:
            factors = krylov_factors(self.system(dt_scale), length)
            self._factors.keep(sources, (length, dt_scale), factors)
        return krylov_kernel(KrylovFactors(*factors), self.output, length)
