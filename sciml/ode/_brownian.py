"""The Brownian paths that drive an SDE: increments over any interval, consistent with one another and with a seed."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.rng import derive


class Increment(NamedTuple):
    """What a step of size h learns about the path W over its interval [s, s + h].

    Fields:
        size: h.
        w: ΔW = W(s + h) - W(s), normal with variance h.
        u: U = ∫ (W(r) - W(s)) dr over the interval, normal with variance h³/3 and covariance h²/2 with ΔW.
    """

    size: float
    w: Float[Tensor, "row dim"]
    u: Float[Tensor, "row dim"]


class Brownian:
    """Independent Brownian motions, one per row and component, and their time integrals.

    A path is a random function fixed by the seed that is looked at piece by piece: increments over neighbouring
    intervals add up, ``ΔW(a, c) = ΔW(a, b) + ΔW(b, c)`` and ``U(a, c) = U(a, b) + U(b, c) + (c - b) ΔW(a, b)``, in
    whatever order they are asked for, so a rejected step may be tried again with a smaller size without bias. What lies
    between the given times is drawn, exactly, from the Brownian bridge of the pair when it is first asked for. The
    values at the given times depend on the seed, those times, shape, dtype and kind of device only, not on the steps
    taken between them.

    Arguments:
        times: increasing, at least two; the paths live between the first and the last.
        shape: rows and components.
        seed: any integer.
        dtype, device: of the increments; another dtype or kind of device gives other paths.

    Reference: torchsde's BrownianInterval (Kidger, Foster, Li, Lyons, Efficient and accurate gradients for neural SDEs,
    NeurIPS 2021), with its space-time Lévy area H = U/h - ΔW/2.
    """

    def __init__(
        self,
        times: Sequence[float],
        shape: tuple[int, int],
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        import torchsde

        self.start, self.end = float(times[0]), float(times[-1])
        self.shape, self.dtype = tuple(shape), dtype
        self.device = torch.empty(0, device=device).device
        with torch.no_grad():
            self.interval = torchsde.BrownianInterval(
                self.start,
                self.end,
                size=self.shape,
                dtype=dtype,
                device=self.device,
                entropy=derive(seed, "brownian"),
                dt=self.end - self.start,  # the tree is laid out below, by the times
                levy_area_approximation="space-time",
            )
        self._pin([float(t) for t in times])

    def __call__(self, start: float, end: float) -> Increment:
        """The increment over ``[start, end]``."""
        if not self.start <= start < end <= self.end:
            raise UserError(
                "a Brownian path was asked for an interval it does not cover",
                got=f"[{start}, {end}]",
                expected=f"start < end within [{self.start}, {self.end}]",
            )
        with torch.no_grad():
            increment = self.interval(start, end, return_U=True)
        w, u = cast("tuple[Tensor, Tensor]", increment)  # its answer depends on what it is asked
        return Increment(end - start, w, u)

    def _pin(self, times: list[float]) -> None:
        """Draw the path at the given times, halving their list: the tree of intervals stays shallow."""
        if len(times) > 2:
            middle = len(times) // 2
            self(times[0], times[middle])
            self._pin(times[: middle + 1])
            self._pin(times[middle:])
