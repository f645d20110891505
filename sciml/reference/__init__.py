"""Classical numerics for reference solvers: batched torch, float64, no problem by name."""

from sciml.reference._bumps import periodic_bump as periodic_bump
from sciml.reference._compressible import CompressibleFlow as CompressibleFlow
from sciml.reference._compressible import evolve_compressible as evolve_compressible
from sciml.reference._dense import DenseTrajectories as DenseTrajectories
from sciml.reference._elliptic import interpolate as interpolate
from sciml.reference._elliptic import steady_diffusion as steady_diffusion
from sciml.reference._exponential import ETDRK4 as ETDRK4
from sciml.reference._exponential import IFRK4 as IFRK4
from sciml.reference._exponential import ExponentialMethod as ExponentialMethod
from sciml.reference._finite_volume import block_means as block_means
from sciml.reference._finite_volume import face_states as face_states
from sciml.reference._finite_volume import monotonised_central as monotonised_central
from sciml.reference._finite_volume import refine_cells as refine_cells
from sciml.reference._finite_volume import van_leer as van_leer
from sciml.reference._finite_volume import with_ghosts as with_ghosts
from sciml.reference._forced import ForcedSlope as ForcedSlope
from sciml.reference._forced import integrate_forced as integrate_forced
from sciml.reference._fractional import caputo as caputo
from sciml.reference._function_spaces import CosineSpace as CosineSpace
from sciml.reference._function_spaces import FourierSpace as FourierSpace
from sciml.reference._function_spaces import GaussianSpace as GaussianSpace
from sciml.reference._function_spaces import GivenSpace as GivenSpace
from sciml.reference._function_spaces import wasserstein2 as wasserstein2
from sciml.reference._gas import Gas as Gas
from sciml.reference._grids import check_grid as check_grid
from sciml.reference._grids import check_initial as check_initial
from sciml.reference._grids import check_possible as check_possible
from sciml.reference._grids import finer_grid as finer_grid
from sciml.reference._grids import periodic_grid as periodic_grid
from sciml.reference._harmonics import SphericalHarmonics as SphericalHarmonics
from sciml.reference._harmonics import sphere_grid as sphere_grid
from sciml.reference._karhunen_loeve import RandomProcess as RandomProcess
from sciml.reference._karhunen_loeve import karhunen_loeve as karhunen_loeve
from sciml.reference._karhunen_loeve import truncated_normal as truncated_normal
from sciml.reference._kernels import Kernel as Kernel
from sciml.reference._kernels import KernelName as KernelName
from sciml.reference._legendre import evaluate_series as evaluate_series
from sciml.reference._legendre import gauss as gauss
from sciml.reference._legendre import legendre as legendre
from sciml.reference._legendre import legendre_integrals as legendre_integrals
from sciml.reference._legendre import legendre_series as legendre_series
from sciml.reference._legendre import legendre_slopes as legendre_slopes
from sciml.reference._mechanism import GAS_CONSTANT as GAS_CONSTANT
from sciml.reference._mechanism import Mechanism as Mechanism
from sciml.reference._ordinary import Slope as Slope
from sciml.reference._ordinary import closed_form as closed_form
from sciml.reference._ordinary import integrate_rows as integrate_rows
from sciml.reference._ordinary import no_axes as no_axes
from sciml.reference._polynomial_spaces import ChebyshevSpace as ChebyshevSpace
from sciml.reference._polynomial_spaces import FractonomialSpace as FractonomialSpace
from sciml.reference._polynomial_spaces import LegendreSpace as LegendreSpace
from sciml.reference._polynomial_spaces import PowerSpace as PowerSpace
from sciml.reference._random_fields import band_limited_field as band_limited_field
from sciml.reference._semi_implicit import SemiImplicitRK3 as SemiImplicitRK3
from sciml.reference._semi_lagrangian import SemiLagrangianSmoke as SemiLagrangianSmoke
from sciml.reference._semilinear import Semilinear as Semilinear
from sciml.reference._semilinear import evolve_semilinear as evolve_semilinear
from sciml.reference._semilinear import over_space as over_space
from sciml.reference._shallow_water import ShallowWaterFlow as ShallowWaterFlow
from sciml.reference._shallow_water import evolve_shallow_water as evolve_shallow_water
from sciml.reference._spectral import Fourier as Fourier
from sciml.reference._spectral import resample as resample
from sciml.reference._sphere import EARTH_GRAVITY as EARTH_GRAVITY
from sciml.reference._sphere import EARTH_RADIUS as EARTH_RADIUS
from sciml.reference._sphere import EARTH_ROTATION as EARTH_ROTATION
from sciml.reference._sphere import SphereFlow as SphereFlow
from sciml.reference._sphere import evolve_sphere as evolve_sphere
from sciml.reference._spline import spline_matrix as spline_matrix
from sciml.reference._split_step import split_step as split_step
from sciml.reference._staggered import StaggeredBox as StaggeredBox
from sciml.reference._stepping import ORDERS as ORDERS
from sciml.reference._stepping import Tendency as Tendency
from sciml.reference._stepping import check_times as check_times
from sciml.reference._stepping import in_chunks as in_chunks
from sciml.reference._stepping import integrate as integrate
from sciml.reference._stepping import rk4 as rk4
from sciml.reference._stepping import ssp_rk2 as ssp_rk2
from sciml.reference._stepping import ssp_rk3 as ssp_rk3
from sciml.reference._stirred import Inflow as Inflow
from sciml.reference._stirred import Nozzle as Nozzle
from sciml.reference._stirred import StirredReactor as StirredReactor
from sciml.reference._stochastic import ito_paths as ito_paths
from sciml.reference._stochastic import ito_step as ito_step
from sciml.reference._super_time_stepping import SplitDiffusion as SplitDiffusion
from sciml.reference._super_time_stepping import rkl2 as rkl2
from sciml.reference._velocity import Velocity as Velocity
from sciml.reference._velocity import check_solenoidal as check_solenoidal
from sciml.reference._velocity import curl as curl
from sciml.reference._velocity import solenoidal as solenoidal
from sciml.reference._vessel import Feed as Feed
from sciml.reference._vessel import Heating as Heating
from sciml.reference._vessel import Vessel as Vessel
from sciml.reference._vessel import methane_oxygen as methane_oxygen
from sciml.reference._vessel import open_mechanism as open_mechanism
from sciml.reference._vorticity import Vorticity as Vorticity
from sciml.reference._vorticity import evolve_vorticity as evolve_vorticity
from sciml.reference._vorticity import velocity_of as velocity_of
from sciml.reference._zones import Orifice as Orifice
from sciml.reference._zones import Zones as Zones
from sciml.reference._zones import solve_zones as solve_zones

