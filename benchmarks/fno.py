"""The Fourier neural operator: ours against `neuraloperator`'s with the same weights, per pass and over a training.

Ours has one weight per mode and no bias of the spectral layer, so the peer is told to have the same: no channel
networks between the layers, no grid as an input, and the bias of our pointwise path as that of its spectral layer.
Without channel networks version 2.0 applies its non-linearity twice in a row; here it is applied once, as in the paper.
The answers then agree to rounding. Where `neuraloperator` is not installed, only our seconds are printed.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from benchmarks import Row, difference, paired, version
from sciml.core import registry
from sciml.core.capabilities import MapsFunctions
from sciml.models import FNO
from sciml.tasks.operator import OPERATOR, OperatorConfig

CASES = (
    ("1 axis, 128 points, width 32, 16 modes, batch 16", (128,), 32, 16, 16),
    ("1 axis, 1024 points, width 64, 16 modes, batch 16", (1024,), 64, 16, 16),
    ("2 axes, 32 x 32, width 32, 12 modes, batch 8", (32, 32), 32, 12, 8),
)
LAYERS = 4
STEPS = 60


def race(quick: bool) -> Iterable[Row]:
    """Rows for passes and training steps (the first case alone if quick), and for a training from the same weights."""
    for case, size, width, modes, batch in CASES[:1] if quick else CASES:
        torch.manual_seed(0)
        ours = FNO(in_channels=1, out_channels=1, dims=len(size), modes=modes, width=width, layers=LAYERS)
        peer, x = twin(ours, modes, width), torch.randn(batch, 1, *size)
        for what, run in (("forward", _forward), ("training step", _train)):
            yield _row(f"{what}, {case}", run(ours, x), None if peer is None else run(peer, x), ours, peer, x)
    yield _training()


def twin(ours: FNO, modes: int, width: int) -> nn.Module | None:
    """The peer's network with our weights; None where it is not installed."""
    try:
        models: Any = importlib.import_module("neuralop.models")
    except ImportError:
        return None
    dims = ours.dims
    peer = models.FNO(
        n_modes=(*(2 * modes,) * (dims - 1), 2 * modes - 2),
        in_channels=ours.in_channels,
        out_channels=ours.out_channels,
        hidden_channels=width,
        n_layers=LAYERS,
        positional_embedding=None,
        use_channel_mlp=False,
        fno_skip="linear",
    )
    blocks: Any = peer.fno_blocks
    skips = list(ours.skip.children())
    blocks.non_linearity = _EveryOther()
    with torch.no_grad():
        for i, spectral in enumerate(ours.spectral.children()):
            convolution = blocks.convs[i]
            shape = (*(2 * modes,) * (dims - 1), modes, width, width)
            weight = torch.view_as_complex(spectral.get_parameter("weight").detach()).view(shape)
            for axis in range(dims - 1):  # the peer's begin at wavenumber -m
                weight = weight.roll(modes, axis)
            convolution.weight.tensor.copy_(weight.movedim((-2, -1), (0, 1)))
            path = skips[i]
            convolution.bias.copy_(path.get_parameter("bias").view_as(convolution.bias))
            blocks.fno_skips[i].conv.weight.copy_(path.get_parameter("weight").flatten(2)[..., :1])
        for mine, theirs in ((ours.lift, peer.lifting), (ours.project, peer.projection)):
            layers = [layer for layer in mine.children() if not isinstance(layer, nn.GELU)]
            for source, target in zip(layers, theirs.fcs, strict=True):
                target.weight.copy_(source.get_parameter("weight").flatten(2)[..., :1].view_as(target.weight))
                target.bias.copy_(source.get_parameter("bias"))
    return peer


class _EveryOther:
    """GELU at the first of two calls, nothing at the second."""

    def __init__(self) -> None:
        self.due = True

    def __call__(self, x: Tensor) -> Tensor:
        self.due = not self.due
        return x if self.due else gelu(x)


def _forward(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    @torch.no_grad()
    def run() -> Tensor:
        return network(x)

    return run


def _train(network: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.0)  # a rate of 0 leaves the weights comparable

    def run() -> Tensor:
        optimiser.zero_grad()
        loss = network(x).square().mean()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return run


def _row(
    case: str,
    ours: Callable[[], Tensor],
    theirs: Callable[[], Tensor] | None,
    network: nn.Module,
    peer: nn.Module | None,
    x: Tensor,
) -> Row:
    if theirs is None or peer is None:
        seconds, answer = (paired(ours, ours, repeats=9)[0], None), None
    else:
        with torch.no_grad():
            answer = difference(network(x), peer(x))
        seconds = paired(ours, theirs, repeats=9)
    return Row(case=case, ours_s=seconds[0], peer="neuraloperator", peer_version=version("neuraloperator"),
               peer_s=seconds[1], equal=answer)  # fmt: skip


def _training() -> Row:
    """Burgers' equation to a later time, from the same weights by the same optimiser; `differ` compares the errors."""
    problem = registry.problem("burgers_operator")
    assert isinstance(problem, MapsFunctions)
    bench = OPERATOR.prepare(problem, "tiny", OperatorConfig(probes=()))
    train, test = bench.splits["train"], bench.splits["test"]
    u, v = train.functions[train.row][:, None], train.values.transpose(1, 2)
    torch.manual_seed(0)
    ours = FNO(in_channels=1, out_channels=1, dims=1, modes=16, width=32, layers=LAYERS)
    networks = [network for network in (ours, twin(ours, 16, 32)) if network is not None]
    errors: list[float] = []

    def fit(network: nn.Module) -> Callable[[], None]:
        start = {name: value.clone() for name, value in network.named_parameters()}

        def run() -> None:
            network.load_state_dict(start, strict=False)
            optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
            for step in range(STEPS):
                rows = torch.arange(16 * step, 16 * (step + 1)) % len(u)
                optimiser.zero_grad()
                gap = (network(u[rows]) - v[rows]).flatten(1).norm(dim=1) / v[rows].flatten(1).norm(dim=1)
                gap.mean().backward()
                optimiser.step()

        return run

    runs = [fit(network) for network in networks]
    seconds = paired(runs[0], runs[-1], repeats=3, warmup=0)
    for network in networks:
        with torch.no_grad():
            answer = network(test.functions[test.row][:, None]).transpose(1, 2)
        errors.append(float(((answer - test.values).norm(dim=1) / test.values.norm(dim=1)).mean()))
    return Row(
        case=f"Burgers, {STEPS} steps of Adam from the same weights",
        ours_s=seconds[0],
        peer="neuraloperator",
        peer_version=version("neuraloperator"),
        peer_s=seconds[1] if len(networks) > 1 else None,
        equal=abs(errors[0] - errors[-1]) / errors[-1] if len(networks) > 1 else None,
        note="test errors " + " and ".join(f"{error:.4f}" for error in errors),
    )
