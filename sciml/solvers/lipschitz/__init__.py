"""Networks with known Lipschitz constants, which can be trained privately without clipping the gradients of samples."""

from sciml.solvers.lipschitz._rows import LipschitzRowsConfig as LipschitzRowsConfig
from sciml.solvers.lipschitz._rows import LipschitzRowsSolver as LipschitzRowsSolver

SOLVERS = (LipschitzRowsSolver(),)

__all__ = ["SOLVERS", "LipschitzRowsConfig", "LipschitzRowsSolver"]
