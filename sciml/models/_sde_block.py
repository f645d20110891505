"""A learned stochastic differential equation, integrated."""

from typing import Literal

import pydantic
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.models._ode_block import at_least_single
from sciml.models._regularise import Policy, RegulariseConfig, jittered_times, steps_penalty
from sciml.nn import Network, full_precision

STABILITY = 10.6
"""Reach of the stability region of SOSRI2's drift part on the negative real axis, by which S_j is divided."""


class DiffuseConfig(Config):
    """How a learned stochastic equation is integrated; gradients go through the steps."""

    method: Literal["sosri", "sosri2", "sriw1", "srk", "milstein", "euler"] = "sosri"
    """Key of the integration method."""
    rtol: float = pydantic.Field(default=1e-1, ge=0)
    """Relative tolerance of one step."""
    atol: float = pydantic.Field(default=1e-1, ge=0)
    """Absolute tolerance of one step."""
    step: float | None = pydantic.Field(default=None, gt=0)
    """Longest fixed step; None chooses steps by their error, which sosri, sosri2 and sriw1 can."""
    max_steps: int = pydantic.Field(default=2000, ge=1)
    """Attempted steps before the batch is given up."""


class SDEBlock(Network):
    """Paths of dz_i = f_i(t, z) dt + g_i(t, z) dW_i with learned f and g; in training also a penalty.

    All samples of a batch share their steps. The penalty waits in `policy` until the loss takes it.

    Arguments:
        drift, diffusion: f and g, modules ``(time: row, state: row dim) -> row dim``.
        integrate: how paths are integrated; by its defaults if left out.
        regularise: what is penalised in training: er, er2, sr, er_sr and steer with its combinations.

    Raises: UnsupportedError for a regularisation that is defined for ordinary equations only.
    """

    def __init__(
        self,
        drift: nn.Module,
        diffusion: nn.Module,
        *,
        integrate: DiffuseConfig | None = None,
        regularise: RegulariseConfig | None = None,
    ) -> None:
        super().__init__()
        self.drift, self.diffusion, self.integrate = drift, diffusion, integrate or DiffuseConfig()
        self.policy = Policy(regularise or RegulariseConfig())
        self.solves, self.calls, self.evaluations = 0, 0, 0.0
        config, method = self.policy.config, self.integrate.method
        if config.local or config.integral:
            raise UnsupportedError(
                f"the regularisation {config.kind!r} is defined for ordinary differential equations",
                expected="none, er, er2, sr, er_sr, steer, steer_er or steer_sr for a stochastic one",
            )
        if config.heuristic is not None and method in ("srk", "milstein", "euler"):
            raise UnsupportedError(
                f"the regularisation {config.kind!r} penalises estimates that the method {method} does not provide",
                fix="Choose integrate.method=sosri, sosri2 or sriw1.",
            )

    def forward(
        self,
        y0: Float[Tensor, "batch dim"],
        times: Float[Tensor, " time"],
        *,
        seed: int,
        tolerance: float | None = None,
    ) -> tuple[Float[Tensor, "batch time dim"], ode.Solution]:
        """One path per sample at `times` and everything else the solve says.

        Arguments:
            y0: states at the first time.
            times: strictly increasing.
            seed: of the Brownian paths.
            tolerance: replaces both tolerances.
        """
        config = self.policy.config
        penalised = self.training and config.heuristic is not None
        with full_precision(y0):
            solution = ode.solve_sde(
                self.drift,
                self.diffusion,
                at_least_single(y0),
                jittered_times(times, config.jitter) if self.training and config.steers else times,
                method=self.integrate.method,
                rtol=self.integrate.rtol if tolerance is None else tolerance,
                atol=self.integrate.atol if tolerance is None else tolerance,
                step=self.integrate.step,
                seed=seed,
                record=penalised,
                max_steps=self.integrate.max_steps,
            )
        if penalised:
            assert solution.steps is not None
            self.policy.penalty = steps_penalty(config, solution.steps, STABILITY)
        self.solves += 1
        self.calls += solution.stats.calls
        self.evaluations += float(solution.stats.evaluations.double().mean())
        return solution.states, solution
