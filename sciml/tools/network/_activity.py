"""What neurons do on data: strengths and activations, the dead and the saturated, by hooks alone."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sciml.tools.network._links import ACTIVATIONS, BOUNDED, NORMS, Call, matrix_layers

_WITH_STATISTICS: frozenset[Callable[..., Any]] = NORMS | frozenset({functional.batch_norm})
_FLAT = 0.02  # of the slope of a bounded activation where it counts as saturated: |tanh| > 0.99
_MOST = 0.95  # share of the data on which a saturated neuron is flat
_STILL = 1e-6  # standard deviation over the data, relative to the layer's, below which a neuron is dead


class Neurons(NamedTuple):
    """The neurons behind one layer, channels and places each their own, over all samples and calls.

    Fields:
        strength: S_k, mean of the pre-activations.
        spread: their standard deviations over the data.
        activation: A_k, mean of the activations; of the pre-activations where none follows.
        activation_spread: its standard deviation over the data.
        flat: share of the data on which a bounded activation is flat; zero for others.
        activated: whether an activation follows.
        finite: whether all numbers were.
        size: root mean square of the pre-activations.
    """

    strength: Tensor
    spread: Tensor
    activation: Tensor
    activation_spread: Tensor
    flat: Tensor
    activated: bool
    finite: bool
    size: float

    @property
    def dead(self) -> float:
        """Share of neurons whose activation is the same on all data."""
        typical = float(self.activation_spread.mean())
        return float((self.activation_spread <= _STILL * max(typical, 1e-12)).double().mean())

    @property
    def saturated(self) -> float:
        """Share of neurons that are flat on most data."""
        return float((self.flat > _MOST).double().mean())


class _Sums:
    """Sums over data of one layer's neurons."""

    def __init__(self) -> None:
        self.count, self.first, self.second, self.flat = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())

    def add(self, values: Tensor, flat: Tensor | None = None) -> None:
        """Rows ``sample *neuron``."""
        rows = values.detach().to(torch.float64, copy=True)
        self.count += len(rows)
        self.first, self.second = self.first + rows.sum(0), self.second + rows.square_().sum(0)
        if flat is not None:
            self.flat = self.flat + flat.sum(0, dtype=torch.float64)

    @property
    def mean(self) -> Tensor:
        """Over the data."""
        return self.first / max(1, self.count)

    @property
    def std(self) -> Tensor:
        """Over the data."""
        squared = self.mean.square()
        variance = self.second / max(1, self.count) - squared
        rounding = 1e-14 * squared
        return torch.where(variance > rounding, variance, torch.zeros_like(variance)).sqrt()


class _Watch(TorchFunctionMode):
    """Notes which activation is applied to what a layer answered, also behind a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, _Sums] = {}
        self.activations: dict[str, _Sums] = {}
        self._owners: dict[int, tuple[str, Tensor]] = {}

    def note(self, name: str, output: Tensor) -> None:
        """An answer of a layer."""
        sums = self.answers.setdefault(name, _Sums())
        if sums.count and sums.first.shape != output.shape[1:]:
            return  # another shape in another call: places cannot be matched
        sums.add(output)
        self._owners[id(output)] = (name, output)

    def __torch_function__(  # pyright: ignore[reportIncompatibleMethodOverride] (torch's own signature is untyped)
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # Any: torch's protocol
        output = func(*args, **(kwargs or {}))
        owner = self._owners.get(id(args[0])) if args else None
        if owner is None or not isinstance(output, Tensor):
            return output
        if func in _WITH_STATISTICS:
            self._owners[id(output)] = (owner[0], output)
        elif func in ACTIVATIONS and func is not torch.sin:
            name = owner[0]
            sums = self.activations.setdefault(name, _Sums())
            if not sums.count or sums.first.shape == output.shape[1:]:
                sums.add(output, _is_flat(func, output))
        return output


def _is_flat(func: Callable[..., Any], output: Tensor) -> Tensor | None:
    if func not in BOUNDED:
        return None
    if func in (torch.tanh, Tensor.tanh, functional.tanh):  # whose slope is 1 - tanh²
        return output.detach().abs() > math.sqrt(1 - _FLAT)
    return (output.detach() - 0.5).abs() > math.sqrt(1 - _FLAT) / 2  # 4 s (1 - s) = 1 - 4 (s - ½)²


def neuron_activity(module: nn.Module, call: Call) -> dict[str, Neurons]:
    """S_k = E[z_k] and A_k = E[φ(z_k)] of every layer with a matrix, over the data of one call.

    Answers of the module stay the same to the bit, and no hook is left behind. Of a layer that is called again, as on
    the way of an integration, the data are those of all calls.
    """
    watch = _Watch()

    def hook_of(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            answer = output[0] if isinstance(output, tuple) and output else output
            if isinstance(answer, Tensor) and answer.is_floating_point() and answer.ndim > 1:
                with torch._C.DisableTorchFunction():  # else the mode looks at every sum, for a tenth of a step
                    watch.note(name, answer)

        return hook

    hooks = [layer.register_forward_hook(hook_of(name)) for name, layer in matrix_layers(module).items()]
    try:
        with watch:
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _neurons(sums, watch.activations.get(name)) for name, sums in watch.answers.items()}


def _neurons(sums: _Sums, activated: _Sums | None) -> Neurons:
    shown = activated or sums
    flat = shown.flat / max(1, shown.count) if activated else torch.zeros(())
    return Neurons(
        strength=sums.mean,
        spread=sums.std,
        activation=shown.mean,
        activation_spread=shown.std,
        flat=flat.expand_as(shown.mean),
        activated=activated is not None,
        finite=bool(sums.second.isfinite().all()),
        size=float((sums.second / max(1, sums.count)).mean().sqrt()),
    )
