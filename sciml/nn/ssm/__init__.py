"""Linear state-space systems: HiPPO matrices, discretisation, kernels, and layers with three views of one map."""

from sciml.nn.ssm._convolve import KrylovFactors as KrylovFactors
from sciml.nn.ssm._convolve import causal_convolution as causal_convolution
from sciml.nn.ssm._convolve import interval_means as interval_means
from sciml.nn.ssm._convolve import krylov as krylov
from sciml.nn.ssm._convolve import krylov_factors as krylov_factors
from sciml.nn.ssm._convolve import krylov_kernel as krylov_kernel
from sciml.nn.ssm._convolve import recurrence as recurrence
from sciml.nn.ssm._dense import LinearStateSpace as LinearStateSpace
from sciml.nn.ssm._diagonal import DiagonalStart as DiagonalStart
from sciml.nn.ssm._diagonal import DiagonalStateSpace as DiagonalStateSpace
from sciml.nn.ssm._diagonal import diagonal_start as diagonal_start
from sciml.nn.ssm._discretise import Discrete as Discrete
from sciml.nn.ssm._discretise import Method as Method
from sciml.nn.ssm._discretise import discretise as discretise
from sciml.nn.ssm._discretise import spectral_radius as spectral_radius
from sciml.nn.ssm._hippo import Bands as Bands
from sciml.nn.ssm._hippo import Hippo as Hippo
from sciml.nn.ssm._hippo import hippo as hippo
from sciml.nn.ssm._hippo import hippo_bands as hippo_bands
from sciml.nn.ssm._layer import Carried as Carried
from sciml.nn.ssm._layer import FixedKernel as FixedKernel
from sciml.nn.ssm._layer import StateMatrix as StateMatrix
from sciml.nn.ssm._layer import StateSpaceLayer as StateSpaceLayer
from sciml.nn.ssm._layer import TimeScale as TimeScale
from sciml.nn.ssm._low_rank import NormalLowRankMatrix as NormalLowRankMatrix
from sciml.nn.ssm._low_rank import NormalLowRankStateSpace as NormalLowRankStateSpace
from sciml.nn.ssm._nplr import NPLR as NPLR
from sciml.nn.ssm._nplr import diagonal_kernel as diagonal_kernel
from sciml.nn.ssm._nplr import nplr as nplr
from sciml.nn.ssm._nplr import nplr_kernel as nplr_kernel
from sciml.nn.ssm._scan import ScannedStateSpace as ScannedStateSpace
from sciml.nn.ssm._scan import diagonal_scan as diagonal_scan
from sciml.nn.ssm._shared import Learned as Learned
from sciml.nn.ssm._shared import SharedStateSpace as SharedStateSpace
from sciml.nn.ssm._structured import StructuredMatrix as StructuredMatrix
from sciml.nn.ssm._structured import solve_tridiagonal as solve_tridiagonal

__all__ = [
    "NPLR",
    "Bands",
    "Carried",
    "DiagonalStart",
    "DiagonalStateSpace",
    "Discrete",
    "FixedKernel",
    "Hippo",
    "KrylovFactors",
    "Learned",
    "LinearStateSpace",
    "Method",
    "NormalLowRankMatrix",
    "NormalLowRankStateSpace",
    "ScannedStateSpace",
    "SharedStateSpace",
    "StateMatrix",
    "StateSpaceLayer",
    "StructuredMatrix",
    "TimeScale",
    "causal_convolution",
    "diagonal_kernel",
    "diagonal_scan",
    "diagonal_start",
    "discretise",
    "hippo",
    "hippo_bands",
    "interval_means",
    "krylov",
    "krylov_factors",
    "krylov_kernel",
    "nplr",
    "nplr_kernel",
    "recurrence",
    "solve_tridiagonal",
    "spectral_radius",
]
