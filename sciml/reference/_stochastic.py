"""Paths of stochastic differential equations with diagonal noise, by a scheme of its own with small fixed steps."""

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError

Coefficient = Callable[[Tensor, Tensor], Tensor]
"""Drift or diffusion: ``(time: row, state: row channel) -> row channel``."""

CHUNK = 2500
"""Paths integrated at a time, so that a step's temporaries stay in the cache."""


def ito_paths(
    drift: Coefficient,
    diffusion: Coefficient,
    start: Float[Tensor, " channel"],
    times: Float[Tensor, " time"],
    *,
    paths: int,
    step: float | int,
    generator: torch.Generator,
) -> Float[Tensor, "path time channel"]:
    """Independent paths of the Itô equation dX_i = f_i(t, X) dt + g_i(t, X) dW_i from one start, float64.

    Within a step of length h the Brownian path is replaced by the straight line between its ends. The equation, first
    brought to Stratonovich's form, is then an ordinary one,

        dX_i/ds = h (f_i - ½ g_i ∂g_i/∂x_i) + ΔW_i g_i,   s from 0 to 1,

    and is advanced by the classical Runge-Kutta method of order 4. If g_i depends on t and x_i only, paths converge
    with strong order 1; in the drift alone the order is 4, so that little noise leaves a small error.

    Arguments:
        drift, diffusion: f and g, float64. The diffusion must be differentiable by autograd.
        start: the state at ``times[0]``.
        times: output times, strictly increasing.
        paths: how many.
        step: longest step; equal steps end on every output time.
        generator: of the noise; the paths are a function of its state and the other arguments.

    Returns: the paths at `times`, NaN or infinite from where one becomes non-finite.

    Raises: UserError for times that do not increase, or a step that is not positive.

    Reference: Wong and Zakai, "On the convergence of ordinary integrals to stochastic integrals", Ann. Math. Statist.
        36 (1965); Kloeden and Platen, Numerical Solution of Stochastic Differential Equations (1992), section 10.
    """
    moments = times.double().tolist()
    if len(moments) < 2 or any(b <= a for a, b in itertools.pairwise(moments)) or not step > 0:
        raise UserError("paths need at least two increasing times and a positive step", got=f"{moments}, step {step}")
    chunks = [
        _integrate(drift, diffusion, start.double().expand(min(CHUNK, paths - first), -1), moments, step, generator)
        for first in range(0, paths, CHUNK)
    ]
    return torch.cat(chunks)


def _integrate(
    drift: Coefficient,
    diffusion: Coefficient,
    state: Float[Tensor, "path channel"],
    times: list[float],
    step: float | int,
    generator: torch.Generator,
) -> Float[Tensor, "path time channel"]:
    states = [state]
    for begin, end in itertools.pairwise(times):
        count = math.ceil((end - begin) / step * (1 - 1e-12))
        h = (end - begin) / count
        for k in range(count):
            noise = math.sqrt(h) * torch.randn(state.shape, generator=generator, dtype=torch.float64)
            state = ito_step(drift, diffusion, begin + k * h, h, state, noise)
        states.append(state)
    return torch.stack(states, dim=1)


def ito_step(
    drift: Coefficient,
    diffusion: Coefficient,
    time: float,
    h: float,
    state: Float[Tensor, "path channel"],
    noise: Float[Tensor, "path channel"],
) -> Float[Tensor, "path channel"]:
    """One step of `ito_paths`: the Runge-Kutta method along the straight piece of the Brownian path.

    Arguments:
        drift, diffusion: f and g, as there.
        time, h: begin and length of the step.
        state: X at `time`.
        noise: ΔW, the increment of the Brownian motion over the step.

    Returns: X at ``time + h``.
    """

    def slope(at: float, x: Tensor) -> Tensor:
        moment = x.new_full((len(x),), at)
        g, correction = _corrected(diffusion, moment, x)
        with torch.no_grad():
            return h * (drift(moment, x) - correction) + noise * g

    k1 = slope(time, state)
    k2 = slope(time + h / 2, state + k1 / 2)
    k3 = slope(time + h / 2, state + k2 / 2)
    k4 = slope(time + h, state + k3)
    return state + (k1 + 2 * k2 + 2 * k3 + k4) / 6


def _corrected(diffusion: Coefficient, time: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """g and ½ g_i ∂g_i/∂x_i."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        g = diffusion(time, x)
        columns = torch.zeros_like(x)
        if g.requires_grad:
            for i in range(x.shape[1]):
                (row,) = torch.autograd.grad(g[:, i].sum(), x, retain_graph=True, allow_unused=True)
                if row is not None:
                    columns[:, i] = row[:, i]
    g = g.detach()
    return g, 0.5 * g * columns
