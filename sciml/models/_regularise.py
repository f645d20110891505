"""Penalties that make a learned differential equation cheap to integrate, and their weight along the training."""

import math
from typing import Literal

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import ode
from sciml.core.config import Config

Heuristic = Literal["er", "er2", "sr", "er_sr"]
Kind = Literal[
    "none", "er", "er2", "sr", "er_sr", "local", "local_biased", "steer", "steer_er", "steer_sr", "rnode", "taynode"
]

PUBLISHED_COEFFICIENTS: dict[Kind, tuple[float, float]] = {
    "none": (0.0, 0.0),
    "er": (100.0, 10.0),
    "er2": (100.0, 100.0),
    "sr": (0.1, 0.1),
    "er_sr": (10.0, 10.0),
    "local": (2.5, 1.0),
    "local_biased": (2.5, 1.0),
    "steer": (0.0, 0.0),
    "steer_er": (100.0, 10.0),
    "steer_sr": (0.1, 0.1),
    "rnode": (0.01, 0.01),
    "taynode": (0.01, 0.01),
}
"""First and last coefficient of each kind as published, most of them for classifiers; those of er and sr are for the
form ``code``."""


class RegulariseConfig(Config):
    """What is added to the loss of a task, L = L_task + λ(along) R, while training.

    With E_j, S_j and h_j the error over the tolerance, the stiffness and the length of the accepted steps of a solve,
    R is the mean over samples of

        kind    form = paper                   form = code
        er      Σ_j E_j |h_j|                  mean_j E_j |h_j|
        er2     Σ_j E_j²                       mean_j E_j²
        sr      Σ_j S_j |h_j|                  max_j S_j / s
        er_sr   Σ_j (E_j + w S_j) |h_j|        mean_j (E_j |h_j| + w S_j / s)

    where s is the method's reach on the negative real axis (1 for an L-stable one) and w is `stiffness`. The form
    ``paper`` is what the paper writes down, ``code`` what its authors ran. h_j is a constant in all of them. The other
    kinds:

        local          E |h| of one step from z(t), t uniform over the span, z(t) and h constants
        local_biased   the same with t uniform over the times at which the solve's steps start
        steer          no penalty; in training every interval is longer or shorter by up to the share `jitter`
        steer_er, steer_sr   both
        rnode          ∫ (‖f‖² + w' ‖εᵀ ∂f/∂z‖²) dt / d, with random signs ε drawn once per solve, w' is `jacobian`
        taynode        ∫ ‖d²z/dt²‖² dt / d

    All but the local ones and the integrals see only what the solver saw, so they need gradients through its steps.
    For an equation whose solution is itself of interest (identification of a system) they are a bias: what is fast is
    damped.

    References:
        Pal, Ma, Shah, Rackauckas, ICML 2021, arXiv:2105.03918 (er, sr). Pal, Edelman, Rackauckas, ICML 2023, PMLR 202
        (local). Ghosh, Behl, Dupont, Torr, Namboodiri, NeurIPS 2020, arXiv:2006.10711 (steer). Finlay, Jacobsen,
        Nurbekyan, Oberman, ICML 2020, arXiv:2002.02798 (rnode). Kelly, Bettencourt, Johnson, Duvenaud, NeurIPS 2020,
        arXiv:2007.04504 (taynode).
    """

    kind: Kind = "none"
    """Which penalty."""
    form: Literal["paper", "code"] = "code"
    """How the steps of a solve become one number."""
    coefficient: float | None = pydantic.Field(default=None, ge=0)
    """λ at the start; None for the published pair of the kind. Zero switches the penalty off altogether."""
    final_coefficient: float | None = pydantic.Field(default=None, gt=0)
    """λ at the end, reached exponentially; None for a constant one (or the published pair)."""
    stiffness: float = pydantic.Field(default=0.1, ge=0)
    """w, the weight of stiffness beside the error in er_sr."""
    jacobian: float = pydantic.Field(default=1.0, ge=0)
    """w', the weight of the Jacobian beside the speed in rnode."""
    length: Literal["taken", "initial"] = "taken"
    """h of a local kind: the length of the step that the solve took there, with which local_biased has the same mean as
    er in the form ``code``; or what a solve that starts at z(t) would try first, as published. At loose tolerances that
    is much shorter than the steps taken, so that next to nothing is penalised."""
    jitter: float = pydantic.Field(default=0.5, gt=0, lt=1)
    """Largest relative change of an interval in steer."""

    @pydantic.model_validator(mode="after")
    def _whole(self) -> "RegulariseConfig":
        if self.final_coefficient is not None and not self.coefficient:
            raise ValueError("a final_coefficient needs a positive coefficient to start from")
        return self

    @property
    def coefficients(self) -> tuple[float, float]:
        """λ at the start and at the end."""
        if self.coefficient is None:
            return PUBLISHED_COEFFICIENTS[self.kind]
        return self.coefficient, self.coefficient if self.final_coefficient is None else self.final_coefficient

    @property
    def heuristic(self) -> Heuristic | None:
        """The penalty on the steps of a solve, if there is one to compute."""
        kinds: dict[Kind, Heuristic] = {
            "er": "er", "er2": "er2", "sr": "sr", "er_sr": "er_sr", "steer_er": "er", "steer_sr": "sr"
        }  # fmt: skip
        return kinds.get(self.kind) if self.coefficients[0] > 0 else None

    @property
    def local(self) -> bool:
        """Whether a single step is penalised."""
        return self.kind in ("local", "local_biased") and self.coefficients[0] > 0

    @property
    def integral(self) -> bool:
        """Whether an integral along the solution is penalised."""
        return self.kind in ("rnode", "taynode") and self.coefficients[0] > 0

    @property
    def steers(self) -> bool:
        """Whether the times of training are jittered."""
        return self.kind.startswith("steer")

    def weight(self, along: float) -> float:
        """λ(along) = λ0 exp(-k along) with k = ln(λ0 / λ1), so that λ(0) = λ0 and λ(1) = λ1."""
        first, last = self.coefficients
        return first if first == last else first * math.exp(-math.log(first / last) * along)


