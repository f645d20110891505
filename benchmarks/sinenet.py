"""What a step of SineNet costs: against other networks of its size, stock layers, precisions and threads.

Equal parameters are not equal work: every wave visits the full grid again. This race puts numbers on it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from benchmarks import Row, difference, paired, version
from sciml.core.capabilities import HasTrajectories
from sciml.core.problem import Field
from sciml.core.types import Axis, Grid
from sciml.data import Statistics
from sciml.nn import Upsample
from sciml.solvers.baselines import FNOConfig, FNOSolver, UNetConfig, UNetSolver
from sciml.solvers.sinenet import SineNetConfig, SineNetSolver, width_for
from sciml.tasks.forecast import ForecastContext
from sciml.train import count_parameters, match_parameters

SIZE, BATCH, HISTORY, FIELDS = 32, 16, 2, 3
PARAMETERS = 300_000
GRID = Grid((Axis("y", SIZE, 0.0, 1.0), Axis("x", SIZE, 0.0, 1.0)))
PROBLEM = HasTrajectories(
    name="race",
    title="race",
    equation="",
    fields=tuple(Field(name, name, "1", name) for name in "huv"),
    boundary={"y": "periodic", "x": "periodic"},
    citation="",
)
CONTEXT = ForecastContext(
    grid=GRID,
    statistics=Statistics(torch.zeros(FIELDS), torch.ones(FIELDS), torch.zeros(0), torch.zeros(0)),
    history=HISTORY,
    dt=1.0,
    steps=1,
)


def race(quick: bool) -> Iterable[Row]:
    """Rows for wave counts, stock layers, memory layout, precision and threads."""
    repeats = 5 if quick else 15
    torch.manual_seed(0)
    inputs = torch.randn(BATCH, HISTORY * FIELDS, SIZE, SIZE)
    yield from _against_networks((1, 4) if quick else (1, 2, 4, 8), inputs, repeats)
    network = _sinenet(2)
    for work in (_forward, _train):
        ours = work(network, inputs)
        for peer, stock in (
            ("torch layers", (_stock_padding, _stock_upsampling, _contiguous)),
            ("torch circular pad", (_stock_padding,)),
            ("torch bicubic", (_stock_upsampling,)),
            ("contiguous layout", (_contiguous,)),
        ):
            yield _row(f"K=2 {work.__name__[1:]}", ours, peer, _patched(stock, ours), repeats)
        yield _row(f"K=2 {work.__name__[1:]} bf16", _autocast(ours), "fp32", ours, repeats)
        yield _row(f"K=2 {work.__name__[1:]} 1 thread", ours, "2 threads", _threads(2, ours), repeats)


def _against_networks(waves: Iterable[int], inputs: Tensor, repeats: int) -> Iterator[Row]:
    unet, fno = UNetSolver(), FNOSolver()
    unet_config = match_parameters(unet, PROBLEM, UNetConfig(levels=3), CONTEXT, PARAMETERS)
    fno_config = match_parameters(fno, PROBLEM, FNOConfig(modes=8), CONTEXT, PARAMETERS)
    peers = {
        "U-Net": unet.network(PROBLEM, unet_config, CONTEXT),
        "FNO": fno.network(PROBLEM, fno_config, CONTEXT),
    }
    for count in waves:
        network = _sinenet(count)
        for work in (_forward, _train):
            for name, peer in peers.items():
                seconds = paired(work(network, inputs), work(peer, inputs), repeats=repeats)
                yield Row(
                    case=f"K={count} {work.__name__[1:]}, {BATCH} x {SIZE}^2",
                    ours_s=seconds[0],
                    peer=name,
                    peer_version=version("sciml"),
                    peer_s=seconds[1],
                    note=f"{count_parameters(network):,} against {count_parameters(peer):,} parameters",
                )


def _row(case: str, ours: Callable[[], Tensor], peer: str, theirs: Callable[[], Tensor], repeats: int) -> Row:
    equal = difference(ours(), theirs())
    ours_s, peer_s = paired(ours, theirs, repeats=repeats)
    return Row(case=case, ours_s=ours_s, peer=peer, peer_version=torch.__version__, peer_s=peer_s, equal=equal)


def _sinenet(waves: int) -> nn.Module:
    config = SineNetConfig(waves=waves, levels=3, width=12)
    channels = {"channels_in": HISTORY * FIELDS, "channels_out": FIELDS}
    multiplier = width_for(PARAMETERS, waves, config=config, **channels)
    return SineNetSolver().network(PROBLEM, config.model_copy(update={"multiplier": multiplier}), CONTEXT)


def _forward(network: nn.Module, inputs: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.no_grad():
            return network(inputs).float()

    return run


def _train(network: nn.Module, inputs: Tensor) -> Callable[[], Tensor]:
    """Forward, backward, and the gradients as one vector (no update, so that both sides see the same weights)."""

    def run() -> Tensor:
        network.zero_grad()
        network(inputs).float().square().mean().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    return run


def _patched(stock: tuple[Callable[[], Any], ...], work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with ExitStack() as stack:
            for replacement in stock:
                stack.enter_context(replacement())
            return work()

    return run


def _stock_padding() -> Any:
    def padding(x: Tensor, amounts: tuple[int, int]) -> Tensor:
        y, x_pad = amounts
        return pad(x, (x_pad, x_pad, y, y), mode="circular") if any(amounts) else x

    return patch("sciml.nn._pad.circular_pad", padding)


def _stock_upsampling() -> Any:
    def upsample(self: Upsample, x: Tensor) -> Tensor:
        assert self.modes == ("circular", "circular")
        wide = pad(x, (2, 2, 2, 2), mode="circular")
        return interpolate(wide, scale_factor=2, mode="bicubic", align_corners=False)[..., 4:-4, 4:-4]

    return patch.object(Upsample, "forward", upsample)


def _contiguous() -> Any:
    return patch("sciml.models._sinenet.channels_last", lambda x: x)


def _autocast(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return work()

    return run


def _threads(count: int, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            return work()
        finally:
            torch.set_num_threads(before)

    return run
