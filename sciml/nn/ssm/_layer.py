"""The contract of a linear state-space layer: one set of weights, three views of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._parameter_groups import ParameterGroup

MATRIX_RATE, STEP_RATE = 1e-4, 1e-3
"""Largest learning rates of state matrices and of time steps, as in the published code."""


TimeScale = float | Float[Tensor, " time"]
"""A time step in units of the one of the training, or one for every time."""


class Carried(NamedTuple):
    """What a layer knows of the past.

    Fields:
        state: x, real or complex.
        before: the last value of the signal.
    """

    state: Tensor
    before: Float[Tensor, "batch feature"]


class StateSpaceLayer(nn.Module, ABC):
    """A linear time-invariant map of signals, ``batch time feature`` to ``batch time output``, that sees no future.

        x' = A x + B u,   y = C x + D u,   x = 0 before the first time

    Three views give the same numbers: `forward` convolves all of a signal at once, `step` takes one value after
    another, `carry` convolves a piece and goes on from there. `dt_scale` is the time step in units of the one of the
    training: 2 for half the sampling rate. It scales dt in all of the discretised system, and need not be whole.
    A layer that is `irregular` takes a step of its own for every time, too: how long after the one before it is.
    """

    irregular: ClassVar[bool] = False
    """Whether steps may differ."""

    @abstractmethod
    def forward(
        self, signal: Float[Tensor, "batch time feature"], dt_scale: TimeScale = 1.0
    ) -> Float[Tensor, "batch time output"]:
        """The response to a signal, from rest."""

    @abstractmethod
    def initial(self, batch: int) -> Carried:
        """Rest."""

    @abstractmethod
    def step(
        self, signal: Float[Tensor, "batch feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch output"], Carried]:
        """The response to one more value."""

    @abstractmethod
    def carry(
        self, signal: Float[Tensor, "batch time feature"], carried: Carried, dt_scale: TimeScale = 1.0
    ) -> tuple[Float[Tensor, "batch time output"], Carried]:
        """The response to one more piece of a signal, and what to go on from."""

    @abstractmethod
    def fixed(self, length: int, dt_scale: float = 1.0) -> "FixedKernel":
        """The layer for signals of one length and step alone."""

    @abstractmethod
    def spectral_radius(self, dt_scale: float = 1.0) -> Float[Tensor, " system"]:
        """Of the discretised state matrices; a layer with 1 or more does not forget and will overflow."""

    @abstractmethod
    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """State matrix and time steps: never decayed, and slow."""


class StateMatrix(nn.Module, ABC):
    """A, however its numbers are kept."""

    @abstractmethod
    def dense(self) -> Float[Tensor, "state state"]:
        """A itself."""


class FixedKernel(nn.Module):
    """A layer as it is for one length and one time step: a causal convolution with constant filters.

    It needs neither the inverse of a matrix nor complex numbers, which formats of exported programs may lack.

    Arguments:
        response: impulse response, ``output input time``, with the inputs of a group.
        groups: how many groups of features there are that do not mix.
    """

    filters: Tensor

    def __init__(self, response: Float[Tensor, "output input time"], *, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.register_buffer("filters", response.detach().flip(2).clone())

    def forward(
        self, signal: Float[Tensor, "batch time feature"], dt_scale: float = 1.0
    ) -> Float[Tensor, "batch time output"]:
        """The response to a signal of that length and step. Raises UserError for others."""
        length = self.filters.shape[2]
        if dt_scale != 1.0 or signal.shape[1] != length:
            raise UserError("a fixed kernel belongs to one length and one time step",
                            got=f"{signal.shape[1]} times, {dt_scale} of the step",
                            expected=f"{length} times, 1 of the step")  # fmt: skip
        padded = nn.functional.pad(signal.transpose(1, 2), (length - 1, 0))
        return nn.functional.conv1d(padded, self.filters, groups=self.groups).transpose(1, 2)


class Memo:
    """The last value of a function of a few small tensors, kept while they hold the same numbers.

    Compared by value, since weights are exchanged in place in several ways (optimisers, averages, loading). Nothing is
    kept where gradients flow or a program is traced. A copy of a module starts with the same memory.
    """

    def __init__(self) -> None:
        self._kept: tuple[tuple[Tensor, ...], tuple[object, ...], tuple[Tensor, ...]] | None = None

    def recall(self, tensors: Sequence[Tensor], key: tuple[object, ...]) -> tuple[Tensor, ...] | None:
        """What was kept for these tensors and this key."""
        if self._kept is None or not self.applies(tensors):
            return None
        known, known_key, value = self._kept
        same = known_key == key and all(
            a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
            for a, b in zip(known, tensors, strict=True)
        )
        return value if same else None

    def keep(self, tensors: Sequence[Tensor], key: tuple[object, ...], value: tuple[Tensor, ...]) -> None:
        """Remember a value, if no gradient can flow through it."""
        if self.applies(tensors):
            self._kept = (tuple(t.detach().clone() for t in tensors), key, value)

    @staticmethod
    def applies(tensors: Sequence[Tensor]) -> bool:
        """Whether anything may be kept for these tensors now."""
        traced = torch.compiler.is_compiling() or torch.compiler.is_exporting()
        recorded = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        return not (traced or recorded or any(t.is_meta for t in tensors))


def check_signal(signal: Tensor, features: int) -> None:
    """Refuse a signal of other features, which would be broadcast to all of a layer's, of no time, or complex.

    Raises: UserError for anything but real values, ``batch time feature``, with at least one time.
    """
    _check_real(signal)
    if signal.ndim != 3 or signal.shape[2] != features or signal.shape[1] < 1:
        raise UserError("the signal has another shape than the layer reads", got=tuple(signal.shape),
                        expected=f"(batch, time, {features}), with at least one time")  # fmt: skip


def check_value(signal: Tensor, features: int) -> None:
    """The same for one value of a signal, ``batch feature``."""
    _check_real(signal)
    if signal.ndim != 2 or signal.shape[1] != features:
        raise UserError("the value of a signal has another shape than the layer reads", got=tuple(signal.shape),
                        expected=f"(batch, {features})")  # fmt: skip


def check_carried(carried: Carried, signal: Tensor) -> None:
    """Refuse the past of other sequences. Raises UserError for another number of them."""
    if carried.before.shape[0] != signal.shape[0]:
        raise UserError("the state carried on belongs to other sequences", got=f"{carried.before.shape[0]} of them",
                        expected=f"{signal.shape[0]}, as there are values",
                        fix=f"Begin with initial({signal.shape[0]}).")  # fmt: skip


def _check_real(signal: Tensor) -> None:
    if signal.is_complex():
        raise UserError("a state-space layer reads real signals", got=signal.dtype,
                        fix="Give real and imaginary parts as two features.")  # fmt: skip


def uniform_scale(dt_scale: TimeScale) -> float:
    """One time step for all times. UserError for one of each, or a step that is not positive."""
    if isinstance(dt_scale, Tensor):
        times = dt_scale.shape[-1]
        raise UserError("this layer steps uniformly", got=f"a time step of its own for each of {times} times",
                        expected="one number", fix="Take a layer for irregular steps, ScannedStateSpace.")  # fmt: skip
    if not 0 < dt_scale < float("inf"):
        raise UserError("the time step of a sequence must be positive", got=f"{dt_scale} times that of the training")
    return dt_scale
