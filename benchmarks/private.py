"""A private step with bounds from the layers against one that clips the gradients of single samples.

Both are of the same network (6 inputs, orthogonal layers, GroupSort), with noise, Adam and projection. The first peer
takes the gradients of samples by `torch.func`, as `method=clip` does. The second, where it is installed, is Opacus
(hooks) on a network of the same size with tanh, without projection.
"""

import importlib.util
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from benchmarks import Row, paired, version
from sciml.models import LipschitzMLP
from sciml.tasks.regression import RowBatch
from sciml.tools.privacy import Mechanism, PrivateRule
from sciml.train import Certified, TrainConfig

SIZES = (256, 1024, 4096, 8192)


class _Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = LipschitzMLP(6, 1, width=width, layers=2)


def _loss(module: nn.Module, batch: RowBatch, along: float) -> Tensor:
    return nn.functional.huber_loss(module.map(batch.parameters), batch.targets, delta=0.5)  # pyright: ignore


def race(quick: bool) -> Iterable[Row]:
    """Rows by batch size (the smallest alone if quick)."""
    for width in (64,) if quick else (64, 256):
        for size in SIZES[:1] if quick else SIZES:
            yield from _steps(width, size)


def _steps(width: int, size: int) -> Iterable[Row]:
    generator = torch.Generator().manual_seed(0)
    batch = RowBatch(torch.randn(size, 6, generator=generator), torch.randn(size, 1, generator=generator))
    ours, clipped, plain = (_stepper(width, size, batch, kind) for kind in ("bounds", "clip", "plain"))
    repeats = 5 if size > 1024 else 9
    ours_s, peer_s = paired(ours, clipped, repeats=repeats)
    again_s, plain_s = paired(ours, plain, repeats=repeats)
    yield Row(case=f"step, 2 x {width}, batch {size}", ours_s=ours_s, peer="per-sample gradients (torch.func)",
              peer_version=version("torch"), peer_s=peer_s,
              note=f"{again_s / plain_s:.2f} times a plain step of Adam")  # fmt: skip
    if importlib.util.find_spec("opacus") is not None:
        ours_s, peer_s = paired(ours, _opacus(width, batch), repeats=repeats)
        yield Row(case=f"step, 2 x {width}, batch {size}", ours_s=ours_s, peer="Opacus",
                  peer_version=version("opacus"), peer_s=peer_s)  # fmt: skip


def _stepper(width: int, size: int, batch: RowBatch, kind: str) -> Callable[[], object]:
    torch.manual_seed(0)
    net = _Net(width)
    if kind == "plain":
        optimiser = torch.optim.Adam(net.parameters(), 1e-3)

        def step() -> None:
            optimiser.zero_grad()
            _loss(net, batch, 0.0).backward()
            optimiser.step()

        return step
    certified = Certified(net.map.chain, math.inf, 0.5, {}) if kind == "bounds" else None
    mechanism = Mechanism(20 * size, 0.05, 1.0, 10**5, 1e-7)
    rule = PrivateRule(
        net, _loss, TrainConfig(steps=10**5, learning_rate=1e-3), mechanism=mechanism, certified=certified
    )
    return lambda: rule.step(batch, 0.0)


def _opacus(width: int, batch: RowBatch) -> Callable[[], object]:
    from opacus import GradSampleModule  # pyright: ignore[reportMissingImports]
    from opacus.optimizers import DPOptimizer  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    layers = [nn.Linear(7, width, bias=False), nn.Tanh(), nn.Linear(width, width, bias=False), nn.Tanh()]
    net = GradSampleModule(nn.Sequential(*layers, nn.Linear(width, 1, bias=False)))
    inner = torch.optim.Adam(net.parameters(), 1e-3)
    optimiser = DPOptimizer(inner, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=len(batch))
    x = torch.cat((batch.parameters, torch.ones(len(batch), 1)), dim=1)

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.huber_loss(net(x), batch.targets, delta=0.5).backward()
        optimiser.step()

    return step
