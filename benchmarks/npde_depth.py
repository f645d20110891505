"""What 400 layers do to a state and to two states that are near each other, before anything is trained.

A residual block u + h Kᵀ tanh(K u + b), with a kernel of its own in every layer, against the forms of
`sciml.models.npde` that cannot leave their step: the same number of kernels of the same sizes, and for the residual
network the steps h of the parabolic form. Said of both are the largest value relative to that of the input, and by how
much a difference of 1e-6 between two inputs has grown, as the median and the largest of five seeds.
"""

import math
import statistics
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import Row, paired, version
from sciml.models.npde import Diffusion, NPDESpec, SpecAxis, StableNPDE, generate

Block = Literal["parabolic", "hamiltonian", "leapfrog"]
BLOCKS: tuple[Block, ...] = ("parabolic", "hamiltonian", "leapfrog")
SIZE, WIDTH = 64, 32
SEEDS = range(5)


def race(quick: bool) -> Iterable[Row]:
    """Rows for every form at depths 50 and 400, at half of the limit and close to it."""
    for depth in (50,) if quick else (50, 400):
        for share in (0.5, 0.99):
            for block in BLOCKS:
                yield _row(block, depth, share, 1 if quick else 3)


def _row(block: Block, depth: int, share: float, repeats: int) -> Row:
    ours, theirs = [], []
    for seed in SEEDS:
        network, plain = _stable(block, depth, share, seed), _residual(depth, share, seed)
        ours.append(_growth(network, seed))
        theirs.append(_growth(plain, seed))
    inputs = _waves(0)
    ours_s, peer_s = paired(
        lambda: _stable(block, depth, share, 0)(inputs), lambda: _residual(depth, share, 0)(inputs), repeats=repeats
    )
    return Row(
        case=f"{block}, depth {depth}, {share:g} of the limit", ours_s=ours_s, peer="residual network",
        peer_version=version("sciml"), peer_s=peer_s, note=f"{_words(ours)}; residual: {_words(theirs)}",
    )  # fmt: skip


def _words(growths: list[tuple[float, float]]) -> str:
    sizes, gains = zip(*growths, strict=True)
    return (
        f"size {statistics.median(sizes):.3g} (at most {max(sizes):.3g}), "
        f"difference {statistics.median(gains):.3g} (at most {max(gains):.3g})"
    )


def _stable(block: Block, depth: int, share: float, seed: int) -> StableNPDE:
    spec = NPDESpec(
        axes=(SpecAxis(name="x", size=SIZE, upper=2 * math.pi),), terms=(Diffusion(target="u"),), dt=1e-3,
        scheme="strang", substeps=depth,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    network = generate(spec, "stable", block=block, width=WIDTH, generator=generator)
    assert isinstance(network, StableNPDE)
    with torch.no_grad():
        network.double().raw_steps.fill_(math.log(share / (1 - share)))
    return network.requires_grad_(False)


def _residual(depth: int, share: float, seed: int) -> Callable[[Tensor], Tensor]:
    """The parabolic network with the sign of a residual block."""
    network = _stable("parabolic", depth, share, seed)
    kernels, biases, steps = network.kernels, network.biases, network.step_sizes()

    def forward(state: Tensor) -> Tensor:
        wide = torch.cat((state, state.new_zeros(len(state), WIDTH - 1, SIZE)), 1)
        for kernel, bias, h in zip(kernels, biases, steps, strict=True):
            inner = torch.tanh(_circular(wide, kernel) + bias[:, None])
            wide = wide + h * _circular(inner, kernel.transpose(0, 1).flip(2))
        return wide[:, :1]

    return forward


def _circular(values: Tensor, kernel: Tensor) -> Tensor:
    return functional.conv1d(functional.pad(values, (1, 1), mode="circular"), kernel)


def _growth(forward: Callable[[Tensor], Tensor], seed: int) -> tuple[float, float]:
    state = _waves(seed)
    nudge = 1e-6 * torch.randn(state.shape, generator=torch.Generator().manual_seed(seed + 100), dtype=torch.float64)
    end, moved = forward(torch.cat((state, state + nudge))).chunk(2)
    return float(end.abs().max() / state.abs().max()), float((moved - end).norm() / nudge.norm())


def _waves(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = 2 * math.pi / SIZE * torch.arange(SIZE, dtype=torch.float64)
    phases = 2 * math.pi * torch.rand(4, 1, 4, 1, generator=generator, dtype=torch.float64)
    return torch.sin(torch.arange(1, 5)[:, None] * x + phases).sum(2)
