"""What pruning costs and what it brings: a masked step against a plain one, compressed rows against full products.

The peer of a step is momentum SGD of torch with the same weight decay, and no mask. The peer of compressed rows (CSR)
is the full product of the same matrix, zeros included, which is what every framework computes for a mask; both products
are torch's. Times are the shortest of interleaved repeats on one thread, as the tool itself measures them.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import Row, difference, version
from sciml.nn import MLP, compressed_rows
from sciml.tools.cost import measure_latencies
from sciml.tools.prune import SparseMomentumRule, Weight, measure_product, prunable
from sciml.train import GradientRule, StepRule, TrainConfig

STEPS = (("4 x 64", 64, 4), ("4 x 256", 256, 4), ("4 x 512", 512, 4))
SIZES = ((256, 1), (256, 64), (1024, 1), (1024, 64))
SHARES = (0.2, 0.1, 0.05, 0.01)


def race(quick: bool) -> Iterable[Row]:
    """Rows for steps and for products (the first size alone if quick)."""
    for name, width, layers in STEPS[:1] if quick else STEPS:
        yield _step(name, width, layers)
    for size, columns in SIZES[:1] if quick else SIZES:
        for share in SHARES:
            yield _product(size, columns, share)


def _step(name: str, width: int, layers: int) -> Row:
    """A step at ratio 10 against one without a mask, of networks with the same weights; batches of 64."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 40), torch.randn(64, 40)

    def stepper(masked: bool) -> Callable[[], Tensor]:
        torch.manual_seed(1)
        module = MLP(40, 40, width=width, layers=layers)
        weights = prunable(module).weights
        config = TrainConfig(steps=10**6, learning_rate=1e-3, warmup=0.0, weight_decay=1e-4)
        count = sum(weight.entries for weight in weights) // 10
        rule: StepRule[tuple[Tensor, Tensor]] = (
            SparseMomentumRule(module, _loss, config, weights=weights, count=count, momentum=0.98)
            if masked
            else GradientRule(module, _loss, config, optimiser=_plain(module, weights))
        )
        return lambda: rule.step((x, y), 0.0)

    entries = prunable(MLP(40, 40, width=width, layers=layers)).entries
    ours, peer = stepper(True), stepper(False)
    times = measure_latencies({"ours": ours, "peer": peer}, repeats=150, patience=15.0)
    ours_s, peer_s = times["ours"].seconds, times["peer"].seconds
    return Row(case=f"step, {name}, {entries:,} entries, batch 64", ours_s=ours_s, peer="the same without a mask",
               peer_version=version("torch"), peer_s=peer_s,
               note=f"the mask adds {100 * (ours_s / peer_s - 1):.0f} %")  # fmt: skip


def _loss(net: nn.Module, batch: tuple[Tensor, Tensor], along: float) -> Tensor:
    return (net(batch[0]) - batch[1]).square().mean()


def _plain(module: nn.Module, weights: Sequence[Weight]) -> torch.optim.Optimizer:
    decaying = [weight.tensor for weight in weights]
    rest = [p for p in module.parameters() if not any(p is tensor for tensor in decaying)]
    groups = [{"params": decaying, "weight_decay": 1e-4}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=1e-3, momentum=0.98)


def _product(size: int, columns: int, share: float) -> Row:
    torch.manual_seed(0)
    full = torch.randn(size, size) * (torch.rand(size, size) < share)
    rows, x = compressed_rows(full), torch.randn(columns, size)
    with torch.no_grad():
        equal = difference((rows @ x.T).T, functional.linear(x, full))
    full_s, rows_s = measure_product(full, full != 0, x, 2.0)
    return Row(case=f"product, {size} x {size}, {columns} columns, {100 * share:g} % left", ours_s=rows_s,
               peer="full product", peer_version=version("torch"), peer_s=full_s, equal=equal)  # fmt: skip
