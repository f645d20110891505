"""What is asked of the arguments of a solve; each of these raises UserError with the remedy."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad

from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.ode._adjoint import Adjoint
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._method import Method


def check_backend(backend: object) -> bool:
    """Whether it is ours."""
    if backend not in ("sciml", "scipy", "torchdiffeq"):
        raise UnknownNameError("backend", str(backend), ("sciml", "scipy", "torchdiffeq"))
    return backend == "sciml"


def check_state(y0: Tensor) -> None:
    """One row per sample, of real floating-point numbers."""
    if not isinstance(y0, Tensor) or y0.ndim == 0 or not y0.numel():
        raise UserError(
            "the initial state must be a tensor with one row per sample",
            got=f"shape {tuple(y0.shape)}" if isinstance(y0, Tensor) else type(y0).__name__,
            expected="batch *shape, at least one sample and one number in it",
            fix="For a single sample write y0[None].",
        )
    if not y0.is_floating_point():
        raise UserError(
            "the initial state must hold real floating-point numbers",
            got=y0.dtype,
            expected="float32 or float64",
            fix="Convert it, for example y0.double().",
        )


def check_times(times: Tensor, y0: Tensor, endless: bool = False) -> Float[Tensor, "batch time"]:
    """Times as one row per sample in float64; the last may be infinite where something else ends the sample."""
    fits = isinstance(times, Tensor) and (times.ndim == 1 or (times.ndim == 2 and len(times) == len(y0)))
    if not fits or times.shape[-1] < 2 or times.is_complex():
        raise UserError(
            "the requested times do not fit the state",
            got=f"shape {tuple(times.shape)}, {times.dtype}" if isinstance(times, Tensor) else type(times).__name__,
            expected=f"(time,) or ({len(y0)}, time) with at least two times",
        )
    finite = times[..., :-1].isfinite() if endless else times.isfinite()
    if not bool(finite.all()) or bool(times.isnan().any()):
        raise UserError(
            "the requested times must be finite",
            got=times.detach().flatten()[:5].tolist(),
            fix="" if endless else "Only with an event that ends the sample may the last one be infinite.",
        )
    rows = times.double().expand(len(y0), -1)
    gaps = rows.detach().diff(dim=1)
    if not (bool((gaps >= 0).all()) or bool((gaps <= 0).all())):
        first = gaps[gaps != 0][0].sign()
        sample, place = (gaps * first < 0).nonzero()[0].tolist()
        raise UserError(
            "the requested times must increase or decrease, the same way for all samples",
            got=f"{float(rows[sample, place].detach()):.6g} followed by {float(rows[sample, place + 1].detach()):.6g}"
            f" at place {place + 1}" + (f" of sample {sample}" if times.ndim == 2 else ""),
            fix="Sort them.",
        )
    return rows


def check_args(args: Sequence[Tensor], y0: Tensor) -> None:
    """One row per sample each."""
    for place, value in enumerate(args):
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(y0):
            raise UserError(
                f"argument {place} of the right-hand side must have one row per sample",
                got=f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__,
                expected=f"a tensor of shape ({len(y0)}, ...)",
                fix="What all samples share is ode.Static(value), or belongs into f itself.",
            )


def check_tangents(tensors: Sequence[Tensor]) -> None:
    """None of forward-mode differentiation, which would be dropped."""
    if forward_ad._current_level < 0:
        return
    if any(t.is_floating_point() and forward_ad.unpack_dual(t).tangent is not None for t in tensors):
        raise UnsupportedError(
            "forward-mode derivatives through a solve are not available",
            fix="Take reverse mode: torch.autograd.grad, or torch.func.vjp.",
        )


def check_precision(dtype: torch.dtype, rtol: float, step: float | None) -> None:
    """Half precision cannot meet tolerances below its own rounding."""
    smallest = torch.finfo(dtype).eps
    if step is None and dtype in (torch.float16, torch.bfloat16) and rtol < smallest:
        raise ConfigError(
            f"the relative tolerance is below the rounding of {dtype}",
            got=f"rtol={rtol:g}",
            expected=f"at least {smallest:.2g}",
            fix="Raise rtol and atol, or integrate in float32.",
        )


def check_settings(
    method: Method, rtol: float | int, atol: float | int | Tensor, step: float | int | None, max_steps: int | None
) -> None:
    """Tolerances, a fixed step where the method needs one, and the number of steps."""
    lowest = float(atol.min()) if isinstance(atol, Tensor) else atol
    if not (rtol >= 0 and lowest >= 0 and rtol + lowest > 0 and math.isfinite(rtol + lowest)):
        raise ConfigError(
            "the tolerances must be finite and not negative, one of them positive", got=f"rtol={rtol}, atol={atol}"
        )
    if step is None and not method.adaptive:
        raise ConfigError(
            f"{method.name} has no error estimate to choose its steps by",
            fix="Give a fixed one, step=..., or take dopri5 or tsit5.",
        )
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise ConfigError("a fixed step must be positive and finite", got=step)
    if max_steps is not None and max_steps < 1:
        raise ConfigError("max_steps must be at least 1", got=max_steps)


def check_gradient(gradient: object, method: Method) -> None:
    """One of the three kinds, and one that the method can have."""
    if not isinstance(gradient, (Discrete, Checkpointed, Adjoint)):
        raise ConfigError(
            "unknown kind of gradient",
            got=repr(gradient),
            expected="Discrete(), Checkpointed(budget) or Adjoint()",
        )
    repeats = isinstance(gradient, Checkpointed) or (isinstance(gradient, Discrete) and gradient.schedule == "stacked")
    if method.remembers and repeats:
        raise ConfigError(
            f"the steps of {method.name} look at earlier ones and cannot be repeated one by one",
            got=repr(gradient),
            fix="Take gradient=Discrete(), whose graph follows all steps, or Adjoint().",
        )
