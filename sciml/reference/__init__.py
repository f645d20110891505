"""Classical numerics for reference solvers: batched torch, float64, no problem by name."""

from sciml.reference._dense import DenseTrajectories as DenseTrajectories
from sciml.reference._elliptic import interpolate as interpolate
from sciml.reference._elliptic import steady_diffusion as steady_diffusion
from sciml.reference._forced import ForcedSlope as ForcedSlope
from sciml.reference._forced import integrate_forced as integrate_forced
from sciml.reference._function_spaces import ChebyshevSpace as ChebyshevSpace
from sciml.reference._function_spaces import CosineSpace as CosineSpace
from sciml.reference._function_spaces import FourierSpace as FourierSpace
from sciml.reference._function_spaces import GaussianSpace as GaussianSpace
from sciml.reference._function_spaces import GivenSpace as GivenSpace
from sciml.reference._function_spaces import PowerSpace as PowerSpace
from sciml.reference._function_spaces import wasserstein2 as wasserstein2
from sciml.reference._gas import Gas as Gas
from sciml.reference._kernels import Kernel as Kernel
from sciml.reference._kernels import KernelName as KernelName
from sciml.reference._mechanism import GAS_CONSTANT as GAS_CONSTANT
from sciml.reference._mechanism import Mechanism as Mechanism
from sciml.reference._ordinary import Slope as Slope
from sciml.reference._ordinary import closed_form as closed_form
from sciml.reference._ordinary import integrate_rows as integrate_rows
from sciml.reference._ordinary import no_axes as no_axes
from sciml.reference._random_fields import band_limited_field as band_limited_field
from sciml.reference._spectral import Fourier as Fourier
from sciml.reference._spectral import resample as resample
from sciml.reference._spline import spline_matrix as spline_matrix
from sciml.reference._stepping import ORDERS as ORDERS
from sciml.reference._stepping import Tendency as Tendency
from sciml.reference._stepping import in_chunks as in_chunks
from sciml.reference._stepping import integrate as integrate
from sciml.reference._stepping import rk4 as rk4
from sciml.reference._stepping import ssp_rk3 as ssp_rk3
from sciml.reference._stirred import Inflow as Inflow
from sciml.reference._stirred import Nozzle as Nozzle
from sciml.reference._stirred import StirredReactor as StirredReactor
from sciml.reference._stochastic import ito_paths as ito_paths
from sciml.reference._stochastic import ito_step as ito_step
from sciml.reference._zones import Orifice as Orifice
from sciml.reference._zones import Zones as Zones
from sciml.reference._zones import solve_zones as solve_zones

__all__ = [
    "GAS_CONSTANT",
    "ORDERS",
    "ChebyshevSpace",
    "CosineSpace",
    "DenseTrajectories",
    "ForcedSlope",
    "Fourier",
    "FourierSpace",
    "Gas",
    "GaussianSpace",
    "GivenSpace",
    "Inflow",
    "Kernel",
    "KernelName",
    "Mechanism",
    "Nozzle",
    "Orifice",
    "PowerSpace",
    "Slope",
    "StirredReactor",
    "Tendency",
    "Zones",
    "band_limited_field",
    "closed_form",
    "in_chunks",
    "integrate",
    "integrate_forced",
    "integrate_rows",
    "interpolate",
    "ito_paths",
    "ito_step",
    "no_axes",
    "resample",
    "rk4",
    "solve_zones",
    "spline_matrix",
    "ssp_rk3",
    "steady_diffusion",
    "wasserstein2",
]