class Policy:
    """A regularisation at work: its settings, and the penalty of the last training solve until the loss has taken it.

    Arguments:
        config: the settings.
    """

    def __init__(self, config: RegulariseConfig) -> None:
        self.config = config
        self.penalty: Tensor | None = None

    def add_to(self, loss: Float[Tensor, ""], along: float) -> Float[Tensor, ""]:
        """loss + λ(along) R, and forget R; the loss itself where there is no penalty."""
        penalty, self.penalty = self.penalty, None
        return loss if penalty is None else loss + self.config.weight(along) * penalty


def steps_penalty(
    config: RegulariseConfig, steps: ode.Steps, stability: float, heuristic: Heuristic | None = None
) -> Float[Tensor, ""]:
    """The penalty on the accepted steps of a solve, a mean over samples.

    Arguments:
        config: the form and the weight of stiffness.
        steps: the recorded steps.
        stability: s, the reach of the method's stability region on the negative real axis.
        heuristic: which one; that of `config` if left out, and if there is none the penalty is zero.
    """
    heuristic = heuristic or config.heuristic
    if heuristic is None:
        return steps.error.new_zeros(())
    length = steps.size.detach().abs().to(steps.error.dtype)
    count = steps.taken.sum(1).clamp_min(1)
    stiffness = steps.stiffness / stability if math.isfinite(stability) else steps.stiffness
    if config.form == "paper":
        terms = {
            "er": lambda: steps.error * length,
            "er2": lambda: steps.error.square(),
            "sr": lambda: steps.stiffness * length,
            "er_sr": lambda: (steps.error + config.stiffness * steps.stiffness) * length,
        }
        return _kept(terms[heuristic](), steps).sum(1).mean()
    if heuristic == "sr":
        return _kept(stiffness, steps).amax(1).mean()
    terms = {
        "er": lambda: steps.error * length,
        "er2": lambda: steps.error.square(),
        "er_sr": lambda: steps.error * length + config.stiffness * stiffness,
    }
    return (_kept(terms[heuristic](), steps).sum(1) / count).mean()


def _kept(values: Float[Tensor, "batch step"], steps: ode.Steps) -> Float[Tensor, "batch step"]:
    return torch.where(steps.taken, values, 0.0)


def jittered_times(times: Float[Tensor, "*batch time"], jitter: float) -> Float[Tensor, "*batch time"]:
    """Times whose intervals are longer or shorter by a factor uniform in (1 - jitter, 1 + jitter), for STEER.

    One factor per interval, drawn from torch's global generator and shared by all samples; the first time stays.
    """
    lengths = times.diff(dim=-1)
    factors = 1 + jitter * (2 * torch.rand(lengths.shape[-1], dtype=times.dtype, device=times.device) - 1)
    first = times[..., :1]
    return torch.cat((first, first + torch.cumsum(lengths * factors, dim=-1)), dim=-1)
