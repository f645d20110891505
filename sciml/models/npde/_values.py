"""The coefficients of a specification as a module: parameters that cannot leave their bounds."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Inexact
from torch import Tensor, nn
from torch.nn.functional import softplus

from sciml.core.errors import UnknownNameError
from sciml.core.types import Params
from sciml.models.npde._coefficients import (
    Coefficient,
    Constant,
    FieldCoefficient,
    Given,
    NetCoefficient,
    Trainable,
)
from sciml.models.npde._spec import NPDESpec

_EDGE = 1e-6
"""The share of an interval that an assigned value keeps from its ends, where the parametrisation is flat."""

_FIRST_EDGE = 1e-2
"""The same for a start at an end: nearer to it nothing would be learned from a gradient."""


class Values(nn.Module):
    """Values of all coefficients.

    With bounds [a, b] a value is a + (b - a) σ(θ), with a alone a + s softplus(θ), with b alone b - s softplus(θ),
    without bounds s θ; s, a buffer, is the typical size. A start at a bound is moved a hundredth of the way inside.

    Arguments:
        spec: the specification, with its bounds.
        generator: of the weights of networks; None for the global one.
    """

    def __init__(self, spec: NPDESpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.entries: dict[str, Coefficient] = {entry.name: entry for entry in spec.coefficients}
        layers = (spec.steps,) if spec.sharing == "per_step" else ()
        self.free = nn.ParameterDict()
        self.networks = nn.ModuleDict()
        for name, entry in self.entries.items():
            if isinstance(entry, Trainable | FieldCoefficient):
                shape = (*layers, *(spec.size if isinstance(entry, FieldCoefficient) else ()))
                start = torch.full(shape, entry.start, dtype=torch.float64)
                scale = _scale(entry)
                self.register_buffer(f"scale_{name}", torch.tensor(scale, dtype=torch.float64))
                edge = _FIRST_EDGE if entry.start in (entry.lower, entry.upper) else _EDGE
                self.free[name] = nn.Parameter(_inverse(entry, start, scale, edge=edge))
            elif isinstance(entry, NetCoefficient):
                self.networks[name] = _pointwise(len(spec.fields), entry, generator)
        self.layered = bool(layers)

    def value(
        self,
        name: str,
        layer: int,
        state: Inexact[Tensor, "batch channel *space"],
        parameters: Params | None,
    ) -> Tensor | float:
        """One coefficient: a number, one per sample (``batch 1 …``), per cell (``*space``), or both."""
        if not name:
            return 1.0
        entry = self.entries[name]
        if isinstance(entry, Constant):
            return entry.value
        if isinstance(entry, Given):
            assert parameters is not None  # checked where the step begins
            return shaped(parameters[name], state)
        if isinstance(entry, NetCoefficient):
            raw = self.networks[name](state.movedim(1, -1))[..., 0]
            return _forward(entry, raw, _scale(entry))
        raw = self.free[name]
        scale: Tensor = getattr(self, f"scale_{name}")
        return _forward(entry, raw[layer % len(raw)] if self.layered else raw, scale)

    def numbers(self) -> dict[str, Float[Tensor, "..."]]:
        """Everything that does not depend on the sample: constants, and what was learned, ``layer *space``."""
        numbers: dict[str, Tensor] = {}
        for name, entry in self.entries.items():
            if isinstance(entry, Constant):
                numbers[name] = torch.tensor(entry.value, dtype=torch.float64)
            elif isinstance(entry, Trainable | FieldCoefficient):
                numbers[name] = _forward(entry, self.free[name], getattr(self, f"scale_{name}"))
        return numbers

    @torch.no_grad()
    def assign(self, values: Mapping[str, float | Tensor]) -> tuple[str, ...]:
        """Set coefficients, and for those without bounds the size their parameter is measured in.

        Returns: the names of those that were outside their bounds, which are at the nearest value inside.
        """
        outside = []
        for name, value in values.items():
            entry = self.entries.get(name)
            if not isinstance(entry, Trainable | FieldCoefficient):
                raise UnknownNameError("trainable coefficient", name, self.free)
            wanted = torch.as_tensor(value, dtype=torch.float64).expand_as(self.free[name])
            if _outside(entry, wanted):
                outside.append(name)
            scale: Tensor = getattr(self, f"scale_{name}")
            if entry.lower is None and entry.upper is None and float(wanted.abs().max()) > 0:
                scale.fill_(float(wanted.abs().max()))
            self.free[name].copy_(_inverse(entry, wanted, float(scale)))
        return tuple(outside)


def shaped(values: Tensor, state: Tensor) -> Tensor:
    """One number per sample as ``batch 1 …``, to multiply fields ``batch *space``."""
    return values.to(state.device).reshape(-1, *[1] * (state.ndim - 2))


def _scale(entry: Trainable | FieldCoefficient | NetCoefficient) -> float:
    ends = [end for end in (entry.lower, entry.upper) if end is not None]
    return (abs(entry.start - ends[0]) or 1.0) if len(ends) == 1 else abs(entry.start) or 1.0


def _outside(entry: Trainable | FieldCoefficient, value: Tensor) -> bool:
    low, high = entry.lower, entry.upper
    return bool((low is not None and (value < low).any()) or (high is not None and (value > high).any()))


def _forward(entry: Trainable | FieldCoefficient | NetCoefficient, raw: Tensor, scale: Tensor | float) -> Tensor:
    low, high = entry.lower, entry.upper
    if low is not None and high is not None:
        return low + (high - low) * raw.sigmoid()
    if low is not None:
        return low + scale * softplus(raw)
    return high - scale * softplus(raw) if high is not None else scale * raw


def _inverse(entry: Trainable | FieldCoefficient, value: Tensor, scale: float, *, edge: float = _EDGE) -> Tensor:
    low, high = entry.lower, entry.upper
    if low is not None and high is not None:
        return ((value - low) / (high - low)).clamp(edge, 1 - edge).logit()
    if low is None and high is None:
        return value / scale
    gap = (value - low if low is not None else (high or 0.0) - value) / scale
    gap = gap.clamp_min(edge)
    return gap + torch.log(-torch.expm1(-gap))


def _pointwise(fields: int, entry: NetCoefficient, generator: torch.Generator | None) -> nn.Module:
    """Two layers, which give `start` everywhere before training."""
    first, last = nn.Linear(fields, entry.width), nn.Linear(entry.width, 1)
    layers = nn.Sequential(first, nn.Tanh(), last).double()
    with torch.no_grad():
        for layer in (first, last):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            layer.bias.zero_()
        last.weight.mul_(0.01)
        middle = Trainable(name=entry.name, start=entry.start, lower=entry.lower, upper=entry.upper)
        last.bias.copy_(_inverse(middle, torch.tensor([entry.start], dtype=torch.float64), _scale(entry)))
    return layers
