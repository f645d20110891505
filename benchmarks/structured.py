"""Structured matrices against dense ones: GBLR at a quarter of the multiplications, tuned on this machine.

The blocks are those that `sciml.tools.structure.find_blocks` finds for two kernels of 128 points, enlarged to n; the
contents are random, since a product takes as long whatever it multiplies. Ours is the form that `sciml.tools.autotune`
keeps, the peer the same matrix as a `torch.nn.Linear`; a low-rank layer of the same cost is a row of its own. Seconds
are minima of interleaved repeats on one thread, and answers agree to rounding.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from benchmarks import Row, difference, version
from sciml.nn import low_rank_of, structured_like, unstructured_of
from sciml.nn.structured import Rectangle, Rectangles, Shape, rectangles_cost
from sciml.tools.autotune import AutotuneConfig, TuningPlan, transfer_tuning, tune_layer
from sciml.tools.cost import measure_latencies
from sciml.tools.structure import Layout, find_blocks

POINTS, SHARE = 128, 0.25
SIZES = ((512, 64), (512, 1024), (1024, 64), (1024, 1024), (256, 64), (512, 1))
KERNELS = ("band", "rough decay")


def race(quick: bool) -> Iterable[Row]:
    """Rows by kernel, n and batch; one kernel and the first size if quick."""
    for kernel in KERNELS[:1] if quick else KERNELS:
        for cells, sizes in ((8, SIZES), (4, SIZES[:1])):
            layout = blocks_of(kernel, cells)
            for n, batch in sizes[:1] if quick else sizes:
                torch.manual_seed(0)
                layer = structured_like(nn.Linear(n, n), Rectangles(blocks=enlarged(layout.rectangles, n // POINTS)))
                yield row(f"GBLR of a {kernel} kernel, {cells} cells", layer, n, batch, layout.error**0.5)
    for n, batch in SIZES[:1] if quick else SIZES:
        torch.manual_seed(0)
        yield row("low rank", low_rank_of(nn.Linear(n, n), round(SHARE * n / 2)), n, batch)


def blocks_of(kernel: str, cells: int) -> Layout:
    """Blocks of a kernel at a quarter of its multiplications."""
    x = (torch.arange(POINTS, dtype=torch.float64) + 0.5) / POINTS
    distance = (x[:, None] - x).abs()
    rough = torch.randn(POINTS, POINTS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    dense = torch.exp(-0.5 * (distance * POINTS / 4) ** 2) if kernel == "band" else torch.exp(-8 * distance) * rough
    (layout,) = find_blocks(dense[None], Shape(POINTS, POINTS), [round(SHARE * POINTS**2)], steps=100, cells=cells)
    return layout


def enlarged(blocks: Iterable[Rectangle], factor: int) -> tuple[Rectangle, ...]:
    """The same blocks of a larger matrix: sides and ranks grow alike, and so the share of multiplications stays."""
    return tuple(
        Rectangle(
            rows=(factor * r.rows[0], factor * r.rows[1]),
            columns=(factor * r.columns[0], factor * r.columns[1]),
            rank=factor * r.rank,
        )
        for r in blocks
    )


@torch.no_grad()
def row(case: str, layer: nn.Module, n: int, batch: int, error: float | None = None) -> Row:
    """A layer in its fastest form against the dense one.

    Arguments:
        case: what it is.
        layer: n x n.
        n, batch: of the product.
        error: relative, of the kernel that its blocks stand for.
    """
    x, dense = torch.randn(batch, n), nn.Sequential(unstructured_of(layer)).eval()
    tuning = tune_layer(layer.eval(), x, AutotuneConfig(patience=2.0))
    tuned = transfer_tuning(nn.Sequential(layer), TuningPlan(layers={"0": tuning}))

    def call(module: nn.Module) -> Tensor:
        with torch.no_grad():
            return module(x)

    times = measure_latencies({"ours": lambda: call(tuned), "dense": lambda: call(dense)}, patience=3.0)
    blocks = [one.rectangle for one in tuning.blocks]
    merged = f" into {len(blocks)} blocks, {rectangles_cost(blocks) / n**2:.2f} of the FLOPs" if blocks else ""
    return Row(
        case=f"{case}, n = {n}, batch {batch}",
        ours_s=times["ours"].seconds,
        peer="dense",
        peer_version=version("torch"),
        peer_s=times["dense"].seconds,
        equal=difference(call(tuned), call(dense)),
        note=f"{tuning.form}{merged}" + ("" if error is None else f"; the kernel within {100 * error:.2g} %"),
    )
