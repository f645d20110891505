"""Deep networks for physics that nobody knows, which no weights can make unstable: parabolic, Hamiltonian, leapfrog."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.errors import UserError
from sciml.models.npde._network import FittedCoefficient, checked_steps
from sciml.models.npde._report import StabilityReport
from sciml.models.npde._spec import NPDESpec
from sciml.models.npde._stencils import padded
from sciml.nn import Network

Block = Literal["parabolic", "hamiltonian", "leapfrog"]
"""``u' = -Kᵀσ(Ku + b)``; ``y' = Kᵀσ(Kz + b), z' = -Kᵀσ(Ky + b)``; ``u'' = -Kᵀσ(Ku + b)``."""
_SLOPE = {"parabolic": 2.0, "hamiltonian": 2.0, "leapfrog": 4.0}


class StableNPDE(Network):
    """Blocks whose step h cannot leave what is stable: h = limit · sigmoid(θ) / ‖K‖².

    With 0 ≤ σ' ≤ 1 a parabolic step is non-expansive for h ≤ 2/‖K‖²: two states never move apart, at any depth. The
    two others keep an energy for one K; with another K in every layer they may grow (marginal stability), which is why
    ``parabolic`` is the default. ‖K‖ is bounded by Schur's test, √(‖K‖₁ ‖K‖_∞), which holds under every padding.

    The state is embedded in `width` channels by zeros and read off its own channels, both without gain. A step has
    ``spec.substeps`` blocks. Terms of the specification are not part of it: only grid, fields, steps and sharing are.

    Arguments:
        spec: grid, fields, steps, substeps, sharing.
        block: which.
        width: channels within a step; an even multiple of the fields for ``hamiltonian`` and ``leapfrog``.
        kernel_size: points of K per axis, odd.
        generator: of the first weights.

    Raises: UserError for complex fields, a width below the fields (twice these, but for ``parabolic``), an even kernel.

    Reference: L. Ruthotto, E. Haber, J. Math. Imaging Vis. 62 (2020) 352, arXiv:1804.04272.
    """

    def __init__(
        self,
        spec: NPDESpec,
        *,
        block: Block = "parabolic",
        width: int = 16,
        kernel_size: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        least = len(spec.fields) * (1 if block == "parabolic" else 2)
        if spec.dtype == "complex":
            raise UserError("the form stable is a real network", got="dtype='complex'", expected="dtype='real'")
        if width < least or (block != "parabolic" and width % 2) or kernel_size % 2 == 0:
            raise UserError(
                f"a {block} block cannot have these sizes",
                got=f"width {width}, kernel_size {kernel_size}",
                expected=f"a width of at least {least}, even unless parabolic, and an odd kernel",
            )
        self.spec, self.block, self.width = spec, block, width
        depth = spec.substeps * (spec.steps if spec.sharing == "per_step" else 1)
        inner = width if block == "parabolic" else width // 2
        shape = (depth, inner, inner, *(kernel_size for _ in spec.axes))
        spread = (inner * kernel_size ** len(spec.axes)) ** -0.5
        self.kernels = nn.Parameter(torch.randn(shape, generator=generator) * spread)
        self.biases = nn.Parameter(torch.zeros(depth, inner))
        self.raw_steps = nn.Parameter(torch.zeros(depth))

    def forward(
        self, state: Float[Tensor, "batch channel *space"], layer: int = 0
    ) -> Float[Tensor, "batch channel *space"]:
        """The state one step later. Raises UserError for a state of another shape or precision."""
        expected = (len(self.spec.fields), *self.spec.size)
        if tuple(state.shape[1:]) != expected or state.is_complex():
            raise UserError("the state is none of this network", got=f"{tuple(state.shape)}, {state.dtype}",
                            expected=f"real, {('batch', *expected)}")  # fmt: skip
        if state.dtype != self.kernels.dtype:
            raise UserError("the state is in another precision than the weights", got=state.dtype,
                            expected=self.kernels.dtype,
                            fix="Convert the state, or the network: network.double().")  # fmt: skip
        count = self.spec.substeps
        first = layer * count % len(self.kernels)
        half = self.width if self.block == "parabolic" else self.width // 2
        wide = torch.cat((state, state.new_zeros(len(state), half - state.shape[1], *state.shape[2:])), 1)
        other = torch.zeros_like(wide)
        for index in range(first, first + count):
            wide, other = self._block(index, wide, other)
        return wide[:, : state.shape[1]]

    step = forward

    def rollout(
        self, state: Float[Tensor, "batch channel *space"], steps: int | None = None
    ) -> Float[Tensor, "batch time channel *space"]:
        """The states after 1, 2, … steps. Raises UserError for no step at all."""
        states = []
        for layer in range(checked_steps(self.spec, steps)):
            state = self(state, layer)
            states.append(state)
        return torch.stack(states, 1)

    def _block(self, index: int, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        h = self._sizes(slice(index, index + 1))[0]  # of all blocks it would cost the square of the depth
        if self.block == "parabolic":
            return u - h * self.force(index, u), v
        if self.block == "leapfrog":
            v = v - h.sqrt() * self.force(index, u)
            return u + h.sqrt() * v, v
        u = u + h * self.force(index, v)
        return u, v - h * self.force(index, u)

    def force(self, index: int, u: Tensor) -> Tensor:
        """Kᵀ tanh(K u + b)."""
        kernel = self.kernels[index]
        bias = self.biases[index].view(-1, *[1] * len(self.spec.axes))
        return self.convolved(torch.tanh(self.convolved(u, kernel) + bias), adjoint(kernel))

    def convolved(self, u: Tensor, kernel: Tensor) -> Tensor:
        """K u, by the boundary of every axis."""
        for i, axis in enumerate(self.spec.axes):
            edge = "periodic" if axis.boundary == "periodic" else "zero"  # what the transpose is exact for
            u = padded(u, i + 2, kernel.shape[2] // 2, edge)
        return (functional.conv1d, functional.conv2d, functional.conv3d)[len(self.spec.axes) - 1](u, kernel)

    def norms(self) -> Float[Tensor, " block"]:
        """Upper bounds of ‖K‖² of every block."""
        return self._bounds(slice(None))

    def _bounds(self, blocks: slice) -> Float[Tensor, " block"]:
        size = self.kernels[blocks].abs()
        space = tuple(range(3, size.ndim))
        rows = size.sum((2, *space)).amax(1)
        columns = size.sum((1, *space)).amax(1)
        return rows * columns

    def step_sizes(self) -> Float[Tensor, " block"]:
        """h of every block, below its limit whatever the weights are; h² for leapfrog."""
        return self._sizes(slice(None))

    def _sizes(self, blocks: slice) -> Float[Tensor, " block"]:
        return _SLOPE[self.block] * self.raw_steps[blocks].sigmoid() / self._bounds(blocks).clamp_min(1e-12)

    @torch.no_grad()
    def coefficients(self) -> dict[str, FittedCoefficient]:
        """Step sizes and bounds of ‖K‖², which have no units: the features are no physical quantities."""
        return {
            "step_size": FittedCoefficient(self.step_sizes().clone(), "1", 0.0, None),
            "norm": FittedCoefficient(self.norms().clone(), "1", 0.0, None),
        }

    @torch.no_grad()
    def stability_report(self) -> StabilityReport:
        """h ‖K‖² / limit of the block that is nearest to the limit, where 1 is the end of what is proven."""
        share = float((self.step_sizes() * self.norms() / _SLOPE[self.block]).max())
        dt = self.spec.substep
        return StabilityReport(self.block, dt, {"h‖K‖² of its limit": share}, 1.0, dt / share)

    def to_sympy(self) -> dict[str, Any]:  # Any: sympy
        """The equation of a block, with K, Kᵀ and σ as symbols."""
        import sympy

        t, bias = sympy.symbols("t b")
        adjoint_k, sigma, k = (sympy.Function(name) for name in ("K^T", "sigma", "K"))
        u, z = sympy.Function("u")(t), sympy.Function("z")(t)
        if self.block == "parabolic":
            return {"u": sympy.Eq(u.diff(t), -adjoint_k(sigma(k(u) + bias)))}
        if self.block == "leapfrog":
            return {"u": sympy.Eq(u.diff(t, 2), -adjoint_k(sigma(k(u) + bias)))}
        return {
            "u": sympy.Eq(u.diff(t), adjoint_k(sigma(k(z) + bias))),
            "z": sympy.Eq(z.diff(t), -adjoint_k(sigma(k(u) + bias))),
        }


def adjoint(kernel: Float[Tensor, "out in *space"]) -> Float[Tensor, "in out *space"]:
    """The kernel of the transpose, under circular padding and under zeros."""
    return kernel.transpose(0, 1).flip(tuple(range(2, kernel.ndim)))