__all__ = [
    "EARTH_GRAVITY",
    "EARTH_RADIUS",
    "EARTH_ROTATION",
    "ETDRK4",
    "GAS_CONSTANT",
    "IFRK4",
    "ORDERS",
    "ChebyshevSpace",
    "CompressibleFlow",
    "CosineSpace",
    "DenseTrajectories",
    "ExponentialMethod",
    "Feed",
    "ForcedSlope",
    "Fourier",
    "FourierSpace",
    "FractonomialSpace",
    "Gas",
    "GaussianSpace",
    "GivenSpace",
    "Heating",
    "Inflow",
    "Kernel",
    "KernelName",
    "LegendreSpace",
    "Mechanism",
    "Nozzle",
    "Orifice",
    "PowerSpace",
    "RandomProcess",
    "SemiImplicitRK3",
    "SemiLagrangianSmoke",
    "Semilinear",
    "ShallowWaterFlow",
    "Slope",
    "SphereFlow",
    "SphericalHarmonics",
    "SplitDiffusion",
    "StaggeredBox",
    "StirredReactor",
    "Tendency",
    "Velocity",
    "Vessel",
    "Vorticity",
    "Zones",
    "band_limited_field",
    "block_means",
    "caputo",
    "check_grid",
    "check_initial",
    "check_possible",
    "check_solenoidal",
    "check_times",
    "closed_form",
    "curl",
    "evaluate_series",
    "evolve_compressible",
    "evolve_semilinear",
    "evolve_shallow_water",
    "evolve_sphere",
    "evolve_vorticity",
    "face_states",
    "finer_grid",
    "gauss",
    "in_chunks",
    "integrate",
    "integrate_forced",
    "integrate_rows",
    "interpolate",
    "ito_paths",
    "ito_step",
    "karhunen_loeve",
    "legendre",
    "legendre_integrals",
    "legendre_series",
    "legendre_slopes",
    "methane_oxygen",
    "monotonised_central",
    "no_axes",
    "open_mechanism",
    "over_space",
    "periodic_bump",
    "periodic_grid",
    "refine_cells",
    "resample",
    "rk4",
    "rkl2",
    "solenoidal",
    "solve_zones",
    "sphere_grid",
    "spline_matrix",
    "split_step",
    "ssp_rk2",
    "ssp_rk3",
    "steady_diffusion",
    "truncated_normal",
    "van_leer",
    "velocity_of",
    "wasserstein2",
    "with_ghosts",
]
