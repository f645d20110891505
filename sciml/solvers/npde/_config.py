"""Hyper-parameters of the forecaster whose network is a PDE."""

from __future__ import annotations

from typing import Literal

import pydantic

from sciml.core.config import Config
from sciml.models.npde import Boundary

Method = Literal["pil_lbfgs", "pil", "lbfgs", "adam"]
"""``pil``: the pseudo-inverse alone, in one step; ``lbfgs``: whole windows by L-BFGS; ``pil_lbfgs``: the first as the
start of the second; ``adam``: windows by the optimiser of ``train``."""


class NPDEConfig(Config):
    """The terms that the equation may have, and how its coefficients are learned."""

    terms: tuple[str, ...] = ()
    """Terms to consider, such as ``["lap(u)", "u*u_x", "v: u*(1 - u)"]``; empty for a library of all
    first derivatives, Laplacians and products of two, which need not hold the truth."""
    method: Method = "pil_lbfgs"
    """How coefficients are learned."""
    gradient: Literal["autograd", "adjoint"] = "autograd"
    """How rollouts are differentiated; ``adjoint`` keeps the square root of the steps in memory."""
    free_start: bool = True
    """Whether L-BFGS also fits the first frame of every window, which is as noisy as the others."""
    windows: int = pydantic.Field(default=24, ge=1)
    """Largest number of training windows that L-BFGS and the intervals use, spread evenly over all of them."""
    iterations: int = pydantic.Field(default=20, ge=1, le=1_000_000)
    """Iterations of L-BFGS in one step of ``train.steps``."""
    scheme: Literal["strang", "rk4", "explicit", "imex"] = "strang"
    """Time integration; ``strang`` solves diffusion exactly, so that it may be as large as it is."""
    substeps: int = pydantic.Field(default=4, ge=1, le=1_000_000)
    """Steps between two frames; more allow larger coefficients, and fast reactions need them."""
    accuracy: Literal[2, 4, 6, 8] = 6
    """Order of the differences in space."""
    wall: Boundary = "neumann"
    """What stands beyond walls and open ends; periodic axes are periodic."""
    upwind: bool = False
    """Whether first derivatives look against the flow: first order, but without wiggles at fronts."""
    smoothing: int = pydantic.Field(default=0, ge=0)
    """How often ``pil`` averages the residual over neighbours: a weak form, against noise."""
    ridge: float = pydantic.Field(default=0.0, ge=0)
    """Tikhonov weight of ``pil``."""
    threshold: float = pydantic.Field(default=0.0, ge=0)
    """Terms that make up less than this share of the rate are dropped by ``pil``, one after another (sparse
    regression)."""
    intervals: bool = True
    """Whether 95 % intervals of the coefficients are worked out, by refits without one eighth of the windows each."""
